"""The simulation of docs/scale.md: rates of the operator's own schedule, and its worst case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tools.scale.__main__ import main, table
from tools.scale.model import RENEWALS_PER_SECOND, Load, cost_of

_HOUR = timedelta(hours=1)


def test_keys_are_renewed_after_three_fifths_of_their_lifetime() -> None:
    """Between two thirds, and 8 % earlier: 3,600 grants of one hour need 1.6 renewals a second."""
    cost = cost_of(Load(3_600, _HOUR, per_source=1))
    assert 1 / 0.667 < cost.renewals < 1 / 0.58
    assert cost.api_writes == 2 * cost.renewals
    assert cost.sts_calls == pytest.approx(cost.renewals)


def test_costs_grow_with_grants_and_shrink_with_their_lifetime() -> None:
    """Linearly; grants of one source share its session."""
    small, large = (cost_of(Load(n, _HOUR, per_source=10)) for n in (10_000, 100_000))
    assert large.renewals == pytest.approx(10 * small.renewals)
    assert large.sts_calls == pytest.approx(large.renewals / 10)
    longer = cost_of(Load(10_000, 12 * _HOUR, per_source=10))
    assert longer.renewals == pytest.approx(small.renewals / 12, rel=0.01)


def test_the_worst_case_is_late_when_keys_expire_before_a_leader_has_renewed_them() -> None:
    """All keys have the same age, and a leader renews them at its own rate."""
    fine = cost_of(Load(100_000, _HOUR, per_source=10))
    assert fine.worst_peak > RENEWALS_PER_SECOND
    assert 0 < fine.worst_lateness < fine.margin
    assert not fine.is_late
    assert cost_of(Load(300_000, _HOUR, per_source=10)).is_late


def test_a_sample_stands_for_all_grants() -> None:
    """More grants than the sample have the rates of the sample."""
    few, many = (cost_of(Load(n, _HOUR, per_source=1)).renewals / n for n in (4_000, 40_000))
    assert few == pytest.approx(many)


def test_the_page_is_current() -> None:
    """As `make check` finds it: a row for three numbers of grants and two lifetimes."""
    assert main(["--check"]) == 0
    assert table().count("\n") == 8
