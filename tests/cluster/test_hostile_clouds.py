"""An STS of a tenant's own that misbehaves is that tenant's trouble alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.clouds.hostile import HostileEndpoint, Manner
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant, condition
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

_MANNERS = (Manner.HANGS, Manner.DRIPS_BODY, Manner.ENDLESS_BODY, Manner.CLOSES, Manner.INJECTS)
_FLOOD = 8
_MOST_MEMORY = 200 * 1024 * 1024
# A quiet renewal takes a few tenths of a second; the rest is for a busy machine.
_LATE_SECONDS = 5.0


@dataclass(frozen=True)
class Scene:
    """A world whose operator lists the hostile endpoints."""

    world: World
    operator: OperatorProcess
    hosts: dict[Manner, str]


@pytest.fixture(scope="module")
def hostile(make_world: MakeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The operator trusts their certificates: what is wrong comes after the handshake."""
    directory = tmp_path_factory.mktemp("hostile")
    with ExitStack() as stack:
        world = stack.enter_context(make_world())
        endpoints = {
            manner: stack.enter_context(
                HostileEndpoint(manner, directory=_made(directory / manner.name))
            )
            for manner in _MANNERS
        }
        bundle = directory / "bundle.pem"
        files = [world.aws.ca_file, *(each.ca_file for each in endpoints.values())]
        bundle.write_text("".join(file.read_text() for file in files))
        operator = world.operator(
            arguments=[f"--allow-sts-endpoint={each.host}" for each in endpoints.values()],
            environment={"AWS_CA_BUNDLE": str(bundle)},
            fork="keywright",
        )
        operator.start()
        yield Scene(world, operator, {manner: each.host for manner, each in endpoints.items()})


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _prepared(scene: Scene, name: str) -> Tenant:
    tenant = Tenant(scene.world, name=name)
    tenant.prepare()
    return tenant


def _apply(tenant: Tenant, name: str, *, host: str) -> None:
    source = tenant.source_body(name=name)
    source["spec"]["aws"]["stsEndpoint"] = f"https://{host}"
    tenant.world.api.apply(source)
    tenant.apply_grant(name=name, source=name)


@pytest.mark.parametrize("manner", [Manner.CLOSES, Manner.INJECTS, Manner.ENDLESS_BODY])
def test_what_such_an_sts_does_is_told_and_counted(hostile: Scene, manner: Manner) -> None:
    """By a condition and `failedAttempts`, and nothing that it sent gets into a Secret."""
    tenant = _prepared(hostile, "liar")
    _apply(tenant, "chat-key", host=hostile.hosts[manner])
    status = tenant.reported("Ready", status="False")
    assert "planted" not in condition(status, "Ready")["message"]
    eventually(lambda: tenant.status().get("failedAttempts", 0) >= 2, seconds=60)
    assert not tenant.has_secret()


def test_a_flood_of_hanging_calls_delays_nobody_else(
    hostile: Scene, record_property: Record
) -> None:
    """Sources that hang and drip, and grants of them; others are issued and renewed as before.

    New namespaces need a session of their own, so that STS is called for each of them.
    """
    honest, attacker = _prepared(hostile, "honest"), _prepared(hostile, "attacker")
    fresh = [_prepared(hostile, "fresh") for _ in range(3)]
    honest.become_ready()
    for number in range(_FLOOD):
        manner = (Manner.HANGS, Manner.DRIPS_BODY)[number % 2]
        _apply(attacker, f"flood-{number}", host=hostile.hosts[manner])
    # It is under way: each try takes as long as the operator lets it.
    eventually(lambda: attacker.status("flood-0").get("failedAttempts", 0) >= 1, seconds=90)
    longest = 0.0
    for tenant in fresh:
        began = time.monotonic()
        tenant.become_ready()
        longest = max(longest, time.monotonic() - began)
    for revision in range(2, 8):
        began = time.monotonic()
        requested = datetime.now(UTC).isoformat()
        honest.annotate_grant(**{"keywright.dev/renew-requested-at": requested})
        honest.revision(revision, seconds=30)
        longest = max(longest, time.monotonic() - began)
    record_property("longest issue or renewal in seconds", longest)
    record_property("memory in MiB", hostile.operator.memory() / 1024**2)
    assert longest < _LATE_SECONDS
    assert hostile.operator.memory() < _MOST_MEMORY
    assert hostile.operator.get("/livez")
