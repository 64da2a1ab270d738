"""What a test is told of a session that STS gave out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A session that STS gave out, without its secrets; `tags` are those that it ended up with."""

    access_key_id: str
    arn: str
    role_arn: str
    issued_at: float
    expires_at: float
    tags: dict[str, str]
    transitive_tag_keys: list[str]
    source_identity: str | None
