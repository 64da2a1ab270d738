"""The flows of one grant, from its event to its Secret and status."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    ConflictError,
    Failure,
    FailureClass,
    LostLeaseError,
)
from keywright.api.times import parse_time
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.planning.renewal import BEGINS_WITHIN
from tests.unit.api.samples import grant_body
from tests.unit.controller.samples import GRANTS, SECRET, UID, WRITES_OF_A_RENEWAL, scene
from tests.unit.fakes.clock import NOON

DENIED = Failure("STS says no.", kind=FailureClass.DENIED, reason="AccessDenied")
CONFLICT = ApiError(status=409, reason="Conflict", message="Conflict")
READY = ["Ready True Succeeded"]


def _key(body: dict[str, Any]) -> str:
    return base64.b64decode(body["data"]["AWS_BEARER_TOKEN_BEDROCK"]).decode()


async def test_a_new_grant_gets_its_secret_by_two_writes() -> None:
    """Rule 17: one Secret, one status, no read before; the next look is the renewal."""
    made = scene()
    due = await made.settle()
    assert made.api.writes() == WRITES_OF_A_RENEWAL
    assert [requested for requested in made.api.requested if requested.method == "GET"] == []
    assert _key(made.api.objects[SECRET]) == "bedrock-api-key-planted1"
    assert made.conditions() == READY
    status = made.status()
    assert (status["revision"], status["keyId"]) == (1, "ASIA1")
    assert status["expiresAt"] == "2026-11-23T00:00:00Z"
    assert NOON + timedelta(hours=7) <= due <= NOON + timedelta(hours=8)
    reported = parse_time(status["renewAt"])
    assert reported - BEGINS_WITHIN < due <= reported
    assert made.api.events() == []


async def test_a_second_look_does_nothing() -> None:
    """Rule 4: a restart, or an event without news, costs no request at all."""
    made = scene()
    due = await made.settle()
    made.api.requested.clear()
    assert await made.settle() == due
    assert made.api.requested == []


async def test_a_renewal_has_the_price_of_the_first_key() -> None:
    """Two writes, the next revision, another key."""
    made = scene()
    made.clock.now = await made.settle()
    made.api.requested.clear()
    await made.settle()
    assert made.api.writes() == WRITES_OF_A_RENEWAL
    assert made.status()["revision"] == 2
    assert _key(made.api.objects[SECRET]) == "bedrock-api-key-planted2"


async def test_the_status_of_a_renewal_can_wait_for_other_grants() -> None:
    """The write may be deferred: the Secret has the key, and the conditions are unchanged."""
    made = scene()
    made.clock.now = await made.settle()
    rest = await made.reconcile(UID)
    assert isinstance(rest, DeferredStatusWrite)
    assert _key(made.api.objects[SECRET]) == "bedrock-api-key-planted2"
    assert made.status()["revision"] == 1
    made.clock.advance(seconds=2)
    due = await rest.finish()
    assert due is not None
    assert made.status()["revision"] == 2
    reported = parse_time(made.status()["renewAt"])
    assert reported - BEGINS_WITHIN < due <= reported


async def test_an_edit_before_the_status_of_a_renewal_is_seen() -> None:
    """The deferred part starts over: the written key is recorded, and the edit is carried out."""
    made = scene()
    made.clock.now = await made.settle()
    rest = await made.reconcile(UID)
    assert isinstance(rest, DeferredStatusWrite)
    made.put_grant(secret={"formats": ["ApiKey"]})
    with pytest.raises(ConflictError):
        await rest.finish()
    await made.settle()
    assert made.cloud_provider.issued_key == 2
    assert (made.status()["revision"], made.status()["observedGeneration"]) == (2, 2)
    assert set(made.api.objects[SECRET]["data"]) == {"apiKey"}


async def test_a_changed_layout_is_rewritten_from_the_key_at_hand() -> None:
    """Rule 4: one read of the Secret, the same key in the new layout, nothing minted."""
    made = scene()
    await made.settle()
    made.put_grant(secret={"formats": ["ApiKey"], "data": {"REGION": "${region}"}})
    await made.settle()
    found = {k: base64.b64decode(v) for k, v in made.api.objects[SECRET]["data"].items()}
    assert found == {"apiKey": b"bedrock-api-key-planted1", "REGION": b"us-west-2"}
    assert made.cloud_provider.issued_key == 1
    assert (made.status()["revision"], made.status()["keyId"]) == (1, "ASIA1")
    assert made.status()["observedGeneration"] == 2


async def test_a_layout_that_could_not_be_written_is_written_later() -> None:
    """An edit of words alone leaves no drift to see: it is owed until the write succeeds."""
    made = scene(secret={"data": {"REGION": "in ${region}"}})
    await made.settle()
    made.put_grant(secret={"data": {"REGION": "at ${region}"}})
    made.api.answers.append((f"PATCH {SECRET}", ApiError(status=503, reason="", message="busy")))
    made.clock.now = await made.settle()
    assert made.conditions() == [*READY, "RenewalFailing True SecretRefused"]
    await made.settle()
    assert base64.b64decode(made.api.objects[SECRET]["data"]["REGION"]) == b"at us-west-2"
    assert made.conditions() == READY
    assert made.cloud_provider.issued_key == 1


async def test_a_secret_that_was_edited_is_repaired() -> None:
    """Rule 9: from its own values where they are still there, else by a new key."""
    made = scene()
    await made.settle()

    def lose_a_key(body: dict[str, Any]) -> None:
        del body["data"]["AWS_REGION"]
        del body["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:AWS_REGION"]

    made.see_secret(lose_a_key)
    await made.settle()
    assert base64.b64decode(made.api.objects[SECRET]["data"]["AWS_REGION"]) == b"us-west-2"
    assert made.cloud_provider.issued_key == 1

    def lose_all(body: dict[str, Any]) -> None:
        lose_a_key(body)
        body["data"] = {}

    made.clock.advance(seconds=2)
    made.see_secret(lose_all)
    await made.settle()
    assert _key(made.api.objects[SECRET]) == "bedrock-api-key-planted2"


async def test_a_deleted_secret_comes_back_with_the_next_revision() -> None:
    """The revision never decreases, so that no client takes the new key for an old one."""
    made = scene()
    await made.settle()
    del made.api.objects[SECRET], made.store.secrets["chat", "chat-key"]
    await made.settle()
    assert made.status()["revision"] == 2


async def test_a_secret_of_somebody_else_is_left_alone() -> None:
    """The write is refused, a read shows the owner; it is reported, and read again each minute."""
    made = scene()
    made.put_secret()
    before = made.api.objects[SECRET]
    due = await made.settle()
    assert made.api.objects[SECRET] is before
    assert made.conditions()[-1] == "SecretConflict True SecretConflict"
    assert due == NOON + timedelta(minutes=1)
    made.api.requested.clear()
    made.clock.now = due
    await made.settle()
    assert [requested.method for requested in made.api.requested] == ["GET"]
    del made.api.objects[SECRET]
    made.clock.advance(minutes=1)
    await made.settle()
    assert made.conditions() == READY


async def test_a_secret_of_nobody_is_adopted_on_demand() -> None:
    """`secret.adopt` takes it over, and what others keep in it stays theirs."""
    made = scene(secret={"adopt": True})
    made.put_secret()
    await made.settle()
    assert made.conditions() == READY


async def test_an_edit_during_the_write_is_seen_before_the_status() -> None:
    """The status is patched at the version that was read; a 409 reads and decides again."""
    made = scene()
    made.api.answers.append((f"PATCH {GRANTS}", CONFLICT))
    with pytest.raises(ConflictError):
        await made.reconcile(UID)
    await made.settle()
    assert made.conditions() == READY
    assert made.cloud_provider.issued_key == 1


async def test_a_grant_that_is_gone_is_forgotten() -> None:
    """404 on the status, or on the look after a 409; who waits for the Secret looks again."""
    for answer in (ApiError(status=404, reason="NotFound", message=""), CONFLICT):
        made = scene()
        made.api.answers.append((f"PATCH {GRANTS}", answer))
        if answer is CONFLICT:
            del made.api.objects[f"{GRANTS}/chat-key"]
        heir = grant_body(secret={"name": "chat-key"})
        heir["metadata"] |= {"name": "heir", "uid": "heir"}
        made.store.put_grant(heir)
        await made.settle()
        assert made.store.grants.keys() == {"heir"}
        assert made.grant_queue.depth() == 1
        assert await made.settle() is None


async def test_a_failure_is_written_once_and_retried_by_its_back_off() -> None:
    """One status and one Event for the worse; the next look is seconds away, and only a look."""
    made = scene()
    made.cloud_provider.failures += [DENIED, DENIED]
    due = await made.settle()
    assert NOON < due < NOON + timedelta(seconds=2)
    assert made.conditions() == [
        "Ready False AccessDenied",
        "Reconciling True ProgressingWithRetry",
    ]
    assert made.status()["failedAttempts"] == 1
    requested = len(made.api.requested)
    assert await made.settle() == due
    assert len(made.api.requested) == requested
    made.clock.now = due
    made.clock.now = await made.settle()
    assert made.status()["failedAttempts"] == 2
    await made.settle()
    assert made.conditions() == READY
    assert made.api.events() == [("Warning", "AccessDenied"), ("Normal", "Recovered")]


@pytest.mark.parametrize("milliseconds", [0, 500, 989, 995, 999])
async def test_a_failure_late_in_a_second_is_retried_as_well(milliseconds: int) -> None:
    """The status counts in whole seconds: a back-off may be over as soon as it is written."""
    made = scene()
    made.clock.advance(milliseconds=milliseconds)
    made.cloud_provider.failures.append(DENIED)
    due = await made.settle()
    assert made.clock.now <= due < made.clock.now + timedelta(seconds=2)
    made.clock.now = due
    await made.settle()
    assert made.conditions() == READY


async def test_the_last_good_key_outlives_failures() -> None:
    """Rule 3: the Secret is not touched by a failed renewal, and Ready stays True until its end."""
    made = scene()
    made.clock.now = await made.settle()
    good = made.api.objects[SECRET]
    made.cloud_provider.failures += [DENIED] * 2
    await made.settle()
    assert made.conditions() == [*READY, "RenewalFailing True AccessDenied"]
    made.clock.now = NOON + timedelta(hours=12)
    await made.settle()
    assert made.conditions()[0] == "Ready False Expired"
    assert made.api.objects[SECRET] is good


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiUnreachableError("PATCH"), "ApiUnreachable"),
        (ApiError(status=500, reason="", message="boom"), "SecretRefused"),
        (ApiError(status=403, reason="Forbidden", message="quota exceeded"), "SecretRefused"),
        (ApiError(status=422, reason="", message="data: too long"), "SecretRefused"),
        (
            ApiError(status=422, reason="", message="field is immutable", fields=("type",)),
            "SecretTypeImmutable",
        ),
        (
            ApiError(
                status=422,
                reason="",
                message="data: Forbidden: field is immutable when `immutable` is set",
                fields=("data",),
            ),
            "SecretImmutable",
        ),
    ],
)
async def test_a_write_that_the_cluster_refuses_is_told(error: Exception, reason: str) -> None:
    """With the server's own words; only what an edit can remedy is Stalled."""
    made = scene()
    made.api.answers.append((f"PATCH {SECRET}", error))
    await made.settle()
    ready = made.status()["conditions"][0]
    assert ready["reason"] == reason
    stalled = isinstance(error, ApiError) and error.status == 422
    assert made.conditions()[1].startswith("Stalled" if stalled else "Reconciling")


async def test_a_source_that_comes_late_is_not_waited_for() -> None:
    """SourceNotFound while it is missing; its arrival is all that the grant needs."""
    made = scene(source=False)
    assert await made.settle() is None
    assert made.conditions()[0] == "Ready False SourceNotFound"
    made.put_source()
    made.store.grants[UID].skip_backoff = True
    await made.settle()
    assert made.conditions() == READY


async def test_a_spec_that_does_not_parse_is_told() -> None:
    """Whatever an older CRD let through becomes a sentence in the status."""
    made = scene(bedrockShortTermKey={"duration": 7})
    await made.settle()
    assert made.conditions() == ["Ready False InvalidSpec", "Stalled True InvalidSpec"]


@pytest.mark.parametrize("before", ["", "the status"])
async def test_nothing_is_written_out_of_office(before: str) -> None:
    """The fence is asked before each write: the Lease may be lost between two of them."""
    made = scene()
    if before:
        made.api.answers.append((f"PATCH {SECRET}", lambda: setattr(made.gate, "shut", True)))
    else:
        made.gate.shut = True
    with pytest.raises(LostLeaseError):
        await made.reconcile(UID)
    assert made.api.writes() == ([f"PATCH {SECRET}"] if before else [])


async def test_a_run_that_ended_between_two_writes_costs_no_key() -> None:
    """The Secret is there and the status is not: the next run only tells it."""
    made = scene()
    made.api.answers.append((f"PATCH {GRANTS}", ApiUnreachableError("PATCH")))
    with pytest.raises(ApiUnreachableError):
        await made.reconcile(UID)
    await made.settle()
    assert made.cloud_provider.issued_key == 1
    assert (made.status()["revision"], made.conditions()) == (1, READY)


async def test_a_grant_that_is_being_deleted_is_left_alone() -> None:
    """Short-term keys end by themselves: nothing is done, and nothing holds the deletion up."""
    made = scene()
    made.store.grants[UID].deleting = True
    assert await made.settle() is None
    assert made.api.requested == []
    assert await made.reconcile("unknown") is None


async def test_no_log_status_or_event_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Rule 13: the planted key is only in the data of the Secret."""
    caplog.set_level("DEBUG")
    made = scene()
    made.cloud_provider.failures.append(DENIED)
    made.clock.now = await made.settle()
    await made.settle()
    elsewhere = [
        str(requested.body) for requested in made.api.requested if requested.path != SECRET
    ]
    shown = "\n".join([*elsewhere, caplog.text, made.metrics.text().decode()])
    assert "planted" not in shown
    assert base64.b64encode(b"bedrock-api-key-planted1").decode() not in shown


async def test_a_stale_key_is_made_anew_once() -> None:
    """The access key that signed it is gone from its source; the new one is not stale."""
    made = scene()
    await made.settle()
    made.store.grants[UID].source_key_changed = True
    await made.settle()
    assert (made.cloud_provider.issued_key, made.status()["revision"]) == (2, 2)
    assert not made.store.grants[UID].source_key_changed
    await made.settle()
    assert made.cloud_provider.issued_key == 2


async def test_a_stale_key_stays_until_there_is_another() -> None:
    """A refusal leaves the Secret as it is, and the key as stale as it was."""
    made = scene()
    await made.settle()
    made.store.grants[UID].source_key_changed = True
    made.cloud_provider.failures.append(DENIED)
    due = await made.settle()
    assert made.conditions() == ["Ready True Succeeded", "RenewalFailing True AccessDenied"]
    assert _key(made.api.objects[SECRET]) == "bedrock-api-key-planted1"
    made.clock.now = due
    await made.settle()
    assert made.conditions() == READY
    assert made.status()["revision"] == 2


async def test_an_access_key_that_changes_during_a_mint_makes_the_new_key_stale() -> None:
    """It may have been signed by either: one more is made."""
    made = scene()

    def changed() -> None:
        made.cloud_provider.meanwhile = lambda: None
        made.store.grants[UID].source_key_changed = True

    made.cloud_provider.meanwhile = changed
    await made.settle()
    await made.settle()
    assert (made.cloud_provider.issued_key, made.status()["revision"]) == (2, 2)
