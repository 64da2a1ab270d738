"""The end of a key is reported on time, whatever the workers are busy with."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from typing_extensions import override

from keywright.api.errors import ApiError, ConflictError, LostLeaseError
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.interfaces import Intent, IssuedKey
from keywright.controller.grants.expiry import GRACE, report_expiry
from tests.unit.controller.samples import GRANTS, SECRET, UID, WRITES_OF_A_RENEWAL, Scene, scene
from tests.unit.fakes.provider import LIFE, ScriptedProvider

STATUS = f"PATCH {GRANTS}/chat-key/status"
EXPIRED = ["Ready False Expired", "Reconciling True ProgressingWithRetry"]


class Hanging(ScriptedProvider):
    """A cloud that answers when the test lets it."""

    answers_now: asyncio.Event

    @override
    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        await self.answers_now.wait()
        return await super().mint(grant, source=source, intent=intent, not_before=not_before)


def _reporter(made: Scene) -> Callable[[str], Awaitable[datetime | None]]:
    return partial(report_expiry, made.context)


async def _with_key(made: Scene) -> datetime:
    """The scene has a key; when it ends."""
    await made.settle()
    made.api.requested.clear()
    return made.clock.now + LIFE


async def test_a_renewal_that_hangs_holds_the_report_back_no_longer_than_a_second() -> None:
    """And once it comes back nothing is issued twice: its Secret counts, its status is written."""
    made = scene()
    ends = await _with_key(made)
    hanging = Hanging(clock=made.clock)
    hanging.issued_key, hanging.answers_now = 1, asyncio.Event()
    made.use_vendor(hanging)
    made.clock.now = ends
    renewal = asyncio.create_task(made.reconcile(UID))
    await asyncio.sleep(0)
    reporter = _reporter(made)
    assert await reporter(UID) == ends + GRACE
    assert made.api.writes() == []
    made.clock.now = ends + GRACE
    assert await reporter(UID) is None
    assert made.api.writes() == [STATUS]
    assert made.conditions() == EXPIRED
    assert made.api.events() == [("Warning", "Expired")]
    assert await reporter(UID) is None
    made.api.requested.clear()
    hanging.answers_now.set()
    with pytest.raises(ConflictError):
        await renewal
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]
    assert hanging.issued_key == 2
    assert made.status()["revision"] == 2
    assert made.api.writes() == [*WRITES_OF_A_RENEWAL, STATUS]


async def test_what_was_renewed_is_not_reported() -> None:
    """The reporter gets the expiry of the new key, and writes nothing."""
    made = scene()
    await _with_key(made)
    made.clock.now = await made.settle()
    await made.settle()
    made.api.requested.clear()
    ends = made.store.secrets["chat", "chat-key"].expires_at
    assert ends is not None
    assert await _reporter(made)(UID) == ends + GRACE
    assert made.api.requested == []


async def test_ends_are_planned_wherever_secret_and_grant_become_known() -> None:
    """By our own write, by the watch, and in either order; the next end moves the plan."""
    made = scene()
    planned: list[tuple[str, datetime]] = []
    made.store.expires = lambda uid, at: planned.append((uid, at))
    ends = await _with_key(made)
    assert planned[-1] == (UID, ends)
    planned.clear()
    made.put_grant()
    assert planned == [(UID, ends)]
    planned.clear()
    made.see_secret()
    assert planned == [(UID, ends)]


async def test_a_secret_of_somebody_else_says_nothing_of_the_grant() -> None:
    """Neither a foreign mark nor a Secret that is gone makes a grant expire."""
    made = scene()
    ends = await _with_key(made)
    made.clock.now = ends + timedelta(hours=1)

    def give_away(body: dict[str, dict[str, dict[str, str]]]) -> None:
        body["metadata"]["annotations"]["keywright.dev/owner"] = "chat/other uid"

    made.see_secret(give_away)
    assert await _reporter(made)(UID) is None
    made.store.secrets.clear()
    assert await _reporter(made)(UID) is None
    assert await _reporter(made)("gone") is None
    assert made.api.writes() == []


async def test_nothing_is_reported_out_of_office() -> None:
    """The fence holds for this write as for every other; a conflict is looked at again."""
    made = scene()
    made.clock.now = await _with_key(made) + GRACE
    made.api.answers.append((STATUS, ApiError(status=409, reason="Conflict", message="")))
    with pytest.raises(ConflictError):
        await _reporter(made)(UID)
    made.gate.shut = True
    with pytest.raises(LostLeaseError):
        await _reporter(made)(UID)
    assert SECRET in made.api.objects
    assert made.conditions() == ["Ready True Succeeded"]
