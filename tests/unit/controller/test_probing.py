"""A new key is published only when it has passed its probe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from tests.unit.controller.samples import SECRET, Scene, scene
from tests.unit.fakes.clock import NOON

PROBE = {"mode": "Bedrock", "timeout": "60s"}


def refused() -> Failure:
    """What a key is answered that is not known everywhere yet."""
    return Failure(
        "Amazon Bedrock answered 403.",
        kind=FailureClass.TRANSIENT,
        reason="ProbeRejected",
        field="spec.probe",
    )


def answering(*answers: Failure) -> Scene:
    """A grant with a probe, whose keys are answered so, one after the other."""
    made = scene(probe=PROBE)
    made.cloud_provider.answers += answers
    return made


async def test_a_key_that_works_is_published_at_once() -> None:
    """One try, and the Secret is written."""
    made = answering()
    await made.settle()
    assert made.cloud_provider.tried == ["ASIA1"]
    assert made.conditions() == ["Ready True Succeeded"]


async def test_a_key_that_does_not_work_yet_is_held_and_tried_again() -> None:
    """It is the same key, no Secret is there, and the status says what was answered."""
    made = answering(refused(), refused())
    made.clock.now = await made.settle()
    assert made.clock.now == NOON + timedelta(seconds=1)
    assert SECRET not in made.api.objects
    assert made.conditions() == [
        "Ready False Progressing",
        "Reconciling True ProgressingWithRetry",
        "ProbeFailing True ProbeRejected",
    ]
    assert "Amazon Bedrock answered 403" in made.status()["conditions"][2]["message"]
    made.clock.now = await made.settle()
    await made.settle()
    assert made.cloud_provider.tried == ["ASIA1"] * 3
    assert made.cloud_provider.issued_key == 1
    assert made.conditions() == ["Ready True Succeeded"]
    assert SECRET in made.api.objects


async def test_a_repeated_answer_is_told_once() -> None:
    """Tries cost no writes."""
    made = answering(*[refused() for _ in range(5)])
    made.clock.now = await made.settle()
    made.api.requested.clear()
    for _ in range(4):
        made.clock.now = await made.settle()
    assert made.api.writes() == []


async def test_the_old_key_stays_meanwhile() -> None:
    """Ready stays True, ProbeFailing beside it; the old revision is served until the new works."""
    made = answering()
    made.clock.now = await made.settle()
    made.cloud_provider.answers.append(refused())
    again = await made.settle()
    assert made.conditions() == ["Ready True Succeeded", "ProbeFailing True ProbeRejected"]
    assert made.status()["revision"] == 1
    made.clock.now = again
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]
    assert (made.status()["revision"], made.cloud_provider.issued_key) == (2, 2)


async def test_a_key_that_never_works_is_given_up() -> None:
    """After the timeout it is reported, and another key is issued after the back-off."""
    made = answering(*[refused() for _ in range(100)])
    for _ in range(100):
        due = await made.settle()
        if made.status()["failedAttempts"]:
            break
        made.clock.now = due
    assert made.clock.now == NOON + timedelta(seconds=60)
    assert made.conditions() == [
        "Ready False ProbeFailed",
        "Reconciling True ProgressingWithRetry",
        "ProbeFailing True ProbeFailed",
    ]
    assert made.cloud_provider.issued_key == 1
    made.cloud_provider.answers.clear()
    made.clock.now = due
    await made.settle()
    assert made.cloud_provider.issued_key == 2
    assert made.conditions() == ["Ready True Succeeded"]


async def test_a_probe_that_is_a_mistake_is_told_at_once() -> None:
    """No grant waits a minute for an address that is never called."""
    wrong = Failure("It is ours.", kind=FailureClass.CONFIGURATION, reason="AddressForbidden")
    made = answering(wrong)
    await made.settle()
    assert made.status()["failedAttempts"] == 1
    assert "It is ours" in made.status()["conditions"][0]["message"]


@pytest.mark.parametrize("edit", ["probe", "duration"])
async def test_an_edit_meanwhile_is_carried_out(edit: str) -> None:
    """Without its probe the pending key is published; one that is no longer wanted never is."""
    made = answering(refused())
    await made.settle()
    if edit == "probe":
        made.put_grant()
    else:
        made.put_grant(probe=PROBE, bedrockShortTermKey={"duration": "1h"})
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]
    assert made.cloud_provider.issued_key == (1 if edit == "probe" else 2)


async def test_a_restart_meanwhile_mints_anew() -> None:
    """A short-lived key is free to be made again; none is lost or published untried."""
    made = answering(refused())
    await made.settle()
    for known in made.store.grants.values():
        known.pending_probe = None
    await made.settle()
    assert made.cloud_provider.tried == ["ASIA1", "ASIA2"]
    assert made.conditions() == ["Ready True Succeeded"]


async def test_a_key_that_replaces_an_unreadable_one_is_held_for_its_probe() -> None:
    """The Secret was edited: its key cannot be read back, and one other key is probed."""
    made = scene(probe=PROBE)
    await made.settle()
    assert made.cloud_provider.issued_key == 1

    def edit(body: dict[str, Any]) -> None:
        names: dict[str, Any] = {f"f:{name}": {} for name in body["data"]}
        body["data"] = dict.fromkeys(body["data"], "YnJva2Vu")
        body["metadata"]["managedFields"] = [
            {
                "manager": "kubectl-edit",
                "operation": "Update",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": names},
            }
        ]

    made.see_secret(edit)
    made.cloud_provider.answers += [refused() for _ in range(20)]
    for _ in range(5):
        due = await made.settle()
        assert due is not None
        made.clock.now = max(due, made.clock.now)
    assert made.cloud_provider.issued_key == 2
