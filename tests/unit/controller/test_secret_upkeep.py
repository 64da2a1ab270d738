"""Secrets that the watch does not show, contests that are remembered, and former Secrets."""

import copy
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.objects import ResourceClient
from keywright.controller.grants.expiry import report_expiry
from keywright.controller.initial_sync import InitialSync
from keywright.secrets.ownership import managed_secret_from
from tests.unit.api.samples import grant_body
from tests.unit.controller.samples import GRANTS, SECRET, SECRETS, UID, Scene, scene
from tests.unit.fakes.provider import LIFE

_NAME = ("chat", "chat-key")
_NEW = f"{SECRETS}/renamed"
_READY = ["Ready True Succeeded"]


def _reads(made: Scene) -> list[str]:
    return [requested.path for requested in made.api.requested if requested.method == "GET"]


def _relabel(made: Scene, value: str | None) -> None:
    """A policy at admission has changed the label: ours by managedFields, with another value."""
    labels = made.api.objects[SECRET]["metadata"]["labels"]
    labels.pop("keywright.dev/managed")
    if value is not None:
        labels["keywright.dev/managed"] = value
    made.see_secret()


async def test_a_published_secret_that_the_watch_lost_is_read_before_a_key_is_issued() -> None:
    """It has lost its label, or was written by another replica."""
    made = scene()
    await made.settle()
    del made.store.secrets[_NAME]
    made.api.requested.clear()
    await made.settle()
    assert _reads(made) == [SECRET]
    assert made.api.writes() == []
    assert made.cloud_provider.issued_key == 1
    assert _NAME in made.store.secrets


@pytest.mark.parametrize("value", ["platform", None])
async def test_a_secret_that_the_watch_cannot_show_is_read_now_and_then(value: str | None) -> None:
    """Deleted, it is found to be gone at the next look."""
    made = scene()
    await made.settle()
    _relabel(made, value)
    due = await made.settle()
    assert made.conditions() == [*_READY, "SecretContested True ChangedAtAdmission"]
    assert due == made.clock.now + timedelta(seconds=30)
    made.api.requested.clear()
    assert await made.settle() == due
    assert made.api.writes() == []
    del made.api.objects[SECRET]
    made.clock.now = due
    await made.settle()
    assert SECRET in made.api.objects
    assert made.cloud_provider.issued_key == 2
    assert made.conditions() == _READY


async def test_the_end_of_such_a_secret_is_judged_by_the_status() -> None:
    """What a standby remembers of it may be old."""
    made = scene()
    await made.settle()
    reporter = partial(report_expiry, made.context)
    stale = copy.deepcopy(made.api.objects[SECRET]["metadata"])
    stale["annotations"]["keywright.dev/expires-at"] = "2026-11-22T12:30:00Z"
    stale["resourceVersion"] = "900"
    del stale["labels"]["keywright.dev/managed"]
    made.store.put_secret(managed_secret_from(stale))
    made.clock.advance(hours=1)
    due = await reporter(UID)
    assert due is not None
    assert due > made.clock.now
    assert made.conditions() == _READY
    made.clock.advance(seconds=LIFE.total_seconds())
    await reporter(UID)
    assert made.conditions()[0] == "Ready False Expired"


async def test_what_left_the_selector_before_our_last_write_is_no_news() -> None:
    """The watch reports it as deleted, at the version that lost the label."""
    made = scene()
    await made.settle()
    known = made.store.secrets[_NAME]
    metadata = copy.deepcopy(made.api.objects[SECRET]["metadata"])
    metadata["resourceVersion"] = str(int(known.resource_version) - 1)
    made.event_handlers.secret(metadata, deleted=True)
    assert made.store.secrets[_NAME] is known
    metadata["resourceVersion"] = str(int(known.resource_version) + 1)
    made.event_handlers.secret(metadata, deleted=True)
    assert _NAME not in made.store.secrets


async def test_what_is_remembered_goes_with_the_grant() -> None:
    """A Secret that no watch shows is forgotten as well."""
    made = scene()
    await made.settle()
    _relabel(made, "platform")
    made.event_handlers.drop_grant(UID)
    assert made.store.secrets == {}
    assert made.store.grants == {}


async def test_a_sweep_leaves_secrets_alone_that_their_grants_read() -> None:
    """It compares with what the watch shows."""
    made = scene()
    await made.settle()
    _relabel(made, None)
    made.api.objects[SECRET]["metadata"]["labels"] = {}
    pauses: list[float] = []

    class EndError(Exception):
        pass

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            raise EndError

    async def key() -> bytes:
        return b"key"

    async def cluster() -> str:
        return "cluster"

    initial_sync = InitialSync(
        store=made.store,
        objects=ResourceClient(made.api),
        event_handlers=made.event_handlers,
        load_key=key,
        load_cluster_id=cluster,
        pause=pause,
    )
    with pytest.raises(EndError):
        await initial_sync.resync(seconds=1)
    assert _NAME in made.store.secrets


def _take_the_label(made: Scene) -> None:
    def change(body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        metadata["labels"]["team"] = "platform"
        ours = metadata["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"]
        ours.pop("f:team", None)
        theirs: dict[str, Any] = {"f:metadata": {"f:labels": {"f:team": {}}}}
        metadata["managedFields"][1:] = [
            {"manager": "policy", "operation": "Update", "fieldsV1": theirs}
        ]

    made.see_secret(change)


async def test_a_contest_costs_ever_fewer_writes_and_is_over_in_the_end() -> None:
    """Each change is answered at once by the other manager; the clock goes on by a minute."""
    made = scene(secret={"labels": {"team": "chat"}})
    await made.settle()
    made.api.requested.clear()
    for _ in range(600):
        _take_the_label(made)
        await made.settle()
        made.clock.advance(seconds=0.1)
    writes = made.api.writes()
    assert writes.count(f"PATCH {SECRET}") == 6
    assert writes.count(f"PATCH {GRANTS}/chat-key/status") == 1
    assert made.api.events() == [("Warning", "SecretContested")]
    assert made.conditions() == [*_READY, "SecretContested True FieldsTaken"]
    message = made.status()["conditions"][-1]["message"]
    assert "metadata.labels[team] of Secret chat-key: changed again by policy" in message
    made.clock.advance(minutes=5)
    due = await made.settle()
    assert due == made.clock.now + timedelta(minutes=10)
    made.clock.now = due
    await made.settle()
    assert made.conditions() == _READY
    assert made.store.grants[UID].contest is None
    assert made.cloud_provider.issued_key == 1


async def _renamed(made: Scene) -> None:
    await made.settle()
    made.put_grant(secret={"name": "renamed"})
    made.api.requested.clear()
    for _ in range(6):
        await made.settle()


async def test_a_former_secret_is_cleared_by_one_apply() -> None:
    """After the new one; the status is its journal."""
    made = scene()
    await _renamed(made)
    writes = [each for each in made.api.writes() if each.startswith(f"PATCH {SECRETS}")]
    assert writes == [f"PATCH {_NEW}", f"PATCH {SECRET}"]
    cleared = made.api.objects[SECRET]
    assert "data" not in cleared
    assert not cleared["metadata"].get("annotations")
    former = made.status()["formerSecrets"]
    uid = cleared["metadata"]["uid"]
    assert former == [{"name": "chat-key", "uid": uid, "cleared": True}]
    assert made.conditions() == _READY
    assert [reason for _, reason in made.api.events()] == [
        "FormerSecretLeft",
        "FormerSecretCleared",
    ]


async def test_an_edit_of_the_old_secret_meanwhile_is_looked_at_again() -> None:
    """The apply is refused, and repeated at the version of then."""
    made = scene()
    conflict = ApiError(status=409, reason="Conflict", message="Conflict")
    await made.settle()
    made.put_grant(secret={"name": "renamed"})
    made.api.answers.append((f"PATCH {SECRET}", conflict))
    for _ in range(6):
        await made.settle()
    assert "data" not in made.api.objects[SECRET]


async def test_a_refusal_is_told_and_tried_again_later() -> None:
    """It concerns no key: nothing is counted as a failure of the grant."""
    made = scene()
    await made.settle()
    made.put_grant(secret={"name": "renamed"})
    refusal = ApiError(status=422, reason="Invalid", message="data: field is immutable")
    made.api.answers.append((f"PATCH {SECRET}", refusal))
    for _ in range(5):
        due = await made.settle()
    assert made.conditions() == [*_READY, "FormerSecretLeft True ClearingFailed"]
    assert made.status()["failedAttempts"] == 0
    assert due == made.clock.now + timedelta(minutes=5)
    made.clock.now = due
    await made.settle()
    assert "data" not in made.api.objects[SECRET]


@pytest.mark.parametrize(
    "error",
    [
        ApiUnreachableError("PATCH"),
        ApiError(status=503, reason="", message="busy"),
        ApiError(status=429, reason="TooManyRequests", message="busy"),
    ],
)
@pytest.mark.parametrize("request_", ["GET", "PATCH"])
async def test_an_outage_is_waited_for(error: Exception, request_: str) -> None:
    """Neither Event nor condition: it is tried again after a while."""
    made = scene()
    await made.settle()
    made.put_grant(secret={"name": "renamed"})
    made.api.answers.append((f"{request_} {SECRET}", error))
    for _ in range(5):
        due = await made.settle()
    assert made.conditions() == [*_READY, "FormerSecretLeft True Pending"]
    made.clock.now = due
    for _ in range(3):
        await made.settle()
    assert made.status()["formerSecrets"][0]["cleared"] is True


def test_a_name_is_released_in_its_namespace_alone() -> None:
    """By the uid of the Secret, as long as the grant lists it."""
    made = scene()
    body = grant_body()
    body["status"] = {
        "formerSecrets": [{"name": "old", "uid": "u"}, {"name": "no-uid"}, "junk", {"uid": "x"}]
    }
    body["metadata"] |= {"uid": "other", "name": "other", "resourceVersion": "900"}
    made.store.put_grant(body)
    there = managed_secret_from({"namespace": "chat", "name": "old", "uid": "u"})
    elsewhere = managed_secret_from({"namespace": "elsewhere", "name": "old", "uid": "u"})
    another = managed_secret_from({"namespace": "chat", "name": "old", "uid": "v"})
    assert made.store.is_released(there)
    assert not made.store.is_released(elsewhere)
    assert not made.store.is_released(another)
    made.store.drop_grant("other")
    assert not made.store.is_released(there)
