"""Deletion of objects: finalizers, garbage collection, namespaces, kinds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import field_errors, ownership
from testbed.clusters.embedded.documents import (
    Document,
    metadata_of,
    timestamp,
    with_metadata,
)
from testbed.clusters.embedded.field_errors import by_kind, by_plural
from testbed.clusters.embedded.ownership import Writer
from testbed.clusters.embedded.store import Event, ObjectKey, Record, Store
from testbed.clusters.embedded.writes import NAMESPACES

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Registry, Resource, ResourceKey

DEFINITIONS: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
_CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
_DELAY: Final = 0.02
"""Seconds until the collector acts: long enough to be visibly separate from the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """The options of a delete."""

    uid: str | None = None
    version: str | None = None
    orphan: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """The deleted object; `gone` is false while finalizers, or contents, block its removal."""

    record: Record
    gone: bool


class Removal:
    """Deletes objects and their dependents."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._dependents: dict[str, set[tuple[ResourceKey, ObjectKey]]] = {}
        self._uids: set[str] = set()
        store.observe(self._on_event)

    def delete(self, resource: Resource, key: ObjectKey, options: DeleteOptions) -> Deleted:
        """DELETE of one object."""
        record = self._store.get(resource.key, key)
        if record is None:
            raise field_errors.not_found(by_plural(resource, key[1]))
        self._check_preconditions(resource, key, record, options)
        metadata = metadata_of(record.document)
        if options.dry_run:
            return Deleted(record, gone=not metadata.get("finalizers"))
        if options.orphan:
            self._orphan(metadata["uid"])
        if metadata.get("deletionTimestamp"):
            return Deleted(record, gone=False)
        document = record.document
        if resource.key == DEFINITIONS:
            finalizers = [*(metadata.get("finalizers") or ()), _CLEANUP]
            document = with_metadata(document, finalizers=finalizers)
        held = bool(metadata_of(document).get("finalizers")) or resource.key == NAMESPACES
        if not held:
            self._store.remove(resource.key, key)
            return Deleted(record, gone=True)
        dying = with_metadata(document, deletionTimestamp=timestamp())
        if resource.key == NAMESPACES:
            dying = {**dying, "status": {"phase": "Terminating"}}
        else:
            dying = with_metadata(dying, deletionGracePeriodSeconds=0)
        if metadata.get("generation"):
            dying = with_metadata(dying, generation=metadata["generation"] + 1)
        stored = self._store.put(resource.key, key, dying)
        if resource.key in {NAMESPACES, DEFINITIONS}:
            self._later(resource.key, key)
        return Deleted(stored, gone=False)

    def _check_preconditions(
        self, resource: Resource, key: ObjectKey, record: Record, options: DeleteOptions
    ) -> None:
        subject = by_kind(resource, key[1])
        uid = metadata_of(record.document)["uid"]
        if options.uid is not None and options.uid != uid:
            raise field_errors.precondition_failed(
                subject,
                f"the UID in the precondition ({options.uid}) does not match the UID in record "
                f"({uid}). The object might have been deleted and then recreated",
            )
        if options.version is not None and options.version != str(record.version):
            raise field_errors.precondition_failed(
                subject,
                f"the ResourceVersion in the precondition ({options.version}) does not match the "
                f"ResourceVersion in record ({record.version}). "
                "The object might have been modified",
            )

    # Owners and dependents

    def _on_event(self, kind: ResourceKey, event: Event) -> None:
        metadata = metadata_of(event.record.document)
        before = metadata_of(event.previous.document) if event.previous else {}
        place = (kind, event.key)
        for reference in before.get("ownerReferences") or ():
            self._dependents.get(reference["uid"], set()).discard(place)
        if event.type == "DELETED":
            self._uids.discard(metadata["uid"])
            if self._dependents.get(metadata["uid"]):
                self._collect_later(metadata["uid"])
            self._after_removal(kind, event.key)
            return
        self._uids.add(metadata["uid"])
        for reference in metadata.get("ownerReferences") or ():
            self._dependents.setdefault(reference["uid"], set()).add(place)
            if reference["uid"] not in self._uids:
                self._collect_later(reference["uid"])

    def _collect_later(self, uid: str) -> None:
        asyncio.get_running_loop().call_later(_DELAY, self._collect, uid)

    def _collect(self, owner: str) -> None:
        """Delete dependents that have no owner but the absent one; others lose the reference."""
        if owner in self._uids:
            return
        for kind, key in list(self._dependents.get(owner, ())):
            resource = self._registry.stored(kind)
            record = self._store.get(kind, key)
            if resource is None or record is None:
                continue
            references = metadata_of(record.document).get("ownerReferences") or []
            alive = [one for one in references if one["uid"] in self._uids]
            if alive:
                self._set_owners(resource, key, record, alive)
            else:
                self.delete(resource, key, DeleteOptions())
        self._dependents.pop(owner, None)

    def _orphan(self, owner: str) -> None:
        for kind, key in list(self._dependents.pop(owner, ())):
            resource = self._registry.stored(kind)
            record = self._store.get(kind, key)
            if resource is None or record is None:
                continue
            references = metadata_of(record.document).get("ownerReferences") or []
            rest = [one for one in references if one["uid"] != owner]
            self._set_owners(resource, key, record, rest)

    def _set_owners(
        self, resource: Resource, key: ObjectKey, record: Record, owners: list[Document]
    ) -> None:
        document = with_metadata(record.document, ownerReferences=owners or None)
        writer = Writer(name="garbage-collector", api_version=resource.api_version)
        entries = ownership.after_update(
            record.document, document, schema=resource.ownership, writer=writer
        )
        document["metadata"].pop("managedFields", None)
        if entries:
            document["metadata"]["managedFields"] = entries
        self._store.put(resource.key, key, document)

    # Namespaces and kinds, which are removed once they are empty

    def _later(self, kind: ResourceKey, key: ObjectKey) -> None:
        empty = self._empty_namespace if kind == NAMESPACES else self._empty_kind
        asyncio.get_running_loop().call_later(_DELAY, empty, key[1])

    def _empty_namespace(self, namespace: str) -> None:
        left = False
        for kind in self._store.kinds():
            resource = self._registry.stored(kind)
            if resource is None or not resource.namespaced:
                continue
            for key, _ in list(self._store.records(kind, namespace=namespace)):
                self.delete(resource, key, DeleteOptions())
                left = left or self._store.get(kind, key) is not None
        if not left:
            self._store.remove(NAMESPACES, ("", namespace))

    def _empty_kind(self, name: str) -> None:
        plural, _, group = name.partition(".")
        kind = (group, plural)
        resource = self._registry.stored(kind)
        if resource is not None:
            for key, _ in list(self._store.records(kind)):
                self.delete(resource, key, DeleteOptions())
            if next(self._store.records(kind), None) is not None:
                return
        definition = self._store.get(DEFINITIONS, ("", name))
        if definition is None:
            return
        finalizers = metadata_of(definition.document).get("finalizers") or []
        rest = [one for one in finalizers if one != _CLEANUP]
        if rest == finalizers:
            return
        if rest:
            document: Document = with_metadata(definition.document, finalizers=rest)
            self._store.put(DEFINITIONS, ("", name), document)
        else:
            self._store.remove(DEFINITIONS, ("", name))

    def _after_removal(self, kind: ResourceKey, key: ObjectKey) -> None:
        """Remove a namespace or a kind that was only waiting for this object."""
        if kind in {NAMESPACES, DEFINITIONS}:
            return
        for holder in ((NAMESPACES, ("", key[0])), (DEFINITIONS, ("", f"{kind[1]}.{kind[0]}"))):
            record = self._store.get(*holder)
            if record and metadata_of(record.document).get("deletionTimestamp"):
                self._later(*holder)
