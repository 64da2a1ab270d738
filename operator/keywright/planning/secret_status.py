"""The status of a grant from its Secret: the key in use, its expiry, and that it is ready."""

from __future__ import annotations

from datetime import datetime

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.api.times import format_time_or_dash
from keywright.planning.conditions import READY, SUSPENDED, condition_writer
from keywright.planning.former import former_secrets
from keywright.planning.key_ownership import recorded_kind
from keywright.planning.renewal import next_renewal
from keywright.planning.retirement import retiring_keys
from keywright.planning.state import GrantState, SecretState


def status_unchanged(state: GrantState, *, now: datetime) -> GrantStatus:
    """The status if nothing was done: the Secret's key is in use, or the grant is suspended."""
    grant, secret, writer = state.grant, state.secret, condition_writer(state, now)
    assert grant is not None
    if grant.spec.suspend:
        return _suspended(state, grant, now=now)
    assert secret is not None
    # A key other than the recorded one: the process ended between the writes of Secret and status.
    recorded = (state.status.issued_at, state.status.expires_at)
    known = recorded == (secret.issued_at, secret.expires_at)
    status = msgspec.structs.replace(
        status_from_secret(state, grant, secret),
        renew_at=next_renewal(grant, secret, now=now),
        key_id=secret.key_id or (state.status.key_id if known else None),
        retiring=retiring_keys(state, key_id=secret.key_id or state.status.key_id, now=now),
        pending=None if grant.managed is None else state.status.pending,
        # The key in use has answered the request, whether that was recorded or not.
        last_handled_reconcile_at=(grant.renewal_request or state.status.last_handled_reconcile_at),
    )
    ready = state.status.condition(READY)
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
        else writer.ready(reason="Succeeded", message=ready_message(grant, secret))
    )
    if state.source_problem is not None:
        conditions += (writer.failing(state.source_problem),)
    return msgspec.structs.replace(status, conditions=conditions)


def _suspended(state: GrantState, grant: ApiKeyGrant, *, now: datetime) -> GrantStatus:
    secret, writer = state.secret, condition_writer(state, now)
    lives = secret is not None and secret.is_unexpired(now)
    unknown = secret is not None and (secret.lost or state.doubted)
    end = f" The key in Secret {grant.secret_name} " if secret is not None else ""
    if unknown:
        lives = False
        end += "is not known to work in the cloud."
    elif secret is not None:
        end += f"{'ends' if lives else 'ended'} at {format_time_or_dash(secret.expires_at)}."
    known = secret is not None and not unknown
    status = (
        status_from_secret(state, grant, secret) if known and secret else with_names(state, grant)
    )
    return msgspec.structs.replace(
        status,
        observed_generation=grant.generation,
        conditions=(
            writer.condition(
                READY,
                true=lives,
                reason=SUSPENDED,
                message=f"spec.suspend is true: no key is issued.{end}",
            ),
        ),
    )


def status_from_secret(state: GrantState, grant: ApiKeyGrant, secret: SecretState) -> GrantStatus:
    """The status from the Secret's annotations, which restores a lost status without a new key."""
    return msgspec.structs.replace(
        with_names(state, grant, published=True),
        observed_generation=grant.generation,
        issued_at=secret.issued_at,
        expires_at=secret.expires_at,
        renew_at=secret.renew_at,
        revision=secret.revision,
        fingerprint=secret.fingerprint,
        failed_attempts=0,
        last_failure_time=None,
    )


def with_names(state: GrantState, grant: ApiKeyGrant, *, published: bool = False) -> GrantStatus:
    """The status with the kind and the name of the Secret from the spec.

    The kind of managed keys stays until a key of another kind is published: a deletion revokes keys
    by it.

    Until a Secret of a new name is published, the status names the previous one: if a Secret of
    another owner blocks the name, the grant has left nothing behind there.
    """
    status = state.status
    created = None if published else recorded_kind(status)
    kind = (created or grant.kind).value
    if status.revision and status.secret_name is not None and not published:
        return msgspec.structs.replace(status, kind=kind)
    return msgspec.structs.replace(
        state.status,
        kind=kind,
        secret_name=grant.secret_name,
        former_secrets=former_secrets(
            state.status,
            name=grant.secret_name,
            # The entry takes it over.
            released=state.secret is not None and state.secret.released,
        ),
    )


def ready_message(grant: ApiKeyGrant, secret: SecretState) -> str:
    """The message of Ready for a key."""
    end = f" until {format_time_or_dash(secret.expires_at)}" if secret.expires_at else ""
    warning = f" {secret.warning}" if secret.warning else ""
    return f"Secret {grant.secret_name} holds a {grant.kind.value}{end}.{warning}"
