"""The objects that `keywright create` prints, and the parts that all of them have."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_RBAC: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class CreatedObject:
    """An object with the comment above it."""

    body: dict[str, Any]
    comment: tuple[str, ...] = ()


def role_of(
    options: argparse.Namespace,
    name: str,
    namespace: str,
    rules: list[dict[str, Any]],
    *,
    comment: str,
) -> Iterator[CreatedObject]:
    """A Role, and its RoleBinding to the operator."""
    operator_namespace, _, operator = options.operator.partition("/")
    api_version = f"{_RBAC}/v1"
    yield CreatedObject({**head(api_version, "Role", name, namespace), "rules": rules}, (comment,))
    yield CreatedObject(
        {
            **head(api_version, "RoleBinding", name, namespace),
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": operator, "namespace": operator_namespace}
            ],
        }
    )


def head(api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """The fields of an object before its spec."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def present(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
