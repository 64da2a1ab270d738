"""`keywright renew`: request new keys now, and follow them to their readers."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keywright.api.durations import parse_duration
from keywright.api.errors import ApiError
from keywright.api.names import ANNOTATION_RENEW_REQUESTED_AT
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.api.times import format_time
from keywright.cli.cluster_client import ClusterClient, connect
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import brief_time
from keywright.cli.screen import Screen, Span, Style
from keywright.cli.selection import (
    Selected,
    add_selection,
    progress_screen,
    select,
    write_items,
)
from keywright.planning.conditions import (
    READY,
    RENEWAL_FAILING,
    ROLLOUT_FAILING,
    ROLLOUT_PROGRESSING,
    STALLED,
)

_POLL_SECONDS: Final = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--wait", action="store_true", help="follow the renewal to the new key and the rollout"
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        default="5m",
        metavar="DURATION",
        help="how long --wait waits, such as 90s; default: 5m",
    )
    add_selection(parser)


def run(options: argparse.Namespace) -> int:
    """Request the renewals; with `--wait`, return whether each has succeeded."""
    client = connect(options)
    screen = progress_screen(options)
    requests = [_request(client, grant, screen) for grant in select(client, options)]
    if options.wait:
        code = _follow(client, requests, screen, seconds=options.timeout)
    else:
        suspended = any(request.suspended for request in requests)
        code = ExitCode.FINDINGS if suspended else ExitCode.OK
    write_items(options, "RenewalList", [request.document() for request in requests])
    return code


@dataclass(slots=True)
class _Request:
    """A requested renewal: the value of the annotation, and what was reported of it."""

    grant: Selected
    value: str
    revision: int
    failed_attempts: int
    suspended: bool
    result: ExitCode | None = None
    reported: str = ""
    state: str = "requested"
    detail: str = ""

    def document(self) -> dict[str, Any]:
        """The item of `-o json`; stable, and documented in docs/cli.md."""
        return {
            "namespace": self.grant.namespace,
            "name": self.grant.name,
            "requestedAt": self.value,
            "formerRevision": self.revision,
            "state": "suspended" if self.suspended else self.state,
            "detail": self.detail,
        }


def _request(client: ClusterClient, grant: Selected, screen: Screen) -> _Request:
    status = GrantStatus.parse(grant.body.get("status"))
    value = format_time(_request_time(client.now(), status))
    client.patch(grant.path, {"metadata": {"annotations": {ANNOTATION_RENEW_REQUESTED_AT: value}}})
    suspended = (grant.body.get("spec") or {}).get("suspend") is True
    name = Span(f"{grant.namespace}/{grant.name}", Style.BOLD)
    if suspended:
        resume = f"keywright resume {grant.name} -n {grant.namespace}"
        screen.line(
            *(name, ": ", Span("suspended", Style.WARN)),
            f", so the renewal waits until you resume it: {resume}",
        )
    else:
        screen.line(name, f": requested a renewal; its key has revision {status.revision}")
    return _Request(
        grant=grant,
        value=value,
        revision=status.revision,
        failed_attempts=status.failed_attempts,
        suspended=suspended,
        result=ExitCode.FINDINGS if suspended else None,
    )


def _request_time(now: datetime, status: GrantStatus) -> datetime:
    """The present time; never before the key was issued, since older requests are ignored."""
    return now if status.issued_at is None else max(now, status.issued_at)


def _follow(
    client: ClusterClient, requests: list[_Request], screen: Screen, *, seconds: float
) -> ExitCode:
    deadline = time.monotonic() + seconds
    while waiting := [request for request in requests if request.result is None]:
        for request in waiting:
            _look(client, request, screen)
        screen.flush()
        if time.monotonic() > deadline:
            for request in waiting:
                if request.result is None:
                    request.result = ExitCode.TIMEOUT
                    _say(screen, request, "timed out", Style.BAD, request.reported)
            break
        time.sleep(_POLL_SECONDS)
    return max(request.result or ExitCode.OK for request in requests)


def _look(client: ClusterClient, request: _Request, screen: Screen) -> None:
    """Report what is new of a request, and set its result once it is known."""
    body = client.find(request.grant.path)
    if body is None:
        request.result = ExitCode.FINDINGS
        _say(screen, request, "deleted", Style.BAD)
        return
    status = GrantStatus.parse(body.get("status"))
    if status.last_handled_reconcile_at == request.value and _true(status, READY) is not None:
        _look_at_handled(client, request, status, screen)
        return
    stalled = _true(status, STALLED)
    failing = _true(status, RENEWAL_FAILING) or stalled or _not_ready(status)
    if failing is None or status.failed_attempts <= request.failed_attempts:
        return
    _say(screen, request, failing.reason, Style.BAD, failing.message)
    if stalled is not None:
        request.result = ExitCode.FINDINGS


def _look_at_handled(
    client: ClusterClient, request: _Request, status: GrantStatus, screen: Screen
) -> None:
    if status.revision == request.revision:
        request.result = ExitCode.FINDINGS
        _say(screen, request, "not renewed", Style.BAD, _why_not(client, request.grant))
        return
    if (stuck := _true(status, ROLLOUT_FAILING)) is not None:
        _say(screen, request, stuck.type, Style.WARN, stuck.message)
    elif (rolling := _true(status, ROLLOUT_PROGRESSING)) is not None:
        _say(screen, request, "restarting workloads", Style.PLAIN, rolling.message)
    else:
        request.result = ExitCode.OK
        end = status.expires_at
        until = (
            "does not expire"
            if end is None
            else (f"is valid until {format_time(end)} ({brief_time(end, now=client.now())})")
        )
        _say(screen, request, "renewed", Style.GOOD, f"revision {status.revision} {until}")


def _why_not(client: ClusterClient, grant: Selected) -> str:
    """The Event that says why a handled request issued no key."""
    path = f"/api/v1/namespaces/{grant.namespace}/events"
    selector = f"involvedObject.name={grant.name},reason=RenewalNotPossible"
    try:
        notes = [
            str(each.get("message", "")) for each in client.items(path, fieldSelector=selector)
        ]
    except ApiError:
        notes = []
    return notes[-1] if notes else "the operator handled the request without a new key."


def _say(screen: Screen, request: _Request, what: str, style: Style, detail: str = "") -> None:
    text = f"{what}: {detail}" if detail else what
    if text == request.reported:
        return
    request.reported, request.state, request.detail = text, what, detail
    name = Span(f"{request.grant.namespace}/{request.grant.name}", Style.BOLD)
    screen.line(name, ": ", Span(what, style), f": {detail}" if detail else "")


def _true(status: GrantStatus, kind: str) -> Condition | None:
    found = status.condition(kind)
    return found if found is not None and found.status is ConditionStatus.TRUE else None


def _not_ready(status: GrantStatus) -> Condition | None:
    return None if _true(status, READY) else status.condition(READY)


def duration(text: str) -> float:
    """Parse a duration such as 90s, or a number of seconds, for argparse."""
    try:
        return float(text) if text.isdecimal() else parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
