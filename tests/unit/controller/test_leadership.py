"""Who works, and how it is known without comparing clocks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from keywright.api.errors import ApiError, ApiUnreachableError, LostLeaseError
from keywright.cluster.leases import Leases
from keywright.controller.leadership import AlwaysLeader, LeaderElector, LeaseTimings
from tests.unit.fakes.clock import FakeMonotonic
from tests.unit.fakes.kubernetes import KubernetesInMemory

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases"
LEASE = f"{COLLECTION}/keywright"
# No pause between attempts: the tests move the clock, and give the loop a turn.
TIMING = LeaseTimings(duration=15, renew_deadline=10.0, retry=0.0)


class Candidate:
    """One replica on a cluster, with a clock of its own."""

    def __init__(self, api: KubernetesInMemory, name: str) -> None:
        self.clock = FakeMonotonic()
        self.elector = LeaderElector(
            Leases(api, "keywright-system", "keywright"),
            identity=name,
            timing=TIMING,
            monotonic=self.clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """While it campaigns and stays in office."""
        task = asyncio.create_task(self.elector.run())
        await turns()
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def turns() -> None:
    """Let everyone have a few attempts."""
    for _ in range(6):
        await asyncio.sleep(0)


def _lease(api: KubernetesInMemory, *, holder: str) -> None:
    api.put(COLLECTION, {"metadata": {"name": "keywright"}, "spec": {"holderIdentity": holder}})


def _spec(api: KubernetesInMemory) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[LEASE]["spec"]
    return found


@pytest.mark.parametrize(
    "before",
    [None, "", "me"],
    ids=["there is none", "it was released", "it is ours from before a restart"],
)
async def test_a_free_lease_is_taken_at_once(before: str | None) -> None:
    """A restarted container of the same pod takes up its own Lease without a wait."""
    api = KubernetesInMemory()
    if before is not None:
        _lease(api, holder=before)
    me = Candidate(api, "me")
    async with me.running():
        assert me.elector.elected.is_set()
        assert me.elector.holds()
        me.elector.check()
        assert _spec(api)["holderIdentity"] == "me"
        assert _spec(api)["leaseTransitions"] == (0 if before == "me" else 1)


async def test_a_lease_of_another_is_waited_for_by_our_own_clock() -> None:
    """Fifteen seconds without a change of it, whatever its holder's clock says."""
    api = KubernetesInMemory()
    _lease(api, holder="other")
    me = Candidate(api, "me")
    async with me.running():
        me.clock.seconds += 14
        await turns()
        assert not me.elector.elected.is_set()
        me.clock.seconds += 1
        await turns()
        assert me.elector.holds()


async def test_a_lease_that_is_renewed_is_not_taken() -> None:
    """Each change starts the wait again."""
    api = KubernetesInMemory()
    _lease(api, holder="other")
    me = Candidate(api, "me")
    async with me.running():
        for _ in range(5):
            me.clock.seconds += 14
            _lease(api, holder="other")
            await turns()
        assert not me.elector.elected.is_set()


async def test_of_two_candidates_one_is_elected() -> None:
    """Both find it free; the second write meets a conflict."""
    api = KubernetesInMemory()
    first, second = Candidate(api, "first"), Candidate(api, "second")
    async with first.running(), second.running():
        assert [first.elector.holds(), second.elector.holds()] == [True, False]


async def test_the_office_ends_when_somebody_else_took_the_lease() -> None:
    """A conflict at the renewal: what is under way must not be written any more."""
    api = KubernetesInMemory()
    me = Candidate(api, "me")
    async with me.running() as task:
        _lease(api, holder="other")
        await turns()
        assert isinstance(task.exception(), LostLeaseError)
        assert not me.elector.holds()
        assert not me.elector.elected.is_set()
        with pytest.raises(LostLeaseError):
            me.elector.check()


def _forbidden(api: KubernetesInMemory) -> None:
    api.answers += [("leases", ApiError(status=403, reason="Forbidden", message=""))] * 40


def _unreachable(api: KubernetesInMemory) -> None:
    api.answers += [("leases", ApiUnreachableError("PUT"))] * 40


@pytest.mark.parametrize("broken", [_forbidden, _unreachable])
async def test_the_office_ends_before_others_may_take_it(
    broken: Callable[[KubernetesInMemory], None],
) -> None:
    """Renewals that fail are tried again for ten seconds; others wait for fifteen."""
    api = KubernetesInMemory()
    me = Candidate(api, "me")
    async with me.running() as task:
        broken(api)
        me.clock.seconds += 9
        await turns()
        assert me.elector.holds()
        me.clock.seconds += 1
        assert not me.elector.holds()
        await turns()
        assert isinstance(task.exception(), LostLeaseError)


class SilentKubernetes(KubernetesInMemory):
    """An API server that stops answering on request."""

    silent = False

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """As it was, or never."""
        if self.silent:
            await asyncio.Event().wait()
        return await super().request(method, path, **options)


async def test_an_answer_that_does_not_come_is_not_waited_for_beyond_the_end() -> None:
    """A leader that is cut off leaves at the end of its office, not when its request times out."""
    api = SilentKubernetes()
    timing = LeaseTimings(duration=3, renew_deadline=0.2, retry=0.01)
    elector = LeaderElector(
        Leases(api, "keywright-system", "keywright"),
        identity="me",
        timing=timing,
        monotonic=time.monotonic,
    )
    task = asyncio.create_task(elector.run())
    await elector.elected.wait()
    api.silent = True
    with pytest.raises(LostLeaseError):
        await asyncio.wait_for(task, timeout=timing.duration)
    assert not elector.holds()


async def test_an_outage_that_passes_costs_nothing() -> None:
    """The leadership continues with the first renewal that succeeds."""
    api = KubernetesInMemory()
    me = Candidate(api, "me")
    async with me.running() as task:
        api.answers.append(("PUT", ApiUnreachableError("PUT")))
        me.clock.seconds += 9
        await turns()
        me.clock.seconds += 9
        assert me.elector.holds()
        assert not task.done()


async def test_a_candidate_outlasts_an_api_server_that_is_not_there() -> None:
    """It stands by until it is."""
    api = KubernetesInMemory()
    api.answers += [("leases", ApiUnreachableError("GET"))] * 9
    me = Candidate(api, "me")
    async with me.running():
        assert not me.elector.holds()
        await turns()
        assert me.elector.holds()


async def test_a_frozen_process_finds_itself_out_of_office() -> None:
    """Without any task having run: time alone decides, before the first write after the freeze."""
    me = Candidate(KubernetesInMemory(), "me")
    async with me.running():
        me.clock.seconds += 10
        assert not me.elector.holds()


async def test_a_slow_renewal_counts_from_when_it_was_sent() -> None:
    """An answer that took nine seconds leaves one second of office."""
    api = KubernetesInMemory()
    me = Candidate(api, "me")
    api.answers.append(("POST", lambda: setattr(me.clock, "seconds", me.clock.seconds + 9)))
    task = asyncio.create_task(me.elector.run())
    await me.elector.elected.wait()
    assert me.elector.holds()
    me.clock.seconds += 1
    assert not me.elector.holds()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_whoever_resigns_lets_the_next_one_in_at_once() -> None:
    """A rolling update costs no wait; the Lease counts its holders."""
    api = KubernetesInMemory()
    me, next_one = Candidate(api, "me"), Candidate(api, "next")
    async with me.running():
        pass
    await me.elector.release_lease()
    assert not me.elector.holds()
    assert _spec(api)["holderIdentity"] == ""
    async with next_one.running():
        assert next_one.elector.holds()
        assert _spec(api)["leaseTransitions"] == 2


@pytest.mark.parametrize("answer", [ApiUnreachableError("PUT"), None])
async def test_resigning_never_fails(answer: Exception | None) -> None:
    """Neither where the API server is gone, nor where the Lease is another's, nor out of office."""
    api = KubernetesInMemory()
    me = Candidate(api, "me")
    await me.elector.release_lease()
    assert api.requested == []
    async with me.running():
        pass
    if answer is None:
        _lease(api, holder="other")
    else:
        api.answers.append(("PUT", answer))
    await me.elector.release_lease()
    await me.elector.release_lease()
    assert _spec(api)["holderIdentity"] == ("other" if answer is None else "me")


def test_the_proportions_of_another_duration() -> None:
    """Half a minute: renewed every four seconds, given up after twenty."""
    assert LeaseTimings.of(30) == LeaseTimings(duration=30, renew_deadline=20.0, retry=4.0)
    assert LeaseTimings.of(15) == LeaseTimings()


async def test_without_an_election_one_replica_always_works() -> None:
    """No Lease is read or written."""
    elector = AlwaysLeader()
    task = asyncio.create_task(elector.run())
    await elector.elected.wait()
    assert elector.holds()
    elector.check()
    await elector.release_lease()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
