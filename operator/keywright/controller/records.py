"""The in-memory records of grants and sources, kept small.

A grant is stored as compressed JSON of the relevant fields, about 200 bytes: a tree of dictionaries
would be twenty times as large. A source is stored as its parsed value.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

import msgspec

from keywright.api.checks import MAX_LEVELS, is_deeper, without_depths
from keywright.api.errors import FieldError
from keywright.api.keys import KEY_TYPES, USER_KINDS
from keywright.api.names import (
    ANNOTATION_RECONCILE_REQUESTED_AT,
    ANNOTATION_RENEW_REQUESTED_AT,
    ANNOTATION_TAKE_OVER,
    FINALIZER,
)
from keywright.api.parsing import parse_source
from keywright.api.source import CredentialSource
from keywright.api.status import Readiness, SourceStatus
from keywright.api.user_key import UserKey
from keywright.controller.invalid_objects import (
    bounded_metadata,
    bounded_status,
    size_of,
    spec_problem,
)
from keywright.controller.key_records import NOTHING_FOUND, Finding, KeyCheck, UnprobedKey
from keywright.planning.conditions import READY
from keywright.planning.rollout import RolloutState
from keywright.planning.state import Contest
from keywright.secrets.ownership import ManagedSecret

Name = tuple[str, str]
"""Namespace and name."""

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode
# The dictionary contains what grants have in common, so that compression pays off for a single one
# and takes six microseconds; a different text only compresses less.
_ZLIB_DICTIONARY = (
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
_MAX_RELEASED = 16
_UNKNOWN = Readiness()
_STORED_ANNOTATIONS = (
    ANNOTATION_RENEW_REQUESTED_AT,
    ANNOTATION_RECONCILE_REQUESTED_AT,
    ANNOTATION_TAKE_OVER,
)
_STORED_METADATA = (
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
class ProvedKeys:
    """The key IDs that a grant has proved, by one version of its status and its Secret.

    `creating`: it has proved that a key is being created for it.
    """

    packed: bytes
    secret: ManagedSecret | None
    ids: frozenset[str]
    creating: bool

    def is_of(self, record: GrantRecord, secret: ManagedSecret | None) -> bool:
        """Whether neither has changed since."""
        return self.packed is record.packed and self.secret is secret


@dataclass(slots=True)
class GrantRecord:
    """One grant, and everything that the process remembers about it.

    As last seen or written: `packed` is the object. `imports` names the Secret that the grant reads
    a value from, `holder` the IAM user of its key, `service` the name in IAM of the key's service;
    empty if the spec names none. `released`: names and uids of the Secrets that it has left behind.
    `failing`: the last attempt failed. `readiness`: the part of the status that metrics use.
    `oversize`: the bytes of a spec that is too large to be stored, and is not.
    `has_finalizer`: it has the operator's finalizer, so that it may have keys to revoke.
    `take_over`: the annotation of that name. `last_written_version` and
    `last_written_secret_version`: the versions that the operator's last writes of status and Secret
    created.

    Set by events: `skip_backoff`: a dependency of the grant has changed, so that its back-off does
    not apply. `source_key_changed`: the key in its Secret was issued with an access key that its
    source no longer has.

    Set by its reconcile, and carried over to the next version: `contest` of the fields of its
    Secret. `former_due`: when the first former Secret is checked again. `pending_probe`: a new key
    that has not passed its probe yet. `rollout_state`: of the rollout in progress. `check`: of a
    managed key, once it was looked up. `finding`: of the last step of the journal. `unreadable`:
    the key in the Secret cannot be read back. `renewal_event_at`: when the last Event of a renewal
    was queued. `resumed_at`: when a suspension had ended, until the next key is issued. `proved` is
    a cache.

    `valid_with`: the version of its source with which this spec was found valid.
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
    skip_backoff: bool = False
    source_key_changed: bool = False
    last_written_version: int = 0
    last_written_secret_version: str = ""
    imports: Name | None = None
    holder: str = ""
    service: str = ""
    pending_probe: UnprobedKey | None = None
    rollout_state: RolloutState | None = None
    contest: Contest | None = None
    released: tuple[tuple[str, str], ...] = ()
    former_due: datetime | None = None
    failing: bool = False
    check: KeyCheck | None = None
    finding: Finding = NOTHING_FOUND
    unreadable: bool = False
    oversize: int = 0
    readiness: Readiness = _UNKNOWN
    proved: ProvedKeys | None = None
    has_finalizer: bool = False
    take_over: str = ""
    renewal_event_at: datetime | None = None
    valid_with: CredentialSource | None = None
    resumed_at: datetime | None = None

    def carry_over(self, known: GrantRecord) -> None:
        """Carry over what is remembered about an earlier version of the same grant."""
        self.skip_backoff = known.skip_backoff
        self.source_key_changed = known.source_key_changed
        self.last_written_version = known.last_written_version
        self.last_written_secret_version = known.last_written_secret_version
        self.pending_probe = known.pending_probe
        self.rollout_state = known.rollout_state
        self.check = known.check
        self.contest = known.contest
        self.finding = known.finding
        self.unreadable = known.unreadable
        self.renewal_event_at = known.renewal_event_at
        self.resumed_at = known.resumed_at
        if known.former_due is not None and _generation(known) == _generation(self):
            self.former_due = known.former_due

    @property
    def has_keys_to_revoke(self) -> bool:
        """Whether its deletion needs a session."""
        return self.has_finalizer or self.check is not None

    @property
    def uses_existing_holder(self) -> bool:
        """Whether its spec names an existing IAM user, which another grant may have created."""
        spec = self.parsed()["spec"]
        return any(
            _mapping(_mapping(spec.get(kind)).get("user")).get("create") is False
            for kind in USER_KINDS
        )

    def parsed(self) -> dict[str, Any]:
        """The object, reduced to the relevant fields."""
        unpacking = zlib.decompressobj(wbits=_RAW_DEFLATE, zdict=_ZLIB_DICTIONARY)
        parsed: dict[str, Any] = _DECODE(unpacking.decompress(self.packed))
        return parsed


@dataclass(slots=True)
class SourceRecord:
    """One source as last seen or written.

    `unproved`: a Secret that it reads has changed, so that its status must be verified; or it may
    have changed while no operator was running, and the source's credentials have no expiry that
    would show it. `request`: the last value by which a renewal was requested of one of its grants,
    and when. `static_key_id`: the ID of the access key without expiry that its grants get, once it
    is known. `try_at`: when credentials without a reported expiry are verified next; `ended_at`:
    when the cloud first rejected what it had accepted. `written_at`: when its status was last
    written; `unwritten`: it has newer dates. `time_asked_at`: when the cloud was last called only
    for its time. `doubted`, since `doubted_at`: one of its grants could not use it, which its
    status may not report yet.
    """

    uid: str
    name: Name
    version: int
    generation: int
    value: CredentialSource | list[FieldError]
    status: SourceStatus
    deleting: bool
    unproved: bool = False
    static_key_id: str | None = None
    request: tuple[str, datetime] | None = None
    try_at: datetime | None = None
    ended_at: datetime | None = None
    written_at: datetime | None = None
    unwritten: bool = False
    time_asked_at: datetime | None = None
    doubted: bool = False
    doubted_at: datetime | None = None


def _generation(record: GrantRecord) -> object:
    return record.parsed()["metadata"].get("generation")


def grant_record(
    body: Mapping[str, Any], metadata: Mapping[str, Any], *, version: int
) -> GrantRecord:
    """Create a record; the spec may have any shape."""
    stored: dict[str, Any] = {key: metadata[key] for key in _STORED_METADATA if key in metadata}
    annotations = metadata.get("annotations") or {}
    requests = {key: annotations[key] for key in _STORED_ANNOTATIONS if key in annotations}
    if requests:
        stored["annotations"] = requests
    # Interned: the same strings occur in the Secret, in other records and as keys.
    spec, status = _shallow_part(body, "spec"), _shallow_part(body, "status")
    oversize = size_of(spec)
    content = {
        "metadata": bounded_metadata(stored),
        "spec": {} if oversize else spec,
        "status": bounded_status(status),
    }
    namespace = intern(metadata["namespace"])
    reference, secret = _mapping(spec.get("sourceRef")), _mapping(spec.get("secret"))
    holder, service = _holder_and_service(spec)
    return GrantRecord(
        uid=intern(metadata["uid"]),
        namespace=namespace,
        name=intern(metadata["name"]),
        created=metadata.get("creationTimestamp", ""),
        version=version,
        packed=packed(content),
        source=_name(
            str(reference.get("namespace") or namespace), str(reference.get("name") or "")
        ),
        secret=(namespace, intern(str(secret.get("name") or metadata["name"]))),
        deleting="deletionTimestamp" in metadata,
        imports=_imports(spec, namespace=namespace),
        holder=holder,
        service=service,
        failing=bool(status.get("failedAttempts")),
        released=released_by(status),
        oversize=oversize,
        readiness=readiness(content["status"]),
        has_finalizer=FINALIZER in (metadata.get("finalizers") or ()),
        take_over=requests.get(ANNOTATION_TAKE_OVER, ""),
    )


def _shallow_part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Spec or status of an object of any shape, without what is nested too deeply."""
    part = _mapping(body.get(name))
    if not is_deeper(part, than=MAX_LEVELS):
        return part
    return _mapping(without_depths(part))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _imports(spec: Mapping[str, Any], *, namespace: str) -> Name | None:
    key = spec.get("apiGatewayKey")
    if not isinstance(key, Mapping):
        return None
    for field_name in ("valueFrom", "csvFrom"):
        reference = _mapping(_mapping(key.get(field_name)).get("secretKeyRef"))
        if reference.get("name"):
            return namespace, str(reference["name"])
    return None


def readiness(status: Mapping[str, Any]) -> Readiness:
    """What metrics show of a status; computed when the status changes, not on each scrape."""
    return Readiness.parse(status, condition=READY) if status else _UNKNOWN


def released_by(status: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and uids of the Secrets that a status lists as left behind; usually none."""
    found = status.get("formerSecrets")
    if not found or not isinstance(found, list | tuple):
        return ()
    entries = (_mapping(each) for each in found[:_MAX_RELEASED])
    return tuple((str(e["name"]), str(e["uid"])) for e in entries if e.get("name") and e.get("uid"))


def _holder_and_service(spec: Mapping[str, Any]) -> tuple[str, str]:
    for kind in USER_KINDS:
        if kind in spec:
            key, key_type = _mapping(spec[kind]), KEY_TYPES[kind]
            assert issubclass(key_type, UserKey)
            user = str(_mapping(key.get("user")).get("name") or "")
            return intern(user), intern(key_type.service_name_in(key))
    return "", ""


def packed(body: Mapping[str, Any]) -> bytes:
    """The compressed grant of a record."""
    packing = zlib.compressobj(level=1, wbits=_RAW_DEFLATE, zdict=_ZLIB_DICTIONARY)
    return packing.compress(_ENCODE(body)) + packing.flush()


@lru_cache(maxsize=4096)
def _name(namespace: str, name: str) -> Name:
    """One tuple for all grants of a source."""
    return namespace, name


def source_record(body: Mapping[str, Any]) -> SourceRecord:
    """Create a record of what can be parsed."""
    metadata = body["metadata"]
    spec = _shallow_part(body, "spec")
    oversize = size_of(spec)
    return SourceRecord(
        uid=metadata["uid"],
        name=(metadata["namespace"], metadata["name"]),
        version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        value=[spec_problem(oversize)]
        if oversize
        else parse_source({"metadata": metadata, "spec": spec}),
        status=SourceStatus.parse(body.get("status")),
        deleting="deletionTimestamp" in metadata,
    )
