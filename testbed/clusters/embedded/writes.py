"""Creating and changing objects: from a request to the store."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import admission, field_errors, ownership, patches, refusals, typed
from testbed.clusters.embedded.documents import Document, Value, compact, metadata_of, timestamp
from testbed.clusters.embedded.field_errors import bad_request, by_kind, by_plural, invalid
from testbed.clusters.embedded.ownership import Writer
from testbed.clusters.embedded.store import ObjectKey, Record, Store

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Resource

NAMESPACES: Final = ("", "namespaces")
_SUFFIX: Final = "bcdfghjklmnpqrstvwxz2456789"
_FROM_CLIENT: Final = ("generateName", "labels", "annotations", "ownerReferences", "finalizers")
_KEPT: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The object of a request, and the options of the write."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    manager: str = "unknown"
    validation: str = "Warn"
    force: bool = False
    dry_run: bool = False

    @property
    def key(self) -> ObjectKey:
        """The key under which the object is stored."""
        return self.namespace, self.name

    @property
    def writer(self) -> Writer:
        """The manager of the fields that this request changes."""
        return Writer(
            name=self.manager,
            api_version=self.resource.api_version,
            subresource=self.subresource,
            status_apart=self.resource.has_status,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """The stored version, whether it is the first, and the warnings for the client."""

    record: Record
    created: bool = False
    warnings: tuple[str, ...] = ()


class Writes:
    """Writes into a store by the rules of the API."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, target: Target, body: Document) -> Written:
        """POST."""
        resource = target.resource
        refusals.check_type(target, body)
        document, unknown = self._shape(target, body)
        metadata = metadata_of(document)
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if refusals.namespace_differs(target, metadata):
            raise refusals.other_namespace()
        name = metadata.get("name") or ""
        if not name and metadata.get("generateName"):
            name = metadata["generateName"] + "".join(random.choices(_SUFFIX, k=5))  # noqa: S311  not a secret
        if target.namespace:
            self._require_namespace(target, name)
        key = (target.namespace, name)
        document = self._newborn(document, target=target, name=name)
        self._validate(target, document, None)
        if self._store.get(resource.key, key) is not None:
            raise field_errors.already_exists(by_plural(resource, name))
        claimed = document
        if resource.key == NAMESPACES:  # the server itself sets its finalizer
            claimed = {part: value for part, value in document.items() if part != "spec"}
        entries = ownership.after_update(
            None, claimed, schema=resource.ownership, writer=target.writer
        )
        return self._save(target, key, document, entries, warnings=refusals.warn(unknown))

    def replace(self, target: Target, body: Document) -> Written:
        """PUT; it needs the version that it replaces, except for kinds without that requirement."""
        resource = target.resource
        refusals.check_type(target, body)
        if refusals.namespace_differs(target, metadata_of(body)):
            raise refusals.other_namespace()
        name = metadata_of(body).get("name") or target.name
        if name != target.name:
            raise bad_request(
                f"the name of the object ({name}) does not match "
                f"the name on the URL ({target.name})"
            )
        old = self._existing(target)
        uid = metadata_of(body).get("uid")
        if uid and uid != metadata_of(old.document)["uid"]:
            raise field_errors.precondition_failed(
                by_plural(resource, target.name),
                f"Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {metadata_of(old.document)['uid']}",
            )
        needs = resource.custom or resource.kind in {"Lease", "CustomResourceDefinition"}
        if needs and not metadata_of(body).get("resourceVersion"):
            detail = "must be specified for an update"
            problem = field_errors.invalid_value("metadata.resourceVersion", 0, detail)
            raise invalid(by_plural(resource, target.name), [problem])
        document, unknown = self._shape(target, body)
        return self._update(target, old, document, warnings=refusals.warn(unknown))

    def patch(self, target: Target, body: Value, *, kind: str) -> Written:
        """PATCH with a merge patch, JSON patch or strategic merge patch."""
        resource = target.resource
        old = self._existing(target)
        stored = old.document
        shown = resource.conversion.read(stored) if resource.conversion else stored
        patched = patches.patch(shown, body, kind=kind, schema=resource.ownership)
        patched = {**patched, "apiVersion": resource.api_version, "kind": resource.kind}
        document, unknown = self._shape(target, patched, patching=True)
        return self._update(target, old, document, warnings=refusals.warn(unknown))

    def apply(self, target: Target, body: Document) -> Written:
        """PATCH with a server-side apply; it creates a missing object."""
        resource = target.resource
        typed.require_typed(target.resource, body)
        applied_name = metadata_of(body).get("name")
        if applied_name and applied_name != target.name:
            raise bad_request(
                f"the name of the object ({applied_name}) does not match "
                f"the name on the URL ({target.name})"
            )
        old = self._store.get(resource.key, target.key)
        if old is None and target.subresource:
            raise field_errors.not_found(by_plural(resource, target.name))
        if old is None and target.namespace:
            self._require_namespace(target, target.name)
        # As in the real server: for a missing object, and as "0", a version has no meaning.
        expected = metadata_of(body).get("resourceVersion") or "0"
        if old is not None and expected not in ("0", str(old.version)):
            raise field_errors.modified(by_plural(resource, target.name))
        live = old.document if old else None
        merged, entries = ownership.apply(
            live, body, schema=resource.ownership, writer=target.writer, force=target.force
        )
        document, _ = self._shape(target, merged, lenient=True)
        if old is not None:
            return self._update(target, old, document, entries=entries)
        document = self._newborn(document, target=target, name=target.name)
        self._validate(target, document, None)
        return self._save(target, target.key, document, entries)

    def _update(
        self,
        target: Target,
        old: Record,
        document: Document,
        *,
        entries: list[Document] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Written:
        resource = target.resource
        expected = metadata_of(document).get("resourceVersion")
        if expected and expected != str(old.version):
            raise field_errors.modified(by_plural(resource, target.name))
        self._refuse_metadata(target, old.document, document)
        document = self._combined(target, old.document, document)
        document = admission.prepare(resource, document, creating=False)
        self._validate(target, document, old.document)
        if entries is None:
            entries = ownership.after_update(
                old.document, document, schema=resource.ownership, writer=target.writer
            )
        if _same(old.document, document, entries):
            return Written(old, warnings=warnings)
        return self._save(target, target.key, document, entries, warnings=warnings)

    def _combined(self, target: Target, old: Document, new: Document) -> Document:
        """The part of the new document that this subresource may change, on the old one."""
        resource = target.resource
        if target.subresource == "status":
            combined = {name: value for name, value in old.items() if name != "status"}
            if "status" in new:
                combined["status"] = new["status"]
            return combined
        before = metadata_of(old)
        metadata: Document = {name: before[name] for name in _KEPT if name in before}
        given = metadata_of(new)
        metadata |= {name: given[name] for name in _FROM_CLIENT if given.get(name)}
        combined = {**new, "metadata": metadata}
        if resource.has_status:
            combined.pop("status", None)
            if "status" in old:
                combined["status"] = old["status"]
        if resource.kind == "Namespace":
            combined["spec"] = old["spec"]
        if resource.counts_generations and _differs(old, combined, resource):
            metadata["generation"] = metadata.get("generation", 0) + 1
        return combined

    def _refuse_metadata(self, target: Target, old: Document, new: Document) -> None:
        before, after = metadata_of(old), metadata_of(new)
        found = []
        for name in ("name", "uid"):
            if after.get(name) and after[name] != before[name]:
                problem = field_errors.invalid_value(
                    f"metadata.{name}", after[name], "field is immutable"
                )
                found += [problem] * (2 if target.resource.custom else 1)
        if before.get("deletionTimestamp"):
            known = before.get("finalizers") or ()
            more = [one for one in after.get("finalizers") or () if one not in known]
            if more:
                listed = ", ".join(compact(one) for one in more)
                detail = (
                    "no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers []string{{{listed}}}"
                )
                found.append(field_errors.forbidden("metadata.finalizers", detail))
        if found:
            raise invalid(by_kind(target.resource, target.name), found)

    def _shape(
        self, target: Target, body: Document, *, patching: bool = False, lenient: bool = False
    ) -> tuple[Document, list[str]]:
        """The document in the structure of its kind, and its unknown fields."""
        resource = target.resource
        document = body
        unknown: list[str] = []
        if resource.validator is not None:
            document, unknown = resource.validator.shape(document)
        elif resource.known_fields:
            unknown = sorted(
                name
                for name in document
                if name not in resource.known_fields
                and name not in {"apiVersion", "kind", "metadata"}
            )
            if unknown:
                document = {key: value for key, value in document.items() if key not in unknown}
        if unknown and target.validation == "Strict" and not lenient:
            raise refusals.strict(resource, unknown, body if patching else None)
        if target.validation == "Ignore":
            unknown = []
        if resource.conversion is not None:
            document = resource.conversion.write(document)
        return document, unknown

    def _newborn(self, document: Document, *, target: Target, name: str) -> Document:
        resource = target.resource
        given = metadata_of(document)
        metadata: Document = {"name": name}
        if target.namespace:
            metadata["namespace"] = target.namespace
        metadata["uid"] = str(uuid.uuid4())
        if resource.counts_generations:
            metadata["generation"] = 1
        metadata["creationTimestamp"] = timestamp()
        metadata |= {key: given[key] for key in _FROM_CLIENT if given.get(key)}
        born = {**document, "metadata": metadata}
        if resource.has_status:
            born.pop("status", None)
            if resource.validator is not None:
                born, _ = resource.validator.shape(born)
        return admission.prepare(resource, born, creating=True)

    def _validate(self, target: Target, document: Document, old: Document | None) -> None:
        resource = target.resource
        name = metadata_of(document).get("name", "")
        found = []
        if old is None:
            found = admission.name_problems(resource, name) if name else [admission.name_required()]
        if resource.validator is not None:
            found += resource.validator.field_errors(document, old)
            if found and found[0].blocks_rules and field_errors.RULES_UNCHECKED not in found:
                found.append(field_errors.RULES_UNCHECKED)
        else:
            found += admission.check(resource, document, old)
        if found:
            raise invalid(by_kind(resource, name), found)

    def _save(
        self,
        target: Target,
        key: ObjectKey,
        document: Document,
        entries: list[Document],
        *,
        warnings: tuple[str, ...] = (),
    ) -> Written:
        resource = target.resource
        metadata = {**metadata_of(document)}
        metadata.pop("managedFields", None)
        if entries:
            metadata["managedFields"] = entries
        document = {**document, "metadata": metadata}
        before = self._store.get(resource.key, key)
        if target.dry_run:
            version = before.version if before else 0
            return Written(Record(document, version), created=before is None, warnings=warnings)
        dying = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        if before and dying and resource.key != NAMESPACES:
            self._store.remove(resource.key, key, last=document)
            return Written(Record(document, before.version), warnings=warnings)
        record = self._store.put(resource.key, key, document)
        return Written(record, created=before is None, warnings=warnings)

    def _existing(self, target: Target) -> Record:
        record = self._store.get(target.resource.key, target.key)
        if record is None:
            raise field_errors.not_found(by_plural(target.resource, target.name))
        return record

    def _require_namespace(self, target: Target, name: str) -> None:
        namespace = self._store.get(NAMESPACES, ("", target.namespace))
        if namespace is None:
            subject = field_errors.Subject(kind="namespaces", name=target.namespace)
            raise field_errors.not_found(subject)
        if metadata_of(namespace.document).get("deletionTimestamp"):
            raise refusals.terminating(target, name)


def _differs(old: Document, new: Document, resource: Resource) -> bool:
    apart = {"metadata", "status"} if resource.has_status else {"metadata"}
    return {name: value for name, value in old.items() if name not in apart} != {
        name: value for name, value in new.items() if name not in apart
    }


def _same(old: Document, new: Document, entries: list[Document]) -> bool:
    """Whether a write would change nothing; times in `managedFields` do not count."""
    before = metadata_of(old)
    if _timeless(before.get("managedFields") or []) != _timeless(entries):
        return False
    left = {**old, "metadata": {**before, "managedFields": None}}
    right = {**new, "metadata": {**metadata_of(new), "managedFields": None}}
    right["metadata"].setdefault("resourceVersion", before["resourceVersion"])
    return left == right


def _timeless(entries: list[Document]) -> list[Document]:
    return [{name: value for name, value in one.items() if name != "time"} for one in entries]
