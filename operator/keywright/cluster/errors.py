"""Answers of the API server that are not what was asked for."""

from __future__ import annotations

from keywright.planning.failures import Failure, FailureClass


class ApiError(Exception):
    """An answer of 400 or above. `status`, `reason` and `message` are the server's own.

    `fields` are those of the object that the server names as causes.
    """

    def __init__(
        self, *, status: int, reason: str, message: str, fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.fields = fields
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def is_missing(self) -> bool:
        """404: the object, or its namespace, is gone."""
        return self.status == 404

    @property
    def is_unserved(self) -> bool:
        """404 in plain text: the server knows no such kind, where one of an object has a reason."""
        return self.is_missing and not self.reason

    @property
    def is_conflict(self) -> bool:
        """409: somebody changed it meanwhile."""
        return self.status == 409

    @property
    def is_transient(self) -> bool:
        """429 or 5xx: the same request may succeed later."""
        return self.status == 429 or self.status >= 500


class ApiUnreachableError(Exception):
    """No answer: connection refused or lost, or too slow. What was asked may have been done."""


def api_unreachable() -> Failure:
    """The failure that a request without an answer is, where a condition has to tell it."""
    return Failure(
        "the Kubernetes API did not answer.",
        kind=FailureClass.TRANSIENT,
        reason="ApiUnreachable",
        cure="Tried again. If this stays, check the API server and the network to it.",
    )
