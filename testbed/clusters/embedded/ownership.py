"""Field ownership: server-side apply, and the bookkeeping of all other writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import fieldsets
from testbed.clusters.embedded.documents import Document, Value, metadata_of, timestamp
from testbed.clusters.embedded.field_errors import ApiError

if TYPE_CHECKING:
    from testbed.clusters.embedded.fieldsets import FieldSet, Schema

_OWNABLE_METADATA: Final = (
    "generateName",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The field manager of a write, and its subresource."""

    name: str
    api_version: str
    subresource: str = ""
    status_apart: bool = False

    def owns(self, entry: Document, *, operation: str) -> bool:
        """Whether that entry of `managedFields` belongs to this writer."""
        return (
            entry["manager"] == self.name
            and entry["operation"] == operation
            and entry.get("subresource", "") == self.subresource
            and (operation == "Apply" or entry["apiVersion"] == self.api_version)
        )

    def entry(self, fields: FieldSet, *, operation: str) -> Document:
        """A new entry of `managedFields`."""
        entry: Document = {
            "manager": self.name,
            "operation": operation,
            "apiVersion": self.api_version,
            "time": timestamp(),
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry

    def view(self, document: Document | None) -> Document:
        """The part of a document that this subresource may change."""
        whole = ownable(document or {})
        if not self.status_apart:
            return whole
        if self.subresource == "status":
            return {"status": whole["status"]} if "status" in whole else {}
        whole.pop("status", None)
        return whole


def ownable(document: Document) -> Document:
    """The part of a document whose fields have owners."""
    view = {name: value for name, value in document.items() if name not in {"apiVersion", "kind"}}
    metadata = metadata_of(document)
    kept = {name: metadata[name] for name in _OWNABLE_METADATA if metadata.get(name)}
    if kept:
        view["metadata"] = kept
    else:
        view.pop("metadata", None)
    return view


def after_update(
    old: Document | None, new: Document, *, schema: Schema, writer: Writer
) -> list[Document]:
    """`managedFields` after a write other than apply: the changed fields are the writer's."""
    entries: list[Document] = list(metadata_of(old or {}).get("managedFields") or ())
    if old is not None and not entries:
        return []  # the real server starts tracking at the creation or the first apply, not later
    before, after = writer.view(old), writer.view(new)
    before.setdefault("metadata", {})
    after.setdefault("metadata", {})
    changes = fieldsets.compare(before, after, schema)
    if not (changes.added or changes.changed or changes.removed):
        return entries
    touched = fieldsets.union(changes.added, changes.changed)
    gone = fieldsets.union(touched, changes.removed)
    kept: list[Document] = []
    own: FieldSet = {}
    own_entry: Document | None = None
    for entry in entries:
        if writer.owns(entry, operation="Update"):
            own, own_entry = entry["fieldsV1"], entry
        elif (rest := _without(entry, gone)) is not None:
            kept.append(rest)
    fields = fieldsets.difference(fieldsets.union(own, touched), changes.removed)
    if own_entry is not None and fields == own and not touched:
        kept.append(own_entry)
    elif fields:
        kept.append(writer.entry(fields, operation="Update"))
    return _sorted(kept)


def apply(
    live: Document | None,
    applied: Document,
    *,
    schema: Schema,
    writer: Writer,
    force: bool,
) -> tuple[Document, list[Document]]:
    """Server-side apply: the merged document and its `managedFields`.

    Raises:
        ApiError: 409, another manager owns a field with another value and `force` is off.
    """
    wanted = writer.view(applied)
    fields = fieldsets.of_applied(wanted, schema)
    entries: list[Document] = list(metadata_of(live or {}).get("managedFields") or ())
    current = ownable(live or {})
    if current and not entries:
        entries = [_before_first_apply(current, schema, writer)]
    mine = next((entry for entry in entries if writer.owns(entry, operation="Apply")), None)
    others = [entry for entry in entries if entry is not mine]
    merged: Document = merge(current, wanted, schema)
    if mine is not None:
        owned = fields
        for entry in others:
            owned = fieldsets.union(owned, entry["fieldsV1"])
        dropped = fieldsets.difference(mine["fieldsV1"], owned)
        merged = _remove(merged, dropped, owned, schema) or {}
    changes = fieldsets.compare(current, merged, schema)
    touched = fieldsets.union(changes.added, changes.changed)
    if not force:
        _refuse_conflicts(others, touched)
    gone = fieldsets.union(touched, changes.removed)
    kept = [rest for entry in others if (rest := _without(entry, gone)) is not None]
    if fields:
        entry = writer.entry(fields, operation="Apply")
        if not gone:
            # The time is that of the last change to the object, not to its owners.
            entry["time"] = mine.get("time") if mine else None
            entry = {name: value for name, value in entry.items() if value is not None}
        kept.append(entry)
    return _graft(live, merged, applied), _sorted(kept)


def merge(live: Value, applied: Value, schema: Schema) -> Value:
    """The live value, merged with an applied configuration."""
    if isinstance(live, dict) and isinstance(applied, dict) and not fieldsets.is_atomic(schema):
        merged = dict(live)
        for name, value in applied.items():
            below = fieldsets.child_schema(schema, name)
            merged[name] = merge(live[name], value, below) if name in live else value
        return merged
    if isinstance(live, list) and isinstance(applied, list):
        before = fieldsets.items_by_key(live, schema)
        after = fieldsets.items_by_key(applied, schema)
        if before is not None and after is not None:
            item_schema = (schema or {}).get("items")
            joined = dict(before)
            for key, item in after.items():
                joined[key] = merge(joined[key], item, item_schema) if key in joined else item
            return list(joined.values())
    return applied


def _remove(value: Value, dropped: FieldSet, owned: FieldSet, schema: Schema) -> Value:
    """Remove what this applier no longer names and no manager owns; None if nothing is left."""
    below = fieldsets.members(value, schema)
    if below is None:
        return value
    kept: dict[str, Value] = {}
    for key, (member, member_schema) in below.items():
        part = dropped.get(key)
        if part is None:
            kept[key] = member
            continue
        if fieldsets.contains_itself(part) and key not in owned:
            continue
        left = _remove(member, part, owned.get(key, {}), member_schema)
        if left is not None or key in owned:
            kept[key] = member if left is None else left
    if not kept:
        return None
    if isinstance(value, dict):
        return {key[2:]: member for key, member in kept.items()}
    return list(kept.values())


def _before_first_apply(current: Document, schema: Schema, writer: Writer) -> Document:
    """The manager of an object that was written before its fields were tracked."""
    fields = fieldsets.of_everything(current, schema)
    fields.pop(".", None)
    author = Writer(name="before-first-apply", api_version=writer.api_version)
    return author.entry(fields, operation="Update")


def _refuse_conflicts(others: list[Document], touched: FieldSet) -> None:
    conflicts: list[tuple[str, str]] = []
    for entry in others:
        both = fieldsets.intersection(entry["fieldsV1"], touched)
        conflicts += [(_title(entry), path) for path in fieldsets.paths(both)]
    if not conflicts:
        return
    if len(conflicts) == 1:
        text = f"conflict: conflict with {conflicts[0][0]}: {conflicts[0][1]}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in conflicts}):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {path}" for owner, path in conflicts if owner == manager]
        text = "conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in conflicts
    ]
    raise ApiError(
        f"Apply failed with {len(conflicts)} {text}",
        code=409,
        reason="Conflict",
        details={"causes": causes},
    )


def _title(entry: Document) -> str:
    title = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        title += f' with subresource "{entry["subresource"]}"'
    return title if entry["operation"] == "Apply" else f"{title} using {entry['apiVersion']}"


def _without(entry: Document, gone: FieldSet) -> Document | None:
    rest = fieldsets.difference(entry["fieldsV1"], gone)
    if rest == entry["fieldsV1"]:
        return entry
    return {**entry, "fieldsV1": rest} if rest else None


def _graft(live: Document | None, merged: Document, applied: Document) -> Document:
    """The merged part on the live document: identity, versions and the like stay unchanged."""
    metadata = {
        name: value
        for name, value in metadata_of(live or applied).items()
        if name not in _OWNABLE_METADATA
    }
    metadata.update(merged.get("metadata") or {})
    head = {"apiVersion": applied["apiVersion"], "kind": applied["kind"], "metadata": metadata}
    return {**head, **{name: value for name, value in merged.items() if name != "metadata"}}


def _sorted(entries: list[Document]) -> list[Document]:
    return sorted(
        entries,
        key=lambda entry: (
            entry["operation"],
            entry.get("time", ""),
            entry["manager"],
            entry["apiVersion"],
            entry.get("subresource", ""),
        ),
    )
