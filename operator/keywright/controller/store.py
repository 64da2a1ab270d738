"""What is known of the cluster's objects, kept small: an idle grant costs its place in here.

A grant is kept as the JSON of what decides about it, packed to some 200 bytes (a tree of
dictionaries would be twenty times that), a Secret as the facts of its metadata, a source as its
parsed value.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

import msgspec

from keywright.api.names import ANNOTATION_RECONCILE_REQUESTED_AT, ANNOTATION_RENEW_REQUESTED_AT
from keywright.api.parsing import parse_source
from keywright.api.problems import Problem
from keywright.api.schema import Facts
from keywright.api.source import CredentialSource
from keywright.api.status import SourceStatus
from keywright.clouds.ways import Minted
from keywright.planning.facts import Cause
from keywright.planning.priority import NO_PRIORITY, Priority, priority
from keywright.planning.rollout import Course
from keywright.secrets.ownership import SecretFacts

Name = tuple[str, str]
"""Namespace and name."""

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode
# What grants have in common is in the dictionary, so that packing pays for a single one and takes
# six microseconds; a text that is nothing like it only packs worse.
_ALIKE = (
    b'{"metadata":{"name":"","namespace":"","uid":"","generation":1,"resourceVersion":"",'
    b'"creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"bedrockShortTermKey":{"duration":"12h",'
    b'"endpoint":"Runtime"},"deletionPolicy":"Revoke","secret":{"formats":["BedrockEnv",'
    b'"OpenAIEnv"],"mountPath":"/var/run/keywright","type":"Opaque"},"sourceRef":{"name":""}},'
    b'"status":{"conditions":[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"Secret '
    b' holds a bedrockShortTermKey until 2026-01-01T00:00:00Z.","observedGeneration":1,"reason":'
    b'"Succeeded","status":"True","type":"Ready"}],"expiresAt":"2026-","failedAttempts":0,'
    b'"fingerprint":"","issuedAt":"2026-","keyId":"ASIA","kind":"bedrockShortTermKey",'
    b'"observedGeneration":1,"renewAt":"2026-","retiring":[],"revision":1,"secretName":""}}'
)
_RAW_DEFLATE = -15
_KEPT_ANNOTATIONS = (ANNOTATION_RENEW_REQUESTED_AT, ANNOTATION_RECONCILE_REQUESTED_AT)
_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
)


@dataclass(frozen=True, slots=True)
class UnprovenKey:
    """A key that waits for its probe: what it is made for and why, and since when it is tried."""

    minted: Minted
    mint_facts: Facts
    cause: Cause
    since: datetime


@dataclass(slots=True)
class GrantRecord:
    """One grant as last seen or written by us.

    `impatient`: something it depends on changed for the better, so that its back-off is void.
    `stale`: the key in its Secret was made with an access key that its source has no more.
    `own_version` and `own_secret` are the versions that our last writes of status and Secret made.
    `imports` names the Secret that the grant reads a value from. `failing`: its last try failed.
    `unproven`: a new key that has not passed its probe yet. `course`: of the rollout under way.
    """

    uid: str
    namespace: str
    name: str
    created: str
    version: int
    packed: bytes
    source: Name
    secret: Name
    deleting: bool
    impatient: bool = False
    stale: bool = False
    own_version: int = 0
    own_secret: str = ""
    imports: Name | None = None
    unproven: UnprovenKey | None = None
    course: Course | None = None
    failing: bool = False

    def parsed(self) -> dict[str, Any]:
        """The object, reduced to what decides about it."""
        unpacking = zlib.decompressobj(wbits=_RAW_DEFLATE, zdict=_ALIKE)
        parsed: dict[str, Any] = _DECODE(unpacking.decompress(self.packed))
        return parsed


@dataclass(slots=True)
class SourceRecord:
    """One source as last seen or written by us.

    `unproved`: a Secret that it reads has changed, so that what its status says must be proved; or
    it may have while nobody looked, and what the source hands on has no end that would show it.
    `hands_on`: the id of the key without an end that its grants are given, once it is known.
    """

    uid: str
    name: Name
    version: int
    generation: int
    value: CredentialSource | list[Problem]
    status: SourceStatus
    deleting: bool
    unproved: bool = False
    hands_on: str | None = None


@dataclass(slots=True)
class Store:
    """All grants, sources and marked Secrets, with the ways from one to the other."""

    grants: dict[str, GrantRecord] = field(default_factory=dict)
    sources: dict[Name, SourceRecord] = field(default_factory=dict)
    secrets: dict[Name, SecretFacts] = field(default_factory=dict)
    _by_source: dict[Name, set[str]] = field(default_factory=dict)
    # Hardly ever more than one, and a set for each would weigh more than all its strings.
    _by_secret: dict[Name, tuple[str, ...]] = field(default_factory=dict)
    _by_import: dict[Name, set[str]] = field(default_factory=dict)

    def put_grant(self, body: Mapping[str, Any]) -> bool:
        """Remember a grant; False where it is no news (older than what is known, or our write)."""
        metadata = body["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self.grants.get(uid)
        if known is not None and version <= known.version:
            return False
        record = _grant_record(body, metadata, version=version)
        if known is not None:
            record.impatient, record.stale = known.impatient, known.stale
            record.own_version, record.own_secret = known.own_version, known.own_secret
            record.unproven, record.course = known.unproven, known.course
            if (known.source, known.secret, known.imports) != (
                record.source,
                record.secret,
                record.imports,
            ):
                self._unlink(known)
        self.grants[uid] = record
        if record.imports is not None:
            self._by_import.setdefault(record.imports, set()).add(uid)
        self._by_source.setdefault(record.source, set()).add(uid)
        members = self._by_secret.get(record.secret, ())
        if uid not in members:
            self._by_secret[record.secret] = (*members, uid)
        return True

    def put_status(self, uid: str, *, version: str, status: Mapping[str, Any]) -> None:
        """Remember what we wrote, so that its echo is no news."""
        record = self.grants.get(uid)
        if record is None:
            return
        record.own_version = int(version)
        if int(version) <= record.version:
            return
        body = record.parsed()
        body["status"] = {key: value for key, value in status.items() if value is not None}
        body["metadata"]["resourceVersion"] = version
        record.packed, record.version = _packed(body), int(version)
        record.failing = bool(status.get("failedAttempts"))

    def put_own(self, body: Mapping[str, Any]) -> None:
        """Remember a grant as our write has made it, so that its echo is no news."""
        self.put_grant(body)
        record = self.grants.get(body["metadata"]["uid"])
        if record is not None:
            record.own_version = int(body["metadata"]["resourceVersion"])

    def drop_grant(self, uid: str) -> GrantRecord | None:
        """Forget a grant."""
        record = self.grants.pop(uid, None)
        if record is not None:
            self._unlink(record)
        return record

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of a grant or Secret is newer than what is known of it."""
        version, known = metadata["resourceVersion"], self.grants.get(metadata["uid"])
        if known is not None:
            return int(version) > known.version
        secret = self.secrets.get((metadata["namespace"], metadata["name"]))
        return secret is None or secret.resource_version != version

    def put_source(self, body: Mapping[str, Any]) -> SourceRecord | None:
        """Remember a source; None where it is no news."""
        metadata = body["metadata"]
        name, version = (metadata["namespace"], metadata["name"]), int(metadata["resourceVersion"])
        known = self.sources.get(name)
        if known is not None and known.uid == metadata["uid"] and version <= known.version:
            return None
        record = SourceRecord(
            uid=metadata["uid"],
            name=name,
            version=version,
            generation=metadata["generation"],
            value=parse_source(body),
            status=SourceStatus.parse(body.get("status")),
            deleting="deletionTimestamp" in metadata,
        )
        if known is not None and known.uid == record.uid:
            record.unproved = known.unproved
            if known.generation == record.generation:
                record.hands_on = known.hands_on
        elif not isinstance(record.value, list):
            record.unproved = not record.value.credentials_end
        self.sources[name] = record
        return record

    def put_secret(self, facts: SecretFacts) -> bool:
        """Remember a Secret; False where it is no news."""
        name = (facts.namespace, facts.name)
        known = self.secrets.get(name)
        if (
            known is not None
            and known.uid == facts.uid
            and int(facts.resource_version) <= int(known.resource_version)
        ):
            return False
        # The tuple of the grant that names it, where there is one.
        asked = self._by_secret.get(name)
        self.secrets[self.grants[asked[0]].secret if asked else name] = facts
        return True

    def settled(self, uid: str) -> bool:
        """Whether the last that was heard of a grant and its Secret are our own writes."""
        record = self.grants.get(uid)
        if record is None:
            return True
        secret = self.secrets.get(record.secret)
        return (
            record.version == record.own_version
            and (secret.resource_version if secret else "") == record.own_secret
            and not record.impatient
        )

    def priority(self, uid: str, *, now: datetime) -> Priority:
        """The place of a grant among those that wait for a worker."""
        record = self.grants.get(uid)
        if record is None:
            return NO_PRIORITY
        secret = self.secrets.get(record.secret)
        if secret is None or secret.granted_by is None or secret.granted_by.uid != uid:
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

    def grants_that_import(self, name: Name) -> Iterable[str]:
        """The uids of the grants that read a value from a Secret."""
        return tuple(self._by_import.get(name, ()))

    def imported_secrets(self) -> frozenset[Name]:
        """The Secrets that grants read values from."""
        return frozenset(self._by_import)

    def rival(self, record: GrantRecord) -> str:
        """The name of an older grant that asks for the same Secret, or nothing."""
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


def _grant_record(
    body: Mapping[str, Any], metadata: Mapping[str, Any], *, version: int
) -> GrantRecord:
    """The record; read without trust in the shape of the spec, which may be anything."""
    kept: dict[str, Any] = {key: metadata[key] for key in _KEPT_METADATA if key in metadata}
    annotations = metadata.get("annotations") or {}
    asked = {key: annotations[key] for key in _KEPT_ANNOTATIONS if key in annotations}
    if asked:
        kept["annotations"] = asked
    # Interned: the same words come back in the Secret, in other records and as keys.
    spec, namespace = body.get("spec") or {}, intern(metadata["namespace"])
    reference, secret = spec.get("sourceRef") or {}, spec.get("secret") or {}
    return GrantRecord(
        uid=intern(metadata["uid"]),
        namespace=namespace,
        name=intern(metadata["name"]),
        created=metadata.get("creationTimestamp", ""),
        version=version,
        packed=_packed({"metadata": kept, "spec": spec, "status": body.get("status") or {}}),
        source=_name(
            str(reference.get("namespace") or namespace), str(reference.get("name") or "")
        ),
        secret=(namespace, intern(str(secret.get("name") or metadata["name"]))),
        deleting="deletionTimestamp" in metadata,
        imports=_imports(spec, namespace=namespace),
        failing=bool((body.get("status") or {}).get("failedAttempts")),
    )


def _imports(spec: Mapping[str, Any], *, namespace: str) -> Name | None:
    key = spec.get("apiGatewayKey")
    if not isinstance(key, Mapping):
        return None
    for field_name in ("valueFrom", "csvFrom"):
        reference = (key.get(field_name) or {}).get("secretKeyRef") or {}
        if reference.get("name"):
            return namespace, str(reference["name"])
    return None


def _packed(body: Mapping[str, Any]) -> bytes:
    packing = zlib.compressobj(level=1, wbits=_RAW_DEFLATE, zdict=_ALIKE)
    return packing.compress(_ENCODE(body)) + packing.flush()


@lru_cache(maxsize=4096)
def _name(namespace: str, name: str) -> Name:
    """One tuple for all grants of a source."""
    return namespace, name
