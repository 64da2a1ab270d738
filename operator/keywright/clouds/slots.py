"""Which busy slots are waiting for a slow response of a cloud."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

PATIENCE_SECONDS: Final = 1.0
"""After waiting this long for a cloud, a slot no longer counts as busy for other tenants.

Hanging calls must not block other tenants. A slot that is slow for other reasons counts: if a
thousand keys are due together, or the API server is overloaded, more concurrency would make all of
them slower.
"""


class Slot:
    """The permission to work on something; created by `Slots.take`."""

    __slots__ = ("_depth", "_slots")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._depth = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The body waits for a cloud; may be nested."""
        self._depth += 1
        if self._depth == 1:
            self._slots.begin_wait(self)
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._slots.end_wait(self)


class Slots:
    """The busy slots, by whether they have waited for longer than the patience."""

    def __init__(
        self,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience_seconds = patience_seconds
        self._now = now
        self._taken: set[Slot] = set()
        # Ordered by the start of the wait, which is the order in which they become slow.
        self._waiting: OrderedDict[Slot, float] = OrderedDict()
        self._slow: set[Slot] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self) -> Slot:
        """Take a slot."""
        slot = Slot(self)
        self._taken.add(slot)
        return slot

    def free(self, slot: Slot) -> None:
        """Free a slot."""
        self._taken.remove(slot)
        self.end_wait(slot)

    def begin_wait(self, slot: Slot) -> None:
        """The slot waits from now on; no effect once it has been freed."""
        if slot in self._taken:
            self._waiting[slot] = self._now()

    def end_wait(self, slot: Slot) -> None:
        """The slot no longer waits."""
        self._waiting.pop(slot, None)
        self._slow.discard(slot)

    def prompt(self) -> int:
        """How many have not waited for longer than the patience."""
        until = self._now() - self.patience_seconds
        while self._waiting:
            slot, since = next(iter(self._waiting.items()))
            if since > until:
                break
            del self._waiting[slot]
            self._slow.add(slot)
        return len(self._taken) - len(self._slow)

    def seconds_until_slow(self) -> float:
        """The seconds until the next one may become slow; at most the patience."""
        self.prompt()
        since = next(iter(self._waiting.values()), self._now())
        return max(0.0, since + self.patience_seconds - self._now())


_OF_THIS_TASK: ContextVar[Slot | None] = ContextVar("slot", default=None)


def work_in(slot: Slot) -> None:
    """Make this task, and those that it creates, use the slot."""
    _OF_THIS_TASK.set(slot)


@contextmanager
def waiting_for_cloud() -> Iterator[None]:
    """The body waits for a response of a cloud; the slot of this task, if any, records that."""
    slot = _OF_THIS_TASK.get()
    if slot is None:
        yield
    else:
        with slot.waiting():
            yield
