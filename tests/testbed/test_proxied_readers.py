"""Every frozen client behind the proxy of `serve-credentials`, with the emulated Bedrock."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from testbed.readers import llm_app, node_sdks, proxied
from testbed.readers.answers import QUESTION
from testbed.readers.clients import ANTHROPIC, CLIENTS, SLOW_ANTHROPIC

if TYPE_CHECKING:
    from tests.testbed.world import Tenant

_CALLS = (
    *(proxied.OPENAI, proxied.STREAM, proxied.BOTO3, proxied.CONVERSE_STREAM, ANTHROPIC),
    *(proxied.HTTP, proxied.REQUESTS, proxied.CURL, llm_app.NAME),
)
_STREAMS = (proxied.SLOW_STREAM, proxied.SLOW_CONVERSE, SLOW_ANTHROPIC)
_NODE = pytest.mark.skipif(not node_sdks.are_available(), reason="no node and npm here")
_ON_NODE = (node_sdks.OPENAI, node_sdks.ANTHROPIC, node_sdks.SLOW_OPENAI)


def answer(tenant: Tenant, name: str) -> str:
    """The second answer of a client that was started once, with another key for each call."""
    connected = CLIENTS[name](
        tenant.data(tenant.key()), cloud_environment=tenant.cloud.client_environment()
    )
    with closing(connected) as client:
        assert client.ask()
        client.remount(tenant.data(tenant.key()))  # type: ignore[attr-defined]  # they are Mounted
        return client.ask().strip()


@pytest.mark.parametrize("name", _CALLS)
def test_a_client_with_a_placeholder_is_answered(tenant: Tenant, name: str) -> None:
    """Each SDK, with its own parser of what comes back."""
    assert answer(tenant, name) == f"You said: {QUESTION}"


@pytest.mark.parametrize("name", _STREAMS)
def test_a_slow_stream_takes_its_time(tenant: Tenant, name: str) -> None:
    """Two streams of almost eight seconds, joined as the SDK parses them."""
    began = time.monotonic()
    assert answer(tenant, name) == f"You said: {proxied.SLOW_QUESTION}"
    assert time.monotonic() - began >= 14


@_NODE
@pytest.mark.parametrize("name", _ON_NODE)
def test_the_sdks_for_node_are_answered(tenant: Tenant, name: str) -> None:
    """Streams of both, by their own parsers."""
    assert "You said: " in answer(tenant, name)
