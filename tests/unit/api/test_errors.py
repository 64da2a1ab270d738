"""A failure as one text for a person."""

from __future__ import annotations

import pytest

from keywright.api.errors import Failure, FailureClass


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("AWS: no", "spec.x: AWS: no. Do it."),
        ("AWS: no.", "spec.x: AWS: no. Do it."),
        ("AWS: no!", "spec.x: AWS: no! Do it."),
        ("AWS: no?\n", "spec.x: AWS: no? Do it."),
        ("refused: ", "spec.x: refused: Do it."),
    ],
)
def test_a_period_separates_the_problem_from_the_remedy(message: str, expected: str) -> None:
    """However the words of a cloud or of the API server end."""
    failure = Failure(
        message, kind=FailureClass.TRANSIENT, reason="CloudError", field="spec.x", remedy="Do it."
    )
    assert failure.message_with_remedy() == expected
