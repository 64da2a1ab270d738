"""A failure as one text for a person."""

from __future__ import annotations

import pytest

from keywright.api.errors import Failure, FailureClass


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("AWS: no", "spec.x: AWS: no. Do it."),
        ("AWS: no.", "spec.x: AWS: no. Do it."),
        ("AWS: no!", "spec.x: AWS: no! Do it."),
        ("AWS: no?\n", "spec.x: AWS: no? Do it."),
        ("refused: ", "spec.x: refused: Do it."),
    ],
)
def test_a_full_stop_stands_between_what_is_wrong_and_what_to_do(message: str, told: str) -> None:
    """However the words of a cloud or of the API server end."""
    failure = Failure(
        message, kind=FailureClass.TRANSIENT, reason="CloudError", field="spec.x", remedy="Do it."
    )
    assert failure.message_with_remedy() == told
