"""Decisions about sources: when one is verified, its status, and what its grants may learn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywright.api.durations import format_duration
from keywright.api.errors import Failure, FailureClass, FieldError
from keywright.api.source import CredentialSource
from keywright.api.status import Condition, ConditionStatus, SourceStatus
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import CLOCK_SKEWED, READY, ConditionWriter, with_state
from keywright.planning.events import Event
from keywright.planning.renewal import hash_fraction, source_renews_at


@dataclass(frozen=True, slots=True)
class Verified:
    """The cloud accepted the identity: its name, and how long that holds without another call.

    `expires_at` None: until it is changed. For a bearer token the cloud returns no account.
    `warning`: about the expiry, for people.
    """

    identity: str
    account_id: str
    issued_at: datetime
    expires_at: datetime | None
    warning: str = ""


def source_failure(
    name: tuple[str, str],
    *,
    value: CredentialSource | list[FieldError] | None,
    deleting: bool,
    asking: str,
    permitted: bool,
) -> Failure | None:
    """Why grants of the namespace `asking` cannot use the source of that name, if they cannot.

    If they are not `permitted`, they learn nothing about it, not even whether it exists.
    """
    if name[0] != asking and not permitted:
        return Failure(
            f"there is no CredentialSource {name[1]} in namespace {name[0]} that allows namespace"
            f" {asking}.",
            kind=FailureClass.CONFIGURATION,
            reason="SourceNotAllowed",
            field="spec.sourceRef.namespace",
            remedy=(
                f"Ask the owner of namespace {name[0]} to allow {asking} in the source's"
                " spec.allowedNamespaces, or name a source of your own namespace."
            ),
        )
    if value is None:
        return Failure(
            f"there is no CredentialSource {name[1]} in namespace {name[0]}.",
            kind=FailureClass.TRANSIENT,
            reason="SourceNotFound",
            field="spec.sourceRef.name",
            remedy="Create it, or name another one.",
        )
    mistake = source_error(value)
    if mistake is not None:
        return Failure(
            f"CredentialSource {name[1]} cannot be used: {mistake.message}",
            kind=FailureClass.CONFIGURATION,
            reason="SourceInvalid",
            field="spec.sourceRef.name",
        )
    if deleting:
        return Failure(
            f"CredentialSource {name[1]} is being deleted.",
            kind=FailureClass.TRANSIENT,
            reason="SourceNotFound",
            field="spec.sourceRef.name",
            remedy="Create it again, or name another one.",
        )
    return None


def source_error(value: CredentialSource | list[FieldError]) -> Failure | None:
    """The error of an invalid source, if there is one."""
    if isinstance(value, list):
        return Failure.of_invalid_spec(*value)
    return None


def verification_due(
    status: SourceStatus, *, generation: int, uid: str, now: datetime
) -> datetime | None:
    """When the cloud must be called next: now if the spec is new, otherwise by status.

    None if it accepted an identity that does not expire.
    """
    if status.observed_generation != generation:
        return now
    if status.failed_attempts and status.last_failure_time:
        if status.last_failure_time > now:
            # The clock was set back: a failure in the future does not delay anything.
            return now
        return retry_at(
            attempts=status.failed_attempts,
            last_failure=status.last_failure_time,
            expires_at=None,
            position=hash_fraction(uid),
        )
    if status.renew_at is None and status.expires_at is None and _proved(status):
        return None
    return status.renew_at or now


def verified_status(
    status: SourceStatus,
    verified: Verified,
    *,
    provider: str,
    uid: str,
    generation: int,
    grants: int,
    now: datetime,
) -> SourceStatus:
    """Ready, and until when."""
    writer = ConditionWriter(status.conditions, generation=generation, now=now)
    return msgspec.structs.replace(
        status,
        observed_generation=generation,
        provider=provider,
        identity=verified.identity,
        account_id=verified.account_id or None,
        expires_at=verified.expires_at,
        renew_at=_renew_at(verified, uid=uid),
        failed_attempts=0,
        last_failure_time=None,
        grants=grants,
        conditions=writer.ready(
            reason="Succeeded",
            message=f"Authenticated as {verified.identity}. {verified.warning}".rstrip(),
        ),
    )


def failed_status(
    status: SourceStatus,
    failure: Failure,
    *,
    provider: str | None,
    generation: int,
    grants: int,
    now: datetime,
    has_session: bool = True,
) -> SourceStatus:
    """Not Ready, unless the current session is still valid: then Ready, and RenewalFailing.

    `has_session`: the session is in memory. Without it, a source that must be corrected is not
    Ready, since nothing can be issued; during an outage it stays Ready for as long as the status
    says.
    """
    attempts = status.failed_attempts + 1
    writer = ConditionWriter(status.conditions, generation=generation, now=now)
    ready = status.condition(READY)
    conditions: tuple[Condition, ...]
    passing = failure.kind in (FailureClass.TRANSIENT, FailureClass.THROTTLED)
    alive = status.expires_at is not None and now < status.expires_at and (has_session or passing)
    if alive and _holds(ready, generation=generation) and ready is not None:
        conditions = (ready, writer.failing(failure))
    else:
        status = _without_session(status)
        conditions = writer.not_ready(failure, attempts=attempts)
    return msgspec.structs.replace(
        status,
        observed_generation=generation,
        provider=provider,
        failed_attempts=attempts,
        last_failure_time=now.replace(microsecond=0),
        grants=grants,
        conditions=conditions,
    )


def invalid_status(
    status: SourceStatus,
    mistake: Failure,
    *,
    provider: str | None,
    generation: int,
    grants: int,
    now: datetime,
) -> SourceStatus:
    """Stalled until the source is edited."""
    writer = ConditionWriter(status.conditions, generation=generation, now=now)
    return msgspec.structs.replace(
        _without_session(status),
        observed_generation=generation,
        provider=provider,
        grants=grants,
        conditions=writer.not_ready(mistake, attempts=0),
    )


def _without_session(status: SourceStatus) -> SourceStatus:
    """The status of a source that is not Ready: it is no identity, until one is verified again.

    The account stays: it locates the keys that were issued in it.
    """
    return msgspec.structs.replace(status, identity=None, expires_at=None, renew_at=None)


def tells_only_of_dates(before: SourceStatus, after: SourceStatus) -> bool:
    """Whether only the session has changed, so that the write may be deferred."""
    dates = msgspec.structs.replace(before, expires_at=after.expires_at, renew_at=after.renew_at)
    return dates == after


def _holds(ready: Condition | None, *, generation: int) -> bool:
    return (
        ready is not None
        and ready.status is ConditionStatus.TRUE
        and ready.observed_generation == generation
    )


def _proved(status: SourceStatus) -> bool:
    ready = status.condition(READY)
    return bool(status.identity) and ready is not None and ready.status is ConditionStatus.TRUE


def _renew_at(verified: Verified, *, uid: str) -> datetime | None:
    if verified.expires_at is None:
        return None
    return source_renews_at(issued_at=verified.issued_at, expires_at=verified.expires_at, uid=uid)


LARGEST_SKEW: Final = timedelta(minutes=1)
_ROUNDED_SECONDS: Final = 10


def is_skewed(skew: timedelta) -> bool:
    """Whether the clock skew is large enough to be reported."""
    return abs(skew) > LARGEST_SKEW


def with_clock_skew(
    before: SourceStatus,
    after: SourceStatus,
    *,
    skew: timedelta | None,
    endpoint_field: str,
    generation: int,
    now: datetime,
) -> SourceStatus:
    """The status with ClockSkewed if it applies, and with the state that follows.

    ClockSkewed stays as it is if `skew` is unknown.

    `skew`: how far the operator's clock is ahead. `endpoint_field`: the field of the source that
    sets the host that answered; empty for the cloud's own endpoint.
    """
    condition = before.condition(CLOCK_SKEWED)
    if skew is not None:
        writer = ConditionWriter(before.conditions, generation=generation, now=now)
        condition = None
        if is_skewed(skew):
            condition = writer.condition(
                CLOCK_SKEWED,
                true=True,
                reason=CLOCK_SKEWED,
                message=_message(skew, endpoint_field=endpoint_field),
            )
    others = tuple(each for each in after.conditions if each.type != CLOCK_SKEWED)
    conditions = others if condition is None else (*others, condition)
    return with_state(msgspec.structs.replace(after, conditions=conditions))


def skew_notice(before: SourceStatus, after: SourceStatus) -> Event | None:
    """The one Event for a clock skew that has begun."""
    skewed = after.condition(CLOCK_SKEWED)
    if skewed is None or before.condition(CLOCK_SKEWED) is not None:
        return None
    return Event(warning=True, reason=CLOCK_SKEWED, note=skewed.message)


def _message(skew: timedelta, *, endpoint_field: str) -> str:
    # Rounded, so that a clock that drifts is not written again and again.
    seconds = round(abs(skew).total_seconds() / _ROUNDED_SECONDS) * _ROUNDED_SECONDS
    side = "ahead of" if skew > timedelta(0) else "behind"
    whose = f"the host in {endpoint_field}" if endpoint_field else "the cloud"
    remedy = "Synchronize the clock of the operator's node (NTP)"
    if endpoint_field:
        remedy += f"; if no other source reports this, the clock of {whose} is wrong"
    return (
        f"The operator's clock is about {format_duration(seconds)} {side} that of {whose}:"
        f" signatures can be refused, and keys can end early. {remedy}."
    )
