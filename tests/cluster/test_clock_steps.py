"""The machine slept, or its clock was wrong: keys follow the wall clock within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from testbed.faults.clock import ShiftedClock
from testbed.operators import OperatorProcess
from testbed.readers import http_converse
from testbed.world import World
from tests.cluster.chains import EVERYTHING, apply_chain
from tests.cluster.tenants import Tenant
from tests.cluster.worlds import MakeWorld

_NINE_HOURS = 9 * 3600
_NOTICED_SECONDS = 20


@dataclass(frozen=True)
class Stage:
    """A world, its operator that is not started yet, and that one's clock."""

    world: World
    operator: OperatorProcess
    clock: ShiftedClock


@pytest.fixture
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """One for each test: clocks are set in it."""
    with make_world() as world:
        clock = ShiftedClock(world.directory / "clock")
        yield Stage(world, world.operator(environment=clock.environment), clock)


def test_a_machine_that_slept_renews_at_once(stage: Stage) -> None:
    """Case 07: the key was due an hour ago when the machine wakes."""
    stage.operator.start()
    tenant = Tenant(stage.world, name="slept")
    tenant.prepare()
    key = stage.world.aws.create_user(name="slept", policies={"everything": EVERYTHING})
    tenant.create_secret(
        name="cloud-key",
        AWS_ACCESS_KEY_ID=key.access_key_id,
        AWS_SECRET_ACCESS_KEY=key.secret_key,
    )
    apply_chain(tenant, [], accessKey={"secretRef": {"name": "cloud-key"}})
    tenant.apply_grant(bedrockShortTermKey={"duration": "12h"})
    before = tenant.ready()
    assert before["revision"] == 1
    stage.world.aws.set_clock(offset_seconds=_NINE_HOURS)
    stage.clock.shift(_NINE_HOURS)
    after = tenant.reported(
        "Ready", seconds=_NOTICED_SECONDS, and_=lambda status: status["revision"] == 2
    )
    assert after["expiresAt"] > before["expiresAt"]
    environment = stage.world.aws.client_environment()
    assert http_converse.call(tenant.data(), cloud_environment=environment).ok


def test_a_key_signed_in_the_future_is_replaced(stage: Stage) -> None:
    """Case 12: the clock was nine hours ahead, and is right again."""
    stage.clock.shift(_NINE_HOURS)
    stage.operator.start()
    tenant = Tenant(stage.world, name="ahead")
    tenant.prepare()
    before = tenant.become_ready()
    issued = datetime.fromisoformat(before["issuedAt"])
    assert issued > datetime.now(UTC) + timedelta(hours=8)
    stage.clock.shift(0)
    tenant.reported("Ready", seconds=_NOTICED_SECONDS, and_=lambda status: status["revision"] == 2)
    environment = stage.world.aws.client_environment()
    assert http_converse.call(tenant.data(), cloud_environment=environment).ok
