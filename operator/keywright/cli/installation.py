"""What is installed in a cluster: the operator's Deployment and Lease, and the CRDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.errors import ApiError
from keywright.cli.cluster_client import METADATA_LIST, ClusterClient
from keywright.cli.crd_fields import CRDS, missing_fields
from keywright.cli.errors import ForbiddenError

OPERATOR_LABEL: Final = "app.kubernetes.io/name=keywright"
DEFAULT_NAMESPACE: Final = "keywright-system"


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's Deployment."""

    namespace: str
    name: str
    image: str
    arguments: tuple[str, ...]
    service_account: str
    wanted: int
    ready: int

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that it watches; empty for all of them."""
        pairs = zip(self.arguments, (*self.arguments[1:], ""), strict=True)
        found = [
            after if word == "--namespace" else word.partition("=")[2]
            for word, after in pairs
            if word == "--namespace" or word.startswith("--namespace=")
        ]
        return tuple(dict.fromkeys(found))

    @property
    def version(self) -> str:
        """The tag of its image, without a digest."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return tag or "unknown"


@dataclass(frozen=True, slots=True)
class InstalledCrd:
    """A CRD: whether it exists, and the fields of this version that it lacks.

    `missing` is None if the CRD may not be read.
    """

    name: str
    installed: bool
    missing: tuple[str, ...] | None


def find_operators(client: ClusterClient) -> list[Operator]:
    """The Deployments of the operator, by its label; that of the default namespace first.

    Any tenant can set the label: see `trusted_operator`.

    Raises:
        ForbiddenError: Deployments may not be listed in the cluster.
    """
    listed = client.items("/apis/apps/v1/deployments", labelSelector=OPERATOR_LABEL)
    found = [_operator(body) for body in listed if _container(body) is not None]
    return sorted(found, key=lambda each: each.namespace != DEFAULT_NAMESPACE)


def trusted_operator(found: Sequence[Operator]) -> Operator | None:
    """The Deployment whose flags may be used on this machine.

    That of the default namespace, or the only one there is: with several in other namespaces,
    nothing says which of them a tenant made.
    """
    if found and (len(found) == 1 or found[0].namespace == DEFAULT_NAMESPACE):
        return found[0]
    return None


def find_crds(client: ClusterClient) -> list[InstalledCrd]:
    """The two CRDs of Keywright."""
    return [_crd(client, name) for name in CRDS]


def lease_holder(client: ClusterClient, *, namespace: str, name: str) -> Mapping[str, Any] | None:
    """The spec of the Lease, None if it does not exist."""
    body = client.find(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
    return None if body is None else body.get("spec") or {}


def operator_may(
    client: ClusterClient,
    operator: Operator,
    verb: str,
    resource: str,
    *,
    namespace: str = "",
    group: str = "",
    name: str = "",
) -> bool | None:
    """Whether the operator's ServiceAccount has a right; None if you may not ask for it."""
    plural, _, subresource = resource.partition("/")
    attributes = {
        "verb": verb,
        "resource": plural,
        "subresource": subresource,
        "group": group,
        "namespace": namespace,
        "name": name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{operator.namespace}:{operator.service_account}",
            "groups": [
                *("system:authenticated", "system:serviceaccounts"),
                f"system:serviceaccounts:{operator.namespace}",
            ],
            "resourceAttributes": {key: value for key, value in attributes.items() if value},
        },
    }
    try:
        review = client.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    except ForbiddenError:
        return None
    except ApiError as error:
        # An API server without this API, such as the embedded one of the demo.
        if error.is_missing:
            return None
        raise
    allowed: bool = (review.get("status") or {}).get("allowed") is True
    return allowed


def _crd(client: ClusterClient, name: str) -> InstalledCrd:
    try:
        body = client.find(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    except ForbiddenError:
        return InstalledCrd(name, installed=_is_served(client, name), missing=None)
    if body is None:
        return InstalledCrd(name, installed=False, missing=())
    return InstalledCrd(name, installed=True, missing=tuple(missing_fields(body)))


def _is_served(client: ClusterClient, name: str) -> bool:
    plural, _, group = name.partition(".")
    try:
        found = client.get(f"/apis/{group}/v1alpha1")
    except ApiError:
        return False
    return any(each.get("name") == plural for each in found.get("resources") or ())


def _operator(body: Mapping[str, Any]) -> Operator:
    container = _container(body) or {}
    pod = body["spec"]["template"]["spec"]
    return Operator(
        namespace=body["metadata"]["namespace"],
        name=body["metadata"]["name"],
        image=str(container.get("image", "")),
        arguments=tuple(map(str, container.get("args") or ())),
        service_account=str(pod.get("serviceAccountName") or "default"),
        wanted=int(body["spec"].get("replicas") or 0),
        ready=int((body.get("status") or {}).get("readyReplicas") or 0),
    )


def _container(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The container that runs the operator."""
    containers: list[Mapping[str, Any]] = body["spec"]["template"]["spec"].get("containers") or []
    return next((c for c in containers if "run" in (c.get("args") or ())), None)


def namespaces(client: ClusterClient) -> list[str]:
    """The names of all namespaces."""
    return [
        str(item["metadata"]["name"])
        for item in client.items("/api/v1/namespaces", accept=METADATA_LIST)
    ]
