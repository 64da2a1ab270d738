"""Redact possible secrets in responses of clouds."""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH: Final = 2048
"""The maximum number of characters of a response that are shown."""

# ARNs and issuer URLs of any length are kept; a query is not part of one. Each alternative is one
# sequence of characters, so that the time is linear in the text.
_LONG_WORD: Final = re.compile(
    r"((?:arn|acs):[A-Za-z0-9_:/+=,.@*-]+|https://[A-Za-z0-9_./-]+)"
    r"|\b(?:sk|st)-[A-Za-z0-9._-]{16,}|[A-Za-z0-9+/=_\-.%&]{60,}"
)
_NOT_PRINTED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_IN_REASONS: Final = re.compile(r"[^A-Za-z0-9]+")


def redacted(text: str) -> str:
    """The text without any word that looks like a key, or is long enough to be a token or a blob.

    Line breaks and control characters become spaces. The text is truncated at `MAX_LENGTH`, by
    whole words, as half a token would be short enough to be kept.
    """
    if len(text) > MAX_LENGTH:
        start = text[:MAX_LENGTH]
        text = start[: max(start.rfind(" "), start.rfind("\n"), 0)] + " ..."
    text = _NOT_PRINTED.sub(" ", text)
    return _LONG_WORD.sub(lambda found: found[1] or "<removed>", text)


def condition_reason(code: str, *, fallback: str = "CloudError") -> str:
    """A cloud's error code as the reason of a condition, which only allows letters and digits."""
    reason = _NOT_IN_REASONS.sub("", code)[:128]
    return reason if reason[:1].isalpha() else fallback
