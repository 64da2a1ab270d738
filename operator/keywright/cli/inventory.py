"""The objects of a set of manifests: sources, grants, and what they refer to.

Many manifests have no namespace, because kustomize, Helm, Flux or Argo CD sets it. An absent
namespace therefore matches every other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain, takewhile
from pathlib import PurePath
from typing import Any, Final, TypeVar

from keywright.api.errors import FieldError
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import API_VERSION, GRANT_KIND, SOURCE_KIND
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.schema import ServiceAccountReference
from keywright.api.source import CredentialSource
from keywright.cli.kustomizations import Placed
from keywright.cli.manifests import mapping_of
from keywright.cli.namespace_index import NamespaceIndex
from keywright.cli.secret_reads import SecretRead, reads_of

WORKLOAD_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")
"""The kinds that a grant can restart."""
_SECRET_WRITERS: Final[Mapping[str, tuple[str, ...]]] = {
    "ExternalSecret": ("spec", "target", "name"),
    "SealedSecret": ("spec", "template", "metadata", "name"),
    "Certificate": ("spec", "secretName"),
    "VaultStaticSecret": ("spec", "destination", "name"),
    "VaultDynamicSecret": ("spec", "destination", "name"),
}
"""Kinds of other products that write a Secret, each with the field of its name."""
_MOST_FILES: Final = 4096


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A CredentialSource; `spec` is None if it has `errors`."""

    placed: Placed
    spec: CredentialSource | None
    errors: tuple[FieldError, ...] = ()

    @property
    def token_account(self) -> tuple[str, ServiceAccountReference] | None:
        """The ServiceAccount whose token the source needs, with the field of its name."""
        if self.spec is None:
            return None
        aws, alibaba = self.spec.spec.aws, self.spec.spec.alibaba_cloud
        exchange = self.spec.spec.token_exchange
        if exchange is not None:
            return "spec.tokenExchange", exchange.service_account_ref
        if aws is not None and aws.web_identity is not None:
            return "spec.aws.webIdentity", aws.web_identity.service_account_ref
        if alibaba is not None and alibaba.oidc_role_arn is not None:
            return "spec.alibabaCloud.oidcRoleArn", alibaba.oidc_role_arn.service_account_ref
        if alibaba is not None and alibaba.profile is not None:
            reference = alibaba.profile.service_account_ref
            return None if reference is None else ("spec.alibabaCloud.profile", reference)
        return None


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """An ApiKeyGrant; `spec` is None if it has `errors`."""

    placed: Placed
    spec: ApiKeyGrant | None
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadEntry:
    """A Pod or a workload that has pods, and the Secrets that they read."""

    placed: Placed
    reads: tuple[SecretRead, ...]


_NONE: Final[frozenset[tuple[str, str | None, str]]] = frozenset()
_Entry = TypeVar("_Entry", SourceEntry, GrantEntry, WorkloadEntry)


@dataclass
class Inventory:
    """All objects, by what they are for."""

    objects: tuple[Placed, ...]
    sources: list[SourceEntry] = field(default_factory=list)
    grants: list[GrantEntry] = field(default_factory=list)
    workloads: list[WorkloadEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        for placed in self.objects:
            manifest = placed.manifest
            if manifest.api_version == API_VERSION and manifest.kind == SOURCE_KIND:
                self.sources.append(_source(placed))
            elif manifest.api_version == API_VERSION and manifest.kind == GRANT_KIND:
                self.grants.append(_grant(placed))
            elif reads := reads_of(manifest):
                self.workloads.append(WorkloadEntry(placed, reads))
            elif manifest.kind in WORKLOAD_KINDS:
                self.workloads.append(WorkloadEntry(placed, ()))

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Placed]]:
        found: dict[str, list[Placed]] = {}
        for placed in self.objects:
            found.setdefault(placed.manifest.kind, []).append(placed)
        return found

    @cached_property
    def _by_name(self) -> NamespaceIndex[Placed]:
        """The objects by kind and name."""
        return NamespaceIndex(
            ((placed.manifest.kind, placed.manifest.name), placed.namespace, placed)
            for placed in self.objects
        )

    @cached_property
    def _bindings(self) -> Mapping[str | None, list[Placed]]:
        """The bindings by namespace; None for those that may apply to every namespace."""
        found: dict[str | None, list[Placed]] = {}
        for placed in self.of_kind("RoleBinding", "ClusterRoleBinding"):
            is_cluster_wide = placed.manifest.kind == "ClusterRoleBinding"
            namespace = None if is_cluster_wide else placed.namespace
            found.setdefault(namespace, []).append(placed)
        return found

    @cached_property
    def _writers(self) -> NamespaceIndex[Placed]:
        """The objects that define a Secret, by the name of the Secret."""
        return NamespaceIndex(
            (written_name(placed), placed.namespace, placed)
            for placed in self.of_kind("Secret", *_SECRET_WRITERS)
        )

    @cached_property
    def _sources_by_name(self) -> NamespaceIndex[SourceEntry]:
        return NamespaceIndex(
            (entry.placed.manifest.name, entry.placed.namespace, entry) for entry in self.sources
        )

    @cached_property
    def _source_namespaces(self) -> frozenset[str | None]:
        return frozenset(entry.placed.namespace for entry in self.sources)

    @cached_property
    def grants_by_secret(self) -> Mapping[str, list[GrantEntry]]:
        """The grants by the name of their Secret."""
        found: dict[str, list[GrantEntry]] = {}
        for entry in self.grants:
            if entry.spec is not None:
                found.setdefault(entry.spec.secret_name, []).append(entry)
        return found

    @cached_property
    def _grants_of_secret(self) -> NamespaceIndex[GrantEntry]:
        return NamespaceIndex(
            (entry.spec.secret_name, entry.placed.namespace, entry)
            for entry in self.grants
            if entry.spec is not None
        )

    @cached_property
    def _workloads_of_secret(self) -> NamespaceIndex[WorkloadEntry]:
        """The workloads by the names of the Secrets that they read."""
        return NamespaceIndex(
            (name, entry.placed.namespace, entry)
            for entry in self.workloads
            for name in {read.secret for read in entry.reads}
        )

    def of_kind(self, *kinds: str) -> Iterator[Placed]:
        """The objects of these kinds."""
        return chain.from_iterable(self._by_kind.get(kind, ()) for kind in kinds)

    def source_of(self, grant: GrantEntry) -> SourceEntry | None:
        """The source that a grant names; None if it is not among the manifests."""
        assert grant.spec is not None
        reference = grant.spec.spec.source_ref
        namespace = reference.namespace or grant.placed.namespace
        found = self._sources_by_name.matching(reference.name, namespace)
        chosen = self.nearest(found, grant.placed)
        return max(chosen, key=lambda each: _common(each.placed, grant.placed), default=None)

    def completed(self, grant: GrantEntry) -> GrantEntry:
        """The grant with the default formats of its source's cloud."""
        source = None if grant.spec is None else self.source_of(grant)
        if grant.spec is None or source is None or source.spec is None:
            return grant
        return replace(grant, spec=grant.spec.with_formats_for(source.spec.traits))

    @cached_property
    def _copies(self) -> Mapping[str, frozenset[tuple[str, str | None, str]]]:
        """The sources and grants of each unit."""
        found: dict[str, set[tuple[str, str | None, str]]] = {}
        for entry in chain[SourceEntry | GrantEntry](self.sources, self.grants):
            placed = entry.placed
            identity = (placed.manifest.kind, placed.namespace, placed.manifest.name)
            found.setdefault(placed.unit, set()).add(identity)
        return {unit: frozenset(identities) for unit, identities in found.items()}

    def together(self, one: Placed, other: Placed) -> bool:
        """Whether two objects can be in one cluster.

        Units that have the same source or grant are environments, each a cluster of its own.
        """
        if one.unit == other.unit:
            return True
        copies = self._copies
        return copies.get(one.unit, _NONE).isdisjoint(copies.get(other.unit, _NONE))

    def nearest(self, entries: Iterable[_Entry], beside: Placed) -> list[_Entry]:
        """Of several entries, those of the same unit, otherwise those of the same cluster.

        Of copies of one object, the one in the closest folder.
        """
        every = [entry for entry in entries if self.together(entry.placed, beside)]
        same = [entry for entry in every if entry.placed.unit == beside.unit] or every
        closest: dict[str, _Entry] = {}
        for entry in same:
            other = closest.setdefault(entry.placed.label, entry)
            if _common(entry.placed, beside) > _common(other.placed, beside):
                closest[entry.placed.label] = entry
        return list(closest.values())

    def readers_of(self, grant: GrantEntry) -> list[WorkloadEntry]:
        """The workloads that read the Secret of a grant."""
        assert grant.spec is not None
        found = self._workloads_of_secret.matching(grant.spec.secret_name, grant.placed.namespace)
        return self.nearest(found, grant.placed)

    def grants_of(self, workload: WorkloadEntry, *, secret: str) -> list[GrantEntry]:
        """The grants that write a Secret which a workload reads."""
        found = self._grants_of_secret.matching(secret, workload.placed.namespace)
        chosen = self.nearest(found, workload.placed)
        return sorted(chosen, key=lambda each: -_common(each.placed, workload.placed))

    def named(self, *kinds: str, name: str, beside: Placed) -> Placed | None:
        """An object of one of these kinds, in the namespace of another object."""
        found = (
            placed
            for kind in kinds
            for placed in self.named_in(kind, name, beside.namespace)
            if self.together(placed, beside)
        )
        return next(found, None)

    def all_named(self, kind: str, name: str) -> Sequence[Placed]:
        """All objects of a kind with this name, in any namespace."""
        return self._by_name.named((kind, name))

    def named_in(self, kind: str, name: str, namespace: str | None) -> Sequence[Placed]:
        """The objects of a kind with this name that can be in the namespace; None for any."""
        return self._by_name.matching((kind, name), namespace)

    def bindings_in(self, namespace: str | None) -> Iterator[Placed]:
        """The RoleBindings that may apply to a namespace, and the ClusterRoleBindings."""
        if namespace is None:
            return chain.from_iterable(self._bindings.values())
        return chain(self._bindings.get(namespace, ()), self._bindings.get(None, ()))

    def knows_namespace(self, namespace: str | None) -> bool:
        """Whether the manifests contain this namespace, or a source in it."""
        return namespace in self._source_namespaces or bool(
            self.all_named("Namespace", str(namespace))
        )

    def labels_of_namespace(self, name: str, *, beside: Placed) -> list[Mapping[str, str]]:
        """The labels of a Namespace, once for each manifest of it."""
        return [
            {key: str(value) for key, value in mapping_of(labels).items()}
            for placed in self.all_named("Namespace", name)
            if self.together(placed, beside)
            for labels in [placed.manifest.metadata.get("labels")]
        ]

    def writers_of(self, secret: str, *, beside: Placed) -> list[Placed]:
        """The objects that define a Secret of this name in the namespace of another object."""
        return [
            placed
            for placed in self._writers.matching(secret, beside.namespace)
            if self.together(placed, beside)
        ]


def written_name(placed: Placed) -> str:
    """The name of the Secret that an object defines."""
    manifest = placed.manifest
    value: Any = manifest.body if manifest.kind in _SECRET_WRITERS else None
    for step in _SECRET_WRITERS.get(manifest.kind, ()):
        value = mapping_of(value).get(step)
    return value if isinstance(value, str) else manifest.name


def same_namespace(one: str | None, other: str | None) -> bool:
    """Whether two namespaces can be the same."""
    return one is None or other is None or one == other


def _common(one: Placed, other: Placed) -> int:
    """How many folders the paths of two objects have in common."""
    pairs = zip(_parts(one.manifest.file), _parts(other.manifest.file), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@lru_cache(maxsize=_MOST_FILES)
def _parts(file: str) -> tuple[str, ...]:
    return PurePath(file).parts


def _source(placed: Placed) -> SourceEntry:
    parsed = parse_source(_body(placed))
    if isinstance(parsed, list):
        return SourceEntry(placed, None, tuple(parsed))
    return SourceEntry(placed, parsed)


def _grant(placed: Placed) -> GrantEntry:
    parsed = parse_grant(_body(placed))
    if isinstance(parsed, list):
        return GrantEntry(placed, None, tuple(parsed))
    return GrantEntry(placed, parsed)


def _body(placed: Placed) -> dict[str, Any]:
    """The object with the metadata that the parsers read, in the types that they expect."""
    manifest = placed.manifest
    metadata = {
        "name": manifest.name,
        "namespace": placed.namespace or "",
        "annotations": {k: v for k, v in manifest.annotations.items() if isinstance(v, str)},
    }
    return {"metadata": metadata, "spec": manifest.body.get("spec", {})}
