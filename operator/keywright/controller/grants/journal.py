"""Execute the steps of the create journal: listings, the finalizer, the deletion.

`planning.journal` and `planning.deletion` decide which step is next. The finding of a step is
passed to the next decision about the grant, and to no other: an older listing or intent does not
count.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from keywright.api.errors import (
    ApiError,
    ConflictError,
    Failure,
    FailureClass,
    SecretExistsUnwatchedError,
    StaleGrantError,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FINALIZER, GRANT_PLURAL
from keywright.api.status import GrantStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import Evidence, HolderInUseError, ManagedKeys
from keywright.controller.api_errors import held_back
from keywright.controller.context import Context, Result
from keywright.controller.grants import key_checks
from keywright.controller.grants.audit import event_reference
from keywright.controller.grants.read_back import unproved_values
from keywright.controller.key_records import Finding
from keywright.planning.deletion import MIN_ATTEMPTS, deletion_attempts
from keywright.planning.key_ownership import owned_key_ids, recorded_account
from keywright.planning.orphans import holder_of
from keywright.planning.state import GrantState, ObjectRef
from keywright.planning.steps import (
    AddFinalizer,
    ClearPending,
    Deactivate,
    JournalStep,
    ListKeys,
    Outcome,
    RecordIntent,
    Remove,
    RemoveFinalizer,
    Revoke,
    Written,
)
from keywright.secrets.credential import API_KEY
from keywright.secrets.ownership import Ownership, managed_secret_from

_LOG = logging.getLogger(__name__)


async def _keep_orphans(
    context: Context, state: GrantState, key_ids: Collection[str], *, why: str
) -> frozenset[str]:
    """Register keys that stay in the cloud, so that they are revoked later; return the new ones.

    Raises:
        ApiError, ApiUnreachableError: the register cannot be written.
    """
    return await context.orphans.add(state, key_ids, why=why)


async def _report_orphans(
    context: Context, state: GrantState, key_ids: Collection[str], *, why: str
) -> None:
    """Report keys of the grant that stay in the cloud; call once for each key."""
    subject, pending = state.subject, state.status.pending
    descriptions = sorted(key_ids)
    if state.deleting and why and pending is not None and not state.unproved_intent:
        descriptions.append(f"a key that may have been created at {pending.started_at}")
    if not descriptions:
        return
    holder = holder_of(state.grant) if state.grant is not None else ""
    of = f" of {holder}" if holder else ""
    await _post(
        context, subject, f"left in the cloud: {', '.join(descriptions)}{of}, because {why}"
    )


async def _report_unproved(context: Context, state: GrantState, key_ids: Collection[str]) -> None:
    """Report keys that no proof shows to be the grant's: they were not changed."""
    if key_ids:
        await _post(
            context,
            state.subject,
            f"not removed: {', '.join(sorted(key_ids))}. The Secret or the status names them,"
            " but nothing proves that they were made for this grant. Remove them by hand if"
            " they were.",
        )


async def _report_holder(context: Context, subject: ObjectRef, failure: HolderInUseError) -> None:
    """Report an owner that stays in the cloud after the grant and its keys."""
    note = failure.message_with_remedy()
    grant = f"{subject.namespace}/{subject.name}"
    _LOG.warning("%s: %s", failure.reason, note, extra={"grant": grant})
    await context.events.post(
        event_reference(subject), warning=True, reason=failure.reason, note=note
    )


async def _post(context: Context, subject: ObjectRef, note: str) -> None:
    grant = f"{subject.namespace}/{subject.name}"
    _LOG.error("error: CredentialsOrphaned: %s", note, extra={"grant": grant})
    await context.events.post(
        event_reference(subject),
        warning=True,
        reason="CredentialsOrphaned",
        note=note,
    )


async def prepare_holder(context: Context, state: GrantState) -> None:
    """Create or update the owner of the grant's managed keys as the spec describes it."""
    if state.grant is not None and state.grant.managed is not None:
        await (await _keys(context, state)).prepare(owned_key_ids(state))


async def verify_key(context: Context, state: GrantState) -> None:
    """Look up the key in use; a failure is logged, and the lookup is retried."""
    secret = state.secret
    assert secret is not None
    assert secret.key_id is not None
    try:
        keys = await _keys(context, state)
        fault = await keys.find_fault(secret.key_id, owned_key_ids(state), secret.entry_count)
    except Failure as failure:
        _LOG.warning(
            "looking up a key failed, retrying later: %s",
            failure.message_with_remedy(),
            extra={"grant": f"{state.subject.namespace}/{state.subject.name}"},
        )
        key_checks.lookup_failed(context, state.subject.uid)
    else:
        key_checks.looked_up(context, state, fault)


async def undo_create(context: Context, state: GrantState, key_id: str) -> bool:
    """Delete a key that could not be written; False if the journal has to recover it."""
    try:
        left = await (await _keys(context, state)).remove((key_id,))
    except Exception as error:
        why = (
            "the source was edited"
            if isinstance(error, ConflictError)
            else unexpected(error, what="removing a key").message_with_remedy()
        )
        _LOG.warning("deleting an unused key failed, retrying later: %s", why)
        return False
    return not left


async def carry_out(context: Context, step: JournalStep, state: GrantState) -> Result:
    """The outcome of a step of the journal, or the finding of a listing.

    Raises:
        Failure, ConflictError, ApiError, ApiUnreachableError: the step was not carried out.
    """
    match step:
        case AddFinalizer():
            await _set_finalizer(context, state.subject, wanted=True)
        case ListKeys(prepare):
            return Result(finding=await _list_keys(context, state, prepare=prepare))
        case RecordIntent() | ClearPending():
            return Result(step)
        case Deactivate(key_ids):
            context.fence.check()
            await (await _keys(context, state)).deactivate(key_ids)
        case Remove(key_ids, lost=lost):
            if lost:
                await _check_unpublished(context, key_ids, state)
            context.fence.check()
            if key_ids:
                await _remove(context, state, key_ids)
            return Result(step)
        case Revoke() | RemoveFinalizer():
            await _end(context, step, state)
    return Result()


async def _end(context: Context, step: Revoke | RemoveFinalizer, state: GrantState) -> None:
    """Remove the finalizer, after the keys or with a report of the remaining ones."""
    in_use: HolderInUseError | None = None
    if isinstance(step, Revoke):
        context.fence.check()
        try:
            await _remove(context, state, step.key_ids, and_holder=True)
        except HolderInUseError as failure:
            if _is_soon_unused(context, state):
                raise
            in_use = failure
    new: frozenset[str] = frozenset()
    if isinstance(step, RemoveFinalizer):
        # Listed first: once the grant is removed, nothing else knows its keys.
        new = await _keep_orphans(context, state, step.orphaned, why=step.why)
    # Reported once: a grant that has changed meanwhile is decided again first.
    await _set_finalizer(context, state.subject, wanted=False)
    if isinstance(step, RemoveFinalizer):
        await _report_orphans(context, state, new, why=step.why)
    if in_use is not None:
        await _report_holder(context, state.subject, in_use)
    if isinstance(step, Revoke) or step.why:
        await _report_unproved(context, state, state.unproved_ids)


def _is_soon_unused(context: Context, state: GrantState) -> bool:
    """Whether the owner of the keys can be deleted later: the grants that use it are deleted too.

    They can be deleted in the same moment, or some seconds after this one, such as with their
    namespace. After the last one, the cloud may list its key for some seconds more. A grant that
    creates its user is not waited for: it could wait for this one. Neither is one of another
    namespace, which could delay this one.
    """
    grant = state.grant
    assert grant is not None
    assert grant.managed is not None
    tries = deletion_attempts(state)
    others = [
        record
        for record in context.store.grants_of_holder(grant.managed.holder)
        if record.uid != grant.uid
        and record.namespace == grant.namespace
        and record.uses_existing_holder
    ]
    if any(record.deleting and record.has_finalizer for record in others):
        return True
    waits = tries > 0 or any(not record.deleting for record in others)
    # One attempt before the last one, after which the keys would be reported as well.
    return waits and tries < MIN_ATTEMPTS - 1


async def report_unproved_keys(
    context: Context, state: GrantState, status: GrantStatus, outcome: Outcome | None
) -> None:
    """Report keys that the status no longer names, and no proof shows to be the grant's."""
    before, after = _ids_of(state.status), _ids_of(status)
    if isinstance(outcome, Written):
        # The Secret, which named them as well, is removed.
        await _report_unproved(context, state, state.unproved_ids - after)
    elif isinstance(outcome, Remove):
        await _report_unproved(context, state, state.unproved_ids & before - after)


async def _list_keys(context: Context, state: GrantState, *, prepare: bool) -> Finding:
    if prepare and state.secret is None:
        await _check_name_is_free(context, state)
    keys = await _keys(context, state)
    # A listing sets missing tags.
    context.fence.check()
    if prepare:
        await keys.prepare(owned_key_ids(state))
    listed = await keys.list_keys(owned_key_ids(state) | state.unproved_ids)
    return Finding(listed=listed, unprepared=not prepare)


async def _check_name_is_free(context: Context, state: GrantState) -> None:
    """Raise if a Secret has the name: a key that cannot be written is not created."""
    grant = state.grant
    assert grant is not None
    name = (grant.namespace, grant.secret_name)
    metadata = await context.objects.secret_metadata(namespace=name[0], name=name[1])
    if metadata is None:
        return
    if "deletionTimestamp" in metadata:
        raise held_back(grant)
    raise SecretExistsUnwatchedError(name)


async def _check_unpublished(context: Context, key_ids: tuple[str, ...], state: GrantState) -> None:
    """Raise ConflictError if the Secret has one of the keys: the watch may lag behind its write."""
    grant = state.grant
    assert grant is not None
    metadata = await context.objects.secret_metadata(
        namespace=grant.namespace, name=grant.secret_name
    )
    if metadata is None:
        return
    secret = managed_secret_from(metadata)
    if secret.key_id in key_ids and secret.owner_annotation is not None:
        context.store.put_secret(secret)
        raise ConflictError


async def _remove(
    context: Context, state: GrantState, key_ids: tuple[str, ...], *, and_holder: bool = False
) -> None:
    keys = await _keys(context, state)
    left = await keys.remove(key_ids, and_holder=and_holder)
    account = recorded_account(state.status)
    if state.is_substitute and any(each.partition("/")[0] == account for each in left):
        raise _out_of_reach(state)
    if left:
        why = "the source's role is of another account, or the keys' holder is not ours"
        new = await _keep_orphans(context, state, left, why=why)
        await _report_orphans(context, state, new, why=why)


def _out_of_reach(state: GrantState) -> Failure:
    """Another source is tried next: the account that a status names is not always the right one."""
    source = state.source
    assert source is not None
    return Failure(
        f"CredentialSource {source.namespace}/{source.name}, which is used instead of the source"
        " of the spec, cannot revoke the key: its role is of another account, or the key's holder"
        " is not ours.",
        kind=FailureClass.TRANSIENT,
        reason="SourceCannotRevoke",
        no_side_effect=True,
    )


async def _keys(context: Context, state: GrantState) -> ManagedKeys:
    grant, source = state.grant, state.source
    assert grant is not None
    assert source is not None
    return await context.grant_providers[source.provider].keys(
        grant, source=source, evidence=await _evidence(context, state, grant)
    )


async def _evidence(context: Context, state: GrantState, grant: ApiKeyGrant) -> Evidence:
    """The evidence of who owns the keys, in addition to the cloud's tags.

    A key ID without proof (written before proofs existed) is proved by the key's value: a valid
    fingerprint shows that the operator wrote it.
    """
    known, secret = owned_key_ids(state), state.secret
    managed = grant.managed
    if not state.unproved_ids or secret is None or managed is None or managed.marked:
        return Evidence(known)
    if secret.ownership is not Ownership.OWNED or not secret.matches_spec:
        return Evidence(known)
    values = await unproved_values(context, state)
    return Evidence(known, value=(values or {}).get(API_KEY))


async def _set_finalizer(context: Context, subject: ObjectRef, *, wanted: bool) -> None:
    record = context.store.grants.get(subject.uid)
    held = tuple(record.parsed()["metadata"].get("finalizers", ())) if record else ()
    others = tuple(name for name in held if name != FINALIZER)
    context.fence.check()
    try:
        body = await context.objects.set_finalizers(
            GRANT_PLURAL,
            namespace=subject.namespace,
            name=subject.name,
            resource_version=subject.resource_version,
            finalizers=(*others, FINALIZER) if wanted else others,
        )
    except ApiError as error:
        if error.is_missing:
            context.listener.drop_grant(subject.uid)
            return
        if not error.is_conflict:
            raise
        raise StaleGrantError from error
    context.store.put_own(body)


def _ids_of(status: GrantStatus) -> frozenset[str]:
    found = (status.key_id, *(key.key_id for key in status.retiring))
    return frozenset(key_id for key_id in found if key_id)
