"""Taking from a queue, as a worker does."""

from keywright.controller.queue import DelayingQueue


async def taken(queue: DelayingQueue) -> list[str]:
    """All that can be had now, without waiting."""
    found: list[str] = []
    while (work := queue.take_work()) is not None:
        found.append(work.key)
    return found


async def take(queue: DelayingQueue) -> str:
    """The next key, as soon as one is due."""
    while (work := queue.take_work()) is None:
        await queue.news()
    return work.key
