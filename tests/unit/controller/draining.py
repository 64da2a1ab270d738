"""Taking from a queue without waiting."""

import asyncio

from keywright.controller.queue import DueQueue


async def taken(queue: DueQueue) -> list[str]:
    """All that can be had now, without waiting."""
    found: list[str] = []
    while True:
        task = asyncio.ensure_future(queue.take())
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return found
        found.append(task.result())
