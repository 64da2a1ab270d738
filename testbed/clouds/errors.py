"""The error that every emulated cloud raises; each cloud's package defines its own errors."""

from __future__ import annotations


class CloudError(Exception):
    """An error, before it is converted to the format of a service's protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
