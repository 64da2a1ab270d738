"""The refusal that every emulated cloud raises; how each says it stands in its own folder."""

from __future__ import annotations


class CloudError(Exception):
    """A refusal, before it takes the form of a service's protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
