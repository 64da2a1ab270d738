"""Faults that a test asks for: calls refused, answers damaged or lost, and delays."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TypeVar

from testbed.clouds.errors import CloudError


@dataclass(slots=True)
class Failure:
    """Refuse the next `remaining` calls of a service, of one action where that is given."""

    service: str
    action: str | None
    code: str
    message: str
    status: int
    remaining: int


@dataclass(slots=True)
class Damage:
    """Carry out the next `remaining` calls, and cut the genuine answers short."""

    service: str
    action: str | None
    remaining: int


@dataclass(slots=True)
class Loss:
    """Carry out the next `remaining` calls, and cut the connections without any answer."""

    service: str
    action: str | None
    remaining: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer the calls of a service late."""

    service: str
    action: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RandomFailure:
    """Refuse a `share` of all calls of a service, chosen by a generator with this seed."""

    service: str
    code: str
    message: str
    status: int
    share: float
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", random.Random(self.seed))  # noqa: S311  no secret


@dataclass(frozen=True, slots=True)
class RandomLoss:
    """Carry out a `share` of all calls of an action, chosen likewise, without any answer."""

    service: str
    action: str
    share: float
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", random.Random(self.seed))  # noqa: S311  no secret


Fault = Failure | Damage | Loss | Delay | RandomFailure | RandomLoss


class Faults:
    """What is to go wrong, in the order it was asked for."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._damages: list[Damage] = []
        self._losses: list[Loss] = []
        self._delays: list[Delay] = []
        self._random_failures: list[RandomFailure] = []
        self._random_losses: list[RandomLoss] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
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
        """Nothing goes wrong from now on."""
        self._failures.clear()
        self._damages.clear()
        self._losses.clear()
        self._delays.clear()
        self._random_failures.clear()
        self._random_losses.clear()

    def delay_seconds(self, service: str, action: str) -> float:
        """How late this call is to be answered."""
        return sum(
            delay.seconds
            for delay in self._delays
            if delay.service == service and delay.action in {None, action}
        )

    def refused(self, service: str, action: str) -> CloudError | None:
        """The refusal that this call uses up."""
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
        """Whether the answer to this call is to be cut short."""
        return _used_up(self._damages, service, action) is not None

    def lost(self, service: str, action: str) -> bool:
        """Whether this call is to have no answer."""
        return _used_up(self._losses, service, action) is not None or any(
            (fault.service, fault.action) == (service, action)
            and fault.chance.random() < fault.share
            for fault in self._random_losses
        )


_Counted = TypeVar("_Counted", Failure, Damage, Loss)


def _used_up(faults: list[_Counted], service: str, action: str) -> _Counted | None:
    """The first fault that is for this call, counted down."""
    for fault in faults:
        if fault.service == service and fault.action in {None, action}:
            fault.remaining -= 1
            if fault.remaining <= 0:
                faults.remove(fault)
            return fault
    return None
