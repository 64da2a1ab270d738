"""Objects, their versions, and their events.

Versions are from one counter, like etcd's revisions. A stored document is never changed: a write
stores another one. Each is serialized once for each form in which it is read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from testbed.clusters.embedded.documents import Document, encode, with_metadata
from testbed.clusters.embedded.field_errors import expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.clusters.embedded.resources import ResourceKey

HISTORY: Final = 100_000
"""Events stored for each kind; resuming from before them gets 410."""

ObjectKey: TypeAlias = tuple[str, str]
"""Namespace and name."""


class Record:
    """One version of one object."""

    __slots__ = ("document", "forms", "version")

    def __init__(self, document: Document, version: int) -> None:
        self.document = document
        self.version = version
        self.forms: dict[str, bytes] = {}

    @property
    def raw(self) -> bytes:
        """The document as JSON."""
        return self.form("", encode)

    def form(self, name: str, make: Callable[[Document], bytes]) -> bytes:
        """The document in another form, created once."""
        found = self.forms.get(name)
        if found is None:
            found = self.forms[name] = make(self.document)
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """One change: `type` is ADDED, MODIFIED or DELETED; a deletion has its own version."""

    type: str
    version: int
    key: ObjectKey
    record: Record
    previous: Record | None

    def departed(self) -> Record:
        """The previous object, with the version of the event."""
        assert self.previous is not None
        shown = with_metadata(self.previous.document, resourceVersion=str(self.version))
        return Record(shown, self.version)


@dataclass(slots=True)
class Bucket:
    """All objects of one kind."""

    compacted: int
    objects: dict[ObjectKey, Record] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=deque)
    listeners: list[Callable[[Event | None], None]] = field(default_factory=list)
    ordered: list[ObjectKey] | None = None


class Store:
    """Every object of the cluster."""

    def __init__(self) -> None:
        self.version = 1
        self._buckets: dict[ResourceKey, Bucket] = {}
        self._observers: list[Callable[[ResourceKey, Event], None]] = []

    def bucket(self, kind: ResourceKey) -> Bucket:
        """The objects of a kind; a new kind has no history."""
        found = self._buckets.get(kind)
        if found is None:
            found = self._buckets[kind] = Bucket(compacted=self.version)
        return found

    def observe(self, observer: Callable[[ResourceKey, Event], None]) -> None:
        """Call `observer` right after each change."""
        self._observers.append(observer)

    def get(self, kind: ResourceKey, key: ObjectKey) -> Record | None:
        """The current version of an object."""
        return self.bucket(kind).objects.get(key)

    def put(self, kind: ResourceKey, key: ObjectKey, document: Document) -> Record:
        """Store a document as the object's next version."""
        bucket = self.bucket(kind)
        self.version += 1
        version = self.version
        record = Record(with_metadata(document, resourceVersion=str(version)), version)
        previous = bucket.objects.get(key)
        bucket.objects[key] = record
        if previous is None:
            bucket.ordered = None
        self._tell(kind, Event("MODIFIED" if previous else "ADDED", version, key, record, previous))
        return record

    def remove(
        self, kind: ResourceKey, key: ObjectKey, *, last: Document | None = None
    ) -> Record | None:
        """Remove an object; `last` is the version that the deletion event shows."""
        bucket = self.bucket(kind)
        previous = bucket.objects.pop(key, None)
        if previous is None:
            return None
        bucket.ordered = None
        self.version += 1
        document = previous.document if last is None else last
        shown = with_metadata(document, resourceVersion=str(self.version))
        record = Record(shown, self.version)
        self._tell(kind, Event("DELETED", self.version, key, record, previous))
        return record

    def _tell(self, kind: ResourceKey, event: Event) -> None:
        bucket = self.bucket(kind)
        bucket.events.append(event)
        if len(bucket.events) > HISTORY:
            bucket.compacted = bucket.events.popleft().version
        for listener in tuple(bucket.listeners):
            listener(event)
        for observer in self._observers:
            observer(kind, event)

    def records(
        self, kind: ResourceKey, *, namespace: str = "", after: ObjectKey | None = None
    ) -> Iterator[tuple[ObjectKey, Record]]:
        """The objects in the order of namespace and name, after a key if one is given."""
        bucket = self.bucket(kind)
        if bucket.ordered is None:
            bucket.ordered = sorted(bucket.objects)
        for key in bucket.ordered:
            if (not namespace or key[0] == namespace) and (after is None or key > after):
                yield key, bucket.objects[key]

    def events_since(self, kind: ResourceKey, version: int) -> list[Event]:
        """The events after a version; raises ApiError (410) if they are no longer stored."""
        bucket = self.bucket(kind)
        if version < bucket.compacted:
            raise expired(f"too old resource version: {version} ({bucket.compacted})")
        found: list[Event] = []
        for event in reversed(bucket.events):
            if event.version <= version:
                break
            found.append(event)
        return found[::-1]

    def compact(self, kinds: list[ResourceKey] | None = None) -> None:
        """Drop the history of these kinds, or of all; their watches get 410 and list again."""
        self.version += 1
        for kind, bucket in self._buckets.items():
            if kinds is None or kind in kinds:
                bucket.events.clear()
                bucket.compacted = self.version
                for listener in tuple(bucket.listeners):
                    listener(None)

    def kinds(self) -> list[ResourceKey]:
        """The kinds that were ever accessed."""
        return list(self._buckets)

    def forget(self, kind: ResourceKey) -> None:
        """Drop a kind that is no longer served; its watches end."""
        bucket = self._buckets.pop(kind, None)
        if bucket is not None:
            for listener in tuple(bucket.listeners):
                listener(None)
