"""Issue a new key, probe it, and write it to the Secret."""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time, time_or_none
from keywright.clouds.interfaces import Intent, IssuedKey
from keywright.controller.api_errors import certainly_not_written
from keywright.controller.context import Context, Result
from keywright.controller.grants.journal import undo_create
from keywright.controller.grants.probe import probe_key
from keywright.controller.grants.read_back import key_values, previous_values
from keywright.controller.grants.write import write_secret
from keywright.controller.key_records import UnprobedKey
from keywright.planning.key_ownership import owned_key_ids
from keywright.planning.retirement import strays_of_intent
from keywright.planning.state import GrantState, IssueReason, KeyFault
from keywright.planning.triggers import renewal_requested
from keywright.secrets.credential import API_KEY
from keywright.secrets.fingerprint import has_identity
from keywright.secrets.proofs import derive_value

# How long requests with the same value for the grants of one source count as one request.
_ONE_REQUEST = timedelta(seconds=30)


async def issue_key(
    context: Context, state: GrantState, *, cause: IssueReason, held: UnprobedKey | None = None
) -> Result:
    """Issue a key, or use the `held` one that waits for its probe; write it once it has passed.

    Raises:
        Failure, RenderError, ConflictError, ApiError, ApiUnreachableError: it is not in the Secret.
    """
    grant, source = state.grant, state.source
    assert grant is not None
    assert source is not None
    context.fence.check()
    issued_key = held.issued_key if held is not None else None
    # Before a key is created, which a failure of this request would leave without a Secret.
    values = await previous_values(context, state)
    try:
        if issued_key is None:
            intent = await _intent(context, state, grant, cause=cause)
            issued_key = await context.metrics.timed_mint(
                grant.kind.value,
                cause.value,
                lambda: context.grant_providers[source.provider].mint(
                    grant,
                    source=source,
                    intent=intent,
                    not_before=_requested_at(context, state, grant),
                ),
            )
        since = held.since if held is not None else None
        pending = await probe_key(context, state, issued_key, cause=cause, since=since)
        if pending is not None:
            return pending
        revision = _revision(state, issued_key)
        return await write_secret(
            context, state, issued_key, held=values, revision=revision, new=True
        )
    except BaseException as error:
        key_id = issued_key.credential.key_id if issued_key is not None else None
        unrecoverable = grant.managed is not None and not grant.managed.marked
        if unrecoverable and key_id is not None and certainly_not_written(error):
            undone = await undo_create(context, state, key_id)
            if isinstance(error, Failure):
                error.no_side_effect = undone
        raise


def _requested_at(context: Context, state: GrantState, grant: ApiKeyGrant) -> datetime | None:
    """The time of a renewal request that was not carried out yet; None without one.

    Requests with the same value within half a minute are one: one session answers them all.
    """
    requested, source = grant.renewal_request, context.store.sources.get(grant.source_key)
    if requested is None or source is None or not renewal_requested(grant, state):
        return None
    now, stated = context.clock(), time_or_none(requested)
    known = source.request
    if known is None or known[0] != requested or now - known[1] > _ONE_REQUEST:
        known = source.request = (requested, now)
    return known[1] if stated is None or stated > now else max(known[1], stated)


async def _intent(
    context: Context, state: GrantState, grant: ApiKeyGrant, *, cause: IssueReason
) -> Intent | None:
    """The intent that the status records; None for a key that is not managed."""
    pending = state.status.pending
    if grant.managed is None or pending is None or pending.started_at is None:
        return None
    # The number distinguishes intents of the same second.
    name = f"{format_time(pending.started_at)}.{_known_revision(state) + 1}"
    recorded = state.status.fingerprint or (
        state.secret.fingerprint if state.secret is not None else None
    )
    gone = cause in {IssueReason.MISSING, IssueReason.DRIFT, IssueReason.LOST}
    identity = state.key_identity
    # A renewal that was requested meanwhile is not answered with the same value again.
    replaced = grant.imports is None and renewal_requested(grant, state)
    reuse = gone and not replaced and identity is not None and has_identity(recorded, identity)
    lost = cause is IssueReason.LOST and not replaced
    again = await _value_again(context, state) if lost else None
    return Intent(
        name=name,
        value=again or derive_value(context.fingerprint_key(), uid=grant.uid, intent=name),
        # An earlier value may be that of an existing key.
        fresh=state.intent_written_by_this_process and again is None,
        in_use=_in_use(state),
        keep=_reusable_key(state) if reuse else None,
    )


async def _value_again(context: Context, state: GrantState) -> Sensitive | None:
    """The value of a key that was deleted while it was in use: its clients are not affected.

    The value of an old copy of the Secret was replaced or revoked, and that of a disabled key may
    have leaked: neither is used again.
    """
    secret = state.secret
    if secret is None or not secret.lost or secret.key_id != state.status.key_id:
        return None
    if secret.fault is KeyFault.DISABLED:
        return None
    return (await key_values(context, state) or {}).get(API_KEY)


def _reusable_key(state: GrantState) -> str | None:
    """The key that the Secret lost, unless the cloud has lost it; otherwise one without a Secret.

    Such a key remains after an older state of the cluster was restored.
    """
    status, pending = state.status, state.status.pending
    baseline = pending.baseline if pending is not None else ()
    known = owned_key_ids(state) - strays_of_intent(state)
    unknown = [key_id for key_id in baseline if key_id and key_id not in known]
    recorded = status.key_id if status.key_id not in state.absent_ids else None
    if recorded is not None and (recorded in baseline or not unknown):
        return recorded
    return unknown[-1] if unknown else None


def _known_revision(state: GrantState) -> int:
    """The revision of the key that was written last, by Secret and status."""
    return max(state.status.revision, state.secret.revision if state.secret else 0)


def _revision(state: GrantState, issued_key: IssuedKey) -> int:
    """The next revision; the same one for a key that the grant had before."""
    known = _known_revision(state)
    lasts = state.grant is not None and state.grant.managed is not None
    # Copied static credentials have no expiry, and are the same until their owner changes them.
    lasts = lasts or issued_key.credential.expires_at is None
    same = lasts and issued_key.credential.key_id == _in_use(state)
    return known if same and known else known + 1


def _in_use(state: GrantState) -> str | None:
    """The ID of the key that clients use, if it is a managed key."""
    secret = state.secret
    return secret.key_id if secret is not None and secret.key_id else state.status.key_id
