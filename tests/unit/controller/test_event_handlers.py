"""What the watches tell, and who is woken by it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from keywright.controller.event_handlers import EventHandlers
from keywright.controller.queue import DelayingQueue
from keywright.controller.store import Store
from tests.unit.api.samples import grant_body, source_body
from tests.unit.controller.draining import taken
from tests.unit.fakes.clock import FakeClock


class Desk:
    """An informer with its store and queues."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store()
        self.grants, self.sources = DelayingQueue(now=self.clock), DelayingQueue(now=self.clock)
        self.forgotten: list[str] = []
        self.changes: list[None] = []
        self.event_handlers = EventHandlers(
            store=self.store,
            grants=self.grants,
            sources=self.sources,
            clock=self.clock,
            forget_source=self.forgotten.append,
            sources_changed=lambda: self.changes.append(None),
        )

    async def woken(self) -> set[str]:
        """The grants that are due; they are handed back."""
        found = await taken(self.grants)
        for key in found:
            self.grants.done(key, due=None)
        return set(found)


@pytest.fixture
async def desk() -> Desk:
    """Two grants, a and b, of one source; none is due."""
    made = Desk()
    made.event_handlers.source(_source())
    made.event_handlers.grant(_grant("a"))
    made.event_handlers.grant(_grant("b"))
    assert await made.woken() == {"a", "b"}
    return made


def _grant(uid: str, *, version: int = 7, **spec: Any) -> dict[str, Any]:
    body = grant_body(**spec)
    body["metadata"] |= {"uid": uid, "name": f"grant-{uid}", "resourceVersion": str(version)}
    return body


def _source(*, version: int = 3, **metadata: Any) -> dict[str, Any]:
    body = source_body()
    body["metadata"] |= {"resourceVersion": str(version), **metadata}
    return body


def _secret(name: str = "grant-a", *, version: int = 9, uid: str = "s") -> dict[str, Any]:
    return {"namespace": "chat", "name": name, "uid": uid, "resourceVersion": str(version)}


async def test_a_grant_is_due_when_it_is_news(desk: Desk) -> None:
    """New, edited; not when the watch repeats itself."""
    desk.event_handlers.grant(_grant("a", version=7))
    assert await desk.woken() == set()
    desk.event_handlers.grant(_grant("a", version=8))
    assert await desk.woken() == {"a"}


async def test_a_source_wakes_its_grants_where_it_matters_to_them(desk: Desk) -> None:
    """Edited, created again, being deleted, deleted; a status of ours on it requeues no grant."""
    desk.event_handlers.source(_source(version=4))
    assert await desk.woken() == set()
    for metadata in ({"generation": 2}, {"generation": 2, "uid": "second"}):
        desk.event_handlers.source(_source(version=5, **metadata))
        assert await desk.woken() == {"a", "b"}
    assert desk.store.grants["a"].skip_backoff
    dying = {"generation": 2, "uid": "second", "deletionTimestamp": "2026-11-22T12:00:00Z"}
    desk.event_handlers.source(_source(version=6, **dying))
    assert await desk.woken() == {"a", "b"}
    desk.event_handlers.source(_source(version=7, uid="second"), deleted=True)
    assert await desk.woken() == {"a", "b"}
    assert desk.forgotten == ["second"]


async def test_the_end_of_an_older_source_says_nothing_about_the_new_one(desk: Desk) -> None:
    """Deleted and created again: the late event of the first is dropped."""
    desk.event_handlers.source(_source(uid="before"), deleted=True)
    assert await desk.woken() == set()
    assert desk.forgotten == []
    assert ("chat", "bedrock") in desk.store.sources


async def test_a_secret_wakes_the_grants_that_name_it(desk: Desk) -> None:
    """Changed or deleted by whomever; the late event of an older one is dropped."""
    desk.event_handlers.secret(_secret(version=9))
    assert await desk.woken() == {"a"}
    desk.event_handlers.secret(_secret(version=9))
    assert await desk.woken() == set()
    desk.event_handlers.secret(_secret(uid="before"), deleted=True)
    assert await desk.woken() == set()
    desk.event_handlers.secret(_secret(version=10), deleted=True)
    assert await desk.woken() == {"a"}
    desk.event_handlers.secret(_secret(version=10), deleted=True)
    assert await desk.woken() == set()


async def test_secrets_are_loaded_before_there_is_anybody_to_wake(desk: Desk) -> None:
    """The first list only fills the memory."""
    desk.event_handlers.load_secret(_secret())
    assert await desk.woken() == set()
    assert not desk.event_handlers.is_news(_secret())


async def test_a_grant_that_goes_makes_room_for_the_one_that_waited(desk: Desk) -> None:
    """Its Secret's name is free; the grant itself is due no more."""
    desk.event_handlers.grant(_grant("b", version=8, secret={"name": "grant-a"}))
    desk.event_handlers.grant(_grant("a", version=9))
    desk.event_handlers.grant(_grant("a", version=9), deleted=True)
    assert await desk.woken() == {"b"}
    desk.event_handlers.drop_grant("unknown")
    assert await desk.woken() == set()


async def test_the_number_of_grants_is_counted_once_it_rests(desk: Desk) -> None:
    """Ten thousand grants that come at once are one write to their source, three seconds later."""
    settles_at = desk.event_handlers.count_due_at(("chat", "bedrock"))
    assert settles_at == desk.clock.now + timedelta(seconds=3)
    desk.clock.advance(seconds=1)
    desk.event_handlers.grant(_grant("c"))
    later = desk.event_handlers.count_due_at(("chat", "bedrock"))
    assert later == desk.clock.now + timedelta(seconds=3)
    desk.event_handlers.grant(_grant("c", version=8))
    assert desk.event_handlers.count_due_at(("chat", "bedrock")) == later
    assert desk.event_handlers.count_due_at(("chat", "unknown")) is None


async def test_a_changed_secret_of_a_source_voids_what_was_made_of_it(desk: Desk) -> None:
    """Sessions are dropped, the source is verified again, and keys of its access key are stale.

    Sources and grants that do not read it, and Secrets of the same name elsewhere, are left alone.
    """
    keyed = _source(name="keyed", uid="k")
    keyed["spec"] = {"aws": {"region": "us-west-2", "accessKey": {"secretRef": {"name": "key"}}}}
    desk.event_handlers.source(keyed)
    desk.event_handlers.grant(_grant("c", sourceRef={"name": "keyed"}))
    assert len(desk.changes) == 2
    await desk.woken()
    await taken(desk.sources)
    for namespace, secret in (("elsewhere", "key"), ("chat", "other")):
        desk.event_handlers.secret_of_sources(namespace, secret)
    assert (desk.forgotten, await desk.woken()) == ([], set())
    desk.event_handlers.secret_of_sources("chat", "key")
    assert desk.forgotten == ["k"]
    assert desk.store.sources["chat", "keyed"].unproved
    assert desk.store.grants["c"].source_key_changed
    assert not desk.store.only_own_writes("c")
    assert await desk.woken() == {"c"}
    desk.event_handlers.grant(_grant("c", version=8, sourceRef={"name": "keyed"}))
    assert desk.store.grants["c"].source_key_changed


async def test_a_changed_external_id_makes_no_key_stale(desk: Desk) -> None:
    """It decides whether a session is given, not whose it is: the grants look again, no more."""
    source = _source(version=4, generation=2)
    source["spec"]["aws"]["assumeRoles"] = [
        {
            "roleArn": "arn:aws:iam::123456789012:role/a",
            "externalIdFrom": {"secretKeyRef": {"name": "id", "key": "id"}},
        }
    ]
    desk.event_handlers.source(source)
    await desk.woken()
    desk.event_handlers.secret_of_sources("chat", "id")
    assert await desk.woken() == {"a", "b"}
    assert not desk.store.grants["a"].source_key_changed


async def test_a_grant_is_woken_by_the_secret_that_it_imports() -> None:
    """A changed value is noticed at once, and grants of other Secrets sleep on."""
    desk = Desk()
    reference = {"secretKeyRef": {"name": "values", "key": "a"}}
    key = {"usagePlan": {"id": "abc123"}, "valueFrom": reference}
    body = grant_body(bedrockShortTermKey=None, apiGatewayKey=key)
    desk.event_handlers.grant(body)
    assert desk.changes == [None]
    assert desk.store.imported_secrets() == {("chat", "values")}
    await desk.woken()
    desk.event_handlers.secret_of_sources("chat", "others")
    assert await desk.woken() == set()
    desk.event_handlers.secret_of_sources("chat", "values")
    assert await desk.woken() == {body["metadata"]["uid"]}
    desk.event_handlers.drop_grant(body["metadata"]["uid"])
    assert desk.changes == [None, None]
    assert desk.store.imported_secrets() == frozenset()


async def test_other_labels_wake_the_grants_of_sources_that_select_by_them(desk: Desk) -> None:
    """Those of the namespace, and of such sources; a source that names namespaces is no matter."""
    source = _source(uid="p", namespace="platform", version=20)
    source["spec"]["allowedNamespaces"] = {"selector": {"matchLabels": {"team": "chat"}}}
    elsewhere = {"name": "bedrock", "namespace": "platform"}
    desk.event_handlers.grant(_grant("c", sourceRef=elsewhere))
    desk.event_handlers.source(source)
    assert await desk.woken() == {"c"}
    desk.event_handlers.namespaces(frozenset({"other"}))
    assert await desk.woken() == set()
    desk.event_handlers.namespaces(frozenset({"chat"}))
    assert await desk.woken() == {"c"}
    assert desk.store.grants["c"].skip_backoff


async def test_work_waits_for_every_grant_that_was_listed(desk: Desk) -> None:
    """Those that the watch has not delivered yet, and those that it reports as deleted."""
    arrival = asyncio.create_task(
        desk.event_handlers.wait_for_initial_events({"a", "c", "d"}, seconds=60)
    )
    await asyncio.sleep(0)
    desk.event_handlers.grant(_grant("c"))
    await asyncio.sleep(0)
    assert not arrival.done()
    desk.event_handlers.grant(_grant("d"), deleted=True)
    assert await arrival == 0


async def test_work_does_not_wait_for_a_grant_that_never_comes(desk: Desk) -> None:
    """It may be deleted before the watch began: without further events, it is counted as late."""
    assert await desk.event_handlers.wait_for_initial_events({"a", "gone"}, seconds=0.001) == 1
    assert await desk.event_handlers.wait_for_initial_events({"a"}, seconds=60) == 0
