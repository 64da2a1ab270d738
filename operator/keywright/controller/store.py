"""The known objects of the cluster: an idle grant only uses memory here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keywright.api.source import CredentialSource
from keywright.controller.records import (
    GrantRecord,
    Name,
    SourceRecord,
    grant_record,
    packed,
    readiness,
    released_by,
    source_record,
)
from keywright.planning.priority import NO_PRIORITY, Priority, priority
from keywright.secrets.ownership import ManagedSecret


def _nobody(_: str, __: datetime) -> None:
    """The default of `expires`: do nothing."""


@dataclass(slots=True)
class Store:
    """All grants, sources and watched Secrets, with indexes between them."""

    grants: dict[str, GrantRecord] = field(default_factory=dict)
    sources: dict[Name, SourceRecord] = field(default_factory=dict)
    secrets: dict[Name, ManagedSecret] = field(default_factory=dict)
    # Names of Secrets outside the watch: each is read until it is deleted.
    unwatched_secrets: set[Name] = field(default_factory=set)
    # Last live versions of deleted sources, while grants still name them.
    _deleted_sources: dict[Name, CredentialSource] = field(default_factory=dict)
    _by_source: dict[Name, set[str]] = field(default_factory=dict)
    # Rarely more than one, and a set for each would use more memory than all its strings.
    _by_secret: dict[Name, tuple[str, ...]] = field(default_factory=dict)
    _by_import: dict[Name, set[str]] = field(default_factory=dict)
    _by_holder: dict[str, set[str]] = field(default_factory=dict)
    # The uids of Secrets that grants have left behind, by the uids of these grants.
    _released: dict[str, frozenset[str]] = field(default_factory=dict)
    # Called with the uid of a grant and the expiry of the key in its Secret.
    expires: Callable[[str, datetime], None] = _nobody

    def put_grant(self, body: Mapping[str, Any]) -> bool:
        """Store a grant; False if it is not newer than what is known, or the echo of a write."""
        metadata = body["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self.grants.get(uid)
        if known is not None and version <= known.version:
            return False
        record = grant_record(body, metadata, version=version)
        if known is not None:
            record.carry_over(known)
            if (known.source, known.secret, known.imports, known.holder) != (
                record.source,
                record.secret,
                record.imports,
                record.holder,
            ):
                self._unlink(known)
        self.grants[uid] = record
        self._note_released(record)
        if record.imports is not None:
            self._by_import.setdefault(record.imports, set()).add(uid)
        if record.holder:
            self._by_holder.setdefault(record.holder, set()).add(uid)
        self._by_source.setdefault(record.source, set()).add(uid)
        members = self._by_secret.get(record.secret, ())
        if uid not in members:
            self._by_secret[record.secret] = (*members, uid)
        secret = self.secrets.get(record.secret)
        if secret is not None and secret.expires_at is not None:
            self.expires(uid, secret.expires_at)
        return True

    def put_status(self, uid: str, *, version: str, status: Mapping[str, Any]) -> None:
        """Store a status after its write, so that its echo is ignored."""
        record = self.grants.get(uid)
        if record is None:
            return
        record.last_written_version = int(version)
        if int(version) <= record.version:
            return
        body = record.parsed()
        body["status"] = {key: value for key, value in status.items() if value is not None}
        body["metadata"]["resourceVersion"] = version
        record.packed, record.version = packed(body), int(version)
        record.failing = bool(status.get("failedAttempts"))
        record.readiness = readiness(body["status"])
        record.released = released_by(status)
        self._note_released(record)

    def put_own(self, body: Mapping[str, Any]) -> None:
        """Store a grant after its write, so that its echo is ignored.

        An unknown grant was deleted: the write removed its finalizer, and the watch was faster.
        """
        uid = body["metadata"]["uid"]
        if uid in self.grants:
            self.put_grant(body)
            self.grants[uid].last_written_version = int(body["metadata"]["resourceVersion"])

    def drop_grant(self, uid: str) -> GrantRecord | None:
        """Drop a grant."""
        record = self.grants.pop(uid, None)
        self._released.pop(uid, None)
        if record is not None:
            self._unlink(record)
            secret = self.secrets.get(record.secret)
            if secret is not None and not secret.watched and record.secret not in self._by_secret:
                # No watch will report its deletion.
                del self.secrets[record.secret]
        return record

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of a grant or Secret is newer than the stored one."""
        version, known = metadata["resourceVersion"], self.grants.get(metadata["uid"])
        if known is not None:
            return int(version) > known.version
        secret = self.secrets.get((metadata["namespace"], metadata["name"]))
        return secret is None or secret.resource_version != version

    def put_source(self, body: Mapping[str, Any]) -> SourceRecord | None:
        """Store a source; None if it is not newer."""
        metadata = body["metadata"]
        name, version = (metadata["namespace"], metadata["name"]), int(metadata["resourceVersion"])
        known = self.sources.get(name)
        if known is not None and known.uid == metadata["uid"] and version <= known.version:
            return None
        record = source_record(body)
        if known is not None and known.uid == record.uid:
            record.unproved = known.unproved
            record.try_at, record.ended_at = known.try_at, known.ended_at
            record.written_at, record.time_asked_at = known.written_at, known.time_asked_at
            record.doubted, record.doubted_at = known.doubted, known.doubted_at
            if known.generation == record.generation:
                record.static_key_id = known.static_key_id
        elif not isinstance(record.value, list):
            record.unproved = not record.value.credentials_end
        self.sources[name] = record
        self._deleted_sources.pop(name, None)
        return record

    def drop_source(self, name: Name) -> None:
        """Drop a source; its last live version is kept while a grant names it."""
        record = self.sources.pop(name, None)
        if record is None or not self._by_source.get(name):
            return
        if not isinstance(record.value, list):
            self._deleted_sources[name] = record.value

    def deleted_source(self, name: Name) -> CredentialSource | None:
        """The last live version of a deleted source; the caller checks the allowed namespaces."""
        return self._deleted_sources.get(name)

    def put_secret(self, secret: ManagedSecret) -> bool:
        """Store a Secret; False if it is not newer."""
        name = (secret.namespace, secret.name)
        known = self.secrets.get(name)
        if (
            known is not None
            and known.uid == secret.uid
            and int(secret.resource_version) <= int(known.resource_version)
        ):
            return False
        # The tuple of the grant that names it, if there is one.
        asked = self._by_secret.get(name)
        self.secrets[self.grants[asked[0]].secret if asked else name] = secret
        if secret.expires_at is not None:
            for uid in asked or ():
                self.expires(uid, secret.expires_at)
        return True

    def only_own_writes(self, uid: str) -> bool:
        """Whether the last events of a grant and its Secret are echoes of own writes."""
        record = self.grants.get(uid)
        if record is None:
            return True
        secret = self.secrets.get(record.secret)
        return (
            record.version == record.last_written_version
            and (secret.resource_version if secret else "") == record.last_written_secret_version
            and not record.skip_backoff
        )

    def priority(self, uid: str, *, now: datetime) -> Priority:
        """The priority of a grant in the queue."""
        record = self.grants.get(uid)
        if record is None:
            return NO_PRIORITY
        secret = self.secrets.get(record.secret)
        if secret is None or secret.owner_annotation is None or secret.owner_annotation.uid != uid:
            return priority(expires_at=None, renew_at=None, failing=record.failing, now=now)
        return priority(
            expires_at=secret.expires_at,
            renew_at=secret.renew_at,
            failing=record.failing,
            now=now,
        )

    def grants_of_source(self, name: Name) -> Iterable[str]:
        """The uids of the grants that refer to a source."""
        return tuple(self._by_source.get(name, ()))

    def grants_of_secret(self, name: Name) -> Iterable[str]:
        """The uids of the grants that name a Secret."""
        return self._by_secret.get(name, ())

    def grants_of_holder(self, holder: str) -> tuple[GrantRecord, ...]:
        """The grants whose keys belong to an IAM user that their specs name."""
        return tuple(self.grants[uid] for uid in self._by_holder.get(holder, ()))

    def grants_that_import(self, name: Name) -> Iterable[str]:
        """The uids of the grants that read a value from a Secret."""
        return tuple(self._by_import.get(name, ()))

    def imported_secrets(self) -> frozenset[Name]:
        """The Secrets that grants read values from."""
        return frozenset(self._by_import)

    def is_released(self, secret: ManagedSecret) -> bool:
        """Whether a grant of its namespace says that it has left this very Secret behind."""
        return any(
            secret.uid in uids and self.grants[uid].namespace == secret.namespace
            for uid, uids in self._released.items()
        )

    def is_left_behind(self, secret: ManagedSecret) -> bool:
        """Whether the grant that the Secret's annotations name now uses another Secret."""
        named = secret.owner_annotation
        owner = self.grants.get(named.uid) if named is not None else None
        if owner is None or owner.namespace != secret.namespace:
            # It may be copied from another namespace.
            return False
        return owner.secret != (secret.namespace, secret.name)

    def _note_released(self, record: GrantRecord) -> None:
        if record.released:
            self._released[record.uid] = frozenset(uid for _, uid in record.released)
        else:
            self._released.pop(record.uid, None)

    def older_grant_for_same_secret(self, record: GrantRecord) -> str:
        """The name of an older grant that specifies the same Secret, or an empty string."""
        older = [
            other
            for uid in self._by_secret.get(record.secret, ())
            if (other := self.grants[uid]) is not record
            and not other.deleting
            and (other.created, other.uid) < (record.created, record.uid)
        ]
        return min(older, key=lambda other: (other.created, other.uid)).name if older else ""

    def _unlink(self, record: GrantRecord) -> None:
        of_source = self._by_source.get(record.source, set())
        of_source.discard(record.uid)
        if not of_source:
            self._by_source.pop(record.source, None)
            self._deleted_sources.pop(record.source, None)
        of_holder = self._by_holder.get(record.holder, set())
        of_holder.discard(record.uid)
        if not of_holder:
            self._by_holder.pop(record.holder, None)
        if record.imports is not None:
            of_import = self._by_import.get(record.imports, set())
            of_import.discard(record.uid)
            if not of_import:
                self._by_import.pop(record.imports, None)
        of_secret = tuple(
            uid for uid in self._by_secret.get(record.secret, ()) if uid != record.uid
        )
        if of_secret:
            self._by_secret[record.secret] = of_secret
        else:
            self._by_secret.pop(record.secret, None)
