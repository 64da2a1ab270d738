"""Forty kills, lost answers, throttling and a listing that lags, all at once."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
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
    "iam": "CreateServiceSpecificCredential",
    "apigateway": "CreateApiKey",
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
    """One grant, and how many renewals it was asked for."""

    tenant: _Tenant
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

    def at_rest(self) -> bool:
        """Whether it is, and no older key is left to be retired."""
        status = self.tenant.status()
        return self.handled() and not status.get("retiring") and "pending" not in status


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
            found.extend((Subject(with_user), Subject(with_plan)))
        yield found


def _disturb(world: World, seed: int) -> None:
    """Throttle, lose answers and let the listing lag, from now on."""
    for service, (code, message, status) in _THROTTLING.items():
        world.aws.refuse_share(
            service, code=code, message=message, status=status, share=_THROTTLED, seed=seed
        )
        world.aws.lose_share(service, _CREATES[service], share=_LOST, seed=seed + 1)
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
        told=lambda: [subject.tenant.status() for subject in subjects if not subject.handled()],
    )
    record_property("seconds to all Ready", round(time.monotonic() - began, 1))
    record_property("seconds that the quota allows", round(allowed, 1))
    world.aws.clear_faults()
    for subject in subjects:
        eventually(subject.at_rest, seconds=60, told=subject.tenant.status)
    _judge(world, subjects, record_property)
    paths = [subject.tenant.grant_path() for subject in subjects]
    for path in paths:
        world.api.delete(path)
    eventually(lambda: not any(map(world.api.exists, paths)), seconds=60)
    left = list(chain.from_iterable(subject.tenant.leftovers() for subject in subjects))
    assert left == []


def _judge(world: World, subjects: Sequence[Subject], record_property: Record) -> None:
    revisions = {"iam": 0, "apigateway": 0}
    for subject in subjects:
        status = subject.tenant.status()
        assert status["revision"] == 1 + subject.requested, status
        assert subject.tenant.live_keys() == {status["keyId"]}
        assert subject.tenant.works()
        is_gateway = isinstance(subject.tenant, GatewayTenant)
        revisions["apigateway" if is_gateway else "iam"] += status["revision"]
    for service, action in _CREATES.items():
        calls = world.aws.calls(service=service, action=action)
        created = sum(call.error_code is None for call in calls)
        lost = sum(call.lost for call in calls)
        record_property(f"{service}: asked for", revisions[service])
        record_property(f"{service}: created", created)
        record_property(f"{service}: answers lost", lost)
        if service == "apigateway":
            # Its value follows from the intent: a key whose answer was lost is found and used.
            assert created == revisions[service]
        else:
            # AWS shows the value once: a key whose answer was lost is of no use, and is removed.
            assert revisions[service] <= created <= revisions[service] + lost + _KILLS
