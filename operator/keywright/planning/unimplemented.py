"""What the contract has and this version has no code for yet: one table.

A grant or source that uses a row is Stalled with reason NotImplemented, naming the field. Rows
leave with the code that makes them true; nothing else in the program asks what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource

GRANT_ROWS: Final[tuple[tuple[str, Callable[[ApiKeyGrant], bool]], ...]] = (
    ("spec.bearerToken", lambda grant: grant.kind is KeyKind.BEARER_TOKEN),
    ("spec.rollout.restart", lambda grant: bool(grant.spec.rollout.restart)),
)

SOURCE_ROWS: Final[tuple[tuple[str, Callable[[CredentialSource], bool]], ...]] = (
    ("spec.alibabaCloud", lambda source: source.spec.alibaba_cloud is not None),
)


def unimplemented_in_grant(grant: ApiKeyGrant) -> tuple[str, ...]:
    """The fields of the grant that have no code yet."""
    return tuple(field for field, used in GRANT_ROWS if used(grant))


def unimplemented_in_source(source: CredentialSource) -> tuple[str, ...]:
    """The fields of the source that have no code yet."""
    return tuple(field for field, used in SOURCE_ROWS if used(source))
