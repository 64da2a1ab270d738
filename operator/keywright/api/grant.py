"""ApiKeyGrant: the key to issue, and the Secret to store it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from sys import intern
from typing import Annotated, Final

import msgspec

from keywright.api.durations import parse_duration
from keywright.api.formats import (
    OPAQUE,
    PREVIOUS_KEY_ENTRY,
    SECRET_TYPES,
    Format,
    Variable,
)
from keywright.api.key_spec import ManagedKeyPolicy, ProbeMode
from keywright.api.keys import Key, KeyFields, KeyKind
from keywright.api.schema import (
    KeyIdentity,
    LabelSelector,
    Listed,
    NamespaceName,
    ObjectName,
    SecretKeyReference,
    SpecStruct,
    Text,
)
from keywright.api.source import AWS_TRAITS, CredentialSource, SourceTraits
from keywright.api.times import EPOCH, Window, parse_time


class FormerSecretPolicy(StrEnum):
    """What happens to the previous Secret when `spec.secret.name` changes."""

    CLEAR = "Clear"
    RETAIN = "Retain"


class SecretSpec(SpecStruct, frozen=True):
    """The Secret in which a grant stores its key.

    Without `formats`, the default of the kind applies; an empty list means that only `data` is
    written. Without `type`, the formats determine it.
    """

    name: str | None = None
    type: Text | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    formats: tuple[Format, ...] | None = None
    mount_path: str = "/var/run/keywright"
    data: Mapping[str, str] = {}
    adopt: bool = False
    allow_mixed: bool = False
    include_previous: bool = False
    former_secret_policy: FormerSecretPolicy = FormerSecretPolicy.CLEAR


MAX_REQUESTS: Final = 8
"""How many are recorded: restoring an older value requests another renewal."""
_LIMIT: Final = 256


def parse_requests(text: str | None) -> tuple[str, ...]:
    """The values of the annotation, newest first."""
    if not text:
        return ()
    return tuple(intern(each[:_LIMIT]) for each in text.split("\n")[:MAX_REQUESTS])


def format_requests(newest: str | None, handled: Iterable[str]) -> str:
    """Format the annotation with a newer handled request; empty if there is none."""
    values = [*([_line(newest)] if newest else []), *handled]
    return "\n".join(list(dict.fromkeys(values))[:MAX_REQUESTS])


def is_handled(request: str, handled: Iterable[str]) -> bool:
    """Whether a request is listed in the annotation."""
    return _line(request) in handled


def _line(request: str) -> str:
    """A value as it is recorded; a line break would split it in two."""
    return request.replace("\n", " ")[:_LIMIT]


class SourceReference(SpecStruct, frozen=True):
    """A reference to a CredentialSource; without a namespace, in that of the grant."""

    name: ObjectName
    namespace: NamespaceName | None = None


class Renewal(SpecStruct, frozen=True):
    """When a key is renewed.

    `before` is a percentage of the actual lifetime or a duration; None means a third.
    """

    before: str | None = None
    windows: Listed[Window] = ()


class Probe(SpecStruct, frozen=True):
    """The probe of a new credential."""

    mode: ProbeMode = ProbeMode.NONE
    model_id: Text | None = None
    url: Text | None = None
    timeout: str = "60s"

    @property
    def timeout_seconds(self) -> float:
        """The timeout of the probe, in seconds."""
        return parse_duration(self.timeout)


class WorkloadKind(StrEnum):
    """Kinds of workloads that can be restarted; `Rollout` is that of Argo Rollouts."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    ROLLOUT = "Rollout"


class Workload(SpecStruct, frozen=True):
    """Workloads in the grant's namespace: one by name, or those that a selector matches."""

    kind: WorkloadKind
    name: ObjectName | None = None
    selector: LabelSelector | None = None


class Rollout(SpecStruct, frozen=True):
    """Which workloads to restart after the Secret's data has changed, and how many at a time."""

    restart: tuple[Workload, ...] = ()
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    min_interval: str | None = None


class DeletionPolicy(StrEnum):
    """What happens to the resources in the cloud when the grant is deleted."""

    REVOKE = "Revoke"
    RETAIN = "Retain"


class GrantSpec(KeyFields, frozen=True, kw_only=True):
    """The spec of an ApiKeyGrant."""

    source_ref: SourceReference
    secret: SecretSpec = SecretSpec()
    renewal: Renewal = Renewal()
    probe: Probe = Probe()
    rollout: Rollout = Rollout()
    deletion_policy: DeletionPolicy = DeletionPolicy.REVOKE
    suspend: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeyGrant:
    """An ApiKeyGrant as parsed: the relevant metadata, the spec, and what follows from the spec.

    `renew_requested_at`, `reconcile_requested_at` and `take_over` are the values of the
    annotations. The controller adds `identity`, and the `traits` of the source once it is known.

    What follows from the spec is computed once: `key` and its `kind`, `managed` (the policy for a
    key stored in the cloud, None for one that can be reissued freely), `imports` (the field and the
    Secret of an imported value), `is_bulk_import` (the Secret holds many keys, one entry each),
    `expires` (the key has an expiry), `formats`, the names of Secret and source, and
    `renewal_request`, the newer of the two annotations. `known_as` is the identity in the clouds;
    the uid if nothing more is known.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    finalizers: tuple[str, ...]
    renew_requested_at: str | None
    reconcile_requested_at: str | None
    spec: GrantSpec
    take_over: str | None = None
    identity: GrantIdentity | None = None
    traits: SourceTraits = AWS_TRAITS

    key: Key = field(init=False)
    kind: KeyKind = field(init=False)
    managed: ManagedKeyPolicy | None = field(init=False)
    imports: tuple[str, SecretKeyReference] | None = field(init=False)
    is_bulk_import: bool = field(init=False)
    expires: bool = field(init=False)
    formats: tuple[Format, ...] = field(init=False)
    object_key: tuple[str, str] = field(init=False)
    secret_name: str = field(init=False)
    source_key: tuple[str, str] = field(init=False)
    renewal_request: str | None = field(init=False)
    known_as: GrantIdentity = field(init=False)

    def __post_init__(self) -> None:
        derive = partial(object.__setattr__, self)
        spec, reference = self.spec, self.spec.source_ref
        (key,) = spec.keys
        formats = spec.secret.formats
        derive("key", key)
        derive("kind", KeyKind(key.kind))
        derive("managed", key.managed)
        derive("imports", key.imports)
        derive("is_bulk_import", key.is_bulk_import)
        derive("expires", key.expires)
        derive("formats", key.default_formats_for(self.traits) if formats is None else formats)
        derive("object_key", (self.namespace, self.name))
        derive("secret_name", spec.secret.name or self.name)
        derive("source_key", (reference.namespace or self.namespace, reference.name))
        derive("renewal_request", _newest(self.renew_requested_at, self.reconcile_requested_at))
        derive("known_as", self.identity or GrantIdentity(grant_id=self.uid))

    @property
    def own_data(self) -> Mapping[str, str]:
        """The templates beside those of the formats: `spec.secret.data`, and the previous key."""
        wanted = self.spec.secret
        if not wanted.include_previous:
            return wanted.data
        return {**wanted.data, PREVIOUS_KEY_ENTRY: f"${{{Variable.PREVIOUS_API_KEY}}}"}

    @property
    def secret_type(self) -> str:
        """The type of the Secret: its field, otherwise the one that a format needs."""
        needed = (SECRET_TYPES[form] for form in self.formats if form in SECRET_TYPES)
        return self.spec.secret.type or next(needed, OPAQUE)

    def with_formats_for(self, traits: SourceTraits) -> ApiKeyGrant:
        """Return the grant with the default formats for keys of such a source."""
        return self if traits == self.traits else replace(self, traits=traits)

    def region(self, source: CredentialSource) -> str:
        """The region of the key: its own field, otherwise that of the source."""
        return self.key.own_region or source.region

    def key_identity(self, source: CredentialSource) -> KeyIdentity:
        """The facts that identify the key, together with `source.key_identity()`.

        Kind, region if a key is only valid in one, duration, user and plan; not the Secret's
        layout, the renewal, the probe or the rollout, so that changing those issues no new key.
        """
        identity: KeyIdentity = {"kind": self.kind.value} | self.key.key_identity()
        if self.key.is_regional:
            identity["region"] = self.region(source)
        return identity


def _newest(*requests: str | None) -> str | None:
    """The newest renewal request; a value that was not seen before is a new request.

    Both annotations count. A value that is not a time counts as older.
    """
    requested = [text for text in requests if text]
    return max(requested, key=_moment) if len(requested) > 1 else next(iter(requested), None)


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        return EPOCH


class GrantIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The grant ID and cluster ID of a grant, which its keys are tagged with.

    `grant_id` is the uid of the object that the first key was issued for: a restored grant has
    another uid, and keeps its ID. `cluster_id` is the uid of the namespace `kube-system`, empty if
    unknown. `former_ids` are other IDs that the grant may have tagged keys with; the operator has
    proved each of them.

    `recorded`: the status has the ID, so this cluster wrote the tags. `elsewhere` is the cluster
    named in Secret or status if it is another one, and `claimed_id` the grant ID named there,
    proved or not. `take_over` is the cluster named in the annotation, whose keys this cluster takes
    over.
    """

    grant_id: str
    cluster_id: str = ""
    former_ids: tuple[str, ...] = ()
    recorded: bool = False
    elsewhere: str = ""
    claimed_id: str = ""
    take_over: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """All IDs that are proved to belong to the grant."""
        return frozenset({self.grant_id, *self.former_ids})

    @property
    def clusters(self) -> frozenset[str]:
        """The clusters whose tags count as the grant's own."""
        return frozenset({self.cluster_id, self.take_over} - {""})

    @property
    def owned_by_another_cluster(self) -> bool:
        """Whether Secret or status name another cluster whose keys are not to be taken over."""
        return bool(self.elsewhere) and self.elsewhere != self.take_over

    @property
    def proof_id(self) -> str:
        """The ID that proofs of key IDs are computed over: grant and cluster."""
        return proof_id(self.grant_id, self.cluster_id)


def proof_id(grant_id: str, cluster_id: str) -> str:
    """The combined ID of grant and cluster; the grant ID alone if the cluster is unknown."""
    return f"{grant_id}@{cluster_id}" if cluster_id else grant_id
