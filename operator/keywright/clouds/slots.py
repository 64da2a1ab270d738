"""Which of the slots that are taken are held by calls that are slow to answer."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 1.0
"""What has run for longer waits for an answer: it no longer counts as busy for others.

Where a thousand keys are due at once, everything runs for a while and more at once would only make
all of it slower; what hangs must hold up nobody else.
"""


class Slots:
    """What runs, told apart by whether it has run for longer than the patience.

    A slot is any number that `take` returned and `free` has not been given yet.
    """

    def __init__(
        self,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience_seconds
        self._now = now
        # In the order in which they began, which is the order in which they become slow.
        self._prompt: OrderedDict[int, float] = OrderedDict()
        self._slow: set[int] = set()
        self._number = 0

    def __len__(self) -> int:
        return len(self._prompt) + len(self._slow)

    def take(self) -> int:
        """Begin a slot and return its number."""
        self._number += 1
        self._prompt[self._number] = self._now()
        return self._number

    def free(self, slot: int) -> None:
        """End a slot."""
        if self._prompt.pop(slot, None) is None:
            self._slow.remove(slot)

    def prompt(self) -> int:
        """How many have not run for longer than the patience."""
        until = self._now() - self._patience
        while self._prompt:
            slot, since = next(iter(self._prompt.items()))
            if since > until:
                break
            del self._prompt[slot]
            self._slow.add(slot)
        return len(self._prompt)

    def seconds_until_slow(self) -> float | None:
        """In how many seconds the next one becomes slow; None where none is left to."""
        if not self.prompt():
            return None
        since = next(iter(self._prompt.values()))
        return max(0.0, since + self._patience - self._now())
