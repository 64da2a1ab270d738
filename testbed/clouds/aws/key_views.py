"""What the data plane of API Gateway knows of a key that was changed: its state before, for a time.

LocalStack's tests against AWS wait 120 seconds until a key that was disabled is refused. [R]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.clouds.aws.gateway_keys import ApiKey
    from testbed.clouds.clock import Clock


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as it was, and the plans that it was in, until a time."""

    key: ApiKey
    plans: frozenset[str]
    until: float


class KeyViews:
    """The former states of keys by their value; without a lag there are none."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._views: dict[str, KeyView] = {}
        self.lag_seconds = 0.0

    def keep(self, key: ApiKey, *, plans: frozenset[str]) -> None:
        """Note how a key is that is about to be changed; the oldest state counts."""
        if self.lag_seconds > 0 and self.former(key.value) is None:
            until = self._clock.now() + self.lag_seconds
            self._views[key.value] = KeyView(dataclasses.replace(key), plans, until)

    def former(self, value: str | None) -> KeyView | None:
        """The state that the data plane still goes by; None where it knows the present one."""
        view = self._views.get(value or "")
        return view if view is not None and self._clock.now() < view.until else None
