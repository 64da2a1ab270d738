"""What tests receive: created resources, and sessions."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UserAccessKey:
    """A long-term access key, of a RAM user or of the account itself."""

    access_key_id: str
    secret_key: str = field(repr=False)
    user_arn: str


@dataclass(frozen=True, slots=True)
class RsaKeyPair:
    """A key pair of a RAM user: the cloud has the public key, this is the private one (PEM)."""

    public_key_id: str
    private_key: str = field(repr=False)
    user_arn: str


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """An issued session, without its secrets."""

    access_key_id: str
    arn: str
    role_arn: str | None
    issued_at: float
    expires_at: float
