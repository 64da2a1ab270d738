"""Many calls become few."""

import asyncio

from keywright.controller.referenced_secrets import Coalesced


async def test_the_first_call_is_made_at_once_and_the_others_together() -> None:
    """Each of ten thousand sources was compared with all others as it came."""
    seen: list[int] = []
    state, done = 0, asyncio.Event()

    def call() -> None:
        seen.append(state)
        if state == 1000:
            done.set()

    coalesced = Coalesced(call, seconds=0.05)
    for state in range(1, 1001):  # noqa: B007  what the call sees
        coalesced()
    assert seen == [1]
    async with asyncio.timeout(10):
        await done.wait()
    assert seen == [1, 1000]
    await asyncio.sleep(0.06)
    state = 1001
    coalesced()
    assert seen == [1, 1000, 1001]
