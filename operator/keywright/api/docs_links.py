"""Links to the documentation in messages: where it is published, and how a link is recognized."""

from __future__ import annotations

import re
from typing import Final

DOCS_URL: Final = "https://docs.keywright.dev"
"""Where the documentation of releases is published, as in the metadata of the project."""
_PAGE: Final = "/troubleshooting.html#"
_SENTENCE: Final = " See "
# After a command, which must not get a full stop.
_CLAUSE: Final = " - see "
_LINK: Final = re.compile(rf"(?:{_SENTENCE}|{_CLAUSE})https?://\S+{re.escape(_PAGE)}[a-z0-9]+$")
_ANCHOR: Final = re.compile(r"[a-z0-9]+")


def with_link(message: str, *, docs_url: str, reason: str, limit: int) -> str:
    """The message, and where its reason is explained; the end of a long message gives way."""
    anchor = reason.lower()
    if not _ANCHOR.fullmatch(anchor):
        # The code of a cloud, which the section above all reasons explains.
        anchor = "reasons"
    begin = _SENTENCE if message.endswith((".", "!", "?")) else _CLAUSE
    link = f"{begin}{docs_url}{_PAGE}{anchor}"
    return message[: limit - len(link)] + link


def without_link(message: str) -> str:
    """The message without such a link at its end, whatever the address."""
    if _PAGE not in message:
        return message
    return _LINK.sub("", message)
