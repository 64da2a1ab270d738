"""The state of a changed key in the data plane of API Gateway: the previous one, for a while.

LocalStack's tests against AWS wait 120 seconds until a disabled key is refused. [R]
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
    """The previous state of a key and its plans, until a given time."""

    key: ApiKey
    plans: frozenset[str]
    until: float


class KeyViews:
    """The previous states of keys by their value; without a lag there are none."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._views: dict[str, KeyView] = {}
        self.lag_seconds = 0.0

    def keep(self, key: ApiKey, *, plans: frozenset[str]) -> None:
        """Record the state of a key that is about to be changed; the oldest state counts."""
        if self.lag_seconds > 0 and self.former(key.value) is None:
            until = self._clock.now() + self.lag_seconds
            self._views[key.value] = KeyView(dataclasses.replace(key), plans, until)

    def former(self, value: str | None) -> KeyView | None:
        """The state that the data plane still uses; None if it uses the current one."""
        view = self._views.get(value or "")
        return view if view is not None and self._clock.now() < view.until else None
