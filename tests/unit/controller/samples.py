"""A cluster in memory with a reconciler on it, and the objects that live there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keywright.api.errors import ConflictError, LostLeaseError
from keywright.api.source import Provider
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.interfaces import CloudProvider
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import ResourceClient
from keywright.cluster.operator_state import OrphanList
from keywright.cluster.source_secrets import SecretCache
from keywright.cluster.workloads import Workloads
from keywright.controller.context import Context
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.event_handlers import EventHandlers
from keywright.controller.grants.reconcile import reconcile
from keywright.controller.grants.source_access import Tenancy
from keywright.controller.invalid_objects import InvalidObjects
from keywright.controller.orphan_register import OrphanRegister
from keywright.controller.queue import DelayingQueue
from keywright.controller.settings import KeyTimes
from keywright.controller.sources import SourceReconciler
from keywright.controller.store import Store
from keywright.secrets.ownership import managed_secret_from
from keywright.telemetry.metrics import Metrics
from tests.unit.api.samples import grant_body, source_body
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.provider import ScriptedProvider

CLUSTER_ID = "2b1f0c52-7d4e-4a53-8f0e-6f1c7a1d9b10"
UID = "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11"
GRANTS = "/apis/keywright.dev/v1alpha1/namespaces/chat/apikeygrants"
SOURCES = "/apis/keywright.dev/v1alpha1/namespaces/chat/credentialsources"
SECRETS = "/api/v1/namespaces/chat/secrets"
SECRET = f"{SECRETS}/chat-key"
WRITES_OF_A_RENEWAL = [f"PATCH {SECRET}", f"PATCH {GRANTS}/chat-key/status"]


class Gate:
    """A fence that a test shuts."""

    def __init__(self) -> None:
        self.shut = False

    def check(self) -> None:
        """Raises LostLeaseError where it is shut."""
        if self.shut:
            raise LostLeaseError


@dataclass(slots=True)
class Scene:
    """One namespace `chat` with a grant and, by default, its source."""

    clock: FakeClock = field(default_factory=FakeClock)
    api: KubernetesInMemory = field(default_factory=KubernetesInMemory)
    store: Store = field(default_factory=Store)
    gate: Gate = field(default_factory=Gate)
    grant_queue: DelayingQueue = field(init=False)
    event_handlers: EventHandlers = field(init=False)
    woken: list[tuple[str, str]] = field(default_factory=list)
    count_due_at: datetime | None = None
    cloud_provider: ScriptedProvider = field(init=False)
    _providers: dict[Provider, CloudProvider] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    invalid: InvalidObjects = field(default_factory=InvalidObjects)
    key_times: KeyTimes = KeyTimes()  # noqa: RUF009  frozen
    docs_url: str = ""
    tenancy: Tenancy = field(init=False)
    skews: ClockSkews = field(init=False)
    context: Context = field(init=False)
    sources: SourceReconciler = field(init=False)

    def __post_init__(self) -> None:
        self.use_vendor(ScriptedProvider(clock=self.clock))
        self.skews = ClockSkews(clock=self.clock)
        self.tenancy = Tenancy(self.api, store=self.store, namespaces=(), changed=lambda _: None)
        self.grant_queue = DelayingQueue(now=self.clock)
        self.event_handlers = EventHandlers(
            store=self.store,
            grants=self.grant_queue,
            sources=DelayingQueue(now=self.clock),
            clock=self.clock,
            forget_source=lambda _: None,
            sources_changed=self.tenancy.sources_changed,
            invalid=self.invalid,
        )
        objects = ResourceClient(self.api)
        events = EventWriter(self.api, instance="test")
        self.context = Context(
            store=self.store,
            listener=self.event_handlers,
            objects=objects,
            values=SecretCache(objects),
            workloads=Workloads(self.api),
            providers=self._providers,
            tenancy=self.tenancy,
            fence=self.gate,
            events=events,
            metrics=self.metrics,
            fingerprint_key=lambda: b"operator's own",
            cluster_id=lambda: CLUSTER_ID,
            clock=self.clock,
            key_times=self.key_times,
            docs_url=self.docs_url,
            orphans=OrphanRegister(
                OrphanList(self.api, namespace="keywright-system"),
                store=self.store,
                tenancy=self.tenancy,
                clock=self.clock,
            ),
        )
        self.sources = SourceReconciler(
            store=self.store,
            objects=objects,
            providers=self._providers,
            listener=self.event_handlers,
            wake_grants=self.woken.append,
            count_due_at=lambda _: self.count_due_at,
            tenancy=self.tenancy,
            fence=self.gate,
            events=events,
            skews=self.skews,
            times=self.key_times,
            clock=self.clock,
            docs_url=self.docs_url,
        )

    def use_vendor(self, cloud_provider: ScriptedProvider) -> None:
        """Let another cloud answer from now on."""
        self.cloud_provider = cloud_provider
        self._providers.update(dict.fromkeys(Provider, cloud_provider))

    def put_grant(self, **spec: object) -> None:
        """The grant is made or edited by its author, and seen by the watch."""
        body = grant_body(**spec)
        known = self.api.objects.get(f"{GRANTS}/chat-key")
        if known is not None:
            body["status"] = known.get("status", {})
            body["metadata"]["generation"] = known["metadata"]["generation"] + 1
            body["metadata"]["finalizers"] = known["metadata"].get("finalizers", [])
        self.store.put_grant(self.api.put(GRANTS, body))

    def put_source(self, **aws: object) -> None:
        """So is the source."""
        self.store.put_source(self.api.put(SOURCES, source_body(**aws)))

    def put_secret(self, **metadata: Any) -> None:
        """There is a Secret of another owner with this name, which the watch does not show."""
        theirs = {"namespace": "chat", "name": "chat-key", "uid": "theirs", **metadata}
        self.api.put(SECRETS, {"metadata": theirs})

    def see_secret(self, change: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Another client changes the Secret, and the watch shows it."""
        body = self.api.objects[SECRET]
        if change is not None:
            change(body)
        self.store.put_secret(managed_secret_from(self.api.put(SECRETS, body)["metadata"]))

    def status(self) -> dict[str, Any]:
        """The grant's status as anybody reads it."""
        found: dict[str, Any] = self.api.objects[f"{GRANTS}/chat-key"]["status"]
        return found

    def conditions(self) -> list[str]:
        """Type, status and reason of its conditions."""
        return [f"{c['type']} {c['status']} {c['reason']}" for c in self.status()["conditions"]]

    async def settle(self) -> Any:
        """Reconcile the grant until it asks for no other look at once."""
        for _ in range(5):
            try:
                return await self.looked_at()
            except ConflictError:
                continue
        raise AssertionError("it never settles")

    async def reconcile(self, uid: str = UID) -> datetime | DeferredStatusWrite | None:
        """Reconcile the grant once."""
        return await reconcile(self.context, uid)

    async def looked_at(self) -> datetime | None:
        """Reconcile the grant once, with what is left of it."""
        due = await self.reconcile()
        return await due.finish() if isinstance(due, DeferredStatusWrite) else due


def scene(*, source: bool = True, **spec: object) -> Scene:
    """A scene with a new grant."""
    made = Scene()
    if source:
        made.put_source()
    made.put_grant(**spec)
    return made
