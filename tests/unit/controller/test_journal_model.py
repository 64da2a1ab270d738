"""The create journal against small clouds: killed anywhere, it ends with one key and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.controller.crashing import GRANT, Account, ModelStudioAccount


def _service_key(service: str, **fields: Any) -> Callable[[], Account]:
    return lambda: Account(kind="awsLongTermKey", key={"service": service, **fields})


_KINDS: Mapping[str, Callable[[], Account]] = {
    "Bedrock": Account,
    "ClaudePlatform": _service_key("ClaudePlatform", workspaceId="wrkspc_01"),
    "CloudWatch": _service_key("CloudWatch"),
    "CloudWatchLogs": _service_key("CloudWatchLogs", logGroup="/apps/chat", logStream="main"),
    "XRay": _service_key("XRay"),
    "ModelStudio": ModelStudioAccount,
    "ModelStudio, limited": lambda: ModelStudioAccount(key={"accessIps": ["203.0.113.7"]}),
}
"""The kinds with a create that cannot be repeated, and the services of one of them."""
_WRITES = ("/secrets/", "/status", "apikeygrants/chat-key")
_LIVES = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=40),
        st.sampled_from(["go on", "ask", "ask in other words", "lose an answer", *_WRITES]),
        st.integers(min_value=0, max_value=90),
    ),
    max_size=8,
)


@pytest.mark.long
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lives=_LIVES,
    lag=st.integers(min_value=0, max_value=120),
    delete=st.booleans(),
    kind=st.sampled_from(sorted(_KINDS)),
)
def test_wherever_it_is_killed_one_key_is_left(
    lives: list[tuple[int, str, int]], lag: int, kind: str, *, delete: bool
) -> None:
    """Rule 5: killed at any request, answers lost, a listing behind: one key, and no orphan."""
    account = _KINDS[kind]()
    account.cloud.lag = timedelta(seconds=lag)

    async def play() -> None:
        for requests, event, pause in lives:
            if event.startswith("ask"):
                account.ask(opaque=event != "ask")
            account.cloud.lose = int(event == "lose an answer")
            account.api.lose = event if event in _WRITES else ""
            await account.live(requests=requests)
            account.clock.advance(seconds=pause)
        account.cloud.lose, account.api.lose = 0, ""
        if delete:
            account.delete()
        await account.live(requests=None)

    asyncio.run(play())
    metadata = account.api.objects[GRANT]["metadata"]
    if delete:
        assert not metadata.get("finalizers")
        assert account.cloud.held == {}
        return
    status = account.api.objects[GRANT]["status"]
    assert list(account.cloud.held) == [account.key_id]
    assert account.cloud.held[account.key_id].active
    assert status["keyId"] == account.key_id
    assert "pending" not in status
    assert status["retiring"] == []
    # A request that is answered is not answered again; several at once are answered together.
    assert 1 <= status["revision"] <= 1 + account.requested


@pytest.mark.parametrize(
    "kind",
    ["Bedrock", "ClaudePlatform", pytest.param("ModelStudio", marks=pytest.mark.long)],
)
def test_every_single_request_may_be_the_last(kind: str) -> None:
    """The same for one death at each request of a mint and of a rotation, none left out."""
    for requests in range(1, 60):
        for requested in ("", "a time", "other words"):
            account = _KINDS[kind]()
            if requested:
                asyncio.run(account.live(requests=None))
                account.ask(opaque=requested != "a time")
            asyncio.run(account.live(requests=requests))
            asyncio.run(account.live(requests=None))
            assert list(account.cloud.held) == [account.key_id], (requests, requested)
            assert account.api.objects[GRANT]["status"]["revision"] == 1 + bool(requested)
