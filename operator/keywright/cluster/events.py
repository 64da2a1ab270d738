"""Events on Keywright's resources: what was done, each new failure, and the recovery."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import KubernetesClient

_LOG = logging.getLogger(__name__)
_NOTE_LIMIT = 1024
_NAME_LIMIT = 236  # of the 253 that a name may have, with a dot and sixteen digits after it
_COMPONENT = "keywright.dev/controller"
# Queued Events must not slow down hundreds of renewals that are due at once.
_PAUSE_SECONDS: Final = 0.05
_BUSY_PAUSES: Final = 20  # for an Event while keys are due
# A tenant can have keys due at all times: that must not slow down the Events of others for long.
_SLOW_SECONDS: Final = 60.0
_SLOW_EVERY_SECONDS: Final = 300.0
_QUEUE_LIMIT: Final = 256  # Events of one namespace


class EventWriter:
    """Posts Events; one that cannot be posted is dropped without a retry."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        instance: str,
        pause: float = _PAUSE_SECONDS,
        busy: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`busy`: whether keys are due; Events are then twenty pauses apart.

        That lasts for a minute at most, and begins at most every five minutes, by `clock`.
        """
        self._client = client
        self._instance = instance
        self._pause = pause
        self._busy = busy
        self._clock = clock
        self._slow_since = -_SLOW_EVERY_SECONDS
        self._queued: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Post the queued Events one after the other, the namespaces in turn, until cancelled."""
        while True:
            await self._arrived.wait()
            body = self._next()
            if body is None:
                self._arrived.clear()
                continue
            await self._send(body)
            await self._rest()

    async def _rest(self) -> None:
        for _ in range(_BUSY_PAUSES):
            await asyncio.sleep(self._pause)
            if not self._is_slow():
                return

    def _is_slow(self) -> bool:
        if not self._busy():
            return False
        now = self._clock()
        if now - self._slow_since >= _SLOW_EVERY_SECONDS:
            self._slow_since = now
        return now - self._slow_since < _SLOW_SECONDS

    def queue(self, regarding: Mapping[str, Any], *, warning: bool, reason: str, note: str) -> None:
        """Post an Event when nothing is more urgent; beyond 256 of a namespace it is dropped."""
        namespace = regarding["namespace"]
        waiting = self._queued.setdefault(namespace, deque())
        if len(waiting) < _QUEUE_LIMIT:
            waiting.append(self._body(regarding, warning=warning, reason=reason, note=note))
        self._arrived.set()

    async def flush(self) -> None:
        """Post all queued Events without a pause."""
        while (body := self._next()) is not None:
            await self._send(body)

    def _next(self) -> dict[str, Any] | None:
        if not self._queued:
            return None
        namespace, waiting = self._queued.popitem(last=False)
        body = waiting.popleft()
        if waiting:
            self._queued[namespace] = waiting
        return body

    async def post(
        self, regarding: Mapping[str, Any], *, warning: bool, reason: str, note: str
    ) -> None:
        """Post an Event; `regarding` is a reference (kind, namespace, name, uid, apiVersion)."""
        await self._send(self._body(regarding, warning=warning, reason=reason, note=note))

    def _body(
        self, regarding: Mapping[str, Any], *, warning: bool, reason: str, note: str
    ) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            # Named as client-go does; a generateName must not end in a dot.
            "metadata": {
                "name": f"{regarding['name'][:_NAME_LIMIT]}.{secrets.token_hex(8)}",
                "namespace": regarding["namespace"],
            },
            "eventTime": now,
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "note": note[:_NOTE_LIMIT],
            "action": "Reconcile",
            "reportingController": _COMPONENT,
            "reportingInstance": self._instance,
            "regarding": dict(regarding),
        }

    async def _send(self, body: Mapping[str, Any]) -> None:
        namespace = body["metadata"]["namespace"]
        try:
            await self._client.request(
                "POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=body
            )
        except (ApiError, ApiUnreachableError) as error:
            _LOG.info("an Event was not posted: %s", error)
