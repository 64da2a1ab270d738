"""Durations as the resources write them: Go's syntax without signs, and `d` for 24 hours.

`1h30m`, `90s`, `1.5h`, `7d`, `0.5d` and `1d12h` are durations; `1w`, `90` and `-1h` are not. The
pattern in the CRDs requires days first, so that CEL can evaluate them; an object from before that
pattern, with days elsewhere, is still parsed. A duration of more than a hundred years counts as a
hundred, so that adding it to a time cannot overflow.
"""

import re
from functools import lru_cache
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]{1,6}(\.[0-9]{1,3})?d)?([0-9]{1,6}(\.[0-9]{1,3})?(h|ms|m|s))*$"
PERCENT_PATTERN: Final = r"^[1-9][0-9]?%$"

_WHOLE: Final = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?(?:d|h|ms|m|s))+")
_PART: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(d|h|ms|m|s)")
_PERCENT: Final = re.compile(r"[1-9][0-9]?%")
_MAX_SECONDS: Final = 100 * 365.25 * 86_400
_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float:
    """Return the duration in seconds.

    Raises:
        ValueError: The text is not a duration; the message describes the syntax.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write it like 1h30m, 90s or 7d, days first")
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
    return min(seconds, _MAX_SECONDS)


@lru_cache(maxsize=128)
def parse_percent(text: str) -> float:
    """Return a whole percentage from 1% to 99% as a fraction between 0 and 1.

    Raises:
        ValueError: The text is not such a percentage.
    """
    if not _PERCENT.fullmatch(text):
        raise ValueError(f"{text!r} is no percentage: write it like 30%, from 1% to 99%")
    return int(text[:-1]) / 100


def format_duration(seconds: float) -> str:
    """Format whole seconds as briefly as possible: `1h30m`, `7d`, `0s`; fractions are cut."""
    rest = int(seconds)
    text = ""
    for unit in ("d", "h", "m", "s"):
        amount, rest = divmod(rest, int(_SECONDS[unit]))
        if amount:
            text += f"{amount}{unit}"
    return text or "0s"
