"""A cloud whose clock differs from the operator's is reported by the sources that ask it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant, condition
from tests.cluster.test_keys_are_looked_up import events
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long
_VENDORS = "sts.us-west-2.amazonaws.com"
# None of AWS's own: the operator's list allows it.
_LISTED = "sts.private.amazonaws.com"


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world of its own, whose clouds may be wrong about the time."""
    with make_world() as world:
        operator = world.operator(
            arguments=(*DEBUG, f"--allow-sts-endpoint={_LISTED}"), fork="keywright"
        )
        operator.start()
        yield world, operator


def made(world: World, **aws: str) -> Tenant:
    """A tenant whose source asks STS at another host."""
    tenant = Tenant(world, name="skew")
    tenant.prepare()
    body = tenant.source_body()
    body["spec"]["aws"] |= aws
    world.api.apply(body)
    return tenant


def edited(tenant: Tenant, *, duration: str) -> None:
    """Have STS asked: an edited source is verified."""
    change = {"spec": {"aws": {"webIdentity": {"sessionDuration": duration}}}}
    tenant.patch(tenant.source_path(), change)
    tenant.source_reported("Ready")


def skewed(tenant: Tenant) -> str:
    """What the condition says; empty where it does not hold."""
    message: str = condition(tenant.source_status(), "ClockSkewed").get("message", "")
    return message


def metric(operator: OperatorProcess) -> float | None:
    """Seconds by which the operator is ahead of AWS, as the metric has it."""
    found = re.search(
        r'^keywright_clock_skew_seconds\{provider="AWS"\} (\S+)$',
        operator.get("/metrics"),
        re.MULTILINE,
    )
    return None if found is None else float(found[1])


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_a_minute_is_reported_and_cleared(stage: tuple[World, OperatorProcess], sign: int) -> None:
    """59 seconds are no news; 61 are a condition and one Event, until an answer is right again."""
    world, operator = stage
    world.aws.shift_dates(host=_VENDORS, seconds=-59 * sign)
    tenant, other = made(world), made(world, region="eu-west-1")
    for each in (tenant, other):
        each.source_reported("Ready")
    assert not skewed(tenant)
    world.aws.shift_dates(host=_VENDORS, seconds=-61 * sign)
    edited(tenant, duration="50m")
    eventually(lambda: skewed(tenant))
    side = "ahead of" if sign > 0 else "behind"
    assert f"The operator's clock is about 1m {side} that of the cloud" in skewed(tenant)
    found = metric(operator)
    assert found is not None
    assert 60 <= found * sign <= 62
    edited(tenant, duration="40m")
    assert skewed(tenant)
    assert len(events(tenant, "ClockSkewed")) == 1
    # The other asks in another region, whose clock is right.
    assert not skewed(other)
    world.aws.shift_dates(host=_VENDORS, seconds=0)
    edited(tenant, duration="30m")
    eventually(lambda: not skewed(tenant))
    eventually(lambda: abs(metric(operator) or 0.0) < 2)


def test_an_endpoint_of_a_list_speaks_for_its_source_alone(
    stage: tuple[World, OperatorProcess],
) -> None:
    """Neither the metric nor another tenant's source believes it, and its field is named."""
    world, operator = stage
    honest = made(world)
    honest.source_reported("Ready")
    before = metric(operator)
    world.aws.shift_dates(host=_LISTED, seconds=7200)
    liar = made(world, stsEndpoint=f"https://{_LISTED}")
    eventually(lambda: skewed(liar))
    assert "about 2h behind that of the host in spec.aws.stsEndpoint" in skewed(liar)
    assert metric(operator) == before
    assert not skewed(honest)
