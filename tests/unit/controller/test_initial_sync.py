"""What must be there before work begins: both kinds, or grants that end without the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import override

from keywright.api.errors import ApiUnreachableError
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.cluster.objects import ResourceClient
from keywright.controller.event_handlers import EventHandlers
from keywright.controller.initial_sync import CrdReappearedError, InitialSync
from keywright.controller.queue import DelayingQueue
from keywright.controller.store import Store
from tests.unit.fakes.kubernetes import KubernetesInMemory

_BOTH = frozenset({SOURCE_PLURAL, GRANT_PLURAL, f"{GRANT_PLURAL}/status"})
_GRANTS = frozenset({GRANT_PLURAL})
_NO_OBJECTS: tuple[dict[str, Any], ...] = ()
_NONE: frozenset[str] = frozenset()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Served(ResourceClient):
    """Kinds as they are served from one look to the next; without any object."""

    def __init__(self, *looks: frozenset[str] | Exception) -> None:
        super().__init__(KubernetesInMemory())
        self._looks = list(looks)
        self.listed: list[str] = []

    @override
    async def served(self) -> frozenset[str]:
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    @override
    async def custom(self, plural: str) -> AsyncIterator[dict[str, Any]]:
        self.listed.append(plural)
        for body in _NO_OBJECTS:
            yield body

    @override
    async def managed_secrets(self) -> AsyncIterator[dict[str, Any]]:
        self.listed.append("secrets")
        for body in _NO_OBJECTS:
            yield body


class _Scene:
    """An initial sync, its pauses, and the message during each of them."""

    def __init__(self, *looks: frozenset[str] | Exception) -> None:
        self.objects = _Served(*looks)
        self.pauses: list[float] = []
        self.said: list[str] = []
        store, clock = Store(), lambda: NOW
        event_handlers = EventHandlers(
            store=store,
            grants=DelayingQueue(now=clock),
            sources=DelayingQueue(now=clock),
            clock=clock,
            forget_source=lambda _: None,
            sources_changed=lambda: None,
        )
        self.initial_sync = InitialSync(
            store=store,
            objects=self.objects,
            event_handlers=event_handlers,
            load_key=self._key,
            load_cluster_id=self._cluster,
            pause=self._on,
        )

    async def _cluster(self) -> str:
        return "8f4d"

    async def _key(self) -> bytes:
        return b"key"

    async def _on(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.said.append(self.initial_sync.not_ready_reason())


async def test_it_waits_for_the_crds_and_then_lists() -> None:
    """Without them there is nothing to watch, and the operator is not ready."""
    scene = _Scene(_NONE, frozenset({SOURCE_PLURAL}), ApiUnreachableError("down"), _BOTH)
    await scene.initial_sync.run()
    assert scene.initial_sync.not_ready_reason() == ""
    assert scene.objects.listed == [SOURCE_PLURAL, "secrets"]
    assert len(scene.said) == 3
    assert all("the CRDs are not installed" in words for words in scene.said)
    assert scene.pauses == [0.25, 0.5, 1.0]


async def test_a_crd_that_comes_a_moment_later_is_waited_for() -> None:
    """`kubectl apply -f crds/` makes that of grants first: nothing begins on it alone."""
    scene = _Scene(_GRANTS, _GRANTS, _GRANTS, _GRANTS, _BOTH)
    await scene.initial_sync.run()
    assert scene.objects.listed == [SOURCE_PLURAL, "secrets"]
    assert sum(scene.pauses) == 0.25 + 0.5 + 1 + 2


async def test_grants_whose_sources_kind_is_gone_are_served() -> None:
    """Their finalizers block the CRD; when sources return, the process restarts with both."""
    scene = _Scene(*[_GRANTS] * 7, ApiUnreachableError("down"), _BOTH)
    with pytest.raises(CrdReappearedError):
        await scene.initial_sync.run()
    assert scene.objects.listed == ["secrets"]
    assert scene.initial_sync.not_ready_reason() == ""
    assert scene.said[-1] == ""
