"""Write the Secret of a grant with one server-side apply."""

from __future__ import annotations

import logging
from typing import Any

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    SecretExistsError,
    SecretExistsUnwatchedError,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import MANAGED_BY_LABEL
from keywright.clouds.interfaces import IssuedKey
from keywright.controller.api_errors import held_back
from keywright.controller.context import Context, Result
from keywright.controller.grants.read_back import SecretValues
from keywright.controller.grants.state import secret_state
from keywright.planning.renewal import planned_renewal, warning_for_readers
from keywright.planning.retirement import predecessor_id, previous_key
from keywright.planning.state import GrantState
from keywright.planning.steps import Written
from keywright.secrets.credential import API_KEY
from keywright.secrets.extraction import changed_at_admission, legacy_annotations
from keywright.secrets.fingerprint import KeyFacts, fingerprint
from keywright.secrets.manifest import manifest
from keywright.secrets.ownership import managed_secret_from
from keywright.secrets.previous import PreviousKey, format_previous, uses_previous
from keywright.secrets.rendering import render

_LOG = logging.getLogger(__name__)
# Policies standardize this label, and nothing depends on it.
_IGNORED_LABELS = frozenset({MANAGED_BY_LABEL})


async def write_secret(
    context: Context,
    state: GrantState,
    issued_key: IssuedKey,
    *,
    held: SecretValues,
    revision: int,
    new: bool = False,
) -> Result:
    """Write the key to the Secret; `new`: the key was issued for this write.

    `held` are the values in the Secret, of which one may become the previous value.

    Raises:
        RenderError, Failure, ConflictError, ApiError, ApiUnreachableError: it may not be written.
    """
    grant, source, credential = state.grant, state.source, issued_key.credential
    assert grant is not None
    assert state.key_identity is not None
    body = _body(context, state, issued_key, held=held, revision=revision, new=new)
    context.fence.check()
    try:
        applied = await context.objects.apply_secret(body, must_not_exist=state.secret is None)
    except SecretExistsError:
        name = (grant.namespace, grant.secret_name)
        if name in context.store.secrets:
            raise held_back(grant) from None
        # It is outside the watch: read it, and decide again.
        raise SecretExistsUnwatchedError(name) from None
    applied = await without_legacy_annotations(context, applied)
    secret = managed_secret_from(applied)
    context.store.put_secret(secret)
    written = Written(
        secret_state(context, grant, secret, source=source, identities=(state.key_identity,)),
        credential.key_id,
        # For a bulk import the Secret has the warning, and the status repeats it.
        warning=""
        if grant.is_bulk_import
        else warning_for_readers(grant, credential, issued=issued_key.warning),
        renewed=new,
        identity=issued_key.identity if new else "",
        changed_at_admission=changed_at_admission(
            body["metadata"], applied, ignored=_IGNORED_LABELS
        ),
    )
    issued_id = credential.key_id if new and grant.managed is not None else None
    return Result(written, written=secret, issued_id=issued_id)


async def without_legacy_annotations(context: Context, applied: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a Secret after its apply, without annotations that the apply has replaced.

    Usually the apply itself removes them. If not, the current ones count, so that a failure only
    postpones the removal to the next write.
    """
    patch = legacy_annotations(applied)
    if patch is None:
        return applied
    namespace, name = applied["namespace"], applied["name"]
    context.fence.check()
    try:
        return await context.objects.patch_secret(patch, namespace=namespace, name=name)
    except (ApiError, ApiUnreachableError) as error:
        _LOG.warning(
            "removing legacy annotations of Secret %s/%s failed, retrying at its next write: %s",
            namespace,
            name,
            error,
        )
        return applied


def _body(
    context: Context,
    state: GrantState,
    issued_key: IssuedKey,
    *,
    held: SecretValues,
    revision: int,
    new: bool,
) -> dict[str, Any]:
    """The body of the apply, with proofs of the IDs in it."""
    grant, credential = state.grant, issued_key.credential
    assert grant is not None
    assert state.key_identity is not None
    previous = _previous(context, state, issued_key, held) if uses_previous(grant) else None
    # The fingerprint is that of the data without the previous value: when that goes, no workload
    # is restarted, and the status need not change.
    data = render(grant, credential=credential)
    complete = data
    if previous is not None:
        complete = render(grant, credential=credential, previous=previous.value)
    proofs, managed = context.proofs, grant.managed is not None
    return manifest(
        grant,
        data=complete,
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        renew_at=planned_renewal(grant, credential),
        revision=revision,
        key_id=proofs.kept(credential.key_id, state, new=new) if managed else None,
        replaces=proofs.kept(predecessor_id(state, key_id=credential.key_id), state),
        identity=proofs.identity_record(state),
        previous=_annotation(context, grant, previous) if uses_previous(grant) else None,
        warning=issued_key.warning,
        handled_requests=state.secret.handled_requests if state.secret is not None else (),
        fingerprint=fingerprint(
            key_identity=state.key_identity,
            data=data,
            values=credential.values,
            facts=KeyFacts(
                credential.key_id if managed else None,
                issued_at=credential.issued_at,
                expires_at=credential.expires_at,
                revision=revision,
            ),
            key=context.fingerprint_key(),
            namespace=grant.namespace,
            before=(
                state.secret.fingerprint if state.secret is not None else None,
                state.status.fingerprint,
            ),
        ),
    )


def _previous(
    context: Context, state: GrantState, issued_key: IssuedKey, held: SecretValues
) -> PreviousKey | None:
    """The previous key of this write, unless its value is the same."""
    credential = issued_key.credential
    found = previous_key(
        state,
        key_id=credential.key_id,
        present=held.api_key,
        recorded=held.previous,
        now=context.clock(),
    )
    same = found is not None and found.value == credential.values.get(API_KEY)
    return None if same else found


def _annotation(context: Context, grant: ApiKeyGrant, previous: PreviousKey | None) -> str:
    return format_previous(previous, key=context.fingerprint_key(), namespace=grant.namespace)
