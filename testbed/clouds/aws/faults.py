"""Faults that a test asks for: refusals of the next calls, and delays."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.clouds.aws.refusals import AwsError


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


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer the calls of a service late."""

    service: str
    action: str | None
    seconds: float


class Faults:
    """What is to go wrong, in the order it was asked for."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._damages: list[Damage] = []
        self._delays: list[Delay] = []

    def add(self, fault: Failure | Damage | Delay) -> None:
        """Ask for a fault."""
        match fault:
            case Failure():
                self._failures.append(fault)
            case Damage():
                self._damages.append(fault)
            case Delay():
                self._delays.append(fault)

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self._failures.clear()
        self._damages.clear()
        self._delays.clear()

    def delay_seconds(self, service: str, action: str) -> float:
        """How late this call is to be answered."""
        return sum(
            delay.seconds
            for delay in self._delays
            if delay.service == service and delay.action in {None, action}
        )

    def take(self, service: str, action: str) -> AwsError | None:
        """The refusal that this call uses up."""
        for failure in self._failures:
            if failure.service == service and failure.action in {None, action}:
                failure.remaining -= 1
                if failure.remaining <= 0:
                    self._failures.remove(failure)
                return AwsError(failure.code, failure.message, status=failure.status)
        return None

    def damaged(self, service: str, action: str) -> bool:
        """Whether the answer to this call is to be cut short."""
        for damage in self._damages:
            if damage.service == service and damage.action in {None, action}:
                damage.remaining -= 1
                if damage.remaining <= 0:
                    self._damages.remove(damage)
                return True
        return False
