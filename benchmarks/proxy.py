"""What the proxy of `serve-credentials` adds to a request, beside direct ones in the same run."""

from __future__ import annotations

import asyncio
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.measures import Row
from testbed.certificates import Authority
from testbed.processes import ChildProcess, accepts_connections, free_port
from testbed.readers.sidecars import Sidecar

_SEQUENTIAL: Final = 2000
_CONCURRENT: Final = 64
_REQUESTS: Final = 6000
_FIRST_EVENTS: Final = 300
_STREAMS: Final = 1000
_STREAM_SECONDS: Final = 60
_START_SECONDS: Final = 20.0
_MEGABYTE: Final = 2**20
_QUESTION: Final = b'{"question": "' + b"q" * 1000 + b'"}'


@dataclass(frozen=True, slots=True)
class _Pod:
    """A client with the address of the server, and that of the proxy in front of it."""

    client: aiohttp.ClientSession
    direct: str
    proxied: str
    pid: int


async def overhead() -> list[Row]:
    """Latency, throughput, and the memory for many streams."""
    async with _pod() as pod:
        direct = await _latencies(pod, pod.direct)
        proxied = await _latencies(pod, pod.proxied)
        rates = [await _rate(pod, base) for base in (pod.direct, pod.proxied) * 2]
        begun = await _first_events(pod, pod.direct)
        forwarded = await _first_events(pod, pod.proxied)
        idle = _memory(pod.pid)
        most = await _streams(pod)
    p50 = statistics.median(proxied) - statistics.median(direct)
    p99 = _percentile(proxied, 99) - _percentile(direct, 99)
    ratio = (rates[1] + rates[3]) / (rates[0] + rates[2])
    return [
        Row("proxy, added to a request, p50", f"{p50:.2f} ms", "under 1 ms", p50 < 1),
        Row("proxy, added to a request, p99", f"{p99:.2f} ms", "under 5 ms", p99 < 5),
        Row(
            f"proxy, requests of {_CONCURRENT} connections",
            f"{ratio:.2f} of direct ({max(rates[1::2]):.0f}/s)",
            "at least 0.6",
            ratio >= 0.6,
        ),
        Row(
            "proxy, first event of a stream, p50 and p99",
            f"{statistics.median(forwarded):.1f} and {_percentile(forwarded, 99):.1f} ms, direct"
            f" {statistics.median(begun):.1f} and {_percentile(begun, 99):.1f} ms",
        ),
        Row(
            f"proxy, memory with {_STREAMS} streams",
            f"{most / _MEGABYTE:.0f} MB, idle {idle / _MEGABYTE:.0f} MB",
            "under 400 MB",
            most < 400 * _MEGABYTE,
        ),
    ]


@asynccontextmanager
async def _pod() -> AsyncIterator[_Pod]:
    with tempfile.TemporaryDirectory(prefix="keywright-proxy-") as name:
        directory = Path(name)
        authority = Authority(directory)
        certificate = authority.issue("upstream", hosts=["localhost"])
        upstream_port, port = free_port(), free_port()
        program = [sys.executable, "-m", "benchmarks.proxy_upstream", str(upstream_port)]
        upstream = ChildProcess(
            "upstream",
            [*program, certificate.certificate, certificate.key],
            log=directory / "upstream.log",
        )
        upstream.wait_until(lambda: accepts_connections(upstream_port), seconds=_START_SECONDS)
        origin = f"https://localhost:{upstream_port}"
        sidecar = Sidecar(
            {"AWS_BEARER_TOKEN_BEDROCK": "k" * 1500},
            arguments=(f"--proxy={origin}", f"--proxy-port={port}", "--proxy-path=/v1/**"),
            environment={"SSL_CERT_FILE": str(authority.certificate)},
        )
        sidecar.wait_for_port(port)
        tls = ssl.create_default_context(cafile=str(authority.certificate))
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        try:
            async with aiohttp.ClientSession(connector=connector) as client:
                yield _Pod(client, origin, f"http://127.0.0.1:{port}", sidecar.pid)
        finally:
            sidecar.close()
            upstream.stop()


async def _latencies(pod: _Pod, base: str) -> list[float]:
    """Milliseconds of sequential requests on one connection."""
    taken = []
    for _ in range(_SEQUENTIAL):
        start = time.perf_counter()
        await _ask(pod, base)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


async def _rate(pod: _Pod, base: str) -> float:
    """Requests per second of many connections."""
    left = iter(range(_REQUESTS))

    async def work() -> None:
        for _ in left:
            await _ask(pod, base)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(_CONCURRENT)))
    return _REQUESTS / (time.perf_counter() - start)


async def _ask(pod: _Pod, base: str) -> None:
    async with pod.client.post(f"{base}/v1/chat", data=_QUESTION) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {body[:200]!r}")


async def _first_events(pod: _Pod, base: str) -> list[float]:
    """Milliseconds until the first event of a stream whose second one comes a second later."""
    taken = []
    for _ in range(_FIRST_EVENTS):
        start = time.perf_counter()
        async with pod.client.get(f"{base}/v1/stream?seconds=2") as answer:
            event = await answer.content.readany()
            taken.append((time.perf_counter() - start) * 1000)
            if event.count(b"\n\n") != 1:
                raise RuntimeError(f"not one event but {event!r}")
            answer.close()
    return taken


async def _streams(pod: _Pod) -> int:
    """The most memory of the proxy, in bytes, while many streams are open at the same time."""

    async def read() -> None:
        url = f"{pod.proxied}/v1/stream?seconds={_STREAM_SECONDS}"
        async with pod.client.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            events = await answer.read()
            if events.count(b"\n\n") != _STREAM_SECONDS:
                raise RuntimeError("a stream ended early")

    reading = asyncio.gather(*(read() for _ in range(_STREAMS)))
    most = 0
    while not reading.done():
        most = max(most, _memory(pod.pid))
        await asyncio.wait([reading], timeout=1)
    await reading
    return most


def _memory(pid: int) -> int:
    """The resident set, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _percentile(figures: list[float], percent: int) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
