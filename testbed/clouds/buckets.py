"""A token bucket: how clouds count the calls of an account."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds `size` tokens at most, gets `per_second` anew; a call takes one."""

    per_second: float
    size: float
    left: float
    filled_at: float

    def peek(self, now: float) -> bool:
        """Whether there is a token to take."""
        gained = max(0.0, now - self.filled_at) * self.per_second
        self.left = min(self.size, self.left + gained)
        self.filled_at = now
        return self.left >= 1.0

    def take(self, now: float) -> bool:
        """Whether there was a token to take."""
        if not self.peek(now):
            return False
        self.left -= 1.0
        return True
