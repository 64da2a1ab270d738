"""One namespace floods the operator; the renewals of the others stay on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.clients import AdminClient, Name, in_parallel
from benchmarks.worlds import furnish, names
from testbed.operators import OperatorProcess
from testbed.readers.ledger import Entry, SecretHistory, expired, lateness
from testbed.world import Vendor, World
from tests.cluster.alibaba import AlibabaTenant
from tests.cluster.tenants import Document
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

_LIFE_SECONDS = 20
_HONEST_NAMESPACES, _HONEST_GRANTS = 3, 9
_FLOOD_GRANTS, _FLOOD_SOURCES = 1000, 50
# Every call of the flood hangs for so long, and its keys are valid for little longer.
_SLOW_SECONDS, _FLOOD_LIFE_SECONDS = 6.0, 15
_WATCHED_SECONDS = 30.0
_LATER_SECONDS = 2.0
_PREFIX = "/apis/keywright.dev/v1alpha1"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_flood_of_slow_grants_delays_no_other_namespace(
    make_world: MakeWorld, record_property: Record
) -> None:
    """1,000 grants of one namespace, slow answers, short lifetimes: others at most 2 s later.

    Later than in a quiet half-minute of the same run. No key of theirs is ever read expired.
    """
    with make_world([Vendor.AWS, Vendor.ALIBABA]) as world, _prepared(world) as ledger:
        flood, operator = _flood(world)
        operator.start()
        asyncio.run(_create_honest(world))
        everyone = names("honest", _HONEST_GRANTS, namespaces=_HONEST_NAMESPACES)
        ledger.wait_until(lambda seen: all(seen.get(name, 0) > 1 for name in everyone), seconds=90)
        quiet = _watched(ledger, everyone)
        asyncio.run(_create_flood(world, flood))
        loud = _watched(ledger, everyone)
        calls = world.alibaba.calls(service="credentials-uri")
        depth = _queue_depth(operator)
        end = time.time()
        late = [line for entries in loud.values() for line in expired(entries, until=end)]
    record_property("lateness when quiet, seconds", f"{_latest(quiet):.2f}")
    record_property("lateness in the flood, seconds", f"{_latest(loud):.2f}")
    record_property("calls of the flood", len(calls))
    record_property("grants that waited at the end", depth)
    assert len(calls) >= _FLOOD_SOURCES
    assert depth > _FLOOD_GRANTS / 10
    assert late == []
    assert _latest(loud) <= _latest(quiet) + _LATER_SECONDS


@contextmanager
def _prepared(world: World) -> Iterator[SecretHistory]:
    furnish(world, namespaces=_HONEST_NAMESPACES)
    world.aws.limit_sessions(seconds=_LIFE_SECONDS)
    with SecretHistory(world.cluster.kubeconfig) as ledger:
        yield ledger


def _flood(world: World) -> tuple[list[Document], OperatorProcess]:
    """The objects of the flood, and an operator that lets it name its URIs."""
    tenant = AlibabaTenant(world, name="flood")
    tenant.prepare()
    role = tenant.create_role()
    uris = [
        world.alibaba.create_credentials_uri(role, seconds=_FLOOD_LIFE_SECONDS)
        for _ in range(_FLOOD_SOURCES)
    ]
    world.alibaba.delay("credentials-uri", "GetCredentials", seconds=_SLOW_SECONDS)
    sources = [
        tenant.alibaba_source(name=f"slow-{number}", credentialsUri={"uri": uri}, readTimeout="20s")
        for number, uri in enumerate(uris)
    ]
    grants = [
        tenant.credentials(name=f"flood-{number}", source=f"slow-{number % _FLOOD_SOURCES}")
        for number in range(_FLOOD_GRANTS)
    ]
    operator = world.operator(
        arguments=["--log-level=warning", *(f"--allow-credentials-uri={uri}" for uri in uris)]
    )
    return [*sources, *grants], operator


async def _create_honest(world: World) -> None:
    """A few grants after the other, as they come to a cluster."""
    async with AdminClient(world.cluster) as client:
        for name in names("honest", _HONEST_GRANTS, namespaces=_HONEST_NAMESPACES):
            await client.create_grants([name])
            await asyncio.sleep(1)


async def _create_flood(world: World, flood: list[Document]) -> None:
    plurals = {"CredentialSource": "credentialsources", "ApiKeyGrant": "apikeygrants"}

    async with AdminClient(world.cluster) as client:

        async def create(body: Document) -> None:
            namespace, plural = body["metadata"]["namespace"], plurals[body["kind"]]
            await client.send("POST", f"{_PREFIX}/namespaces/{namespace}/{plural}", body)

        await in_parallel(flood, create)


def _watched(ledger: SecretHistory, everyone: list[Name]) -> dict[Name, tuple[Entry, ...]]:
    """The keys of a while, from those that stood there at its begin."""
    began = time.time()
    time.sleep(_WATCHED_SECONDS)
    found = ledger.entries()
    return {
        name: found[name][max(0, sum(entry.seen <= began for entry in found[name]) - 1) :]
        for name in everyone
    }


def _latest(entries: dict[Name, tuple[Entry, ...]]) -> float:
    return max(late for kept in entries.values() for late in lateness(kept))


def _queue_depth(operator: OperatorProcess) -> float:
    (line,) = [
        line
        for line in operator.get("/metrics").splitlines()
        if line.startswith("keywright_queue_depth ")
    ]
    return float(line.split()[1])
