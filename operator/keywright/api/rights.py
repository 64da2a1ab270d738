"""The rights in the cluster that the operator needs, as in the Roles of the installation."""

from __future__ import annotations

from typing import Final, NamedTuple

from keywright.api.names import GRANT_PLURAL, GROUP, SOURCE_PLURAL


class Right(NamedTuple):
    """A verb on a resource of an API group; with `name`, on the object of that name alone.

    A subresource follows its resource after a slash, as in a Role.
    """

    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" {self.name}" if self.name else "")


NEEDED: Final = (
    *(
        Right(verb, GROUP, plural)
        for plural in (SOURCE_PLURAL, GRANT_PLURAL)
        for verb in ("get", "list", "watch")
    ),
    *(Right("patch", GROUP, f"{plural}/status") for plural in (SOURCE_PLURAL, GRANT_PLURAL)),
    Right("patch", GROUP, GRANT_PLURAL),
    *(Right(verb, "", "secrets") for verb in ("get", "list", "watch", "create", "patch")),
    Right("get", "", "serviceaccounts"),
    Right("create", "events.k8s.io", "events"),
)
"""In each namespace that the operator watches, or in all of them."""

LABELS: Final = (Right("list", "", "namespaces"), Right("watch", "", "namespaces"))
"""Of each namespace in a list by its name, or of all: to watch their labels."""

TOKENS: Final = Right("create", "", "serviceaccounts/token")
"""By a Role for each ServiceAccount, or in all namespaces by choice."""

ROLLOUTS: Final = Right("patch", "apps", "deployments")
"""Bound by the user, where workloads are restarted; the others of that ClusterRole go with it."""

CLUSTER_ID: Final = Right("get", "", "namespaces", "kube-system")
REVIEWS: Final = (
    Right("create", "authentication.k8s.io", "tokenreviews"),
    Right("create", "authorization.k8s.io", "subjectaccessreviews"),
)
"""With --metrics-auth=kubernetes."""


def own_namespace_rights(*, lease: str, orphans: str) -> tuple[Right, ...]:
    """In the operator's own namespace; an empty `lease` means no leader election."""
    leases = (
        (
            Right("create", "coordination.k8s.io", "leases"),
            *(Right(verb, "coordination.k8s.io", "leases", lease) for verb in ("get", "update")),
        )
        if lease
        else ()
    )
    return (
        *leases,
        Right("create", "", "configmaps"),
        *(Right(verb, "", "configmaps", orphans) for verb in ("get", "patch")),
    )
