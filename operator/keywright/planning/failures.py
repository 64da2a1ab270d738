"""What can go wrong, in the classes that decide what happens next."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Self


class FailureClass(enum.Enum):
    """How a failure is treated: most are tried again, a configuration mistake waits for an edit."""

    TRANSIENT = "Retry"
    CONFIGURATION = "Configuration"
    DENIED = "Denied"
    QUOTA = "Quota"
    THROTTLED = "Throttled"


class Failure(Exception):  # noqa: N818  a value as much as an exception: it becomes a condition
    """A step that did not succeed.

    `reason` is a CamelCase word for the condition, `message` what is wrong, `field` the path of
    the field to change (of the grant, or of the source where it starts with "CredentialSource"),
    and `cure` what to do. `no_side_effect` is certain knowledge that what was asked of a
    cloud was not carried out: without it, it may have been. `retry_after` is
    the least time before a cloud is asked again. No secret value may be in any of them.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: FailureClass,
        reason: str,
        field: str = "",
        cure: str = "",
        no_side_effect: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.reason = reason
        self.field = field
        self.remedy = cure
        self.no_side_effect = no_side_effect
        self.retry_after = retry_after

    @classmethod
    def of_unexpected(cls, error: Exception, *, what: str) -> Self:
        """The failure that an exception of no known kind is: transient, without its words.

        The text of such an exception may quote an answer, and with it a secret.
        """
        return cls(
            f"{what} failed: {type(error).__name__}.",
            kind=FailureClass.TRANSIENT,
            reason="UnexpectedError",
        )

    def message_with_remedy(self) -> str:
        """Field, what is wrong and what to do, as one text for a person."""
        start = f"{self.field}: " if self.field else ""
        end = f" {self.remedy}" if self.remedy else ""
        message = self.message.rstrip()
        # What a cloud or the API server says ends with a full stop or not.
        if end and not message.endswith((".", "!", "?", ":")):
            message += "."
        return f"{start}{message}{end}"
