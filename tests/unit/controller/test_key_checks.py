"""Faults of a key in the cloud: reported once, and repaired as its kind allows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keywright.api.names import ANNOTATION_RENEW_REQUESTED_AT
from keywright.api.times import format_time
from keywright.planning.state import KeyFault
from tests.unit.controller.samples import GRANTS, UID, Scene
from tests.unit.fakes.managed_keys import LOST, SmallIam
from tests.unit.replace import replace

_KEY = {"usagePlan": {"id": "abc123"}}


async def scene(**key: object) -> tuple[Scene, SmallIam]:
    """A grant that is Ready on an API Gateway key, whose next lookup is due."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY | key)
    cloud = SmallIam(made.clock, tagged=True)
    made.cloud_provider.kept = cloud
    await live(made)
    assert made.conditions() == ["Ready True Succeeded"]
    made.clock.advance(hours=6)
    return made, cloud


async def live(made: Scene) -> None:
    """Look at the grant until the next look is not at once."""
    for _ in range(30):
        due = await made.settle()
        if due is None or due > made.clock.now:
            return
    raise AssertionError("it never settles")


async def test_the_first_key_of_a_grant_is_looked_up_as_well() -> None:
    """Nothing else wakes a grant whose key has no end and is never rotated."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY)
    made.cloud_provider.kept = SmallIam(made.clock, tagged=True)
    due = made.clock.now
    while due <= made.clock.now:
        due = await made.settle()
        assert due is not None
    assert timedelta(hours=5) < due - made.clock.now <= timedelta(hours=6)


def disable(cloud: SmallIam, *, by_operator: bool = False) -> None:
    """Every key is disabled, and shared listings show it."""
    for key_id, key in cloud.held.items():
        cloud.held[key_id] = replace(key, active=False, disabled_by_operator=by_operator)


def notes(made: Scene) -> list[str]:
    """Reasons and notes of the Events."""
    events = [
        requested.body for requested in made.api.requested if requested.path.endswith("events")
    ]
    return [f"{event['reason']}: {event['note']}" for event in events]


async def test_a_generated_key_that_was_disabled_is_replaced() -> None:
    """The loss is reported, and the new key is created by an intent that keeps nothing."""
    made, cloud = await scene()
    before = made.status()["keyId"]
    disable(cloud)
    await live(made)
    assert made.status()["keyId"] != before
    assert made.conditions() == ["Ready True Succeeded"]
    (lost, recovered) = notes(made)
    assert lost.startswith(f"KeyLost: key {before} in Secret chat-key was disabled in the cloud")
    assert "another value" in lost
    assert recovered.startswith("Recovered")
    assert not cloud.held[before].active


async def test_a_key_outside_of_its_plan_is_kept() -> None:
    """The intent names the key that is to be repaired."""
    made, cloud = await scene()
    before = made.status()["keyId"]
    cloud.fault = KeyFault.OUTSIDE_PLAN
    await made.looked_at()
    cloud.fault = None
    await live(made)
    assert "usage plan" in notes(made)[0]
    assert cloud.intents[-1].keep == before


@pytest.mark.parametrize("spec", [{"suspend": True}, {"apiGatewayKey": _KEY | {"enabled": False}}])
async def test_what_the_grant_says_itself_is_not_repaired(spec: dict[str, object]) -> None:
    """A suspended grant reports the key and issues none; a disabled key is no loss."""
    made, cloud = await scene()
    made.put_grant(bedrockShortTermKey=None, **{"apiGatewayKey": _KEY} | spec)
    await live(made)
    disable(cloud)
    made.clock.advance(hours=6)
    await live(made)
    suspended = "suspend" in spec
    expected = "Ready False Suspended" if suspended else "Ready True Succeeded"
    assert made.conditions() == [expected]
    assert cloud.made == 1
    assert all("KeyLost" not in note for note in notes(made))


async def test_a_suspended_grant_without_finalizer_is_not_looked_at_all_the_time() -> None:
    """The finalizer was removed by hand, and a lookup of the key is due."""
    made, _ = await scene()
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY, suspend=True)
    body = made.api.objects[f"{GRANTS}/chat-key"]
    body["metadata"]["finalizers"] = []
    made.store.put_grant(made.api.put(GRANTS, body))
    await live(made)
    assert made.conditions() == ["Ready True Suspended"]


async def test_a_suspended_grant_whose_key_is_missing_is_looked_at_once_per_interval() -> None:
    """Each lookup finds again what the first one has found."""
    made, cloud = await scene()
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY, suspend=True)
    cloud.held.clear()
    for _ in range(3):
        await live(made)
        assert made.conditions() == ["Ready False Suspended"]
        made.clock.advance(hours=6)
    assert cloud.made == 1


async def test_an_edit_that_enables_a_key_is_no_loss() -> None:
    """The operator disabled the key itself, and the edit is still to be carried out."""
    made, cloud = await scene(enabled=False)
    disable(cloud, by_operator=True)
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY)
    cloud.prepare_failure = LOST
    await live(made)
    assert made.conditions() == ["Ready True Succeeded", "RenewalFailing True CloudError"]
    made.clock.advance(minutes=6)
    # Now it enables the key.
    cloud.prepare_failure = None
    for key_id, key in cloud.held.items():
        cloud.held[key_id] = replace(key, active=True)
    await live(made)
    assert cloud.made == 1
    assert all("KeyLost" not in note for note in notes(made))


async def test_a_disabled_key_of_an_older_state_is_enabled_again() -> None:
    """A restored grant says enabled, and the operator disabled the key: there is no leak."""
    made, cloud = await scene()
    before = made.status()["keyId"]
    disable(cloud, by_operator=True)
    await live(made)
    assert "enabled again" in notes(made)[0]
    assert cloud.intents[-1].keep == before


async def test_a_reported_loss_is_believed_after_a_restart() -> None:
    """A new process looks the key up before it says that the grant is Ready."""
    made, cloud = await scene()
    cloud.fault = KeyFault.OUTSIDE_PLAN
    while made.conditions()[0] != "Ready False KeyLost":
        await made.looked_at()
    made.store.grants[UID].check = None
    cloud.lookup_failure = LOST
    await made.settle()
    assert await made.settle() == made.clock.now + timedelta(minutes=5)
    assert made.conditions()[0] == "Ready False KeyLost"
    cloud.lookup_failure = cloud.fault = None
    made.clock.advance(minutes=5)
    await live(made)
    assert made.conditions() == ["Ready True Succeeded"]
    assert cloud.made == 1


async def test_a_suspended_grant_whose_key_is_lost_is_not_looked_up_all_the_time() -> None:
    """A second lookup finds what is known; the next one is due after the interval."""
    made, cloud = await scene()
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY, suspend=True)
    await live(made)
    disable(cloud)
    made.clock.advance(hours=6)
    await live(made)
    assert made.conditions() == ["Ready False Suspended"]
    made.clock.advance(hours=6)
    await live(made)
    assert made.conditions() == ["Ready False Suspended"]


async def test_a_renewal_that_is_requested_while_a_key_is_repaired_gets_another_key() -> None:
    """A leaked key was taken out of its plan: the request is not answered with the same value."""
    made, cloud = await scene()
    before = made.status()["keyId"]
    cloud.fault = KeyFault.OUTSIDE_PLAN
    await made.looked_at()
    await made.looked_at()
    assert made.conditions()[0] == "Ready False KeyLost"
    cloud.fault = None
    body = made.api.objects[f"{GRANTS}/chat-key"]
    requested = format_time(made.clock.now.replace(microsecond=0))
    body["metadata"]["annotations"] = {ANNOTATION_RENEW_REQUESTED_AT: requested}
    made.store.put_grant(made.api.put(GRANTS, body))
    intents = len(cloud.intents)
    await live(made)
    assert made.status()["lastHandledReconcileAt"] == requested
    assert before not in [intent.keep for intent in cloud.intents[intents:]]


async def suspended(made: Scene, **key: object) -> None:
    """The author suspends the grant, edits the key, and a lookup is made."""
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY | key, suspend=True)
    await live(made)
    made.clock.advance(hours=6)
    await live(made)


_OTHER_PLAN = {"usagePlan": {"id": "another"}}


@pytest.mark.parametrize("fault", [KeyFault.OUTSIDE_PLAN, KeyFault.NOT_ENABLED])
async def test_an_edit_that_waits_while_suspended_is_no_loss(fault: KeyFault) -> None:
    """The key works as before; carried out, the edit issues a key of its own, with an overlap."""
    made, cloud = await scene()
    before = made.status()["keyId"]
    cloud.fault = fault
    await suspended(made, **_OTHER_PLAN)
    assert made.conditions() == ["Ready True Suspended"]
    cloud.fault = None
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_OTHER_PLAN)
    await live(made)
    assert made.conditions() == ["Ready True Succeeded"]
    assert all("KeyLost" not in note for note in notes(made))
    assert made.status()["keyId"] != before
    assert cloud.intents[-1].keep is None
    assert cloud.intents[-1].value != cloud.intents[0].value
    assert [key["keyId"] for key in made.status()["retiring"]] == [before]


async def test_a_suspended_grant_that_was_not_edited_reports_the_plan() -> None:
    """Suspension itself is no edit of the key, and a later edit hides no loss."""
    made, cloud = await scene()
    cloud.fault = KeyFault.OUTSIDE_PLAN
    await suspended(made)
    assert made.conditions() == ["Ready False Suspended"]
    await suspended(made, **_OTHER_PLAN)
    assert made.conditions() == ["Ready False Suspended"]


async def test_a_missing_key_is_reported_while_an_edit_waits() -> None:
    """Whether it exists does not depend on the edit."""
    made, cloud = await scene()
    cloud.held.clear()
    await suspended(made, **_OTHER_PLAN)
    assert made.conditions() == ["Ready False Suspended"]


async def test_an_edit_that_enables_a_key_waits_while_suspended() -> None:
    """The operator disabled the key itself: it is no loss, and stays when the grant resumes."""
    made, cloud = await scene(enabled=False)
    disable(cloud, by_operator=True)
    await suspended(made)
    assert made.conditions() == ["Ready True Suspended"]
    made.put_grant(bedrockShortTermKey=None, apiGatewayKey=_KEY)
    await live(made)
    assert made.conditions() == ["Ready True Succeeded"]
    assert (cloud.made, notes(made)) == (1, [])
