"""A source with `rolesAnywhere`, and what its certificates are made of."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from testbed.client_certificates import ClientAuthority, ClientPair

ACCOUNT: Final = "123456789012"
_ANYWHERE: Final = f"arn:aws:rolesanywhere:eu-central-1:{ACCOUNT}"
_ID: Final = "01234567-89ab-cdef-0123-456789abcdef"
IDENTITY: Final[dict[str, Any]] = {
    "trustAnchorArn": f"{_ANYWHERE}:trust-anchor/{_ID}",
    "profileArn": f"{_ANYWHERE}:profile/{_ID}",
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/chat",
    "secretRef": {"name": "client"},
}


@cache
def authority() -> ClientAuthority:
    """A root CA."""
    return ClientAuthority()


@cache
def intermediate() -> ClientAuthority:
    """A CA below the root."""
    return ClientAuthority("issuing-ca", parent=authority())


@cache
def client(key: str = "P-256") -> ClientPair:
    """A certificate with a chain of one."""
    return intermediate().issue("chat", key=key)
