"""Ways for a tenant to get another's credentials, or the operator's, as tables of objects.

Each row is what a tenant applies who may do everything in its own namespace, and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.tenants import Document, Tenant, merged


@dataclass(frozen=True)
class Attack:
    """One attack, and the message that the attacker gets.

    `grant` and `source` are merged into the specs of the attacker's; each may be made from the
    attacker and the victim. `prepare` is what the attacker does before.
    """

    name: str
    says: tuple[str, ...]
    grant: Mapping[str, Any] | Callable[[Tenant, Tenant], Document] = field(default_factory=dict)
    source: Mapping[str, Any] | Callable[[Tenant, Tenant], Document] = field(default_factory=dict)
    prepare: Callable[[Tenant, Tenant], None] = lambda *_: None
    reason: str = ""

    def __str__(self) -> str:
        return self.name

    def grant_body(self, attacker: Tenant, victim: Tenant) -> Document:
        """The attacker's grant."""
        spec = self.grant(attacker, victim) if callable(self.grant) else self.grant
        return merged(attacker.grant_body(), {"spec": spec})

    def source_body(self, attacker: Tenant, victim: Tenant) -> Document:
        """The attacker's source."""
        spec = self.source(attacker, victim) if callable(self.source) else self.source
        return merged(attacker.source_body(), {"spec": spec})


def identity(**fields: Any) -> Document:
    """The web identity of a source, with these fields."""
    return {"aws": {"webIdentity": fields}}


def alibaba(**identity: Any) -> Document:
    """A source of Alibaba Cloud instead."""
    return {"aws": None, "alibabaCloud": {"regionId": "cn-hangzhou", **identity}}


def secret(**fields: Any) -> Document:
    """The Secret of a grant, with these fields."""
    return {"secret": fields}
