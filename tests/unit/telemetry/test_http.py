"""What the kubelet and Prometheus are answered."""

import asyncio
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest

from keywright.telemetry.http import Heartbeat, TelemetryServer


class Probe:
    """A server on a free port, whose health a test sets."""

    def __init__(self) -> None:
        self.live = self.ready = ""
        self.server = TelemetryServer(
            host="127.0.0.1",
            port=0,
            live=lambda: self.live,
            ready=lambda: self.ready,
            metrics=lambda: b"keywright_leader 1\n",
        )

    async def ask(self, path: str) -> tuple[int, str]:
        """Status and body."""
        host, port = self.server.address
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{host}:{port}{path}") as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    """Listening."""
    made = Probe()
    await made.server.start()
    yield made
    await made.server.stop()


async def test_all_is_well(probe: Probe) -> None:
    """200 and ok; metrics as text."""
    assert await probe.ask("/livez") == (200, "ok\n")
    assert await probe.ask("/readyz") == (200, "ok\n")
    assert await probe.ask("/metrics") == (200, "keywright_leader 1\n")
    assert (await probe.ask("/"))[0] == 404


async def test_what_is_wrong_is_said(probe: Probe) -> None:
    """503 with the reason; a process may be alive and not ready."""
    probe.ready = "not everything is listed yet"
    assert await probe.ask("/readyz") == (503, "not everything is listed yet\n")
    assert await probe.ask("/livez") == (200, "ok\n")
    probe.live = "the event loop is held up"
    assert await probe.ask("/livez") == (503, "the event loop is held up\n")


async def test_a_port_that_is_taken_is_told_at_the_start(probe: Probe) -> None:
    """As the error of the system, not as a server that cannot be reached."""
    host, port = probe.server.address
    other = TelemetryServer(host=host, port=port, live=str, ready=str, metrics=bytes)
    with pytest.raises(OSError, match="address already in use"):
        await other.start()
    await other.stop()


async def test_a_loop_that_beats_is_alive() -> None:
    """Each beat sets the age back to nothing."""
    heart = Heartbeat()
    heart._last -= 60
    assert heart.age() >= 60
    task = asyncio.create_task(heart.run())
    await asyncio.sleep(0)
    assert heart.age() < 60
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_scrape_does_not_hold_up_the_event_loop() -> None:
    """Of ten thousand grants it takes a third of a second, in which probes are answered."""
    probe, gate = Probe(), threading.Event()

    def slow() -> bytes:
        gate.wait(timeout=10)
        return b"keywright_leader 1\n"

    probe.server = TelemetryServer(
        host="127.0.0.1", port=0, live=lambda: "", ready=lambda: "", metrics=slow
    )
    await probe.server.start()
    scrape = asyncio.create_task(probe.ask("/metrics"))
    await asyncio.sleep(0)
    assert await probe.ask("/livez") == (200, "ok\n")
    assert not scrape.done()
    gate.set()
    assert await scrape == (200, "keywright_leader 1\n")
    await probe.server.stop()
