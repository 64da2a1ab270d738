"""Detect that the wall clock was set, or that the machine was suspended: due times depend on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

CHECK_SECONDS: Final = 5.0
"""How often the wall clock is compared with the monotonic one, which stops during a suspend."""

_STEP_SECONDS: Final = 5.0
_LOG = logging.getLogger(__name__)


class ClockWatch:
    """Calls `stepped` when the wall clock and the elapsed time differ.

    `monotonic` is a clock in seconds. Small corrections, such as those of NTP, are accepted
    silently.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        stepped: Callable[[], None],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._now = now
        self._monotonic = monotonic
        self._stepped = stepped
        self._check_seconds = check_seconds
        self._offset = self._difference()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(self._check_seconds)
            self.check()

    def check(self) -> None:
        """Compare the clocks once."""
        offset = self._difference()
        step = offset - self._offset
        self._offset = offset
        if abs(step) >= _STEP_SECONDS:
            _LOG.warning(
                "wall clock moved by %.0f s: checking every grant and source again, retrying what"
                " was due meanwhile",
                step,
            )
            self._stepped()

    def _difference(self) -> float:
        return self._now().timestamp() - self._monotonic()
