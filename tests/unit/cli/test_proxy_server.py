"""The server that `keywright proxy` chooses by the Secret."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from keywright.cli.proxy import server_of
from keywright.sidecar.proxy_rules import UpstreamError

_REGION = {"AWS_REGION": b"eu-west-1"}
_RUNTIME = "https://bedrock-runtime.eu-west-1.amazonaws.com"
_MANTLE = "https://bedrock-mantle.eu-west-1.api.aws"


@pytest.mark.parametrize(
    ("values", "server"),
    [
        ({**_REGION, "AWS_BEARER_TOKEN_BEDROCK": b"key"}, _RUNTIME),
        ({**_REGION, "OPENAI_BASE_URL": f"{_MANTLE}/v1".encode()}, _MANTLE),
        (
            {**_REGION, "ANTHROPIC_AWS_API_KEY": b"key"},
            "https://aws-external-anthropic.eu-west-1.api.aws",
        ),
    ],
)
def test_a_key_goes_to_its_own_service(values: Mapping[str, bytes], server: str) -> None:
    """A key of one service is not sent to another."""
    assert server_of(values) == server


def test_a_secret_without_a_server_needs_the_option() -> None:
    """A bare key does not say where it is valid."""
    with pytest.raises(UpstreamError, match="names no server"):
        server_of({"apiKey": b"key"})
