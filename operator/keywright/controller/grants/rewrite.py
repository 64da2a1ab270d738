"""Write the Secret of a grant again with the key that it holds, or add the watch label."""

from __future__ import annotations

from keywright.api.errors import ApiError, ConflictError, KeyUnreadableError
from keywright.clouds.interfaces import IssuedKey
from keywright.controller.context import Context, Result
from keywright.controller.grants.issue import issue_key
from keywright.controller.grants.journal import prepare_holder
from keywright.controller.grants.read_back import read_values
from keywright.controller.grants.write import without_legacy_annotations, write_secret
from keywright.planning.state import GrantState, IssueReason
from keywright.secrets.credential import Credential
from keywright.secrets.extraction import with_watch_label
from keywright.secrets.ownership import Ownership, classify, managed_secret_from


async def rewrite_secret(context: Context, state: GrantState, *, cause: IssueReason) -> Result:
    """Write the same key in the layout of the spec; if it cannot be read back, another one.

    Raises:
        KeyUnreadableError: a managed key cannot be read back; the journal issues another.
        Failure, RenderError, ConflictError, ApiError, ApiUnreachableError: it is not written.
    """
    grant, source, secret = state.grant, state.source, state.secret
    assert grant is not None
    assert source is not None
    assert secret is not None
    assert secret.issued_at is not None
    if cause is IssueReason.SPEC:
        await prepare_holder(context, state)
    held = await read_values(context, state)
    values = held.key
    if values is None and grant.managed is not None:
        raise KeyUnreadableError
    if values is None:
        return await issue_key(context, state, cause=cause)
    found = context.store.sources.get(grant.source_key)
    credential = Credential(
        values=values,
        region=grant.region(source),
        account_id=found.status.account_id if found else None,
        key_id=secret.key_id or state.status.key_id,
        issued_at=secret.issued_at,
        expires_at=secret.expires_at,
        provider=source.provider,
    )
    issued_key = IssuedKey(credential, secret.warning)
    return await write_secret(context, state, issued_key, held=held, revision=secret.revision)


async def add_watch_label(context: Context, state: GrantState) -> Result:
    """Add the watch label to the Secret, by an apply of its current fields.

    Raises:
        ConflictError: the Secret was replaced.
        ApiError, ApiUnreachableError: it could not be written.
    """
    grant = state.grant
    assert grant is not None
    found = await context.objects.whole_secret(namespace=grant.namespace, name=grant.secret_name)
    if found is None:
        raise ConflictError
    read = managed_secret_from(found["metadata"])
    if read.deleting or classify(grant, read) is not Ownership.OWNED:
        context.store.put_secret(read)
        raise ConflictError
    context.fence.check()
    try:
        applied = await context.objects.apply_secret(with_watch_label(found), must_not_exist=False)
    except ApiError as error:
        if error.is_conflict or error.is_missing:
            raise ConflictError from error
        raise
    secret = managed_secret_from(await without_legacy_annotations(context, applied))
    context.store.put_secret(secret)
    return Result(written=secret)
