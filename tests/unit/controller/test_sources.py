"""The flows of one source."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from keywright.api.errors import ApiError, ConflictError, Failure, FailureClass, LostLeaseError
from keywright.api.source import CredentialSource
from keywright.controller.settings import KeyTimes
from tests.unit.controller.samples import SOURCES, UID, Scene, scene
from tests.unit.fakes.clock import NOON

NAME = ("chat", "bedrock")
PATH = f"{SOURCES}/bedrock"
WRITE = f"PATCH {PATH}/status"
PASSING = Failure("no answer.", kind=FailureClass.TRANSIENT, reason="CloudError")


def _status(made: Scene) -> dict[str, Any]:
    found: dict[str, Any] = made.api.objects[PATH]["status"]
    return found


async def test_a_source_is_proved_and_told_by_one_write() -> None:
    """The identity, as the cloud reports it; verified again when the session needs a renewal."""
    made = scene()
    due = await made.sources.reconcile(NAME)
    assert due is not None
    assert NOON < due <= NOON + timedelta(minutes=57)
    assert made.api.writes() == [WRITE]
    assert _status(made)["accountId"] == "123456789012"
    assert (_status(made)["grants"], _status(made)["provider"]) == (1, "AWS")
    assert made.api.events() == []


async def test_a_source_that_is_proved_costs_nothing() -> None:
    """Neither a call to the cloud nor a write, until something changes."""
    made = scene()
    due = await made.sources.reconcile(NAME)
    assert await made.sources.reconcile(NAME) == due
    assert (made.cloud_provider.verified, made.api.writes()) == (1, [WRITE])


async def test_an_edited_source_is_proved_anew() -> None:
    """At once: grants wait for it."""
    made = scene()
    await made.sources.reconcile(NAME)
    body = made.api.objects[PATH]
    body["metadata"]["generation"] = 2
    made.store.put_source(made.api.put(SOURCES, body))
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 2


async def test_a_source_that_recovers_wakes_its_grants() -> None:
    """Their back-off has lost its reason."""
    made = scene()
    made.cloud_provider.failures.append(PASSING)
    due = await made.sources.reconcile(NAME)
    assert due is not None
    assert NOON < due < NOON + timedelta(seconds=2)
    assert made.woken == []
    made.clock.now = due
    await made.sources.reconcile(NAME)
    assert made.woken == [NAME]
    assert made.api.events() == [("Warning", "CloudError"), ("Normal", "Recovered")]


async def test_a_wrong_source_asks_no_cloud() -> None:
    """Stalled with the field, until it is edited."""
    made = scene(source=False)
    made.put_source(webIdentity=None)
    assert await made.sources.reconcile(NAME) is None
    assert made.cloud_provider.verified == 0
    assert [c["type"] for c in _status(made)["conditions"]] == ["Ready", "Stalled"]
    assert "spec.aws" in _status(made)["conditions"][0]["message"]


async def test_grants_that_come_and_go_are_counted_once_they_rest() -> None:
    """The number reported before stays until then, and the source is due again for it."""
    made = scene()
    await made.sources.reconcile(NAME)
    made.count_due_at = NOON + timedelta(seconds=3)
    made.store.drop_grant(next(iter(made.store.grants)))
    assert await made.sources.reconcile(NAME) == made.count_due_at
    assert _status(made)["grants"] == 1
    made.clock.now = made.count_due_at
    await made.sources.reconcile(NAME)
    assert _status(made)["grants"] == 0
    assert made.cloud_provider.verified == 1


async def test_an_edit_meanwhile_is_read_before_anything_is_told() -> None:
    """A 409 on the status reads the source again."""
    made = scene()
    body = made.api.objects[PATH]
    made.api.put(SOURCES, body)
    with pytest.raises(ConflictError):
        await made.sources.reconcile(NAME)
    await made.sources.reconcile(NAME)
    assert _status(made)["grants"] == 1


async def test_an_edit_that_meets_our_own_write_wakes_the_grants() -> None:
    """It is read then, so the watch event is not newer: nothing else would requeue them."""
    made = scene()
    body = made.api.objects[PATH]
    body["metadata"]["generation"] += 1
    body["spec"]["allowedNamespaces"] = {"names": ["search"]}
    edited = made.api.put(SOURCES, body)
    with pytest.raises(ConflictError):
        await made.sources.reconcile(NAME)
    made.event_handlers.source(edited)
    assert made.grant_queue.depth() == 1
    assert made.store.grants[UID].skip_backoff


async def test_a_source_that_is_gone_is_let_go() -> None:
    """404 is no failure; unknown and dying sources are left alone."""
    made = scene()
    made.api.answers.append((WRITE, ApiError(status=404, reason="NotFound", message="")))
    await made.sources.reconcile(NAME)
    made.store.sources[NAME].deleting = True
    assert await made.sources.reconcile(NAME) is None
    assert await made.sources.reconcile(("chat", "unknown")) is None


async def test_other_refusals_of_the_cluster_are_the_workers_business() -> None:
    """They are raised, to be tried again."""
    made = scene()
    made.api.answers.append((WRITE, ApiError(status=500, reason="", message="boom")))
    with pytest.raises(ApiError):
        await made.sources.reconcile(NAME)


async def test_nothing_is_told_out_of_office() -> None:
    """The fence is asked before the write."""
    made = scene()
    made.gate.shut = True
    with pytest.raises(LostLeaseError):
        await made.sources.reconcile(NAME)
    assert made.api.writes() == []


async def test_a_source_whose_secret_changed_is_proved_anew() -> None:
    """Whatever its status says; once."""
    made = scene()
    await made.sources.reconcile(NAME)
    made.store.sources[NAME].unproved = True
    await made.sources.reconcile(NAME)
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 2


async def test_a_source_that_must_be_corrected_is_ready_no_longer_than_its_session() -> None:
    """Without one in memory nothing can be issued, so it does not say Ready until its old end."""
    made = scene()
    await made.sources.reconcile(NAME)
    made.store.sources[NAME].unproved = True
    made.cloud_provider.in_memory = False
    made.cloud_provider.failures.append(
        Failure("no key.", kind=FailureClass.CONFIGURATION, reason="AccessKeyIncomplete")
    )
    await made.sources.reconcile(NAME)
    assert [(c["type"], c["status"]) for c in _status(made)["conditions"]] == [
        ("Ready", "False"),
        ("Stalled", "True"),
    ]


async def test_an_outage_after_a_restart_leaves_a_source_ready() -> None:
    """Its session is gone with the process, and everybody waits for the cloud to come back."""
    made = scene()
    await made.sources.reconcile(NAME)
    made.store.sources[NAME].unproved = True
    made.cloud_provider.in_memory = False
    made.cloud_provider.failures.append(PASSING)
    await made.sources.reconcile(NAME)
    assert [(c["type"], c["status"]) for c in _status(made)["conditions"]] == [
        ("Ready", "True"),
        ("RenewalFailing", "True"),
    ]


async def test_a_grant_that_cannot_use_its_source_has_it_verified() -> None:
    """Where no session is in memory: once a minute, and not while the status says so already."""
    made = scene()
    await made.sources.reconcile(NAME)
    made.event_handlers.source_failed(NAME)
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 1
    made.cloud_provider.in_memory = False
    made.event_handlers.source_failed(NAME)
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 1
    made.clock.now += timedelta(minutes=1)
    made.cloud_provider.failures.append(
        Failure("no account.", kind=FailureClass.CONFIGURATION, reason="ServiceAccountNotFound")
    )
    made.event_handlers.source_failed(NAME)
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 2
    assert _status(made)["conditions"][0]["reason"] == "ServiceAccountNotFound"


async def test_only_failures_of_the_source_are_its_business() -> None:
    """The field of the failure says whose they are."""
    made = scene()
    await made.sources.reconcile(NAME)
    for field in ("spec.bedrockShortTermKey", "CredentialSource spec.aws.webIdentity"):
        made.cloud_provider.failures = [
            Failure("no.", kind=FailureClass.TRANSIENT, reason="CloudError", field=field)
        ]
        await made.settle()
        assert made.store.sources[NAME].doubted is field.startswith("CredentialSource")
        made.clock.now += timedelta(minutes=1)


async def test_dates_alone_are_written_once_a_minute() -> None:
    """A session that is valid for seconds is no news; anything else is written at once."""
    made = scene()
    await made.sources.reconcile(NAME)
    first = _status(made)["expiresAt"]
    made.store.sources[NAME].unproved = True
    made.clock.now += timedelta(seconds=20)
    due = await made.sources.reconcile(NAME)
    assert due == NOON + timedelta(minutes=1)
    assert (made.cloud_provider.verified, made.api.writes()) == (2, [WRITE])
    made.clock.now = due
    await made.sources.reconcile(NAME)
    assert (made.cloud_provider.verified, made.api.writes()) == (2, [WRITE] * 2)
    assert _status(made)["expiresAt"] > first
    made.store.drop_grant(UID)
    made.clock.now += timedelta(seconds=1)
    await made.sources.reconcile(NAME)
    assert _status(made)["grants"] == 0


def _note(made: Scene, *, ahead: float) -> None:
    """The cloud has just answered, with such a Date."""
    value = made.store.sources[NAME].value
    assert isinstance(value, CredentialSource)
    date = format_datetime(made.clock.now - timedelta(seconds=ahead), usegmt=True)
    made.skews.note({"date": date}, took=0.0, source=value, by_vendor=True)


async def test_a_clock_that_differs_is_reported_once_and_cleared() -> None:
    """A condition beside Ready, one Event; the cloud is asked again every five minutes."""
    made = scene()
    made.cloud_provider.meanwhile = lambda: _note(made, ahead=61)
    await made.sources.reconcile(NAME)
    conditions = {c["type"]: c for c in _status(made)["conditions"]}
    assert {kind: c["status"] for kind, c in conditions.items()} == {
        "Ready": "True",
        "ClockSkewed": "True",
    }
    assert "about 1m ahead of that of the cloud" in conditions["ClockSkewed"]["message"]
    assert made.api.events() == [("Warning", "ClockSkewed")]
    due = NOON
    for _ in range(3):
        due = await made.sources.reconcile(NAME) or due
        assert due == made.clock.now + timedelta(minutes=5)
        made.clock.now = due
    assert made.cloud_provider.time_requested == 2
    assert len(made.api.events()) == 1
    made.cloud_provider.meanwhile = lambda: _note(made, ahead=59)
    await made.sources.reconcile(NAME)
    assert [c["type"] for c in _status(made)["conditions"]] == ["Ready"]
    assert made.cloud_provider.time_requested == 3


async def test_a_clock_that_was_set_is_compared_again() -> None:
    """By one call for each source that was used: no other call would show it."""
    made = scene()
    made.cloud_provider.meanwhile = lambda: _note(made, ahead=0)
    await made.sources.reconcile(NAME)
    made.skews.clock_was_set()
    made.cloud_provider.meanwhile = lambda: _note(made, ahead=-600)
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.time_requested == 1
    assert "about 10m behind" in _status(made)["conditions"][1]["message"]


def _endless() -> Scene:
    """A source whose credentials have an expiry that is not reported."""
    made = scene()
    made.cloud_provider.endless = True
    return made


async def test_credentials_without_an_end_are_tried_now_and_then() -> None:
    """After the interval of the option; what the cloud takes is no news, and an outage neither."""
    made = _endless()
    due = await made.sources.reconcile(NAME)
    assert due is not None
    assert NOON + timedelta(hours=5) < due <= NOON + timedelta(hours=6)
    assert "tried every --verify-interval" in _status(made)["conditions"][0]["message"]
    made.clock.now = due
    await made.sources.reconcile(NAME)
    assert made.cloud_provider.verified == 2
    made.cloud_provider.failures.append(PASSING)
    made.clock.now += timedelta(hours=6)
    again = await made.sources.reconcile(NAME)
    assert again == made.clock.now + timedelta(minutes=5)
    assert (made.cloud_provider.verified, made.api.writes()) == (3, [WRITE])


async def test_a_start_spreads_the_first_tries() -> None:
    """Over the time of the option: nothing is known of when they were tried before."""
    made = _endless()
    await made.sources.reconcile(NAME)
    made.store.sources[NAME].try_at = None
    due = await made.sources.reconcile(NAME)
    assert due is not None
    assert made.clock.now <= due <= made.clock.now + timedelta(minutes=10)
    assert made.cloud_provider.verified == 1


async def test_credentials_that_have_ended_end_what_was_made_of_them() -> None:
    """Source and grant are no longer Ready, also after a restart, until others are published."""
    made = _endless()
    due = await made.sources.reconcile(NAME)
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]
    assert due is not None
    made.clock.now = due
    over = Failure("expired.", kind=FailureClass.DENIED, reason="ExpiredToken", field="x")
    made.cloud_provider.failures.append(over)
    await made.sources.reconcile(NAME)
    assert _status(made)["conditions"][0]["reason"] == "ExpiredToken"
    assert made.woken == [NAME]
    assert made.cloud_provider.forgotten == ["s"]
    made.cloud_provider.failures.append(over)
    await made.settle()
    assert made.conditions()[0] == "Ready False Expired"
    assert "expired." in made.status()["conditions"][0]["message"]
    made.store.sources[NAME].ended_at = None
    made.cloud_provider.failures.append(over)
    made.clock.now += timedelta(hours=1)
    await made.settle()
    assert made.conditions()[0] == "Ready False Expired"
    made.clock.now += timedelta(hours=1)
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]


async def test_an_interval_of_zero_tries_nothing() -> None:
    """`--verify-interval=0` switches it off."""
    made = Scene(key_times=KeyTimes(interval=timedelta(0)))
    made.put_source()
    made.cloud_provider.endless = True
    assert await made.sources.reconcile(NAME) is None
