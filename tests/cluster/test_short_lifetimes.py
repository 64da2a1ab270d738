"""Credentials that end too soon to be renewed are refused, and not asked for again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant, condition
from tests.cluster.worlds import MakeWorld


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> Iterator[World]:
    """A world with a configurable session duration; the operator accepts 20 s and more."""
    with make_world() as made:
        made.operator(arguments=["--min-key-lifetime=20s"]).start()
        yield made


@pytest.fixture
def short(world: World) -> Iterator[Tenant]:
    """A tenant whose sessions last a second."""
    made = Tenant(world, name="short")
    made.prepare()
    world.aws.limit_sessions(seconds=1)
    yield made
    world.aws.limit_sessions(seconds=None)


def test_a_session_of_a_second_is_asked_for_once_a_minute(short: Tenant) -> None:
    """Source and grant are Stalled with the flag's name; further attempts cost no call."""
    short.apply_source()
    short.apply_grant()
    status = short.reported("Stalled", reason="LifetimeTooShort")
    message = condition(status, "Ready")["message"]
    assert "accepts none below 20 s" in message
    assert "--min-key-lifetime" in message
    assert not short.has_secret()
    short.source_reported("Stalled", reason="LifetimeTooShort")
    eventually(lambda: short.status().get("failedAttempts", 0) >= 3, seconds=20)
    calls = short.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
    assert sum(short.role_arn == call.parameters["RoleArn"] for call in calls) == 1


def test_a_session_that_lasts_as_long_as_the_flag_says_is_used(short: Tenant) -> None:
    """The limit itself is accepted."""
    short.world.aws.limit_sessions(seconds=20)
    short.become_ready()
