"""The table of invalid resources: what is refused, where, and in which words."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from testbed.documents import documents

NAMESPACE = "chat"


class Refused(StrEnum):
    """Who refuses: the API server at once, or the operator in the condition Stalled."""

    APPLY = "apply"
    STALLED = "Stalled"


@dataclass(frozen=True)
class Invalid:
    """A row: a resource with one mistake, and the parts of the message that its author sees."""

    name: str
    kind: str
    refused: Refused
    says: tuple[str, ...]
    spec: dict[str, Any]
    source: dict[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The resource as its author would apply it."""
        return resource(self.kind, spec=self.spec)

    @property
    def source_body(self) -> dict[str, Any] | None:
        """The source that the grant names, where the mistake lies between the two."""
        return None if self.source is None else resource("CredentialSource", spec=self.source)

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


def resource(kind: str, *, spec: dict[str, Any]) -> dict[str, Any]:
    """A resource named `invalid` in the namespace of the examples."""
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "invalid", "namespace": NAMESPACE},
        "spec": spec,
    }


@cache
def rows(refused: Refused) -> tuple[Invalid, ...]:
    """Every row that is refused there."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    every = [row for file in files for row in documents(file.read_text(encoding="utf-8"))[0]]
    return tuple(
        Invalid(
            name=row["name"],
            kind=row["kind"],
            refused=Refused(row["refused"]),
            says=tuple(row["says"]),
            spec=row["spec"],
            source=row.get("source"),
        )
        for row in every
        if row["refused"] == refused
    )
