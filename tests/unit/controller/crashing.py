"""An operator that is killed at any of its requests, and what outlives it: cluster, cloud, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from typing_extensions import override

from keywright.api.errors import ApiUnreachableError, ConflictError
from keywright.controller.settings import KeyTimes
from keywright.planning.state import CloudKey
from keywright.secrets.ownership import managed_secret_from
from tests.unit.api.samples import source_body
from tests.unit.controller.samples import GRANTS, SECRET, SOURCES, Scene
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.managed_keys import SmallIam
from tests.unit.fakes.model_studio import REGION, ModelStudioProvider, SmallModelStudio

GRANT = f"{GRANTS}/chat-key"
_KEY = {"rotateEvery": "7d", "overlap": "1m"}
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


class Cloud(Protocol):
    """A cloud whose listing is behind by `lag`, and that does not answer the next creates."""

    lag: timedelta
    lose: int

    @property
    def most(self) -> int:
        """How many keys of a grant there can be."""

    @property
    def held(self) -> Mapping[str, CloudKey]:
        """The keys that exist, by ID."""


@dataclass(slots=True)
class Account:
    """What outlives an operator: the cluster, the cloud, the time.

    `secret` is `spec.secret`, `kind` that of the key, and `key` has the fields of the kind's own.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    fuse: CrashAfter = field(default_factory=CrashAfter)
    api: CrashingKubernetes = field(init=False)
    iam: SmallIam = field(init=False)
    cloud: Cloud = field(init=False)
    requested: int = 0
    secret: dict[str, Any] = field(default_factory=dict)
    kind: str = "bedrockLongTermKey"
    key: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api = CrashingKubernetes(self.fuse)
        self.cloud = self.iam = SmallIam(self.clock, point=self.fuse.tick)
        first = Scene(clock=self.clock, api=self.api)
        self.put_source(first)
        key: dict[str, Any] = {"bedrockShortTermKey": None, self.kind: self.key_spec()}
        first.put_grant(**key, secret=self.secret)

    def put_source(self, scene: Scene) -> None:
        """The source of the grant."""
        scene.put_source()

    def key_spec(self) -> dict[str, Any]:
        """The key in the spec."""
        return {"user": {"name": "bedrock-chat"}} | _KEY | self.key

    def connect(self, scene: Scene) -> None:
        """Let a new operator reach the cloud."""
        scene.cloud_provider.kept = self.iam

    def born(self) -> Scene:
        """A new operator, which knows what the API server tells."""
        scene = Scene(clock=self.clock, api=self.api, key_times=_CHECKS)
        self.connect(scene)
        scene.store.put_source(self.api.objects[f"{SOURCES}/bedrock"])
        if SECRET in self.api.objects:
            scene.store.put_secret(managed_secret_from(self.api.objects[SECRET]["metadata"]))
        scene.store.put_grant(self.api.objects[GRANT])
        return scene

    async def live(self, *, requests: int | None, idle: timedelta = _LONG) -> None:
        """One life, until it is killed or there is nothing to do for so long."""
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
                assert len(self.cloud.held) <= self.cloud.most
                if due is None or due > self.clock.now + idle:
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
        body = self.api.objects[GRANT]
        value = self.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        value = f"please {self.requested}" if opaque else value
        requested = {"keywright.dev/renew-requested-at": value}
        metadata = body["metadata"] | {"annotations": requested}
        self.api.put(GRANTS, {**body, "metadata": metadata})

    def delete(self) -> None:
        """The grant is deleted."""
        body = self.api.objects[GRANT]
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


class ModelStudioAccount(Account):
    """Keys of Model Studio: the product's own requests, which the emulator answers."""

    @override
    def __post_init__(self) -> None:
        self.kind = "modelStudioKey"
        Account.__post_init__(self)
        self.cloud = SmallModelStudio(self.clock, point=self.fuse.tick)

    @override
    def put_source(self, scene: Scene) -> None:
        body = source_body()
        body["spec"] = {
            "alibabaCloud": {"regionId": REGION, "accessKey": {"secretRef": {"name": "key"}}}
        }
        scene.store.put_source(scene.api.put(SOURCES, body))

    @override
    def key_spec(self) -> dict[str, Any]:
        return _KEY | self.key

    @override
    def connect(self, scene: Scene) -> None:
        assert isinstance(self.cloud, SmallModelStudio)
        scene.use_vendor(ModelStudioProvider(self.cloud, clock=self.clock))
