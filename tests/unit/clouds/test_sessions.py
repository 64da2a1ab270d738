"""Sessions are shared: one call to the cloud, however many wait for it."""

import asyncio
from datetime import timedelta

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.interfaces import Session
from keywright.clouds.sessions import SessionCache, SessionKey, is_usable
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.provider import session

KEY = SessionKey("source", 1)
DENIED = Failure("no.", kind=FailureClass.DENIED, reason="AccessDenied")


class Cloud:
    """Opens sessions once the gate is open; raises `failure` while there is one."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = SessionCache(clock=self.clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.opened = 0
        self.failure: Exception | None = None

    async def open(self) -> Session:
        """A session numbered by the call."""
        self.opened += 1
        number = self.opened
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return session(issued_at=self.clock.now, name=str(number))

    async def get(self, key: SessionKey = KEY, *, accepts_session: bool = True) -> str:
        """The access key id of the session that was given."""
        found = await self.cache.get(
            key, accepts_session=lambda *_: accepts_session, open_session=self.open
        )
        return found.access_key_id


async def test_a_hundred_waiters_are_one_call() -> None:
    """All who ask while it is being opened get the same session."""
    cloud = Cloud()
    cloud.gate.clear()
    waiters = [asyncio.create_task(cloud.get()) for _ in range(100)]
    await asyncio.sleep(0)
    cloud.gate.set()
    assert set(await asyncio.gather(*waiters)) == {"ASIA1"}
    assert cloud.opened == 1


async def test_a_cached_session_serves_while_it_will_do() -> None:
    """Whether it will do is for the key to say; one that will not is replaced."""
    cloud = Cloud()
    found = [await cloud.get(), await cloud.get(), await cloud.get(accepts_session=False)]
    assert found == ["ASIA1", "ASIA1", "ASIA2"]
    assert await cloud.get() == "ASIA2"


async def test_a_waiter_that_is_cancelled_takes_nothing_from_the_others() -> None:
    """The call goes on for them, even where the one who began it is gone."""
    cloud = Cloud()
    cloud.gate.clear()
    first, second = (asyncio.create_task(cloud.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    cloud.gate.set()
    assert await second == "ASIA1"
    assert cloud.opened == 1


async def test_a_refusal_is_remembered_for_a_while() -> None:
    """Five hundred grants of a misconfigured source are one call, then one each growing while."""
    cloud = Cloud()
    cloud.failure = DENIED
    pause = timedelta()
    for attempt in range(1, 12):
        cloud.clock.now += pause
        for _ in range(3):
            with pytest.raises(Failure) as raised:
                await cloud.get()
            assert raised.value is DENIED
        assert cloud.opened == attempt
        pause = min(timedelta(seconds=0.75 * 2 ** (attempt - 1)), timedelta(minutes=1))
        cloud.clock.now += pause - timedelta(milliseconds=1)
        with pytest.raises(Failure):
            await cloud.get()
        assert cloud.opened == attempt
        pause = timedelta(milliseconds=1)
    cloud.failure = None
    cloud.clock.advance(minutes=1)
    assert await cloud.get() == "ASIA12"
    cloud.failure = DENIED
    with pytest.raises(Failure):
        await cloud.get(accepts_session=False)
    cloud.clock.advance(seconds=0.75)
    cloud.failure = None
    assert await cloud.get(accepts_session=False) == "ASIA14"


async def test_a_living_session_serves_beside_a_refusal() -> None:
    """What the session at hand can still sign, it signs."""
    cloud = Cloud()
    await cloud.get()
    cloud.failure = DENIED
    with pytest.raises(Failure):
        await cloud.get(accepts_session=False)
    assert await cloud.get() == "ASIA1"


async def test_only_a_refusal_of_the_cloud_is_remembered() -> None:
    """An API server that did not answer is asked again by the next who comes."""
    cloud = Cloud()
    cloud.failure = OSError("gone")
    for expected in (1, 2):
        with pytest.raises(OSError, match="gone"):
            await cloud.get()
        assert cloud.opened == expected


async def test_an_edited_source_has_sessions_of_its_own() -> None:
    """A new generation opens its own session, and older sessions and refusals are dropped."""
    cloud = Cloud()
    await cloud.get()
    assert await cloud.get(SessionKey("source", 2)) == "ASIA2"
    assert await cloud.get(KEY) == "ASIA3"
    assert await cloud.get(SessionKey("another", 1)) == "ASIA4"
    assert await cloud.get(SessionKey("source", 2)) == "ASIA2"


async def test_what_is_asked_makes_another_session() -> None:
    """Sessions of other limits, or of another hop of the chain, are never mixed up."""
    cloud = Cloud()
    assert await cloud.get(SessionKey("source", 1, ask="p")) == "ASIA1"
    assert await cloud.get(SessionKey("source", 1, hop=1)) == "ASIA2"
    assert await cloud.get() == "ASIA3"


async def test_a_forgotten_source_leaves_nothing() -> None:
    """Neither sessions nor refusals; those of others stay."""
    cloud = Cloud()
    await cloud.get()
    await cloud.get(SessionKey("another", 1))
    cloud.failure = DENIED
    with pytest.raises(Failure):
        await cloud.get(SessionKey("source", 1, ask="p"))
    cloud.failure = None
    cloud.cache.forget(source_uid="source")
    assert await cloud.get(SessionKey("source", 1, ask="p")) == "ASIA4"
    assert await cloud.get() == "ASIA5"
    assert await cloud.get(SessionKey("another", 1)) == "ASIA2"


async def test_a_session_that_is_forgotten_while_it_is_opened_is_not_kept() -> None:
    """It was opened from outdated data: callers that wait for it get it, later ones do not."""
    cloud = Cloud()
    cloud.gate.clear()
    waiting = asyncio.create_task(cloud.get())
    await asyncio.sleep(0)
    cloud.cache.forget(source_uid="source")
    cloud.gate.set()
    assert await cloud.get() == "ASIA2"
    assert await waiting == "ASIA1"
    assert await cloud.get() == "ASIA2"


async def test_a_refusal_that_is_forgotten_while_it_comes_is_not_remembered() -> None:
    """The next one sends a request again."""
    cloud = Cloud()
    cloud.gate.clear()
    cloud.failure = DENIED
    waiting = asyncio.create_task(cloud.get())
    await asyncio.sleep(0)
    cloud.cache.forget(source_uid="source")
    cloud.gate.set()
    with pytest.raises(Failure):
        await waiting
    cloud.failure = None
    assert await cloud.get() == "ASIA2"


async def test_a_failure_that_names_a_pause_is_remembered_for_it() -> None:
    """The first refusal is otherwise forgotten after a second."""
    clock = FakeClock()
    cache = SessionCache(clock=clock)
    calls = 0

    async def refuse() -> Session:
        nonlocal calls
        calls += 1
        raise Failure(
            "x",
            kind=FailureClass.CONFIGURATION,
            reason="LifetimeTooShort",
            retry_after=timedelta(minutes=1),
        )

    for seconds in (0, 59, 2):
        clock.advance(seconds=seconds)
        with pytest.raises(Failure):
            await cache.get(SessionKey("u", 1), accepts_session=is_usable, open_session=refuse)
    assert calls == 2


async def test_what_grants_ask_for_has_a_limit() -> None:
    """A tenant that edits its policy a thousand times leaves 256 sessions; its source's stays."""
    cloud = Cloud()
    await cloud.get()
    for number in range(1000):
        await cloud.get(KEY)
        await cloud.get(SessionKey("source", 1, ask=str(number)))
    opened = cloud.opened
    await cloud.get()
    await cloud.get(SessionKey("source", 1, ask="999"))
    assert cloud.opened == opened
    await cloud.get(SessionKey("source", 1, ask="1"))
    assert cloud.opened == opened + 1


async def test_sessions_of_sources_that_are_gone_have_a_limit() -> None:
    """Also those of access keys, which have no end."""
    cloud = Cloud()
    for number in range(3000):
        await cloud.get(SessionKey(f"source-{number}", 1))
        cloud.cache.forget(source_uid=f"source-{number}")
    assert cloud.cache.last_valid_session(source_uid="source-0", generation=1, hop=0) is None
    assert cloud.cache.last_valid_session(source_uid="source-2999", generation=1, hop=0) is not None


async def test_a_refusal_that_is_told_often_grows_by_nothing() -> None:
    """One exception for all who wait for its retry keeps no frames of theirs."""
    cloud = Cloud()
    cloud.failure = DENIED
    for _ in range(50):
        with pytest.raises(Failure):
            await cloud.get()
    frames, trace = 0, DENIED.__traceback__
    while trace is not None:
        frames, trace = frames + 1, trace.tb_next
    assert frames < 10


@pytest.mark.parametrize("gone", [False, True])
async def test_a_former_session_is_of_the_same_version_of_the_source(*, gone: bool) -> None:
    """Another version may be of another role, and allow other namespaces."""
    cloud = Cloud()
    await cloud.get()
    if gone:
        cloud.cache.forget(source_uid="source")
    former = cloud.cache.last_valid_session(source_uid="source", generation=1, hop=0)
    assert former is not None
    assert former.access_key_id == "ASIA1"
    assert cloud.cache.last_valid_session(source_uid="source", generation=2, hop=0) is None
    assert cloud.cache.last_valid_session(source_uid="another", generation=1, hop=0) is None
    cloud.clock.advance(hours=2)
    assert cloud.cache.last_valid_session(source_uid="source", generation=1, hop=0) is None


async def test_one_former_session_is_kept_of_a_source() -> None:
    """However often it is edited and forgotten."""
    cloud = Cloud()
    for generation in (1, 2, 3):
        await cloud.get(SessionKey("source", generation))
        cloud.cache.forget(source_uid="source")
    kept = [
        cloud.cache.last_valid_session(source_uid="source", generation=n, hop=0) for n in (1, 2, 3)
    ]
    assert [session.access_key_id if session else None for session in kept] == [None, None, "ASIA3"]


async def test_a_session_from_before_a_request_is_not_its_answer() -> None:
    """What is asked for at one time is answered by one new session, which all then share."""
    cloud = Cloud()
    await cloud.get()
    cloud.clock.advance(seconds=30)
    requested = cloud.clock.now
    cloud.clock.advance(seconds=1)
    found = await asyncio.gather(
        *(
            cloud.cache.get(
                KEY, accepts_session=lambda *_: True, open_session=cloud.open, not_before=requested
            )
            for _ in range(500)
        )
    )
    assert {session.access_key_id for session in found} == {"ASIA2"}
    assert await cloud.get() == "ASIA2"
    assert cloud.opened == 2


async def test_a_session_that_was_being_opened_before_the_request_is_not_its_answer() -> None:
    """Callers in the meantime wait for the next one."""
    cloud = Cloud()
    cloud.gate.clear()
    first = asyncio.create_task(cloud.get())
    await asyncio.sleep(0)
    cloud.clock.advance(seconds=1)
    second = asyncio.create_task(
        cloud.cache.get(
            KEY,
            accepts_session=lambda *_: True,
            open_session=cloud.open,
            not_before=cloud.clock.now,
        )
    )
    await asyncio.sleep(0)
    cloud.gate.set()
    assert await first == "ASIA1"
    assert (await second).access_key_id == "ASIA2"
