"""The parameters of GetScopedCredentials, and who may call it.

From botocore 1.44.8, sts/2011-06-15: bounds, errors and their causes [K]. The order of the checks,
the messages, and that the action needs a permission of the same name are assumptions. [U]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.clouds.aws import refusals, session_requests
from testbed.clouds.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws.sessions import Session
    from testbed.clouds.policies import Policy

_LONGEST_SECONDS = 129_600
_MOST_POLICIES = 3
_DESCRIPTION = (2, 256)


@dataclass(frozen=True, slots=True)
class ScopingRequest:
    """A valid request; None means that the session's own expiry or permissions are kept."""

    policy: Policy | None
    expires_at: float | None


def check(parameters: Mapping[str, str], *, session: Session | None, now: float) -> ScopingRequest:
    """Parse a request of a session; raises CloudError."""
    if session is None:
        raise CloudError(
            "InvalidSubjectCredentials",
            "GetScopedCredentials can only be called with temporary security credentials.",
            status=400,
        )
    document, duration = parameters.get("Policy"), parameters.get("DurationSeconds")
    if document is None and duration is None:
        raise refusals.validation("At least one of Policy or DurationSeconds must be specified.")
    description = parameters.get("ScopedSessionDescription")
    if description is not None and not _DESCRIPTION[0] <= len(description) <= _DESCRIPTION[1]:
        raise refusals.constraint(
            "scopedSessionDescription",
            description,
            f"have length less than or equal to {_DESCRIPTION[1]}",
        )
    policy = None if document is None else session_requests.session_policy(document)
    if policy is not None and len(session.scopes) >= _MOST_POLICIES:
        raise CloudError(
            "AccessDenied",
            f"The session already has {_MOST_POLICIES} scope down policies.",
            status=403,
        )
    expires_at = None if duration is None else now + _seconds(duration)
    if expires_at is not None and expires_at > session.expires_at:
        raise CloudError(
            "InsufficientSessionLifetime",
            "The requested DurationSeconds exceeds the remaining lifetime of the session.",
            status=400,
        )
    return ScopingRequest(policy, expires_at)


def _seconds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _LONGEST_SECONDS:
        raise refusals.constraint(
            "durationSeconds", text, f"have value less than or equal to {_LONGEST_SECONDS}"
        )
    return int(text)
