"""Observes the cluster, the clients and the processes, and reports events."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import HTTPError

from testbed.clusters.api import ApiError
from testbed.demo.grants import FirstKey, grant_seen
from testbed.demo.observed import Event, Grant, Observed, Tone
from testbed.demo.partner import Rotation
from testbed.demo.scene import Scene
from testbed.demo.tallies import Tally
from testbed.readers import llm_app, partner
from testbed.readers.reports import DEFAULT_CLIENTS

_KEPT_EVENTS = 50
# A request itself takes up to half a minute where the machine is busy.
_UNREACHABLE_SECONDS = 60.0
_NOT_FOUND = 404


@dataclass(slots=True)
class _Followed:
    """A grant of the examples."""

    example: str
    namespace: str
    name: str
    seen: Grant
    first: FirstKey | None = None


class Witness:
    """Call `look` for each frame."""

    def __init__(self, scene: Scene, *, elapsed: Callable[[], float]) -> None:
        self._scene = scene
        self._elapsed = elapsed
        self._applied_at = time.time()
        self._place = scene.place()
        self._tally = Tally()
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self._reported = 0
        self._first_key_seconds: float | None = None
        self._unreachable_since: float | None = None
        self._rotation = Rotation(scene.world, scene.partner)
        self._followed = [
            _Followed(
                example=example.name,
                namespace=document["metadata"]["namespace"],
                name=document["metadata"]["name"],
                seen=grant_seen(document, before=None),
            )
            for example in scene.examples
            for document in example.of_kind("ApiKeyGrant")
        ]

    def look(self) -> Observed:
        """Return the current observations."""
        trouble = self._scene.ended() or self._look_at_grants()
        return Observed(
            place=self._place,
            now=time.time(),
            applied_at=self._applied_at,
            elapsed_seconds=self._elapsed(),
            first_key_seconds=self._first_key_seconds,
            grants=tuple(followed.seen for followed in self._followed),
            clients=self._tally.clients(),
            events=tuple(self._events),
            trouble=trouble,
        )

    def _look_at_grants(self) -> str | None:
        try:
            for followed in self._followed:
                self._look_at(followed)
            self._look_at_partner()
        except (ApiError, HTTPError, OSError) as error:
            if isinstance(error, ApiError) and error.status == _NOT_FOUND:
                return "a grant or a Secret of the demo was deleted, so the demo ends"
            now = time.monotonic()
            self._unreachable_since = self._unreachable_since or now
            silent = now - self._unreachable_since
            if silent > _UNREACHABLE_SECONDS:
                server = self._scene.world.cluster.server
                end = self._scene.cluster_log_end()
                return f"the API server {server} does not answer: {_cause(error)}\n{end}".rstrip()
        else:
            self._unreachable_since = None
        return None

    def _look_at_partner(self) -> None:
        rotation = self._rotation
        began = rotation.is_published
        for text in rotation.look():
            self._tell(text, tone=Tone.GOOD)
        if rotation.is_published and not began:
            self._read(rotation.namespace, rotation.name, clients=(partner.NAME,))

    def _read(self, namespace: str, secret: str, *, clients: Sequence[str]) -> None:
        reader = self._scene.read(namespace=namespace, secret=secret, clients=clients)
        self._tally.follow(reader.report)

    def _look_at(self, followed: _Followed) -> None:
        before = followed.seen
        group = f"/apis/keywright.dev/v1alpha1/namespaces/{followed.namespace}"
        document = self._scene.world.api.get(f"{group}/apikeygrants/{followed.name}")
        followed.seen = grant_seen(document, before=before)
        if followed.first is None and followed.seen.key is not None:
            followed.first = self._begin(followed)
        for text in _changes(before, followed.seen):
            self._tell(text, tone=Tone.GOOD)
        if followed.first is not None:
            self._probe(followed, followed.first)

    def _begin(self, followed: _Followed) -> FirstKey:
        """Keep the first key's data for an attempt after its expiry, and start the clients."""
        seen, world = followed.seen, self._scene.world
        if self._first_key_seconds is None:
            self._first_key_seconds = self._elapsed()
        path = f"/api/v1/namespaces/{followed.namespace}/secrets/{seen.secret}"
        data: dict[str, Any] = world.api.get(path)["data"]
        also = (llm_app.NAME,) if followed.example == llm_app.NAME else ()
        self._read(followed.namespace, seen.secret, clients=(*DEFAULT_CLIENTS, *also))
        self._tell(f"Secret {followed.namespace}/{seen.secret} holds {', '.join(sorted(data))}")
        assert seen.key is not None
        return FirstKey(data, key=seen.key, cloud_environment=world.aws.client_environment())

    def _probe(self, followed: _Followed, first: FirstKey) -> None:
        reported = followed.seen.first_refused_at
        followed.seen = first.tried(followed.seen)
        refused = followed.seen.first_refused_at
        if reported is None and refused is not None:
            late = refused - first.key.expires_at
            self._tell(
                f"the key of revision {first.key.revision} is refused {late:.1f} s after its end:"
                f" {first.refusal}",
                tone=Tone.GOOD,
            )

    def _tell(self, text: str, *, tone: Tone = Tone.PLAIN) -> None:
        self._reported += 1
        self._events.append(
            Event(number=self._reported, seconds=self._elapsed(), text=text, tone=tone)
        )


def _cause(error: Exception) -> object:
    """Without the retry count that urllib3 adds."""
    return getattr(error, "reason", error)


def _changes(before: Grant, after: Grant) -> Iterator[str]:
    if after.ready != before.ready:
        reported = f" ({after.reason}: {after.message})" if after.ready != "True" else ""
        yield f"ApiKeyGrant {after.name} is Ready={after.ready}{reported}"
    new, old = after.key, before.key
    if new is None or (old is not None and new.revision == old.revision):
        return
    life = new.expires_at - new.issued_at
    if old is None:
        yield f"revision {new.revision}: key {new.key_id}, good for {life:.0f} s"
    else:
        ahead = old.expires_at - new.issued_at
        yield f"revision {new.revision}: key {new.key_id}, {ahead:.0f} s before the old one ends"
