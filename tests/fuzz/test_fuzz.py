"""Nothing that one object may be is noticed by another (a minute of what `make fuzz` does longer).

Objects are what the schemas let in, and what they would let in without some of their rules: of any
text, time and number, and of any depth where a document is let through as it is.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.findings import Finding, kept
from tests.fuzz.stage import run
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
@settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_an_object_is_noticed_by_no_other(target: str, data: st.DataObject) -> None:
    """Through list, watch, parse, decide and render; classified, and in bounded time."""
    run(data.draw(TARGETS[target]))


@pytest.mark.parametrize(
    "finding", [found for _, found in kept()], ids=[name for name, _ in kept()]
)
def test_what_was_found_once_is_not_found_again(finding: Finding) -> None:
    """The objects of seeds/, where `make fuzz` writes what it finds."""
    run(finding)
