"""The mint journal against a small IAM: killed anywhere, it ends with one key and no other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from keywright.api.errors import ApiUnreachableError, ConflictError
from keywright.controller.settings import KeyTimes
from keywright.secrets.ownership import managed_secret_from
from tests.unit.controller.samples import GRANTS, SECRET, SOURCES, Scene
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.managed_keys import MOST, SmallIam

_GRANT = f"{GRANTS}/chat-key"
_KEY = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d", "overlap": "1m"}
_LONG = timedelta(days=1)
# Each life looks its key up once.
_CHECKS = KeyTimes(interval=timedelta(days=30))


class KilledError(BaseException):
    """SIGKILL: nothing is caught, nothing is tidied up."""


@dataclass(slots=True)
class CrashAfter:
    """Ends a life at its n-th request; None lets it live."""

    left: int | None = None

    def tick(self) -> None:
        """One request, or one answer."""
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            raise KilledError


class CrashingKubernetes(KubernetesInMemory):
    """Each request may be the last, before it is sent or after it is answered.

    `lose` is part of the path of the write whose answer does not come.
    """

    def __init__(self, fuse: CrashAfter) -> None:
        super().__init__()
        self._fuse = fuse
        self.lose = ""

    @override
    async def request(self, method: str, path: str, **options: Any) -> Any:
        self._fuse.tick()
        answer = await super().request(method, path, **options)
        self._fuse.tick()
        if self.lose and method == "PATCH" and self.lose in path:
            self.lose = ""
            raise ApiUnreachableError(path)
        return answer


@dataclass(slots=True)
class Account:
    """What outlives an operator: the cluster, the cloud, the time."""

    clock: FakeClock = field(default_factory=FakeClock)
    fuse: CrashAfter = field(default_factory=CrashAfter)
    api: CrashingKubernetes = field(init=False)
    iam: SmallIam = field(init=False)
    requested: int = 0

    def __post_init__(self) -> None:
        self.api = CrashingKubernetes(self.fuse)
        self.iam = SmallIam(self.clock, point=self.fuse.tick)
        first = Scene(clock=self.clock, api=self.api)
        first.put_source()
        first.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_KEY)

    def born(self) -> Scene:
        """A new operator, which knows what the API server tells."""
        scene = Scene(clock=self.clock, api=self.api, key_times=_CHECKS)
        scene.cloud_provider.kept = self.iam
        scene.store.put_source(self.api.objects[f"{SOURCES}/bedrock"])
        if SECRET in self.api.objects:
            scene.store.put_secret(managed_secret_from(self.api.objects[SECRET]["metadata"]))
        scene.store.put_grant(self.api.objects[_GRANT])
        return scene

    async def live(self, *, requests: int | None) -> None:
        """One life, until it is killed or there is nothing to do for a day."""
        self.fuse.left = requests
        scene = self.born()
        try:
            for _ in range(200):
                try:
                    due = await scene.looked_at()
                except ConflictError:
                    continue
                except ApiUnreachableError:
                    # As a watch that has caught up since.
                    scene = self.born()
                    continue
                assert len(self.iam.held) <= MOST
                if due is None or due > self.clock.now + _LONG:
                    return
                self.clock.now = max(due, self.clock.now)
        except KilledError:
            return
        finally:
            self.fuse.left = None
        raise AssertionError("it never settles")

    def ask(self, *, opaque: bool = False) -> None:
        """A renewal is requested, by a time or by any other new value."""
        self.clock.advance(seconds=2)
        self.requested += 1
        body = self.api.objects[_GRANT]
        value = self.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        value = f"please {self.requested}" if opaque else value
        requested = {"keywright.dev/renew-requested-at": value}
        metadata = body["metadata"] | {"annotations": requested}
        self.api.put(GRANTS, {**body, "metadata": metadata})

    def delete(self) -> None:
        """The grant is deleted."""
        body = self.api.objects[_GRANT]
        metadata = body["metadata"] | {
            "deletionTimestamp": "2026-11-22T12:00:00Z",
            "generation": body["metadata"]["generation"] + 1,
        }
        self.api.put(GRANTS, {**body, "metadata": metadata})

    @property
    def key_id(self) -> str:
        """The key that the Secret names."""
        found: str = self.api.objects[SECRET]["metadata"]["annotations"]["keywright.dev/key-id"]
        return found


_WRITES = ("/secrets/", "/status", "apikeygrants/chat-key")
_LIVES = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=40),
        st.sampled_from(["go on", "ask", "ask in other words", "lose an answer", *_WRITES]),
        st.integers(min_value=0, max_value=90),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives=_LIVES, lag=st.integers(min_value=0, max_value=120), delete=st.booleans())
def test_wherever_it_is_killed_one_key_is_left(
    lives: list[tuple[int, str, int]], lag: int, *, delete: bool
) -> None:
    """Rule 5: killed at any request, answers lost, a listing behind: one key, and no orphan."""
    account = Account()
    account.iam.lag = timedelta(seconds=lag)

    async def play() -> None:
        for requests, event, pause in lives:
            if event.startswith("ask"):
                account.ask(opaque=event != "ask")
            account.iam.lose = int(event == "lose an answer")
            account.api.lose = event if event in _WRITES else ""
            await account.live(requests=requests)
            account.clock.advance(seconds=pause)
        account.iam.lose, account.api.lose = 0, ""
        if delete:
            account.delete()
        await account.live(requests=None)

    asyncio.run(play())
    metadata = account.api.objects[_GRANT]["metadata"]
    if delete:
        assert not metadata.get("finalizers")
        assert account.iam.held == {}
        return
    status = account.api.objects[_GRANT]["status"]
    assert list(account.iam.held) == [account.key_id]
    assert account.iam.held[account.key_id].active
    assert status["keyId"] == account.key_id
    assert "pending" not in status
    assert status["retiring"] == []
    # A request that is answered is not answered again; several at once are answered together.
    assert 1 <= status["revision"] <= 1 + account.requested


def test_every_single_request_may_be_the_last() -> None:
    """The same for one death at each request of a mint and of a rotation, none left out."""
    for requests in range(1, 60):
        for requested in ("", "a time", "other words"):
            account = Account()
            if requested:
                asyncio.run(account.live(requests=None))
                account.ask(opaque=requested != "a time")
            asyncio.run(account.live(requests=requests))
            asyncio.run(account.live(requests=None))
            assert list(account.iam.held) == [account.key_id], (requests, requested)
            assert account.api.objects[_GRANT]["status"]["revision"] == 1 + bool(requested)
