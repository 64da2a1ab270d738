"""Verb and resource of a request to the Kubernetes API, as in RBAC, for metrics and traces.

Both have few values: a name in a path never becomes a label.
"""

from __future__ import annotations

from typing import Final, Protocol

OTHER: Final = "other"
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_RESOURCES: Final = frozenset(
    {
        "apikeygrants",
        "apikeygrants/status",
        "configmaps",
        "credentialsources",
        "credentialsources/status",
        "customresourcedefinitions",
        "daemonsets",
        "deployments",
        "events",
        "leases",
        "namespaces",
        "rollouts",
        "secrets",
        "selfsubjectaccessreviews",
        "serviceaccounts",
        "serviceaccounts/token",
        "statefulsets",
        "subjectaccessreviews",
        "tokenreviews",
    }
)
WRITES: Final = frozenset(_VERBS.values())


class ApiRequestObserver(Protocol):
    """Counts and times the requests to the Kubernetes API."""

    def __call__(self, verb: str, resource: str, *, status: int | None, seconds: float) -> None:
        """Record one request; `status` is that of HTTP, None without a response."""


def verb_and_resource(method: str, path: str) -> tuple[str, str]:
    """Return verb and resource of a request, by its path and query."""
    plain, _, query = path.partition("?")
    # /api/v1/... or /apis/GROUP/VERSION/...
    parts = plain.strip("/").split("/")[2 if plain.startswith("/api/") else 3 :]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    resource = parts[0] if parts else ""
    if len(parts) > 2:
        resource = f"{resource}/{parts[2]}"
    verb = _VERBS.get(method)
    if verb is None:
        verb = "watch" if "watch=" in query else "list" if len(parts) == 1 else "get"
    return verb, resource if resource in _RESOURCES else OTHER
