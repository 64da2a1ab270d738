"""The log of the calls to the emulator, and their results."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `time` is the emulator's; `parameters` contain no token and no secret.

    `session` is the access key ID of the session that the call created; a `lost` response was not
    sent.
    """

    time: float
    service: str
    action: str
    principal: str | None
    host: str
    status: int
    error_code: str | None
    parameters: dict[str, str] = field(default_factory=dict)
    session: str | None = None
    lost: bool = False


class CallLog:
    """The last hundred thousand calls."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT)

    def add(self, call: Call) -> None:
        """Record a call that has been answered."""
        self._calls.append(call)

    def calls(self, *, service: str | None, action: str | None) -> list[Call]:
        """The calls of a service and an action, None for any, in the order of their responses."""
        return [
            call
            for call in self._calls
            if service in {None, call.service} and action in {None, call.action}
        ]

    def clear(self) -> None:
        """Drop all calls."""
        self._calls.clear()
