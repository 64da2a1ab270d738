"""Sources with keys to revoke have a session in memory; others are not touched."""

from __future__ import annotations

import asyncio

from keywright.api.source import Provider
from keywright.controller.records import KeyCheck
from keywright.controller.session_keeper import SessionKeeper
from keywright.planning.failures import Failure, FailureClass
from tests.unit.controller.samples import UID, Scene


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


def _keeper(scene: Scene) -> SessionKeeper:
    return SessionKeeper(
        store=scene.store,
        vendors={Provider.AWS: scene.vendor},
        leads=lambda: True,
        pause=_at_once,
    )


def _scene() -> Scene:
    scene = Scene()
    scene.put_source()
    scene.put_grant()
    return scene


async def test_only_a_source_with_keys_to_revoke_is_held() -> None:
    """A key that ends by itself needs no session."""
    scene = _scene()
    await _keeper(scene).round()
    assert scene.vendor.held == []
    scene.store.grants[UID].check = KeyCheck()
    await _keeper(scene).round()
    assert scene.vendor.held == ["bedrock"]


async def test_a_source_that_fails_rests() -> None:
    """It is tried again after some rounds, not in each."""
    scene = _scene()
    scene.store.grants[UID].check = KeyCheck()
    scene.vendor.failures = [Failure("no.", kind=FailureClass.RETRY, reason="CloudError")]
    keeper = _keeper(scene)
    for _ in range(6):
        await keeper.round()
        await asyncio.sleep(0)
    assert len(scene.vendor.held) == 1
    for _ in range(2):
        await keeper.round()
    assert len(scene.vendor.held) > 1
