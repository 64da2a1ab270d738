"""Long-lived tasks that end are started again; ones that keep ending make the process not live."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keywright.controller.supervision import Supervisor


class Ward:
    """A supervisor, and a task of which the test says how it ends."""

    def __init__(self) -> None:
        self.now = 0.0
        self.restarts: list[str] = []
        self.begun = 0
        self.runs: asyncio.Queue[None] = asyncio.Queue()
        self.ending: Callable[[], Awaitable[None]] | None = None
        self.pauses: list[float] = []
        self.supervisor = Supervisor(
            restarted=self.restarts.append, monotonic=lambda: self.now, later=self._soon
        )

    def _soon(self, seconds: float, call: Callable[[], None]) -> asyncio.Handle:
        self.pauses.append(seconds)
        return asyncio.get_running_loop().call_soon(call)

    async def work(self) -> None:
        """End as the test says, or never."""
        self.begun += 1
        self.runs.put_nowait(None)
        if self.ending is None:
            await asyncio.Event().wait()
        else:
            await self.ending()

    async def begins(self, *, count: int = 1) -> None:
        """Wait until it has begun so often."""
        for _ in range(count):
            await self.runs.get()


async def _fail() -> None:
    raise RuntimeError("a mistake")


async def _return() -> None:
    return


async def _cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("ending", [_fail, _return, _cancelled])
async def test_a_task_that_ends_is_started_again(
    ending: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever way it ends; with a log line and a count."""
    ward = Ward()
    ward.ending = ending
    ward.supervisor.start("sweep", ward.work)
    await ward.begins()
    ward.ending = None
    await ward.begins()
    assert ward.restarts == ["sweep"]
    assert "task sweep failed" in caplog.text
    assert "restarting in 0.1 s" in caplog.text
    await ward.supervisor.stop_all()


async def test_a_task_that_somebody_cancels_is_started_again() -> None:
    """A cancellation that did not come from its supervisor is no reason to do without it."""
    ward = Ward()
    ward.supervisor.start("watch of namespace a", ward.work, kind="watch")
    await ward.begins()
    (task,) = [t for t in asyncio.all_tasks() if t.get_name() == "watch of namespace a"]
    task.cancel()
    await ward.begins()
    assert ward.restarts == ["watch"]
    await ward.supervisor.stop_all()


async def test_a_task_that_is_stopped_stays_so() -> None:
    """Alone, with all others, and once the process is stopping."""
    ward = Ward()
    ward.supervisor.start("a", ward.work)
    ward.supervisor.start("b", ward.work)
    await ward.begins(count=2)
    await ward.supervisor.stop("a")
    await ward.supervisor.stop("a")
    ward.supervisor.close()
    (task,) = [t for t in asyncio.all_tasks() if t.get_name() == "b"]
    task.cancel()
    await asyncio.wait({task})
    await ward.supervisor.stop_all()
    assert ward.restarts == []
    assert ward.begun == 2


async def test_the_pauses_grow_and_then_the_process_is_not_live() -> None:
    """Ten failures in a row are no accident; a minute without one is a recovery."""
    ward = Ward()
    field_errors: list[str] = []

    async def fail_eleven_times() -> None:
        field_errors.append(ward.supervisor.problem())
        if len(field_errors) == 11:
            ward.ending = None
        raise RuntimeError("a mistake")

    ward.ending = fail_eleven_times
    ward.supervisor.start("lease", ward.work)
    await ward.begins(count=12)
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0, 15.0]
    assert ward.pauses == pytest.approx(expected)
    assert field_errors == [""] * 10 + ["task lease keeps failing"]
    assert ward.supervisor.problem() == "task lease keeps failing"
    ward.now = 61.0
    assert ward.supervisor.problem() == ""
    await ward.supervisor.stop_all()


async def test_a_name_is_given_once() -> None:
    """Two tasks of one name would be stopped as one."""
    ward = Ward()
    ward.supervisor.start("a", ward.work)
    with pytest.raises(ValueError, match="running already"):
        ward.supervisor.start("a", ward.work)
    await ward.supervisor.stop_all()
