"""The status of a grant as its Secret tells it: what is in use, until when, and that it is well."""

from __future__ import annotations

from datetime import datetime

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.api.times import format_time
from keywright.planning.conditions import READY, ConditionWriter
from keywright.planning.facts import Facts, SecretView
from keywright.planning.former import former_secrets
from keywright.planning.retirement import retiring_after
from keywright.planning.windows import next_renewal


def as_it_is(facts: Facts, *, now: datetime) -> GrantStatus:
    """Nothing was done: the key in the Secret is the one in use, or all is suspended."""
    grant, secret, writer = facts.grant, facts.secret, condition_writer(facts, now)
    assert grant is not None
    if grant.spec.suspend:
        return _suspended(facts, grant, now=now)
    assert secret is not None
    # Another key than the one last told of: we were ended between the writes of Secret and status.
    told = (facts.status.issued_at, facts.status.expires_at)
    known = told == (secret.issued_at, secret.expires_at)
    status = msgspec.structs.replace(
        of_secret(facts, grant, secret),
        renew_at=next_renewal(grant, secret, now=now),
        key_id=secret.key_id or (facts.status.key_id if known else None),
        retiring=retiring_after(facts, key_id=secret.key_id or facts.status.key_id, now=now),
        pending=None if grant.keeping is None else facts.status.pending,
        # What is kept has answered the request, whether that was told or not.
        last_handled_reconcile_at=(grant.renewal_request or facts.status.last_handled_reconcile_at),
    )
    ready = facts.status.condition(READY)
    settled = (
        known
        and ready is not None
        and ready.status is ConditionStatus.TRUE
        and ready.reason == "Succeeded"
        and ready.observed_generation == grant.generation
    )
    conditions: tuple[Condition, ...] = (
        (ready,)
        if settled and ready is not None
        else writer.ready(reason="Succeeded", message=holds(grant, secret))
    )
    if facts.source_problem is not None:
        conditions += (writer.failing(facts.source_problem),)
    return msgspec.structs.replace(status, conditions=conditions)


def _suspended(facts: Facts, grant: ApiKeyGrant, *, now: datetime) -> GrantStatus:
    secret, writer = facts.secret, condition_writer(facts, now)
    lives = secret is not None and secret.lives(now)
    unknown = secret is not None and (secret.lost or facts.doubted)
    end = f" The key in Secret {grant.secret_name} " if secret is not None else ""
    if unknown:
        lives = False
        end += "is not known to work in the cloud."
    elif secret is not None:
        end += f"{'ends' if lives else 'ended'} at {time_told(secret.expires_at)}."
    known = secret is not None and not unknown
    status = of_secret(facts, grant, secret) if known and secret else named(facts, grant)
    return msgspec.structs.replace(
        status,
        observed_generation=grant.generation,
        conditions=(
            writer.condition(
                READY,
                true=lives,
                reason="Suspended",
                message=f"spec.suspend is true: nothing is minted.{end}",
            ),
        ),
    )


def of_secret(facts: Facts, grant: ApiKeyGrant, secret: SecretView) -> GrantStatus:
    """What the Secret's own annotations say, so that a lost status comes back without a mint."""
    return msgspec.structs.replace(
        named(facts, grant),
        observed_generation=grant.generation,
        issued_at=secret.issued_at,
        expires_at=secret.expires_at,
        renew_at=secret.renew_at,
        revision=secret.revision,
        fingerprint=secret.fingerprint,
        failed_attempts=0,
        last_failure_time=None,
    )


def named(facts: Facts, grant: ApiKeyGrant) -> GrantStatus:
    """The status with the kind and the name of the Secret that the spec asks for."""
    return msgspec.structs.replace(
        facts.status,
        kind=grant.kind.value,
        secret_name=grant.secret_name,
        former_secrets=former_secrets(
            facts.status,
            name=grant.secret_name,
            # It is taken by that entry.
            released=facts.secret is not None and facts.secret.released,
        ),
    )


def condition_writer(facts: Facts, now: datetime) -> ConditionWriter:
    """Writes conditions of this generation, beside those that are there."""
    return ConditionWriter(facts.status.conditions, generation=facts.subject.generation, now=now)


def holds(grant: ApiKeyGrant, secret: SecretView) -> str:
    """The sentence that Ready says of a key."""
    end = f" until {time_told(secret.expires_at)}" if secret.expires_at else ""
    remark = f" {secret.remark}" if secret.remark else ""
    return f"Secret {grant.secret_name} holds a {grant.kind.value}{end}.{remark}"


def time_told(moment: datetime | None) -> str:
    """As the status writes times."""
    return format_time(moment) if moment else "no time"
