"""Logging to standard output, one line each, as JSON or text; what looks like a secret is cut out.

Secrets do not get this far by design (`api.sensitive`); the filter is the second wall, for texts
that come from libraries and servers.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# JSON web tokens; Bedrock keys, short-term and long-term; presigned queries; AWS session tokens.
_SECRETS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
    r"|bedrock-api-key-[A-Za-z0-9+/=]{16,}"
    r"|ABSK[A-Za-z0-9+/=]{16,}"
    r"|(?i:x-amz-(?:signature|security-token)=)[^&\s\"']+"
    r"|(?i:(?:authorization|bearer)\"?[:=]?\s+\"?)(?:bearer\s+)?[\w\-.~+/=]{16,}"
    r"|\b(?:FwoG|IQoJ)[A-Za-z0-9+/=]{32,}"
)
REMOVED = "<removed>"


def scrub(text: str) -> str:
    """The text without what looks like a token or a key."""
    return _SECRETS.sub(REMOVED, text)


class _Scrubbing(logging.Formatter):
    """Formats, then scrubs the whole line, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class _Json(_Scrubbing):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return scrub(json.dumps(line, default=str))


def set_up_logging(*, level: str, form: str) -> None:
    """Log from `level` up, as `form` "json" or "text"."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        _Json()
        if form == "json"
        else _Scrubbing("%(asctime)s %(levelname)-7s %(name)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line for each event of each object, which the audit log has already.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
