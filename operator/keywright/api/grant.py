"""ApiKeyGrant: what to mint, and the Secret to keep it in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

import msgspec

from keywright.api.durations import parse_duration
from keywright.api.formats import Format
from keywright.api.key_spec import ManagedKeyPolicy, ProbeMode
from keywright.api.keys import Key, KeyFields, KeyKind
from keywright.api.schema import (
    KeyIdentity,
    LabelSelector,
    NamespaceName,
    ObjectName,
    SecretKeyReference,
    SpecStruct,
)
from keywright.api.secret_spec import SecretSpec
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import EPOCH, parse_time
from keywright.api.windows import Window


class SourceReference(SpecStruct, frozen=True):
    """A CredentialSource; without a namespace, of the grant's own."""

    name: ObjectName
    namespace: NamespaceName | None = None


class Renewal(SpecStruct, frozen=True):
    """When a key is renewed.

    `before` is a percentage of the real lifetime or a duration; None means a third.
    """

    before: str | None = None
    windows: tuple[Window, ...] = ()


class Probe(SpecStruct, frozen=True):
    """The trial of a new credential."""

    mode: ProbeMode = ProbeMode.NONE
    model_id: str | None = None
    url: str | None = None
    timeout: str = "60s"

    @property
    def timeout_seconds(self) -> float:
        """How long the trial may take."""
        return parse_duration(self.timeout)


class WorkloadKind(StrEnum):
    """Workloads that can be restarted; a Rollout is that of Argo Rollouts."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    ROLLOUT = "Rollout"


class Workload(SpecStruct, frozen=True):
    """Workloads of the grant's namespace: one by name, or those that a selector finds."""

    kind: WorkloadKind
    name: ObjectName | None = None
    selector: LabelSelector | None = None


class Rollout(SpecStruct, frozen=True):
    """What to restart once the data of the Secret has changed, and how many at a time."""

    restart: tuple[Workload, ...] = ()
    batch_size: int = 5
    min_interval: str | None = None


class DeletionPolicy(StrEnum):
    """What becomes of what was made in the cloud when the grant is deleted."""

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
    """An ApiKeyGrant as read: what of its metadata matters, its spec, and what that asks for.

    `renew_requested_at`, `reconcile_requested_at` and `take_over` are the values of the
    annotations. `identity` is added by the controller, `provider` once the source is known.

    What the spec asks for is computed once: `key` and its `kind`, `managed` (how the key is kept in
    the cloud, None for one that can be issued again freely), `imports` (the field and the Secret
    that the value comes from), `is_bulk_import` (the Secret holds many keys, one entry each),
    `expires` (the key ends by itself), `formats`, the names of Secret and source, and
    `renewal_request`, the newer of the two annotations. `known_as` is the identity in the clouds;
    by the uid if nothing more is known.
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
    provider: Provider = Provider.AWS

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
        derive("formats", key.default_formats_for(self.provider) if formats is None else formats)
        derive("object_key", (self.namespace, self.name))
        derive("secret_name", spec.secret.name or self.name)
        derive("source_key", (reference.namespace or self.namespace, reference.name))
        derive("renewal_request", _newest(self.renew_requested_at, self.reconcile_requested_at))
        derive("known_as", self.identity or GrantIdentity(grant_id=self.uid))

    def with_formats_for(self, provider: Provider) -> ApiKeyGrant:
        """The grant, with the formats that it has by default with such a source."""
        return self if provider is self.provider else replace(self, provider=provider)

    def region(self, source: CredentialSource) -> str:
        """The region of the key: the key's own, otherwise that of the source."""
        return self.key.own_region or source.region

    def key_identity(self, source: CredentialSource) -> KeyIdentity:
        """What decides what the key IS, together with `source.key_identity()`.

        Kind, region if a key works only there, duration, user and plan; nothing of the Secret's
        layout, the renewal, the probe or the rollout, so that changing these issues no key.
        """
        identity: KeyIdentity = {"kind": self.kind.value} | self.key.key_identity()
        if self.key.is_regional:
            identity["region"] = self.region(source)
        return identity


def _newest(*requests: str | None) -> str | None:
    """The newest request for a renewal; a value that was not seen before asks for one.

    Both annotations count. One that is no time counts as the older.
    """
    requested = [text for text in requests if text]
    return max(requested, key=_moment) if len(requested) > 1 else next(iter(requested), None)


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        return EPOCH


class GrantIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The grant id and cluster id of a grant, with which its keys are tagged.

    `grant_id` is the uid of the object that the first key was issued for: a restored grant has
    another uid, and keeps its id. `cluster_id` is the uid of the namespace `kube-system`, empty
    where it is unknown. `former_ids` are other ids under which the grant may have tagged keys;
    the operator has proved each of them.

    `recorded`: the status has the id, so that the tags were written by this cluster.
    `elsewhere` is the cluster that Secret or status name where that is another one, and
    `claimed_id` the grant id that they name then, proved or not. `take_over` is the cluster that
    the annotation names whose keys are to become those of this one.
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
        """All grant ids that are proved to be those of the grant."""
        return frozenset({self.grant_id, *self.former_ids})

    @property
    def clusters(self) -> frozenset[str]:
        """The clusters whose tags count as those of the grant."""
        return frozenset({self.cluster_id, self.take_over} - {""})

    @property
    def owned_by_another_cluster(self) -> bool:
        """Whether Secret or status name another cluster, whose keys are not to be taken over."""
        return bool(self.elsewhere) and self.elsewhere != self.take_over

    @property
    def proof_id(self) -> str:
        """What proofs of key ids are made by: grant and cluster."""
        return proof_id(self.grant_id, self.cluster_id)


def proof_id(grant_id: str, cluster_id: str) -> str:
    """A grant of a cluster as one word; the grant id alone where the cluster is unknown."""
    return f"{grant_id}@{cluster_id}" if cluster_id else grant_id
