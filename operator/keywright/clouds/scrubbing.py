"""Answers of clouds, without what may be a secret in them."""

from __future__ import annotations

import re

# ARNs and the addresses of issuers are told however long they are; a query is not part of one.
_LONG_WORD = re.compile(r"((?:arn|acs):[\w:/+=,.@*-]+|https://[\w./-]+)|[A-Za-z0-9+/=_\-.%&]{60,}")


def scrubbed(text: str) -> str:
    """The text without any word long enough to be a token, a signature or a policy blob."""
    return _LONG_WORD.sub(lambda found: found[1] or "<removed>", text)
