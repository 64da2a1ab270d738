"""What lint knows of the lifetime of a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.cli.linting.lifetimes import key_lifetime
from tests.unit.api.samples import grant, source

_DOMAIN: dict[str, Any] = {
    "domain": "tools",
    "domainOwner": "111122223333",
    "repository": "shared",
}


@pytest.mark.parametrize(
    ("key", "hours"),
    [({}, 12), ({"duration": "2h"}, 2), ({"boundToSession": True}, 1)],
)
def test_the_lifetime_of_a_package_token(key: dict[str, Any], hours: int) -> None:
    """Its own, or that of the session that requests it."""
    made: ApiKeyGrant = grant(bedrockShortTermKey=None, codeArtifactToken=_DOMAIN | key)
    from_role: CredentialSource = source()
    assert key_lifetime(made, source=from_role) == timedelta(hours=hours)
