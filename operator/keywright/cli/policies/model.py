"""Policies by what holds them: roles, users and permissions boundaries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from keywright.api.source import Provider
from keywright.clouds.policy_statements import Document

_VERSIONS: Final = {Provider.AWS: "2012-10-17", Provider.ALIBABA_CLOUD: "1"}


_AWS_PARTS: Final = 6
_ALIBABA_PARTS: Final = 5
UNKNOWN_ACCOUNT: Final = "ACCOUNT-ID"


class HolderKind(StrEnum):
    """What holds policies."""

    ROLE = "role"
    USER = "user"
    BOUNDARY = "boundary"


@dataclass(slots=True)
class Holder:
    """A role or user with its policies, or a managed policy that is a permissions boundary.

    `arn` may contain a placeholder in capitals, which `notes` explain. `path` ends with a slash.
    """

    provider: Provider
    kind: HolderKind
    arn: str
    trust: list[dict[str, Any]] = field(default_factory=list)
    permissions: list[dict[str, Any]] = field(default_factory=list)
    max_session_seconds: int = 3600
    grants: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def resource(self) -> str:
        """The part of the ARN after the account, without its type: path and name."""
        return self.arn.rpartition(":")[2].partition("/")[2]

    @property
    def name(self) -> str:
        """The name."""
        return self.resource.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The path, `/` by default."""
        return f"/{self.resource.rpartition('/')[0]}/".replace("//", "/")

    @property
    def account(self) -> str:
        """The account of the holder."""
        return account_of(self.arn)

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """The policy documents: `trust` and `permissions`, as far as they have statements."""
        version = _VERSIONS[self.provider]
        found = {"trust": self.trust, "permissions": self.permissions}
        return {
            name: {"Version": version, "Statement": statements}
            for name, statements in found.items()
            if statements
        }

    def allow(self, statements: Iterable[dict[str, Any]], *, grant: str = "") -> None:
        """Add statements, each once; the Sids of a policy must be unique."""
        for statement in statements:
            if not any(_same(statement, other) for other in self.permissions):
                self.permissions.append(self._with_unique_sid(statement))
        if grant and grant not in self.grants:
            self.grants.append(grant)

    def _with_unique_sid(self, statement: dict[str, Any]) -> dict[str, Any]:
        taken = {each.get("Sid") for each in self.permissions if isinstance(each.get("Sid"), str)}
        sid = statement.get("Sid")
        if not isinstance(sid, str) or sid not in taken:
            return statement
        numbered = (f"{sid}{number}" for number in itertools.count(2))
        return {**statement, "Sid": next(each for each in numbered if each not in taken)}

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


def _same(one: Document, other: Document) -> bool:
    """Whether two statements are equal but for their Sid."""
    return {**one, "Sid": ""} == {**other, "Sid": ""}


def account_of(arn: str) -> str:
    """The account in an ARN of IAM or RAM; a placeholder if the text is no such ARN."""
    parts = arn.split(":")
    return parts[-2] if len(parts) in {_AWS_PARTS, _ALIBABA_PARTS} else UNKNOWN_ACCOUNT
