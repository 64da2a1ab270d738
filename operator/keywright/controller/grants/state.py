"""The first stage: the state of a grant, its source and its Secret at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec

from keywright.api.errors import Failure, FieldError
from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import validate_with_source
from keywright.api.names import FINALIZER
from keywright.api.parsing import parse_grant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.api.status import GrantStatus
from keywright.api.times import time_or_none
from keywright.controller.context import Context
from keywright.controller.grants import key_checks
from keywright.controller.grants.key_proofs import Others
from keywright.controller.grants.probe import held_key
from keywright.controller.invalid_objects import spec_problem
from keywright.controller.key_records import Finding
from keywright.controller.records import GrantRecord
from keywright.planning.conditions import READY, SECRET_CONFLICT
from keywright.planning.contest import is_over, resumed
from keywright.planning.deletion import deletion_attempts
from keywright.planning.failure_status import EXPIRED
from keywright.planning.key_ownership import checked_by_listing, grant_to_revoke, recorded_account
from keywright.planning.renewal import renewal_deadline_of
from keywright.planning.state import Contest, GrantState, ObjectRef, SecretState
from keywright.secrets.drift import altered_fields, managers_of
from keywright.secrets.fingerprint import data_hash, has_identity, imported_digest, key_identity
from keywright.secrets.ownership import (
    ManagedSecret,
    Ownership,
    classify,
    managed_secret_from,
    trust_status_over_annotations,
)
from keywright.secrets.rendering import check_region, data_keys, validate


@dataclass(frozen=True, slots=True)
class _Imported:
    """Keyed digests of an imported value: salted with the namespace, and unsalted as before."""

    digest: str = ""
    before: str = ""


async def build_state(
    context: Context, record: GrantRecord, *, skip_backoff: bool, finding: Finding
) -> GrantState:
    """Build the complete state for the next decision about the grant.

    `skip_backoff` and `finding` are from the record, for this decision only.

    Raises:
        ApiError, ApiUnreachableError: a dependency of the state cannot be read.
    """
    body = record.parsed()
    metadata = body["metadata"]
    status = GrantStatus.parse(body["status"])
    pending = status.pending
    state = GrantState(
        subject=ObjectRef(
            namespace=record.namespace,
            name=record.name,
            uid=record.uid,
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
        ),
        status=status,
        skip_backoff=skip_backoff,
        deleting=record.deleting,
        deleting_since=time_or_none(metadata.get("deletionTimestamp")),
        has_finalizer=FINALIZER in metadata.get("finalizers", ()),
        listed=finding.listed,
        unprepared=finding.unprepared,
        delays=context.key_times.delays,
        revocation=context.key_times.revocation,
        intent_written_by_this_process=finding.intent is not None
        and pending is not None
        and pending.started_at == finding.intent,
        unreadable=record.unreadable,
    )
    if record.oversize:
        parsed: ApiKeyGrant | list[FieldError] = [spec_problem(record.oversize)]
    else:
        parsed = parse_grant(body, is_valid=record.valid_with is not None)
    if record.deleting:
        parsed = grant_to_revoke(body, status, parsed)
    if isinstance(parsed, list):
        invalid = msgspec.structs.replace(state, field_errors=tuple(parsed))
        state = context.proofs.verified(invalid, None)
    else:
        state = await _with_grant(context, record, state, parsed)
    return key_checks.add_to(context, checked_by_listing(state))


async def _with_grant(
    context: Context, record: GrantRecord, state: GrantState, grant: ApiKeyGrant
) -> GrantState:
    """The state with the source and the Secret that the spec of the grant names."""
    status, now = state.status, context.clock()
    account = recorded_account(status) if record.deleting else None
    named = grant.source_key
    grant, source, source_problem = await context.access.find_for_keys(
        grant, account=account, attempts=deletion_attempts(state)
    )
    if source is not None:
        grant = grant.with_formats_for(source.traits)
    imported, missing = await _imported(context, grant, deleting=record.deleting)
    found = await _secret(context, grant, status=status)
    own = found if found is not None and classify(grant, found) is Ownership.OWNED else None
    if grant.managed is not None:
        # The Secret of another owner is no evidence of the identity.
        grant = context.proofs.identified(grant, status, own)
    # A digest from before the salt counts as well.
    digests = (imported.digest, imported.before) if imported.before else (imported.digest,)
    identities = tuple(
        key_identity(grant, source=source, imported=digest)
        for digest in (digests if source is not None else ())
        if source is not None
    )
    identity = identities[0] if identities else None
    secret = None
    if found is not None:
        secret = secret_state(
            context,
            grant,
            trust_status_over_annotations(found, status=status),
            source=source,
            identities=identities,
        )
        secret = _with_shown_end(context, secret, grant, status)
    unprobed = held_key(record, identity, now=now)
    others = _others(context, grant, state)
    checked = source is not None and source is record.valid_with
    known = msgspec.structs.replace(
        state,
        grant=grant,
        created_at=time_or_none(record.created),
        field_errors=() if checked else _field_errors(grant, source),
        source=source,
        source_problem=source_problem or missing,
        is_substitute=grant.source_key != named,
        secret=secret,
        rival="" if own is not None else context.store.older_grant_for_same_secret(record),
        others_ids=others.ids,
        contested=others.creating,
        imported=imported.digest,
        key_identity=identity,
        pending_probe=unprobed.cause if unprobed is not None else None,
        contest=_contest(record.contest, status, now=now),
        former_due=record.former_due,
        recorded_data_hash=(
            data_hash(status.fingerprint) if status.secret_name == grant.secret_name else ""
        ),
    )
    return context.proofs.verified(known, own)


def _field_errors(grant: ApiKeyGrant, source: CredentialSource | None) -> tuple[FieldError, ...]:
    errors = tuple(validate(grant))
    if source is None or errors:
        return errors
    errors = tuple(validate_with_source(grant, source=source))
    return errors + tuple(check_region(grant, region=grant.region(source)))


def _others(context: Context, grant: ApiKeyGrant, state: GrantState) -> Others:
    """What other grants of the same user have proved, if no tags distinguish the keys.

    The spec of a deleted grant may no longer say that its IAM user is an existing one.
    """
    managed = grant.managed
    tagged = managed is not None and managed.tagged and not (state.deleting and managed.holder)
    if managed is None or tagged or not state.listed:
        return Others()
    return context.proofs.of_others(grant)


async def _imported(
    context: Context, grant: ApiKeyGrant, *, deleting: bool
) -> tuple[_Imported, Failure | None]:
    """Digests of the value that the grant imports, or why it cannot be read."""
    if grant.imports is None or deleting:
        return _Imported(), None
    field, reference = grant.imports
    try:
        digest, before = await context.values.summary(
            namespace=grant.namespace,
            name=reference.name,
            key=reference.key,
            field=field,
            of=partial(_digests, context, grant.namespace),
        )
    except Failure as failure:
        return _Imported(), failure
    return _Imported(digest, before=before), None


def _digests(context: Context, namespace: str, value: Sensitive) -> tuple[str, ...]:
    key = context.fingerprint_key()
    return (
        imported_digest(value, key=key, namespace=namespace),
        imported_digest(value, key=key),
    )


async def _secret(
    context: Context, grant: ApiKeyGrant, *, status: GrantStatus
) -> ManagedSecret | None:
    """The Secret from the watch; one outside the watch is read if there is evidence of it.

    The watch selects labeled Secrets only. Another Secret of the name is detected by the first
    write, which refuses to change it, and recorded in the condition. A published Secret may have
    lost the label.
    """
    name = (grant.namespace, grant.secret_name)
    known = context.store.secrets.get(name)
    if known is not None and known.watched:
        context.store.unwatched_secrets.discard(name)
        return None if known.deleting else known
    conflict = status.condition(SECRET_CONFLICT) is not None
    published = status.revision > 0 and status.secret_name == grant.secret_name
    if (
        known is None
        and not conflict
        and not published
        and name not in context.store.unwatched_secrets
    ):
        return None
    metadata = await context.objects.secret_metadata(
        namespace=grant.namespace, name=grant.secret_name
    )
    if metadata is None:
        context.store.unwatched_secrets.discard(name)
        _forget(context, known)
        return None
    secret = managed_secret_from(metadata)
    if classify(grant, secret) is not Ownership.OWNED:
        return secret
    context.store.put_secret(secret)
    return None if secret.deleting else secret


def _forget(context: Context, known: ManagedSecret | None) -> None:
    """Drop a deleted Secret that no watch has reported."""
    name = (known.namespace, known.name) if known is not None else None
    if name is not None and context.store.secrets.get(name) is known:
        del context.store.secrets[name]


def _contest(contest: Contest | None, status: GrantStatus, *, now: datetime) -> Contest | None:
    """The contest in memory or, after a restart, in the status."""
    if contest is None:
        return resumed(status, now=now)
    return None if is_over(contest, now=now) else contest


def secret_state(
    context: Context,
    grant: ApiKeyGrant,
    secret: ManagedSecret,
    *,
    source: CredentialSource | None,
    identities: tuple[str, ...],
) -> SecretState:
    """What the metadata of its Secret means for the grant, whose key has one of the identities."""
    ownership = classify(grant, secret)
    if ownership is not Ownership.OWNED:
        owner = secret.owner_annotation
        others = ownership is Ownership.OWNED_BY_OTHER
        return SecretState(
            secret.namespace,
            secret.name,
            ownership=ownership,
            owner=f"{owner.namespace}/{owner.name}" if owner else "",
            left_behind=others and context.store.is_left_behind(secret),
            released=not others and context.store.is_released(secret),
        )
    altered = altered_fields(secret, data_keys(grant), grant=grant, source=source)
    many = grant.is_bulk_import
    return SecretState.of(
        secret,
        warning=secret.warning if many else "",
        ownership=ownership,
        matches_spec=(grant.managed is not None or not _is_stale(context, grant))
        and any(has_identity(secret.fingerprint, identity) for identity in identities),
        renewal_deadline=renewal_deadline_of(
            grant, issued_at=secret.issued_at, expires_at=secret.expires_at
        ),
        entry_count=len(secret.owned_keys) if many else 1,
        data_hash=data_hash(secret.fingerprint),
        altered=altered,
        taken_by=managers_of(secret, altered) if altered else (),
    )


def _with_shown_end(
    context: Context, secret: SecretState, grant: ApiKeyGrant, status: GrantStatus
) -> SecretState:
    """The Secret with the expiry that the cloud has shown for a key without a reported one.

    Until another key is published it has expired, also after a restart: the status records it.
    """
    if secret.ownership is not Ownership.OWNED or grant.managed is not None:
        return secret
    source = context.store.sources.get(grant.source_key)
    ended_at = source.ended_at if source is not None else None
    ready = status.condition(READY)
    if ended_at is None and ready is not None and status.issued_at == secret.issued_at:
        ended_at = ready.last_transition_time if ready.reason == EXPIRED else None
    if ended_at is None or secret.issued_at is None or secret.issued_at > ended_at:
        return secret
    if secret.expires_at is not None and secret.expires_at <= ended_at:
        return secret
    return msgspec.structs.replace(secret, expires_at=ended_at)


def _is_stale(context: Context, grant: ApiKeyGrant) -> bool:
    """Whether its key was issued with an access key that the source no longer has.

    A key without expiry has no renewal that would replace it: it is compared by its ID, since the
    change may have happened while no operator was running.
    """
    record = context.store.grants.get(grant.uid)
    if record is None or record.source_key_changed:
        return record is not None
    source = context.store.sources.get(grant.source_key)
    if source is None or source.static_key_id is None:
        return False
    return record.parsed()["status"].get("keyId") not in (None, source.static_key_id)
