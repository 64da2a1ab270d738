"""The text of a cloud's answer, as it may be shown."""

import time

import pytest

from keywright.clouds.redaction import MAX_LENGTH, condition_reason, redacted


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000_000,
        "a " * 2_500_000,
        "arn:" * 1_000_000,
        "https://" * 600_000,
        ("a" * 59 + " ") * 80_000,
        "arn:a" * 11 + "!" + "a" * 5_000_000,
        "\n" * 5_000_000,
        "\x00" * 5_000_000,
    ],
    ids=range(8),
)
def test_a_long_text_costs_no_time(text: str) -> None:
    """It is cut first, so that the time is bounded whatever it is made of."""
    began = time.process_time()
    assert len(redacted(text)) <= MAX_LENGTH + 10
    assert time.process_time() - began < 0.5


def test_the_time_is_linear() -> None:
    """Ten times the text takes no hundred times the time, for texts below the limit as well."""
    worst = ("a" * 59 + "!") * (MAX_LENGTH // 60)
    began = time.process_time()
    for _ in range(100):
        redacted(worst)
    assert time.process_time() - began < 5


def test_a_token_is_not_cut_into_pieces_that_stay() -> None:
    """A word that the limit falls into goes as a whole."""
    text = "x " * (MAX_LENGTH // 2 - 20) + "planted" * 100
    assert "planted" not in redacted(text)
    assert "planted" not in redacted("planted" * 1000)


def test_line_breaks_and_control_characters_are_blanks() -> None:
    """A message is one line of a log."""
    assert redacted("a\r\nlevel=info\x1b[31m\u2028b") == "a level=info [31m b"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDenied", "AccessDenied"),
        ("InvalidAccessKeyId.NotFound", "InvalidAccessKeyIdNotFound"),
        ("a\nb", "ab"),
        ("", "CloudError"),
        ("4xx", "CloudError"),
        ("\u00e9", "CloudError"),
        ("x" * 5000, "x" * 128),
    ],
)
def test_a_code_becomes_a_reason_that_a_condition_takes(code: str, reason: str) -> None:
    """The API server refuses a status with any other, and nothing would be reported at all."""
    assert condition_reason(code) == reason


@pytest.mark.parametrize("key", ["sk-0123456789abcdef0123456789abcdef", "st-0123456789abcdef"])
def test_a_short_key_of_a_vendor_of_models_is_removed(key: str) -> None:
    """Their messages repeat what was sent."""
    shown = redacted(f"Incorrect API key provided: {key}. See ap-southeast-1 and task-1.")
    assert shown == "Incorrect API key provided: <removed> See ap-southeast-1 and task-1."
