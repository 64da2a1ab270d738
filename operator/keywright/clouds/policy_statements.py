"""Statements of IAM policies: those that the operator needs, and those that a user has written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def allowing(document: Document | None) -> Iterator[dict[str, Any]]:
    """The Allow statements of a policy document that a user has written."""
    statements = (document or {}).get("Statement", [])
    for each in statements if isinstance(statements, list) else [statements]:
        if isinstance(each, Mapping) and each.get("Effect") == "Allow":
            yield dict(each)


def statement(
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str] | str,
    *,
    condition: Document | None = None,
) -> dict[str, Any]:
    """An Allow statement of AWS."""
    found: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resources if isinstance(resources, str) else list(resources),
    }
    return found if condition is None else {**found, "Condition": condition}
