"""The errors of Keywright, in one tree.

    KeywrightError
    ├── Failure                 a step did not succeed; becomes a condition and, mostly, a retry
    ├── RenderError             the Secret cannot be written as `spec.secret` asks
    ├── ConflictError           an object changed while it was worked on: decide again at once
    │   ├── StaleGrantError             the grant: read it again first
    │   ├── KeyUnreadableError          the key in the Secret cannot be read back
    │   └── SecretExistsUnwatchedError  a Secret that the watch does not show has the name
    ├── LostLeaseError          another replica may be the leader: write nothing
    └── KubernetesError         what the API server answers
        ├── ApiError                    a response of 400 or above
        ├── ApiUnreachableError         no response: the request may have been carried out
        └── SecretExistsError           a create-only apply found a Secret; nothing was written

A `Failure` carries what decides about the next step: its class (transient, configuration, denied,
quota or throttled), the field to change, and the remedy. `planning.conditions.ConditionWriter`
alone turns it into conditions.

Errors of a parser or a vendor's API (`TemplateError`, `StsError`, `TransportError`) stay in their
packages, and become a `Failure` there; `clouds.classified` converts those of no known type.

`FieldError` is no exception but a value: parsing returns all of them at once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake in a spec: its field, and a message that says what is wrong and the remedy."""

    field: str
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class KeywrightError(Exception):
    """The root of the tree."""


class FailureClass(enum.Enum):
    """How a failure is treated: most are retried, a configuration mistake waits for an edit."""

    TRANSIENT = "Retry"
    CONFIGURATION = "Configuration"
    DENIED = "Denied"
    QUOTA = "Quota"
    THROTTLED = "Throttled"


class Failure(KeywrightError):  # noqa: N818  a value as much as an exception: it becomes a condition
    """A step that did not succeed.

    `reason` is a CamelCase word for the condition, `message` what is wrong, `field` the path of
    the field to change (of the grant, or of the source if it starts with "CredentialSource"), and
    `remedy` what to do. `no_side_effect`: it is certain that the cloud did not carry out the
    request; without it, the cloud may have. `retry_after` is the least time before the next request
    to a cloud. None of them may contain a secret value.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: FailureClass,
        reason: str,
        field: str = "",
        remedy: str = "",
        no_side_effect: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.reason = reason
        self.field = field
        self.remedy = remedy
        self.no_side_effect = no_side_effect
        self.retry_after = retry_after

    @classmethod
    def of_unexpected(cls, error: Exception, *, what: str) -> Self:
        """The transient failure for an exception of no known type, without its message.

        The message of such an exception may quote a response, and with it a secret.
        """
        return cls(
            f"{what} failed: {type(error).__name__}.",
            kind=FailureClass.TRANSIENT,
            reason="UnexpectedError",
        )

    @classmethod
    def of_invalid_spec(cls, *errors: FieldError) -> Self:
        """The failure for a spec that does not parse, with every mistake in it."""
        return cls(
            "; ".join(map(str, errors)), kind=FailureClass.CONFIGURATION, reason="InvalidSpec"
        )

    def message_with_remedy(self) -> str:
        """Field, what is wrong and what to do, as one text for people."""
        start = f"{self.field}: " if self.field else ""
        end = f" {self.remedy}" if self.remedy else ""
        message = self.message.rstrip()
        # Messages of a cloud or of the API server end with a full stop or not.
        if end and not message.endswith((".", "!", "?", ":")):
            message += "."
        return f"{start}{message}{end}"


class RenderError(KeywrightError):
    """The Secret cannot be written as `spec.secret` asks; `problem` names field and remedy."""

    def __init__(self, problem: FieldError) -> None:
        super().__init__(str(problem))
        self.problem = problem

    @property
    def failure(self) -> Failure:
        """The failure to report."""
        return Failure(
            self.problem.message,
            kind=FailureClass.CONFIGURATION,
            reason="InvalidSpec",
            field=self.problem.field,
        )


class ConflictError(KeywrightError):
    """An object changed while it was worked on: decide again at once."""


class StaleGrantError(ConflictError):
    """The grant changed: it must be read again."""


class KeyUnreadableError(ConflictError):
    """The key in the Secret cannot be read back: the journal makes another."""


class SecretExistsUnwatchedError(ConflictError):
    """A Secret that the watch does not show has the name (namespace, name)."""

    def __init__(self, name: tuple[str, str]) -> None:
        super().__init__(name)
        self.name = name


class LostLeaseError(KeywrightError):
    """Another replica may be the leader: what is in progress here must not be written."""


class KubernetesError(KeywrightError):
    """The API server did not do what was requested."""


class ApiError(KubernetesError):
    """A response of 400 or above. `status`, `reason` and `message` are the server's own.

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
        """404 in plain text: the server knows no such kind; a 404 of an object has a reason."""
        return self.is_missing and not self.reason

    @property
    def is_conflict(self) -> bool:
        """409: another client changed it meanwhile."""
        return self.status == 409

    @property
    def is_transient(self) -> bool:
        """429 or 5xx: the same request may succeed later."""
        return self.status == 429 or self.status >= 500


class ApiUnreachableError(KubernetesError):
    """No response: connection refused or lost, or too slow. The request may have been done."""


class SecretExistsError(KubernetesError):
    """A Secret that should be new exists already; nothing was written."""


def api_unreachable() -> Failure:
    """The failure that a condition reports when the API server does not respond."""
    return Failure(
        "the Kubernetes API did not answer.",
        kind=FailureClass.TRANSIENT,
        reason="ApiUnreachable",
        remedy="Tried again. If this stays, check the API server and the network to it.",
    )
