"""What tests receive about a session that STS issued."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """An issued session, without its secrets; `tags` are its effective tags."""

    access_key_id: str
    arn: str
    role_arn: str
    issued_at: float
    expires_at: float
    tags: dict[str, str]
    transitive_tag_keys: list[str]
    source_identity: str | None
