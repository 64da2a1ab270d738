"""Workers on a queue: what comes of each outcome of a reconcile."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Self

import pytest

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError, LostLeaseError
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.leadership import AlwaysLeader
from keywright.controller.queue import DelayingQueue
from keywright.controller.supervision import Supervisor
from keywright.controller.workers import WorkerPool
from keywright.planning.priority import Priority, Urgency
from tests.unit.fakes.clock import FakeClock


class Office(AlwaysLeader):
    """In office as long as the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.held = True
        self.elected.set()

    def holds(self) -> bool:
        """As the test says."""
        return self.held


class Shop:
    """One pool; each reconcile raises or returns the next of `outcomes`, for key "a".

    Of a key in `rests` it leaves a rest, which raises or returns what stands there.
    """

    def __init__(self, *outcomes: Exception | datetime | None, size: int = 1) -> None:
        self.clock = FakeClock()
        self.urgent = ""
        self.queue = DelayingQueue(now=self.clock, order=self._order)
        self.elector = Office()
        self.ready = asyncio.Event()
        self.ready.set()
        self.outcomes = list(outcomes)
        self.rests: dict[str, Exception | datetime | None] = {}
        self.done: list[str] = []
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.settled = False
        self.is_settled: Callable[[str], bool] = lambda _: self.settled
        self.restarts: list[str] = []
        self.pool = self.new_pool(size=size)

    def new_pool(
        self, *, size: int, limit: int | None = None, patience_seconds: float = 0.0
    ) -> WorkerPool:
        """A pool of so many workers."""
        return WorkerPool(
            "test",
            queue=self.queue,
            reconcile=self._reconcile,
            settled=lambda key: self.is_settled(key),  # noqa: PLW0108  a test may set another
            elector=self.elector,
            ready=self.ready,
            clock=self.clock,
            size=size,
            limit=limit,
            patience_seconds=patience_seconds,
            supervisor=Supervisor(restarted=self.restarts.append),
        )

    def _order(self, key: str) -> Priority:
        return (Urgency.ENDED if key == self.urgent else Urgency.NEW), 0.0

    async def _reconcile(self, key: str) -> datetime | DeferredStatusWrite | None:
        if self.before is not None:
            await self.before(key)
        self.done.append(key)
        if key in self.rests:
            return DeferredStatusWrite(partial(self._finish, key))
        outcome = self.outcomes.pop(0) if self.outcomes and key == "a" else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _finish(self, key: str) -> datetime | None:
        self.done.append(f"rest of {key}")
        outcome = self.rests.pop(key)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def __aenter__(self) -> Self:
        self.pool.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.drain(seconds=0)

    async def turns(self, *, count: int = 12) -> list[str]:
        """Let the workers go on; what they have done since."""
        for _ in range(count):
            await asyncio.sleep(0)
        found, self.done = self.done, []
        return found


@pytest.mark.parametrize("error", [ConflictError(), LostLeaseError()])
async def test_what_was_not_recorded_is_looked_at_again_at_once(error: Exception) -> None:
    """After a conflict the object is in memory already; a lost Lease ends the pool, not the key."""
    async with Shop(error) as shop:
        shop.queue.add("a")
        assert await shop.turns() == ["a", "a"]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(status=500, reason="", message="boom"),
        ApiUnreachableError("PATCH"),
        RuntimeError("a bug"),
    ],
)
async def test_a_failure_that_no_status_holds_is_retried_ever_more_slowly(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """From a quarter of a second, doubling to half a minute; a success forgets it."""
    async with Shop(*[error] * 9) as shop:
        shop.queue.add("a")
        assert await shop.turns() == ["a"]
        for expected in (0.25, 0.5, 1, 2, 4, 8, 16, 30):
            shop.clock.advance(seconds=expected - 0.01)
            shop.queue.add("wake")
            assert await shop.turns() == ["wake"]
            shop.clock.advance(seconds=0.01)
            shop.queue.add("wake")
            assert "a" in await shop.turns()
        shop.clock.advance(seconds=30)
        shop.queue.add("wake")
        assert "a" in await shop.turns()
        shop.outcomes = [error]
        shop.queue.add("a")
        assert await shop.turns() == ["a"]
        shop.clock.advance(seconds=0.25)
        shop.queue.add("wake")
        assert "a" in await shop.turns()
        assert "a:" in caplog.text


@pytest.mark.parametrize("error", [None, ConflictError()])
async def test_a_key_that_is_always_due_does_not_spin(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Immediate steps are few: after sixteen the key is delayed, ever longer, and it is logged.

    Others are not held up meanwhile, and news of it is looked at at once.
    """
    shop = Shop()
    shop.outcomes = [error or shop.clock.now - timedelta(seconds=1)] * 100
    async with shop:
        shop.queue.add("a")
        shop.queue.add("b")
        assert Counter(await shop.turns(count=100)) == {"a": 17, "b": 1}
        assert "test a: requeued immediately" in caplog.text
        for expected in (0.25, 0.5, 1, 2, 4, 8, 16, 30, 30):
            shop.clock.advance(seconds=expected - 0.01)
            shop.queue.add("wake")
            assert await shop.turns() == ["wake"]
            shop.clock.advance(seconds=0.01)
            shop.queue.add("wake")
            assert Counter(await shop.turns()) == {"a": 1, "wake": 1}
        shop.queue.add("a")
        assert await shop.turns() == ["a"]


async def test_a_journal_of_some_steps_is_not_held_up() -> None:
    """A key that comes to rest may hurry again."""
    shop = Shop()
    hurried: list[Exception | datetime | None] = [shop.clock.now] * 16
    shop.outcomes = [*hurried, None, *hurried, None]
    async with shop:
        for _ in range(2):
            shop.queue.add("a")
            assert await shop.turns(count=100) == ["a"] * 17


async def test_one_that_fails_does_not_end_the_others() -> None:
    """The worker goes on with the next key."""
    async with Shop(RuntimeError("a bug")) as shop:
        shop.queue.add("a")
        shop.queue.add("b")
        assert await shop.turns() == ["a", "b"]


async def test_a_key_comes_back_when_it_is_due() -> None:
    """What the reconcile returned is the next look."""
    shop = Shop()
    shop.outcomes = [shop.clock.now + timedelta(seconds=60)]
    async with shop:
        shop.queue.add("a")
        assert await shop.turns() == ["a"]
        shop.clock.advance(seconds=60)
        shop.queue.add("b")
        assert sorted(await shop.turns()) == ["a", "b"]


@pytest.mark.parametrize(("settled", "expected"), [(True, []), (False, ["a"])])
async def test_only_the_echo_of_our_writes_is_dropped(
    *, settled: bool, expected: list[str]
) -> None:
    """A further event for a key in progress requeues it."""
    async with Shop() as shop:
        shop.settled = settled
        gate = asyncio.Event()

        async def wait(_: str) -> None:
            await gate.wait()

        shop.before = wait
        shop.queue.add("a")
        await shop.turns()
        shop.queue.add("a")
        gate.set()
        assert await shop.turns() == ["a", *expected]


async def test_no_worker_begins_before_everything_is_listed() -> None:
    """Without Secrets and sources every grant would look new."""
    shop = Shop()
    shop.ready.clear()
    async with shop:
        shop.queue.add("a")
        assert await shop.turns() == []
        shop.ready.set()
        assert await shop.turns() == ["a"]


async def test_work_begins_with_what_is_urgent_by_then() -> None:
    """However long the keys have waited for the Lease, and whatever was known when they came."""
    shop = Shop()
    shop.elector.elected.clear()
    async with shop:
        for key in "bc":
            shop.queue.add(key)
        shop.urgent = "c"
        shop.elector.elected.set()
        assert await shop.turns() == ["c", "b"]


async def test_no_worker_begins_out_of_office() -> None:
    """On standby, keys stay in the queue; after an unnoticed loss of the Lease they return."""
    shop = Shop()
    shop.elector.elected.clear()
    async with shop:
        shop.queue.add("a")
        assert await shop.turns() == []
        shop.elector.held = False
        shop.elector.elected.set()
        assert await shop.turns() == []
        shop.elector.held = True
        async with asyncio.timeout(5):
            while not shop.done:  # noqa: ASYNC110  the pool is what is tested
                await asyncio.sleep(0.01)
        assert await shop.turns() == ["a"]


async def test_workers_work_side_by_side() -> None:
    """As many keys are in progress as there are workers."""
    async with Shop(size=3) as shop:
        meet = asyncio.Barrier(3)

        async def wait(_: str) -> None:
            async with meet:
                pass

        shop.before = wait
        for key in "abc":
            shop.queue.add(key)
        assert sorted(await shop.turns()) == ["a", "b", "c"]


async def test_a_stop_lets_what_is_in_hand_end_and_takes_nothing_new() -> None:
    """No mint is cut in two by an ordinary stop."""
    shop = Shop()
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    shop.before = wait
    shop.pool.start()
    shop.queue.add("a")
    shop.queue.add("b")
    await shop.turns()
    drain = asyncio.create_task(shop.pool.drain(seconds=60))
    assert await shop.turns() == []
    gate.set()
    await drain
    assert shop.done == ["a"]


async def test_a_stop_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A reconcile that hangs is cancelled, and logged."""
    shop = Shop()

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    shop.before = hang
    shop.pool.start()
    shop.queue.add("a")
    await shop.turns()
    await shop.pool.drain(seconds=0)
    assert shop.done == []
    assert "cancelled 1 reconciles" in caplog.text


async def test_a_rest_waits_while_keys_are_due() -> None:
    """Secrets first: what is left of a key is done once no other key is due."""
    async with Shop() as shop:
        shop.rests = {"b": None, "c": None}
        for key in "bcd":
            shop.queue.add(key)
        assert await shop.turns() == ["b", "c", "d", "rest of b", "rest of c"]


async def test_a_rest_does_not_wait_for_ever() -> None:
    """After fifteen seconds every other turn is that of a rest, however much is due."""
    async with Shop() as shop:

        async def take_three_seconds(_: str) -> None:
            shop.clock.advance(seconds=3)

        shop.before = take_three_seconds
        shop.rests = {"b": None, "c": None, "d": None}
        for key in "bcdefghijk":
            shop.queue.add(key)
        assert await shop.turns(count=20) == [
            *"bcdefg",
            *("rest of b", "h", "rest of c", "i", "rest of d", "j", "k"),
        ]


async def test_a_rest_says_when_its_key_is_due() -> None:
    """As the reconcile would that it is left of."""
    shop = Shop()
    shop.rests = {"b": shop.clock.now + timedelta(seconds=60)}
    async with shop:
        shop.queue.add("b")
        assert await shop.turns() == ["b", "rest of b"]
        shop.clock.advance(seconds=60)
        shop.queue.add("wake")
        assert sorted(await shop.turns()) == ["b", "wake"]


async def test_news_of_a_key_whose_rest_waits_is_not_lost() -> None:
    """It is in progress: it is not taken again before its deferred part is done, and then it is."""
    async with Shop() as shop:

        async def tell(key: str) -> None:
            if key == "c":
                shop.queue.add("b")

        shop.before = tell
        shop.rests = {"b": None}
        for key in "bcd":
            shop.queue.add(key)
        assert await shop.turns() == ["b", "c", "d", "rest of b", "b"]


@pytest.mark.parametrize("error", [ConflictError(), LostLeaseError()])
async def test_a_rest_that_was_not_recorded_begins_its_key_anew(error: Exception) -> None:
    """As a reconcile would that was in one piece."""
    async with Shop() as shop:
        shop.rests = {"b": error}
        shop.queue.add("b")
        assert await shop.turns() == ["b", "rest of b", "b"]


async def test_a_stop_finishes_the_rests() -> None:
    """They are in progress as well; what is due is left to the next leader."""
    shop = Shop(size=2)
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    shop.before = wait
    shop.rests = {"b": None, "c": None}
    shop.pool.start()
    for key in "bcd":
        shop.queue.add(key)
    await shop.turns()
    drain = asyncio.create_task(shop.pool.drain(seconds=60))
    gate.set()
    await drain
    assert sorted(shop.done) == ["b", "c", "rest of b", "rest of c"]


async def test_a_worker_that_dies_loses_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Its key is retried, by another worker, after a pause; the death is logged and counted."""
    shop = Shop()
    fails = [RuntimeError("a bug")]

    def settled(_: str) -> bool:
        if fails:
            raise fails.pop()
        return False

    shop.is_settled = settled
    async with shop:
        shop.queue.add("a")
        assert await shop.turns() == ["a"]
        assert shop.restarts == ["test worker"]
        assert "test worker failed, retrying a" in caplog.text
        shop.clock.advance(seconds=0.25)
        shop.queue.add("b")
        assert sorted(await shop.turns()) == ["a", "b"]


async def test_a_cancelled_worker_loses_no_key() -> None:
    """By any caller: thirty-two workers could end because of it, unnoticed."""
    async with Shop() as shop:
        gate = asyncio.Event()

        async def wait(_: str) -> None:
            await gate.wait()

        shop.before = wait
        shop.queue.add("a")
        await shop.turns()
        (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "test worker"]
        worker.cancel()
        gate.set()
        await shop.turns()
        shop.clock.advance(seconds=0.25)
        shop.queue.add("b")
        assert sorted(await shop.turns()) == ["a", "b"]


async def test_an_order_that_fails_loses_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """A key that cannot be compared goes last; it stopped every worker when a time overflowed."""
    shop = Shop()

    def order(key: str) -> Priority:
        if key == "odd":
            raise OverflowError("date value out of range")
        return Urgency.NEW, 0.0

    shop.queue.order = order
    shop.queue.__post_init__()
    async with shop:
        for key in ("odd", "a", "b"):
            shop.queue.add(key)
        assert await shop.turns() == ["a", "b", "odd"]
        assert "ordering odd failed" in caplog.text


async def test_work_goes_on_when_the_office_is_regained() -> None:
    """A renewal that came late does not leave the keys behind that waited meanwhile."""
    async with Shop() as shop:
        gate = asyncio.Event()

        async def wait(key: str) -> None:
            if key == "a":
                await gate.wait()

        shop.before = wait
        shop.queue.add("a")
        shop.queue.add("b")
        await shop.turns()
        shop.elector.held = False
        shop.elector.elected.clear()
        gate.set()
        assert await shop.turns() == ["a"]
        shop.elector.held = True
        shop.elector.elected.set()
        assert await shop.turns() == ["b"]


async def test_the_loop_goes_on_where_the_lease_has_just_ended() -> None:
    """The timer that says so needs a turn of the loop, also if nothing is due."""
    shop = Shop(size=1)

    async def end_lease(_: str) -> None:
        shop.elector.held = False

    shop.before = end_lease
    async with shop:
        shop.queue.add("a")
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            if turns == 10:
                shop.elector.elected.clear()
            elif turns < 10:
                asyncio.get_running_loop().call_soon(count)

        count()
        await shop.turns(count=30)
        assert turns == 10
