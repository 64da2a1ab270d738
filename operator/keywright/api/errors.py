"""The exceptions of Keywright, in one tree.

KeywrightError
    ├── Failure                 a step did not succeed; becomes a condition, and usually a retry
    ├── RenderError             the Secret cannot be written as `spec.secret` describes it
    ├── ConflictError           an object changed during the reconcile: decide again immediately
    │   ├── StaleGrantError             the grant: read it again first
    │   ├── KeyUnreadableError          the key in the Secret cannot be read back
    │   └── SecretExistsUnwatchedError  a Secret outside the watch has the name
    ├── LostLeaseError          another replica may be the leader: write nothing
    └── KubernetesError         a request to the API server failed
        ├── ApiError                    a response of 400 or above
        ├── ApiUnreachableError         no response: the request may have been carried out
        └── SecretExistsError           a create-only apply found a Secret; nothing was written

A `Failure` carries what the next step depends on: its class (transient, configuration, denied,
quota or throttled), the field to change, and the remedy. Only `planning.conditions.ConditionWriter`
turns it into conditions.

Errors of a parser or a vendor's API (`TemplateError`, `StsError`, `TransportError`) stay in their
packages and are converted to a `Failure` there; `clouds.classified` converts unknown types.

`FieldError` is a value, not an exception: parsing returns all of them together.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error in a spec: its field, and a message with the error and the remedy."""

    field: str
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class KeywrightError(Exception):
    """Base class of all exceptions of Keywright."""


class FailureClass(enum.Enum):
    """How a failure is handled: most are retried, a configuration error waits for an edit."""

    TRANSIENT = "Retry"
    CONFIGURATION = "Configuration"
    DENIED = "Denied"
    QUOTA = "Quota"
    THROTTLED = "Throttled"


class Failure(KeywrightError):  # noqa: N818  also used as a value: it becomes a condition
    """A step that did not succeed.

    `reason` is a CamelCase word for the condition, `message` describes the error, `field` is the
    path of the field to change (of the grant, or of the source if it starts with
    "CredentialSource"), and `remedy` is the action to take. `no_side_effect` is set if the cloud
    certainly did not carry out the request; otherwise it may have. `retry_after` is the minimum
    delay before the next request to a cloud. None of these may contain a secret value.
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
        """Create a transient failure for an exception of unknown type, without its message.

        The message of such an exception may quote a response, and with it a secret.
        """
        return cls(
            f"{what} failed: {type(error).__name__}.",
            kind=FailureClass.TRANSIENT,
            reason="UnexpectedError",
        )

    @classmethod
    def of_invalid_spec(cls, *errors: FieldError) -> Self:
        """Create the failure for an invalid spec, with all its errors."""
        return cls(
            "; ".join(map(str, errors)), kind=FailureClass.CONFIGURATION, reason="InvalidSpec"
        )

    def with_field(self, field: str) -> Self:
        """Return a copy for another field: a failure can belong to several waiters."""
        return type(self)(
            self.message,
            kind=self.kind,
            reason=self.reason,
            field=field,
            remedy=self.remedy,
            no_side_effect=self.no_side_effect,
            retry_after=self.retry_after,
        )

    def message_with_remedy(self) -> str:
        """Return field, error and remedy as one message."""
        start = f"{self.field}: " if self.field else ""
        end = f" {self.remedy}" if self.remedy else ""
        message = self.message.rstrip()
        # Messages of a cloud or the API server may or may not end with a full stop.
        if end and not message.endswith((".", "!", "?", ":")):
            message += "."
        return f"{start}{message}{end}"


class RenderError(KeywrightError):
    """The Secret cannot be written as `spec.secret` describes it; `problem` states the remedy."""

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
    """An object changed during the reconcile: decide again immediately."""


class StaleGrantError(ConflictError):
    """The grant changed: it must be read again."""


class KeyUnreadableError(ConflictError):
    """The key in the Secret cannot be read back: the journal issues another."""


class SecretExistsUnwatchedError(ConflictError):
    """A Secret that the watch does not select has the name (namespace, name)."""

    def __init__(self, name: tuple[str, str]) -> None:
        super().__init__(name)
        self.name = name


class LostLeaseError(KeywrightError):
    """Another replica may be the leader: work in progress must not be written."""


class KubernetesError(KeywrightError):
    """A request to the API server failed."""


class ApiError(KubernetesError):
    """A response of 400 or above. `status`, `reason` and `message` are those of the server.

    `fields` are the object's fields that the server names as causes.
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
        """Whether this is a 404 because the object or its namespace does not exist."""
        return self.status == 404

    @property
    def is_unserved(self) -> bool:
        """Whether this is a 404 in plain text: unknown resource; one of an object has a reason."""
        return self.is_missing and not self.reason

    @property
    def is_conflict(self) -> bool:
        """Whether this is a 409: another client changed the object in the meantime."""
        return self.status == 409

    @property
    def is_transient(self) -> bool:
        """Whether this is a 429 or 5xx: the same request may succeed later."""
        return self.status == 429 or self.status >= 500


class ApiUnreachableError(KubernetesError):
    """No response: connection refused or lost, or timeout. The request may have succeeded."""


class SecretExistsError(KubernetesError):
    """The Secret to create exists already; nothing was written."""


def api_unreachable() -> Failure:
    """The failure to report in conditions while the API server does not respond."""
    return Failure(
        "the Kubernetes API did not answer.",
        kind=FailureClass.TRANSIENT,
        reason="ApiUnreachable",
        remedy="Tried again. If this stays, check the API server and the network to it.",
    )
