"""The control interface of an emulated cloud, over plain HTTP on the loopback address.

`POST /NAME` with the keyword arguments as JSON; `EmulatedCloud` is its typed client. Each cloud
adds commands of its own.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from testbed.clouds.faults import Damage, Delay, Failure, Loss, RandomFailure, RandomLoss
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.calls import CallLog
    from testbed.clouds.clock import Clock
    from testbed.clouds.faults import Faults
    from testbed.clouds.wire import Request, Response


class Control:
    """The table of the commands of every cloud."""

    def __init__(self, *, clock: Clock, faults: Faults, journal: CallLog) -> None:
        self._clock = clock
        self._faults = faults
        self.questions: dict[str, Callable[..., object]] = {
            "set_clock": self._set_clock,
            "shift_dates": clock.shift_dates,
            "fail_next": lambda **requested: faults.add(Failure(**requested)),
            "damage_next": lambda **requested: faults.add(Damage(**requested)),
            "lose_answer": lambda **requested: faults.add(Loss(**requested)),
            "delay": lambda **requested: faults.add(Delay(**requested)),
            "refuse_share": lambda **requested: faults.add(RandomFailure(**requested)),
            "lose_share": lambda **requested: faults.add(RandomLoss(**requested)),
            "clear_faults": faults.clear,
            "calls": lambda **requested: [
                dataclasses.asdict(call) for call in journal.calls(**requested)
            ],
            "forget_calls": journal.clear,
        }

    async def answer(self, request: Request) -> Response:
        """The result as JSON; 400 with the reason if it fails."""
        question = self.questions.get(request.path.removeprefix("/"))
        if question is None:
            return json_response(f"there is no {request.path}", status=404)
        try:
            return json_response(question(**json.loads(request.body)))
        except Exception as error:  # a store may raise any type; the test gets to see it
            return json_response(f"{type(error).__name__}: {error}", status=400)

    def _set_clock(self, *, offset_seconds: float) -> None:
        self._clock.offset_seconds = offset_seconds
