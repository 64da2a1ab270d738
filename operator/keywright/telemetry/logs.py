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
# JSON web tokens; Bedrock keys, short-term and long-term; AWS session tokens; private keys; and
# what stands behind a telling name, which is kept so that a line of JSON stays one.
_SECRETS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
    r"|bedrock-api-key-[A-Za-z0-9+/=]{16,}"
    r"|ABSK[A-Za-z0-9+/=]{16,}"
    r"|\b(?:FwoG|IQoJ)[A-Za-z0-9+/=]{32,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?P<query>(?i:x-amz-(?:signature|security-token)=))[^&\s\"'\\]+"
    r"|(?P<field>(?i:secret_?access_?key|(?:session|security)[_-]?token)"
    r"\\?[\"']?\s*[:=]\s*\\?[\"']?)[\w\-.~+/=%]{16,}"
    r"|(?P<header>(?i:authorization|bearer)\\?[\"']?(?:\s*[:=]\s*|\s+)\\?[\"']?)"
    r"(?i:bearer\s+)?[\w\-.~+/=]{16,}",
    re.DOTALL,
)
REMOVED = "<removed>"
_TELL_TALES = ("botocore", "boto3", "urllib3", "kubernetes", "aiohttp", "apscheduler")


def scrub(text: str) -> str:
    """The text without what looks like a token or a key."""
    return _SECRETS.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    name = found.lastgroup
    return f"{found[name] if name else ''}{REMOVED}"


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
    # At DEBUG these write down whole requests and answers, and a secret access key in the body of
    # one looks like any other word: never, whatever is asked.
    for name in _TELL_TALES:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # One line for each event of each object, which the audit log has already.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
