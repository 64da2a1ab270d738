"""Sources with keys to revoke have a session in memory; others are not touched."""

from __future__ import annotations

import asyncio

from keywright.api.errors import Failure, FailureClass
from keywright.api.names import FINALIZER
from keywright.api.source import Provider
from keywright.controller.key_records import KeyCheck
from keywright.controller.session_keeper import SessionKeeper
from tests.unit.api.samples import grant_body, source_body
from tests.unit.controller.samples import UID, Scene


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


def _keeper(scene: Scene) -> SessionKeeper:
    return SessionKeeper(
        store=scene.store,
        providers={Provider.AWS: scene.cloud_provider},
        leads=lambda: True,
        source_failed=scene.event_handlers.source_failed,
        pause=_at_once,
    )


def _scene() -> Scene:
    scene = Scene()
    scene.put_source()
    scene.put_grant()
    return scene


def _put(scene: Scene, *, name: str, source: str, **metadata: object) -> None:
    body = grant_body(sourceRef={"name": source})
    body["metadata"].update(name=name, uid=name, **metadata)
    scene.store.put_grant(body)


async def test_only_a_source_with_keys_to_revoke_is_held() -> None:
    """A key that ends by itself needs no session."""
    scene = _scene()
    await _keeper(scene).round()
    assert scene.cloud_provider.held == []
    scene.store.grants[UID].check = KeyCheck()
    await _keeper(scene).round()
    assert scene.cloud_provider.held == ["bedrock"]


async def test_a_key_that_ends_by_itself_makes_no_source_hold_a_session() -> None:
    """Also once it was issued: nothing in the cloud has to be looked up."""
    scene = _scene()
    await scene.settle()
    assert scene.store.grants[UID].check is None
    await _keeper(scene).round()
    assert scene.cloud_provider.held == []


async def test_a_finalizer_is_enough_to_hold_the_source() -> None:
    """After a start nothing has been reconciled yet, and the namespace may end at any moment."""
    scene = Scene()
    scene.put_source()
    _put(scene, name="chat-key", source="bedrock", finalizers=[FINALIZER])
    await _keeper(scene).round()
    assert scene.cloud_provider.held == ["bedrock"]


async def test_sources_of_grants_that_are_being_deleted_come_first() -> None:
    """Also a source that is being deleted itself: no other one can revoke their keys."""
    scene = Scene()
    for name in ("a", "b", "c"):
        ends = {"deletionTimestamp": "2026-11-22T10:00:00Z"} if name == "b" else {}
        body = source_body()
        body["metadata"].update(name=name, uid=name, resourceVersion="1", **ends)
        scene.store.put_source(body)
        _put(scene, name=f"{name}-key", source=name, finalizers=[FINALIZER], **ends)
    await _keeper(scene).round()
    await asyncio.sleep(0)
    assert scene.cloud_provider.held == ["b", "a", "c"]


async def test_the_first_round_waits_for_nothing_but_the_lease() -> None:
    """Only short pauses pass between leading and the first session."""
    scene, leads = _scene(), [False, False, True]
    scene.store.grants[UID].check = KeyCheck()

    async def pause(seconds: float) -> None:
        await (asyncio.sleep(0) if seconds < 1 else asyncio.Event().wait())

    keeper = SessionKeeper(
        store=scene.store,
        providers={Provider.AWS: scene.cloud_provider},
        leads=lambda: leads.pop(0) if len(leads) > 1 else leads[0],
        source_failed=scene.event_handlers.source_failed,
        pause=pause,
    )
    running = asyncio.create_task(keeper.run())
    for _ in range(100):
        await asyncio.sleep(0)
    running.cancel()
    assert scene.cloud_provider.held


async def test_a_source_that_fails_rests() -> None:
    """It is tried again after some rounds, not in each."""
    scene = _scene()
    scene.store.grants[UID].check = KeyCheck()
    scene.cloud_provider.failures = [
        Failure("no.", kind=FailureClass.TRANSIENT, reason="CloudError")
    ]
    keeper = _keeper(scene)
    for _ in range(6):
        await keeper.round()
        await asyncio.sleep(0)
    assert len(scene.cloud_provider.held) == 1
    for _ in range(2):
        await keeper.round()
    assert len(scene.cloud_provider.held) > 1
