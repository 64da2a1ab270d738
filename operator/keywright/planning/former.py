"""The Secret of a former `spec.secret.name`: reported, then cleared of what the operator wrote.

`status.formerSecrets` is its journal: a name is listed once the status names another Secret, its
uid before the Secret is cleared, and `cleared` after that. A cleared Secret is not deleted, since
the operator has no permission to delete Secrets: other grants may adopt it, by its uid.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywright.api.grant import ApiKeyGrant, FormerSecretPolicy
from keywright.api.status import FormerSecret, GrantStatus
from keywright.planning.conditions import FORMER_SECRET, condition_writer
from keywright.planning.events import Event
from keywright.planning.rollout_status import is_rolling, rollout_is_owed
from keywright.planning.state import GrantState
from keywright.planning.steps import FormerState, FormerTended, Outcome, TendFormer

CLEARED: Final = "FormerSecretCleared"
LEFT_ALONE: Final = "FormerSecretLeftAlone"
# The Secret is cleared without anybody's help.
PENDING: Final = "Pending"
RETRY: Final = timedelta(minutes=5)
"""The retry interval for a Secret that could not be cleared, without any event."""
LOOK_AGAIN: Final = timedelta(hours=1)
"""How often a retained or cleared Secret is checked for existence."""

# The limit in the CRD.
_MAX_FORMER: Final = 16


def former_secrets(status: GrantStatus, *, name: str, released: bool) -> tuple[FormerSecret, ...]:
    """The Secrets that are left behind when the grant's Secret is `name`.

    `released`: that Secret is one of them, was cleared, and is not in use again yet.
    """
    left = {each.name: each for each in status.former_secrets}
    before = status.secret_name
    if before is not None and before != name and status.revision:
        left[before] = FormerSecret(name=before)
    if not released:
        left.pop(name, None)
    return tuple(left.values())[-_MAX_FORMER:]


def former_to_tend(state: GrantState) -> TendFormer | None:
    """The former Secret to check, once the rollout of the new one is complete.

    For a grant that needs no write: its new Secret is published.
    """
    grant, status = state.grant, state.status
    if grant is None or status.secret_name != grant.secret_name:
        return None
    first = next((each for each in status.former_secrets if each.name != grant.secret_name), None)
    if first is None:
        return None
    keep = grant.spec.secret.former_secret_policy is FormerSecretPolicy.RETAIN
    if not keep and not first.cleared and not _is_replaced(state):
        return None
    return TendFormer(first, clear=not keep and not first.cleared)


def after_tending(status: GrantStatus, tended: FormerTended) -> GrantStatus:
    """The status after a check of a former Secret; one that remains is moved to the end."""
    others = tuple(each for each in status.former_secrets if each.name != tended.name)
    match tended.state:
        case FormerState.GONE | FormerState.FOREIGN:
            left = others
        case FormerState.FOUND:
            found = FormerSecret(name=tended.name, uid=tended.uid)
            left = (found, *others)
        case FormerState.CLEARED:
            left = (*others, FormerSecret(name=tended.name, uid=tended.uid, cleared=True))
        case FormerState.FAILED:
            failed = FormerSecret(name=tended.name, uid=tended.uid, message=tended.message)
            left = (*others, failed)
    return msgspec.structs.replace(status, former_secrets=left)


def with_former(status: GrantStatus, state: GrantState, *, now: datetime) -> GrantStatus:
    """The status with the condition FormerSecretLeft while a former Secret has any content."""
    others = tuple(each for each in status.conditions if each.type != FORMER_SECRET)
    left = tuple(each for each in status.former_secrets if not each.cleared)
    if not left or state.grant is None or state.deleting:
        return msgspec.structs.replace(status, conditions=others)
    reason, message = _words(state.grant, left)
    writer = condition_writer(state, now)
    condition = writer.condition(FORMER_SECRET, true=True, reason=reason, message=message)
    return msgspec.structs.replace(status, conditions=(*others, condition))


def former_notice(before: GrantStatus, after: GrantStatus, outcome: Outcome | None) -> Event | None:
    """The Event for a former Secret that is left behind, cleared, or cannot be cleared."""
    held, shown = before.condition(FORMER_SECRET), after.condition(FORMER_SECRET)
    names = {each.name for each in before.former_secrets}
    new = any(each.name not in names for each in after.former_secrets)
    if shown is not None and (held is None or new or held.reason != shown.reason):
        return Event(warning=True, reason=FORMER_SECRET, note=shown.message)
    if not isinstance(outcome, FormerTended):
        return None
    if outcome.state is FormerState.CLEARED:
        note = (
            f"Secret {outcome.name} holds nothing of this grant any more, and may be deleted or"
            " used by another grant."
        )
        return Event(warning=False, reason=CLEARED, note=note)
    if outcome.state is FormerState.FOREIGN:
        note = f"Secret {outcome.name} was left as it is: its marks do not name this grant."
        return Event(warning=False, reason=LEFT_ALONE, note=note)
    return None


def _is_replaced(state: GrantState) -> bool:
    """Whether the rollout of the new Secret is complete and the old key retired."""
    grant, status = state.grant, state.status
    return (
        grant is not None
        and not state.doubted
        and status.pending is None
        and not (grant.managed is not None and status.retiring)
        and not is_rolling(status)
        and not rollout_is_owed(state)
    )


def _words(grant: ApiKeyGrant, left: tuple[FormerSecret, ...]) -> tuple[str, str]:
    """Reason and message of the condition."""
    names = ", ".join(each.name for each in left)
    start = f"left behind when spec.secret.name became {grant.secret_name}: Secret {names}."
    failed = next((each for each in left if each.message), None)
    if grant.spec.secret.former_secret_policy is FormerSecretPolicy.RETAIN:
        return "Retained", (
            f"{start} It stays as it is (spec.secret.formerSecretPolicy), with a key that is not"
            " renewed. Delete it when no application reads it."
        )
    if failed is not None:
        return "ClearingFailed", f"{start} Clearing {failed.name} failed: {failed.message}"
    return PENDING, (
        f"{start} Its keys, labels and annotations are removed once the new Secret is published,"
        " its rollout is over and the old key has retired. Set spec.secret.formerSecretPolicy to"
        " Retain to keep them."
    )
