"""A token bucket: how clouds limit the calls of an account."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds at most `size` tokens, refilled by `per_second`; a call takes one."""

    per_second: float
    size: float
    left: float
    filled_at: float

    def peek(self, now: float) -> bool:
        """Whether a token is available."""
        gained = max(0.0, now - self.filled_at) * self.per_second
        self.left = min(self.size, self.left + gained)
        self.filled_at = now
        return self.left >= 1.0

    def take(self, now: float) -> bool:
        """Take a token if one is available; whether it was."""
        if not self.peek(now):
            return False
        self.left -= 1.0
        return True
