"""The measurements; each returns rows of (what, figure, goal)."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import AdminClient, BareLoop, Name
from benchmarks.worlds import control_plane, measured_world, names, quiet_operator
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess
from testbed.world import World

_USER = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
_WRITES = {"create", "update", "patch", "delete"}
_WARM_UP = 100
_SINGLES = 200
_MEGABYTE = 2**20
# Three watches, the Lease, the listener, the loop's own, and those of the AWS clients.
_CONNECTIONS_AT_REST = 24
_REST_SECONDS = 60
_IDLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report; `goal` is empty if there is none."""

    what: str
    figure: str
    goal: str = ""
    met: bool = True


async def rates(objects: int) -> list[Row]:
    """The rates of cold and hot first syncs relative to the bare loop, and their cost."""
    with measured_world() as world:
        async with AdminClient(world.cluster) as client:
            model = await model_of(world, client)
            before, cost_before = await _bare(model, client, "before", objects)
            cold = await _cold(world, client, objects)
            operator = cold.operator
            hot = await _hot(world, client, operator, objects)
            operator.stop()
            after, cost_after = await _bare(model, client, "after", objects)
    bare = statistics.mean((before, after))
    own = statistics.mean((cost_before, cost_after))
    return [
        Row("bare loop, before and after", f"{before:.0f} and {after:.0f} grants/s"),
        _ratio("hot: 1,000 created at once", hot.rate, bare, goal=0.5),
        Row("hot: from creation to Ready", f"p50 {hot.p50:.2f} s, p99 {hot.p99:.2f} s"),
        _ratio("cold: from first to last Ready", cold.rate, bare, goal=0.65),
        Row("cold: from process start", f"{cold.from_start / bare:.2f} of bare"),
        Row(
            "cold: process start to first Ready",
            f"{cold.first:.2f} s",
            "under 2 s",
            cold.first < 2,
        ),
        Row("processor time a grant, cold", cold.cost),
        Row("processor time a grant, hot", hot.cost),
        Row(
            "processor time of operator and bare client, cold and hot",
            f"{cold.own / own:.1f} and {hot.own / own:.1f} of {own * 1000:.2f} ms",
        ),
    ]


async def singles() -> list[Row]:
    """One grant at a time, from its creation to the Ready that a watcher sees.

    Compared with a client that makes the same two writes as soon as its creation is answered: the
    time of the API server alone.
    """
    with measured_world() as world:
        async with AdminClient(world.cluster) as client:
            model = await model_of(world, client)
            await _one_at_a_time(client, "bare-warm", _WARM_UP, then=model.write)
            bare = await _one_at_a_time(client, "bare-single", _SINGLES, then=model.write)
            operator = quiet_operator(world)
            operator.start()
            await _one_at_a_time(client, "warm", _WARM_UP)
            taken = await _one_at_a_time(client, "single", _SINGLES)
            operator.stop()
    p50, p99 = _percentile(taken, 50), _percentile(taken, 99)
    bare50, bare99 = _percentile(bare, 50), _percentile(bare, 99)
    return [
        Row("bare client, one at a time", f"p50 {bare50:.1f} ms, p99 {bare99:.1f} ms"),
        Row("one at a time, p50", _times(p50, bare50), "under 20 ms", p50 < 20),
        Row("one at a time, p99", _times(p99, bare99), "under 40 ms", p99 < 40),
    ]


async def requests(objects: int = 200) -> list[Row]:
    """API requests of the operator, counted by the API server's audit log."""
    with measured_world(audit=True) as world:
        operator = quiet_operator(world)
        operator.start()
        async with AdminClient(world.cluster) as client:
            await _until_ready(client, names("first", 1))
            log = control_plane(world).audit_log
            assert log is not None
            start = _lines(log)
            synced = names("sync", objects)
            await _until_ready(client, synced)
            middle = _lines(log)
            await _renew(client, synced)
            first, renewal = _counted(log, start, middle), _counted(log, middle, None)
        operator.stop()
    return [
        Row(
            "API requests of a first sync",
            _reported(first, objects),
            "2 writes",
            first[0] == 2 * objects,
        ),
        Row(
            "API requests of a renewal",
            _reported(renewal, objects),
            "2 writes",
            renewal[0] == 2 * objects,
        ),
    ]


async def memory(sizes: tuple[int, ...] = (0, 1_000, 10_000)) -> list[Row]:
    """Resident memory with that many grants, after a restart and after their first sync."""
    rows, readings = [], {}
    with measured_world() as world:
        operator = quiet_operator(world)
        operator.start()
        async with AdminClient(world.cluster) as client:
            made: list[Name] = []
            await _until_ready(client, names("first", 1))
            for size in sizes:
                more = names("memory", size)[len(made) :]
                if more:
                    await _until_ready(client, more)
                    made += more
                await _at_rest(operator)
                readings[size] = operator.memory()
                rows.append(Row(f"memory with {size:,} grants", _megabytes(readings[size])))
            operator.stop()
            fresh = quiet_operator(world)
            fresh.start()
            await _at_rest(fresh)
            rows.append(
                Row(f"memory with {len(made):,} grants, restarted", _megabytes(fresh.memory()))
            )
    idle, most = readings[min(sizes)], readings[max(sizes)]
    each = (most - idle) / max(sizes)
    return [
        *rows,
        Row("memory, idle", _megabytes(idle), "under 100 MB", idle < 100 * _MEGABYTE),
        Row("memory a grant", f"{each / 1000:.1f} kB", "under 4 kB", each < 4000),
    ]


@dataclass(frozen=True, slots=True)
class _Synced:
    operator: OperatorProcess
    rate: float
    first: float
    from_start: float
    p50: float
    p99: float
    cost: str
    own: float


async def model_of(world: World, client: AdminClient) -> BareLoop:
    """The writes of the bare loop, from those of an operator for one grant."""
    operator = quiet_operator(world)
    operator.start()
    (name,) = names("model", 1)
    await _until_ready(client, [name])
    operator.stop()
    return await BareLoop.like(client, name)


async def _bare(
    model: BareLoop, client: AdminClient, prefix: str, objects: int
) -> tuple[float, float]:
    """The rate of the bare loop, without an operator, and its processor time for one grant."""
    made = names(f"bare-{prefix}", objects)
    await client.create_grants(made)
    used = time.process_time()
    rate = await model.rate(made)
    used = time.process_time() - used
    await client.delete_grants(made)
    return rate, used / objects


async def _cold(world: World, client: AdminClient, objects: int) -> _Synced:
    made = names("cold", objects)
    since = await client.version()
    await client.create_grants(made)
    operator, cluster = quiet_operator(world), control_plane(world)
    used = cluster.processor_seconds()
    start = time.perf_counter()
    operator.spawn()
    seen = sorted((await client.ready_times(made, since=since)).values())
    return _Synced(
        operator=operator,
        rate=(objects - 1) / (seen[-1] - seen[0]),
        first=seen[0] - start,
        from_start=objects / (seen[-1] - start),
        p50=0.0,
        p99=0.0,
        cost=_cost(operator.processor_seconds(), used, cluster.processor_seconds(), objects),
        own=operator.processor_seconds() / objects,
    )


async def _hot(
    world: World, client: AdminClient, operator: OperatorProcess, objects: int
) -> _Synced:
    made = names("hot", objects)
    since = await client.version()
    cluster = control_plane(world)
    used, own = cluster.processor_seconds(), operator.processor_seconds()
    watching = asyncio.create_task(client.ready_times(made, since=since), name="watcher")
    start = time.perf_counter()
    await client.create_grants(made)
    seen = sorted((await watching).values())
    return _Synced(
        operator=operator,
        rate=objects / (seen[-1] - start),
        first=seen[0] - start,
        from_start=objects / (seen[-1] - start),
        p50=_percentile([at - start for at in seen], 50),
        p99=_percentile([at - start for at in seen], 99),
        cost=_cost(operator.processor_seconds() - own, used, cluster.processor_seconds(), objects),
        own=(operator.processor_seconds() - own) / objects,
    )


async def _until_ready(
    client: AdminClient, made: list[Name], *, then: Callable[[Name], Awaitable[None]] | None = None
) -> dict[Name, float]:
    since = await client.version()
    watching = asyncio.create_task(client.ready_times(made, since=since), name="watcher")
    await client.create_grants(made)
    if then is not None:
        for name in made:
            await then(name)
    return await watching


async def _one_at_a_time(
    client: AdminClient,
    prefix: str,
    count: int,
    *,
    then: Callable[[Name], Awaitable[None]] | None = None,
) -> list[float]:
    """Milliseconds from the creation of each to its Ready; `then` is called after the creation."""
    taken = []
    for name in names(prefix, count):
        start = time.perf_counter()
        seen = await _until_ready(client, [name], then=then)
        taken.append((seen[name] - start) * 1000)
    return taken


def _times(milliseconds: float, bare: float) -> str:
    return f"{milliseconds:.1f} ms ({milliseconds / bare:.1f} of bare)"


async def _renew(client: AdminClient, made: list[Name]) -> None:
    """Request a renewal of each, and wait for it."""
    since = await client.version()
    watching = asyncio.create_task(
        client.ready_times(made, since=since, revision=2), name="watcher"
    )
    requested = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    for namespace, name in made:
        await client.send(
            "PATCH",
            f"/apis/keywright.dev/v1alpha1/namespaces/{namespace}/apikeygrants/{name}",
            {"metadata": {"annotations": {"keywright.dev/renew-requested-at": requested}}},
            form="merge-patch+json",
        )
    await watching


async def _at_rest(operator: OperatorProcess) -> None:
    """Wait until the operator is idle and has closed the connections of its last burst.

    Each uses 256 kB of buffers while it is kept open, for fifteen seconds.
    """
    async with asyncio.timeout(_REST_SECONDS):
        while operator.connections() > _CONNECTIONS_AT_REST:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(1)
    used = -1.0
    while operator.processor_seconds() - used > _IDLE_SECONDS:
        used = operator.processor_seconds()
        await asyncio.sleep(1)


def _ratio(what: str, rate: float, bare: float, *, goal: float) -> Row:
    return Row(
        what,
        f"{rate / bare:.2f} of bare ({rate:.0f} grants/s)",
        f"at least {goal}",
        rate / bare >= goal,
    )


def _cost(own: float, before: dict[str, float], after: dict[str, float], objects: int) -> str:
    parts = {"operator": own}
    parts.update({name: after[name] - before[name] for name in ("kube-apiserver", "etcd")})
    return ", ".join(f"{name} {used / objects * 1000:.1f} ms" for name, used in parts.items())


def _percentile(figures: list[float], percent: int) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _lines(log: Path) -> int:
    return len(log.read_text().splitlines())


def _counted(log: Path, start: int, end: int | None) -> tuple[int, Counter[str]]:
    """Writes for grants, and every request by verb and resource, without Leases and watches."""
    found: Counter[str] = Counter()
    writes = 0
    for line in log.read_text().splitlines()[start:end]:
        entry = json.loads(line)
        about = entry.get("objectRef", {})
        if entry["user"]["username"] != _USER or about.get("resource") == "leases":
            continue
        if about.get("resource") == "credentialsources" or entry["verb"] == "watch":
            continue
        kind = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
        found[f"{entry['verb']} {kind}"] += 1
        writes += entry["verb"] in _WRITES and kind != "serviceaccounts/token"
    return writes, found


def _reported(counted: tuple[int, Counter[str]], objects: int) -> str:
    return ", ".join(f"{count / objects:.2f} {what}" for what, count in sorted(counted[1].items()))


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.0f} MB"
