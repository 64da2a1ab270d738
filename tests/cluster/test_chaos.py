"""Forty kills, lost answers, throttling and a listing that lags, all at once."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from keywright.planning.delays import REAL
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import GRANT, Document, condition
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_KILLS = 40
_NAMESPACES = 3
_RUN_SECONDS = (0.3, 4.0)
# Fractions and multiples of the clouds' real times: two minutes of lag become six seconds.
_DELAY_SCALE = 0.05
_GATEWAY_TIME_SCALE = 20.0
_OVERLAP = timedelta(seconds=2)
_THROTTLED, _LOST = 0.1, 0.1
_CREATES = {
    "CreateServiceSpecificCredential": "iam",
    "CreateApiKey": "apigateway",
    "ImportApiKeys": "apigateway",
}
_THROTTLING = {
    "iam": ("Throttling", "Rate exceeded", 400),
    "apigateway": ("TooManyRequestsException", "Too Many Requests", 429),
}
# Of one rotation of an API Gateway key: reads, the key, its membership, disabling, its removal.
_CALLS_OF_A_ROTATION = 12
_TOTAL_PER_SECOND = 10 * _GATEWAY_TIME_SCALE

_Tenant = GatewayTenant | LongTermTenant


@dataclass(slots=True)
class Subject:
    """One grant, how many new keys it was asked for, and the request by which they are created."""

    tenant: _Tenant
    creates: str
    requested: int = 0
    value: str | None = None

    def request(self) -> None:
        """Ask for a renewal."""
        self.requested += 1
        self.value = datetime.now(UTC).isoformat()
        annotation = {"keywright.dev/renew-requested-at": self.value}
        self.tenant.annotate_grant(name=GRANT, **annotation)

    def handled(self) -> bool:
        """Whether the grant is Ready, and its last request has been answered."""
        status = self.tenant.status()
        return _is_ready(status) and status.get("lastHandledReconcileAt") == self.value

    def is_kept(self) -> bool:
        """Whether each request has cost one revision, and the one key that is left works."""
        status = self.tenant.status()
        return (
            status["revision"] == 1 + self.requested
            and self.tenant.live_keys() == {status["keyId"]}
            and self.tenant.works()
        )

    def at_rest(self) -> bool:
        """Whether it is, and no older key is left to be retired."""
        status = self.tenant.status()
        return self.handled() and not status.get("retiring") and "pending" not in status


@dataclass(slots=True)
class Importer(Subject):
    """A grant that imports a value or a file, and whose every request is another input."""

    def begin(self) -> None:
        """Its first input."""
        assert isinstance(self.tenant, GatewayTenant)
        self.tenant.put_input("input", self._input())

    def request(self) -> None:
        """Change the input."""
        self.requested += 1
        self.begin()

    def handled(self) -> bool:
        """Whether the grant is Ready, and its Secret has the input of the last request."""
        status = self.tenant.status()
        published = status.get("revision") == 1 + self.requested
        return _is_ready(status) and published and self._values() <= self._secret()

    def _secret(self) -> set[str]:
        return set(self.tenant.data().values()) if self.tenant.has_secret() else set()

    def _values(self) -> set[str]:
        assert isinstance(self.tenant, GatewayTenant)
        names = [f"v{self.requested}"]
        if self.creates == "ImportApiKeys":
            names.append("stays")
        return {self.tenant.value(name) for name in names}

    def _input(self) -> str:
        """One value, or a file whose second row is the same in each."""
        assert isinstance(self.tenant, GatewayTenant)
        value = self.tenant.value(f"v{self.requested}")
        if self.creates != "ImportApiKeys":
            return value
        return f"name,key\nv{self.requested},{value}\nstays,{self.tenant.value('stays')}"


def _importers(new_tenant: Callable[[], GatewayTenant]) -> Iterator[Subject]:
    """A grant of an imported value, and one of a file."""
    for creates in ("CreateApiKey", "ImportApiKeys"):
        tenant = new_tenant()
        subject = Importer(tenant, creates)
        subject.begin()
        tenant.apply_source()
        key = {"usagePlan": {"id": tenant.plan()}}
        if creates == "ImportApiKeys":
            spec = {"secret": {"formats": None}}
            tenant.apply_key(name=GRANT, spec=spec, **key, **tenant.csv_from("input"))
        else:
            tenant.apply_key(name=GRANT, **key, **tenant.value_from("input"))
        yield subject


def _is_ready(status: Document) -> bool:
    return condition(status, "Ready").get("status") == "True"


@pytest.fixture
def subjects(world: World) -> Iterator[list[Subject]]:
    """Applied grants of every managed kind, each in a namespace of its own."""
    with contextlib.ExitStack() as ends:
        long_term = tenants(world, name="chaos-iam")
        ends.callback(next, long_term, None)
        gateway = gateway_tenants(world, name="chaos-api")
        ends.callback(next, gateway, None)
        new_long_term, new_gateway = next(long_term), next(gateway)
        found: list[Subject] = []
        for _ in range(_NAMESPACES):
            with_user = new_long_term()
            with_user.apply_source(sessionDuration=None)
            with_user.apply_key()
            with_plan = new_gateway()
            with_plan.apply_source()
            with_plan.apply_key(name=GRANT, usagePlan={"id": with_plan.plan()})
            found.append(Subject(with_user, "CreateServiceSpecificCredential"))
            found.append(Subject(with_plan, "CreateApiKey"))
        found.extend(_importers(new_gateway))
        yield found


def _disturb(world: World, seed: int) -> None:
    """Throttle, lose answers and let the listing lag, from now on."""
    for service, (code, message, status) in _THROTTLING.items():
        world.aws.refuse_share(
            service, code=code, message=message, status=status, share=_THROTTLED, seed=seed
        )
    for action, service in _CREATES.items():
        world.aws.lose_share(service, action, share=_LOST, seed=seed + 1)
    world.aws.new_keys_fail_for(REAL.listing.total_seconds() * _DELAY_SCALE, listed=False)


def _kill_again_and_again(
    operator: OperatorProcess, subjects: Sequence[Subject], chance: random.Random
) -> None:
    for _ in range(_KILLS):
        for subject in subjects:
            if subject.handled():
                subject.request()
        # Ends early only if the operator has ended of itself.
        with contextlib.suppress(subprocess.TimeoutExpired):
            operator.process.wait(seconds=chance.uniform(*_RUN_SECONDS))
        operator.kill()
        operator.spawn()


def _allowed_seconds(subjects: Sequence[Subject]) -> float:
    """How long the clouds' own limits make the last rotations take, if nothing goes wrong."""
    unknown = REAL.scaled(_DELAY_SCALE).unknown
    rotations = sum(isinstance(subject.tenant, GatewayTenant) for subject in subjects)
    quota = rotations * _CALLS_OF_A_ROTATION / _TOTAL_PER_SECOND
    return (unknown + _OVERLAP).total_seconds() + quota


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> Iterator[World]:
    """A world of this module alone."""
    with make_world() as made:
        yield made


def test_chaos_creates_what_was_asked_for_and_leaves_nothing(
    world: World, subjects: list[Subject], record_property: Record
) -> None:
    """Each request is one revision; every other key that was created is removed again."""
    seed = random.randrange(10**6)  # noqa: S311  no secret
    print(f"seed {seed}")  # noqa: T201  pytest shows it where the test fails
    record_property("seed", seed)
    operator = world.operator(
        arguments=(f"--api-gateway-quota-share={_GATEWAY_TIME_SCALE}",),
        pace=(f"--cloud-delay-scale={_DELAY_SCALE}",),
    )
    world.aws.gateway_time_scale(_GATEWAY_TIME_SCALE)
    operator.start()
    for subject in subjects:
        subject.tenant.ready(seconds=60)
    _disturb(world, seed)
    _kill_again_and_again(operator, subjects, random.Random(seed))  # noqa: S311  no secret
    allowed = _allowed_seconds(subjects)
    began = time.monotonic()
    eventually(
        lambda: all(subject.handled() for subject in subjects),
        seconds=2 * allowed,
        reported=lambda: [subject.tenant.status() for subject in subjects if not subject.handled()],
    )
    record_property("seconds to all Ready", round(time.monotonic() - began, 1))
    record_property("seconds that the quota allows", round(allowed, 1))
    world.aws.clear_faults()
    for subject in subjects:
        eventually(subject.at_rest, seconds=60, reported=subject.tenant.status)
    _judge(world, subjects, record_property)
    paths = [subject.tenant.grant_path() for subject in subjects]
    for path in paths:
        world.api.delete(path)
    eventually(lambda: not any(map(world.api.exists, paths)), seconds=60)
    left = list(chain.from_iterable(subject.tenant.leftovers() for subject in subjects))
    assert left == []


def _judge(world: World, subjects: Sequence[Subject], record_property: Record) -> None:
    revisions = dict.fromkeys(_CREATES, 0)
    for subject in subjects:
        assert subject.is_kept(), subject.tenant.status()
        revisions[subject.creates] += 1 + subject.requested
    for action, service in _CREATES.items():
        calls = world.aws.calls(service=service, action=action)
        created = sum(call.error_code is None for call in calls)
        lost = sum(call.lost for call in calls)
        requested = revisions[action]
        record_property(f"{action}: asked for", requested)
        record_property(f"{action}: carried out", created)
        record_property(f"{action}: answers lost", lost)
        if service == "apigateway":
            # Its value follows from the intent: a key whose answer was lost is found and used.
            assert created == requested
        else:
            # AWS shows the value once: a key whose answer was lost is of no use, and is removed.
            assert requested <= created <= requested + lost + _KILLS
