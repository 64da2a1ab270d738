"""Logging to standard output, one line each, as JSON or text; possible secrets are redacted.

By design secrets do not get this far (`api.sensitive`); the filter is a second safeguard, for texts
from libraries and servers.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Every pattern takes time linear in the text, which a server, and so a tenant, may have written. A
# JSON web token may follow a letter (the n of an escaped line break), so whole runs of its
# characters are matched, each once, and searched in code.
_RUNS = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]++){2,}")
_TOKEN_BEGIN = "eyJ"  # noqa: S105  the start of each of them
_TOKEN_PART = 8
_MAX_TEXT = 16_384
# Short-term API keys of any AWS service (the service before `-api-key-` is kept); long-term Bedrock
# keys; AWS session tokens; private keys; and values after a name that indicates a secret, which is
# kept so that a line of JSON remains valid.
_SECRETS = re.compile(
    r"-api-key-[A-Za-z0-9+/=]{16,}"
    r"|ABSK[A-Za-z0-9+/=]{16,}"
    r"|\b(?:FwoG|IQoJ)[A-Za-z0-9+/=]{32,}"
    # A truncated one extends to the end of the text or JSON string, or to the next one.
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----(?:BEGIN|END) )[^\"])*+"
    r"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
    r"|(?P<query>(?i:x-amz-(?:signature|security-token)=))[^&\s\"'\\]+"
    r"|(?P<field>(?i:secret_?access_?key|(?:session|security)[_-]?token)"
    r"\\?[\"']?\s*[:=]\s*\\?[\"']?)[\w\-.~+/=%]{16,}"
    r"|(?P<header>(?i:authorization|bearer)\\?[\"']?(?:\s*[:=]\s*|\s+)\\?[\"']?)"
    r"(?i:bearer\s+)?[\w\-.~+/=]{16,}",
)
# Control characters, line separators, and characters that reverse the text direction.
_UNPRINTABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
_KOPF_ACTIVITIES = ("kopf.activities", "kopf._core.engines.activities")
REMOVED = "<removed>"
_NOISY_LOGGERS = ("botocore", "boto3", "urllib3", "kubernetes", "aiohttp", "apscheduler")


def redact(text: str) -> str:
    """The text without what looks like a token or a key."""
    if _TOKEN_BEGIN in text:
        text = _RUNS.sub(_without_token, text)
    return _SECRETS.sub(_without_value, text)


def _without_token(found: re.Match[str]) -> str:
    """Words with dots between them, without the JSON web tokens of three parts among them."""
    parts, kept, index = found[0].split("."), [], 0
    while index < len(parts):
        start = parts[index].find(_TOKEN_BEGIN)
        of_token = [parts[index][start + len(_TOKEN_BEGIN) :], *parts[index + 1 : index + 3]]
        if start >= 0 and len(of_token) == 3 and min(map(len, of_token)) >= _TOKEN_PART:
            kept.append(parts[index][:start] + REMOVED)
            index += 3
        else:
            kept.append(parts[index])
            index += 1
    return ".".join(kept)


def _cut(text: str) -> str:
    """Truncate a long text for a log line; redacted before, as half a token is not recognized."""
    if len(text) <= _MAX_TEXT:
        return text
    return f"{redact(text)[:_MAX_TEXT]}... (cut)"


def _one_line(text: str) -> str:
    """The text with control characters escaped: values of tenants must not start new lines."""
    return text if text.isprintable() else _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _without_value(found: re.Match[str]) -> str:
    name = found.lastgroup
    return f"{found[name] if name else ''}{REMOVED}"


class _Scrubbing(logging.Formatter):
    """Formats, then redacts the whole line, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return _cut(_one_line(redact(super().format(record))))


class _Json(_Scrubbing):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = _cut(self.formatException(record.exc_info))
        return redact(json.dumps(line, default=str))


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
    # At DEBUG these loggers write whole requests and responses, and a secret access key in a body
    # looks like any other word: they are never enabled, regardless of the level.
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # One line for each event of each object, which the audit log has already.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # kopf's own steps at start and stop ("Activity ... succeeded") help only to debug kopf.
    if root.level > logging.DEBUG:
        for name in _KOPF_ACTIVITIES:
            logging.getLogger(name).setLevel(logging.WARNING)
