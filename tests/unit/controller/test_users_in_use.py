"""A deleted grant whose IAM user has keys of other grants: it waits for them, or says so."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.names import FINALIZER
from keywright.clouds.aws.iam.errors import user_in_use
from keywright.controller.records import grant_record
from tests.unit.controller.samples import Scene
from tests.unit.controller.test_edited_deletions import delete, finalizers, live, scene
from tests.unit.fakes.managed_keys import SmallIam

_USER = "bedrock-chat"
_OWN = {"user": {"name": _USER}, "rotateEvery": "7d"}
_ORPHANS = "/api/v1/namespaces/keywright-system/configmaps/keywright-orphans"


def _other(**changed: Any) -> dict[str, Any]:
    """Another grant, which uses the user and is deleted in the same moment."""
    user = {"name": _USER, "create": False}
    metadata = {
        "name": "traces",
        "namespace": "chat",
        "uid": "uid-traces",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": "2026-11-22T12:00:00Z",
        "finalizers": [FINALIZER],
    }
    key = {"service": "XRay", "user": user | changed.pop("user", {}), "rotateEvery": "7d"}
    metadata = {name: value for name, value in (metadata | changed).items() if value is not None}
    return {
        "metadata": metadata,
        "spec": {"sourceRef": {"name": "bedrock"}, "awsLongTermKey": key},
    }


async def _in_use(*others: dict[str, Any]) -> tuple[Scene, SmallIam]:
    """A deleted grant that is asked about once; its user has a key of each of the others."""
    made, iam = await scene()
    for each in others:
        made.store.put_grant(each)
    iam.holder_in_use = user_in_use([_USER])
    delete(made, bedrockShortTermKey=None, bedrockLongTermKey=_OWN)
    await live(made)
    return made, iam


def _events(made: Scene) -> list[str]:
    return [reason for _, reason in made.api.events() if reason == "UserInUse"]


@pytest.mark.parametrize(
    "changed",
    [
        {"finalizers": []},
        {"user": {"create": True}},
        {"user": {"name": "another"}},
        {"namespace": "other"},
    ],
    ids=str,
)
async def test_a_user_that_stays_in_use_is_reported(
    changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """By an Event and a line of the log; the grant goes, and its key is deleted."""
    with caplog.at_level(logging.WARNING):
        made, iam = await _in_use(_other(**changed))
    assert (iam.held, finalizers(made)) == ({}, [])
    assert _events(made) == ["UserInUse"]
    (line,) = [each for each in caplog.records if "UserInUse" in each.getMessage()]
    assert line.levelno == logging.WARNING
    assert _USER in line.getMessage()
    assert _ORPHANS not in made.api.objects


async def test_a_grant_that_stays_is_waited_for_half_a_minute() -> None:
    """The same command may delete it next, or the end of the namespace; then it is reported."""
    made, iam = await _in_use(_other(deletionTimestamp=None))
    assert iam.held == {}
    began = made.clock.now
    while finalizers(made):
        assert _events(made) == []
        await _wait(made)
    assert _events(made) == ["UserInUse"]
    assert timedelta(seconds=15) < made.clock.now - began < timedelta(minutes=1)
    assert _ORPHANS not in made.api.objects


async def test_a_grant_that_is_deleted_next_is_waited_for() -> None:
    """It was seen a moment after this one; the user is deleted after it."""
    made, iam = await _in_use(_other(deletionTimestamp=None))
    made.store.put_grant(_other(resourceVersion="2"))
    for _ in range(2):
        await _wait(made)
    assert (len(finalizers(made)), _events(made)) == (1, [])
    made.store.drop_grant("uid-traces")
    iam.holder_in_use = None
    await _wait(made)
    assert (iam.gone, finalizers(made), _events(made)) == (True, [], [])


async def test_grants_that_are_deleted_too_are_waited_for() -> None:
    """Such as with their namespace: the user is deleted after the last one."""
    made, iam = await _in_use(_other())
    assert iam.held == {}
    assert len(finalizers(made)) == 1
    assert made.conditions()[0] == "Ready False Deleting"
    assert "Delete the grants that use it" in made.status()["conditions"][0]["message"]
    made.store.drop_grant("uid-traces")
    iam.holder_in_use = None
    await _wait(made)
    assert (iam.gone, finalizers(made), _events(made)) == (True, [], [])
    assert _ORPHANS not in made.api.objects


async def test_a_key_that_is_listed_some_seconds_longer_is_waited_for() -> None:
    """IAM may show a deleted key; after some attempts it is one of another program."""
    made, iam = await _in_use(_other())
    made.store.drop_grant("uid-traces")
    await _wait(made)
    assert len(finalizers(made)) == 1
    for _ in range(6):
        await _wait(made)
    assert (finalizers(made), _events(made)) == ([], ["UserInUse"])
    assert iam.held == {}
    assert _ORPHANS not in made.api.objects


async def _wait(made: Scene) -> None:
    """Until the next attempt, and for what follows from it."""
    due = await made.settle()
    made.clock.now = max(due or made.clock.now, made.clock.now)
    await live(made)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"bedrockLongTermKey": _OWN}, False),
        ({"bedrockLongTermKey": {"user": {"name": _USER, "create": False}}}, True),
        ({"awsLongTermKey": {"user": {"name": _USER, "create": "false"}}}, False),
        ({"awsLongTermKey": {"user": [False]}}, False),
        ({"awsLongTermKey": False}, False),
        ({}, False),
    ],
)
def test_only_a_spec_that_says_so_uses_an_existing_user(
    spec: dict[str, Any], *, expected: bool
) -> None:
    """The spec of a record may have any shape."""
    body = _other() | {"spec": spec}
    record = grant_record(body, body["metadata"], version=1)
    assert record.uses_existing_holder is expected
