"""Faults that a test injects: rejected calls, damaged or lost responses, and delays."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TypeVar

from testbed.clouds.errors import CloudError


@dataclass(slots=True)
class Failure:
    """Reject the next `remaining` calls of a service, or of one of its actions."""

    service: str
    action: str | None
    code: str
    message: str
    status: int
    remaining: int


@dataclass(slots=True)
class Damage:
    """Execute the next `remaining` calls, and truncate their responses."""

    service: str
    action: str | None
    remaining: int


@dataclass(slots=True)
class Loss:
    """Execute the next `remaining` calls, and close the connections without a response."""

    service: str
    action: str | None
    remaining: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Delay the responses of a service."""

    service: str
    action: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RandomFailure:
    """Reject a `share` of all calls of a service, chosen by a generator with this seed."""

    service: str
    code: str
    message: str
    status: int
    share: float
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", random.Random(self.seed))  # noqa: S311  not a secret


@dataclass(frozen=True, slots=True)
class RandomLoss:
    """Execute all calls of an action, and send no response to a `share` of them."""

    service: str
    action: str
    share: float
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", random.Random(self.seed))  # noqa: S311  not a secret


Fault = Failure | Damage | Loss | Delay | RandomFailure | RandomLoss


class Faults:
    """The injected faults, in their order."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._damages: list[Damage] = []
        self._losses: list[Loss] = []
        self._delays: list[Delay] = []
        self._random_failures: list[RandomFailure] = []
        self._random_losses: list[RandomLoss] = []

    def add(self, fault: Fault) -> None:
        """Inject a fault."""
        match fault:
            case Failure():
                self._failures.append(fault)
            case Damage():
                self._damages.append(fault)
            case Loss():
                self._losses.append(fault)
            case Delay():
                self._delays.append(fault)
            case RandomFailure():
                self._random_failures.append(fault)
            case RandomLoss():
                self._random_losses.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._failures.clear()
        self._damages.clear()
        self._losses.clear()
        self._delays.clear()
        self._random_failures.clear()
        self._random_losses.clear()

    def delay_seconds(self, service: str, action: str) -> float:
        """The delay of this call."""
        return sum(
            delay.seconds
            for delay in self._delays
            if delay.service == service and delay.action in {None, action}
        )

    def refused(self, service: str, action: str) -> CloudError | None:
        """The error for this call, which is used up."""
        failure = _used_up(self._failures, service, action) or next(
            (
                fault
                for fault in self._random_failures
                if fault.service == service and fault.chance.random() < fault.share
            ),
            None,
        )
        if failure is None:
            return None
        return CloudError(failure.code, failure.message, status=failure.status)

    def damaged(self, service: str, action: str) -> bool:
        """Whether the response to this call is to be truncated."""
        return _used_up(self._damages, service, action) is not None

    def lost(self, service: str, action: str) -> bool:
        """Whether this call gets no response."""
        return _used_up(self._losses, service, action) is not None or any(
            (fault.service, fault.action) == (service, action)
            and fault.chance.random() < fault.share
            for fault in self._random_losses
        )


_Counted = TypeVar("_Counted", Failure, Damage, Loss)


def _used_up(faults: list[_Counted], service: str, action: str) -> _Counted | None:
    """The first fault that applies to this call, counted down."""
    for fault in faults:
        if fault.service == service and fault.action in {None, action}:
            fault.remaining -= 1
            if fault.remaining <= 0:
                faults.remove(fault)
            return fault
    return None
