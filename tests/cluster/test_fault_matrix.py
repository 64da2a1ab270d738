"""Whatever fails for less than the margin: every key is renewed once, and none is ever late."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.faulty_stage import PATIENCE_SECONDS, Stage, Told, observed, stage
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
_WATCHES = "watch=true"
_WRITES = ["patch", "update", "create"]
_DOWN_SECONDS = float(os.environ.get("KEYWRIGHT_TEST_OUTAGE_SECONDS", "10"))
_SKEW_SECONDS = 240.0
_MEMORY_SHARE = 1.1


def _renewed(on: Stage) -> None:
    """Every key is replaced while the fault lasts."""
    on.renewed()


def _renewals_fail(on: Stage) -> None:
    """The fault lasts until a grant says so; it is Ready all the same, as all of them are."""
    eventually(on.a_renewal_fails, seconds=PATIENCE_SECONDS)
    assert on.say("Ready")


def _clear(on: Stage) -> None:
    on.proxy.faults.clear()
    on.world.aws.clear_faults()


@dataclass(frozen=True)
class Row:
    """A fault: how it begins, what is awaited while it lasts, how it ends, and what is put back."""

    begins: Callable[[Stage], None]
    meanwhile: Callable[[Stage], None] = _renewed
    ends: Callable[[Stage], None] = _clear
    after: Callable[[Stage], None] = _clear


def _is_refused(on: Stage) -> None:
    on.proxy.faults.internal_error("", verbs=_WRITES, count=15)
    on.proxy.faults.internal_error(_WATCHES, verbs=["watch"], count=3)
    on.proxy.faults.close(_WATCHES, verbs=["watch"], count=0)


def _is_too_busy(on: Stage) -> None:
    on.proxy.faults.too_many_requests("", verbs=_WRITES, count=15)
    on.proxy.faults.too_many_requests(_WATCHES, verbs=["watch"], count=3)
    on.proxy.faults.close(_WATCHES, verbs=["watch"], count=0)


def _is_full(on: Stage) -> None:
    """The operator has a reason to log, and to restart in place."""
    on.operator.fill_disk()
    on.proxy.faults.broken()


def _is_down(on: Stage) -> None:
    """Keys that outlive the outage, all of them young when it begins, and due while it lasts."""
    on.limit_sessions(4 * _DOWN_SECONDS)
    on.proxy.faults.down(seconds=_DOWN_SECONDS)


def _renewed_afterwards(on: Stage) -> None:
    """Every key became due while no renewal was possible, and is replaced before its expiry."""
    on.renewed(seconds=_DOWN_SECONDS + PATIENCE_SECONDS)


ROWS: dict[str, Row] = {
    "watches closed": Row(lambda on: on.proxy.faults.close(_WATCHES, verbs=["watch"], count=0)),
    "watches reset": Row(lambda on: on.proxy.faults.reset(_WATCHES, verbs=["watch"], count=0)),
    "watches stalled": Row(lambda on: on.proxy.faults.stall(_WATCHES, verbs=["watch"])),
    "watches get 410": Row(lambda on: on.proxy.faults.gone()),
    "watches broken for good": Row(lambda on: on.proxy.faults.broken()),
    "429 with Retry-After": Row(_is_too_busy),
    "500": Row(_is_refused),
    "401 once the token has rotated": Row(lambda on: on.rotate_token()),
    "API server slow by 2 s": Row(lambda on: on.proxy.faults.slow(seconds=2, count=None)),
    "log on a full disk": Row(_is_full, ends=lambda on: on.operator.free_disk()),
    "STS down": Row(lambda on: on.world.aws.lose_answer("sts", count=1000), _renewals_fail),
    "STS throttled": Row(
        lambda on: on.world.aws.fail_next(
            "sts", code="Throttling", message="Rate exceeded", status=400, count=1000
        ),
        _renewals_fail,
    ),
    "STS slow by 2 s": Row(lambda on: on.world.aws.delay("sts", seconds=2)),
    "API server down": Row(_is_down, _renewed_afterwards, after=Stage.live_briefly),
}


@pytest.fixture(scope="module")
def on(make_world: MakeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, one for the table."""
    with make_world() as world, stage(world, tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.mark.parametrize("name", ROWS)
def test_no_key_is_late_and_none_minted_twice(
    on: Stage, name: str, record_property: Record
) -> None:
    """Each row ends with all grants Ready; no client reads an expired key, none is issued early."""
    row = ROWS[name]
    reported: list[Told] = []
    with observed(on, reported.append):
        row.begins(on)
        with on.newcomer():
            try:
                row.meanwhile(on)
            finally:
                row.ends(on)
        eventually(on.all_ready, seconds=PATIENCE_SECONDS, reported=on.operator.process.log_end)
    row.after(on)
    assert reported == [Told(expired={}, needless={}, refused=[])]
    # What a fault has taken is given back; what was lost to it would never be.
    eventually(
        lambda: on.operator.memory() < on.memory * _MEMORY_SHARE, reported=on.operator.memory
    )
    record_property("resident memory after it, MB", round(on.operator.memory() / 1e6, 1))


def test_a_clock_that_is_four_minutes_off_costs_nothing(on: Stage) -> None:
    """Whichever clock goes wrong, the cloud's or ours: keys are minted once, and they work."""
    on.live_long()
    failures = on.reader.failures()
    before = on.ledger.revisions()
    try:
        for seconds in (-_SKEW_SECONDS, _SKEW_SECONDS):
            on.world.aws.set_clock(offset_seconds=seconds)
            on.ask()
        assert on.ledger.revisions() == {name: number + 2 for name, number in before.items()}
        assert on.say("Ready")
        assert on.reader.failures() == failures
    finally:
        on.world.aws.set_clock(offset_seconds=0)
        on.live_briefly()
