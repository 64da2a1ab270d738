"""The story of one grant for `keywright status NAME`: what happened and what comes, newest last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keywright.api.status import ConditionStatus, GrantStatus
from keywright.api.times import format_time, parse_time
from keywright.cli.grant_table import STYLES, lifetime, next_step
from keywright.cli.grant_view import GrantView, brief_time
from keywright.cli.screen import Column, Screen, Span, Style, Table, wrap
from keywright.cli.secret_reads import Sight
from keywright.planning.conditions import READY

_LABEL: Final = 10
_SIGHTS: Final = {
    Sight.PRESENT: ("has the present key", Style.GOOD),
    Sight.SOON: ("gets the present key within two minutes", Style.WARN),
    Sight.OLD: ("has an old key: restart it", Style.WARN),
    Sight.NOT_STARTED: ("has not started", Style.DIM),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, or will."""

    at: datetime
    what: str
    detail: str
    bad: bool = False

    def document(self) -> dict[str, Any]:
        """The item of `-o json`."""
        return {
            "at": format_time(self.at),
            "what": self.what,
            "detail": self.detail,
            "warning": self.bad,
        }


def story_of(
    view: GrantView, body: Mapping[str, Any], events: Iterable[Mapping[str, Any]]
) -> list[Entry]:
    """The entries of a grant in the order of time, from conditions, Events, journal and keys."""
    entries = [
        *_of_object(body),
        *_of_keys(view.status),
        *_of_conditions(view.status),
        *_of_events(events),
    ]
    if view.summary.next_at is not None and view.summary.next_at > view.now:
        entries.append(Entry(view.summary.next_at, "Next", view.summary.next_step))
    return sorted(entries, key=lambda entry: entry.at)


def write_story(screen: Screen, view: GrantView, entries: Iterable[Entry]) -> None:
    """Write the facts of a grant, its readers, and its story."""
    for label, spans in _facts(view, screen):
        screen.line(Span(label.ljust(_LABEL), Style.DIM), *spans)
    if view.summary.message:
        for piece in wrap(view.summary.message, max(40, screen.width - _LABEL)):
            screen.line(" " * _LABEL, piece)
    _write_readers(screen, view)
    screen.line()
    table = Table(
        [Column("TIME"), Column("WHEN", rank=3), Column("WHAT"), Column("DETAIL", least=20)]
    )
    for entry in entries:
        style = Style.BAD if entry.bad else Style.LINK if entry.at > view.now else Style.PLAIN
        table.add(
            format_time(entry.at),
            brief_time(entry.at, now=view.now),
            Span(entry.what, style),
            entry.detail,
        )
    table.write(screen)


def _facts(view: GrantView, screen: Screen) -> Iterator[tuple[str, list[Span]]]:
    status, summary = view.status, view.summary
    yield "Grant", [Span(f"{view.namespace}/{view.name}", Style.BOLD)]
    yield "State", [Span(summary.state, STYLES[summary.health])]
    key = f"{status.kind or 'no kind yet'}, revision {status.revision}"
    yield "Key", [Span(key + (f", id {status.key_id}" if status.key_id else ""))]
    cell = lifetime(view, unicode=screen.unicode)
    yield (
        "Lifetime",
        [cell]
        if isinstance(cell, Span)
        else [
            Span("") if isinstance(cell, str) else part for part in cell if isinstance(part, Span)
        ],
    )
    yield "Next", [Span(next_step(view))]
    yield "Source", [Span("/".join(view.source))]
    yield "Secret", [Span(f"{view.namespace}/{view.secret}")]


def _write_readers(screen: Screen, view: GrantView) -> None:
    if view.readers is None:
        screen.line(Span("Readers".ljust(_LABEL), Style.DIM), "unknown: you may not list pods")
        return
    if not view.readers:
        screen.line(Span("Readers".ljust(_LABEL), Style.DIM), "no pod reads the Secret")
    for number, reader in enumerate(view.readers):
        text, style = _SIGHTS[view.sight(reader)]
        screen.line(
            Span(("" if number else "Readers").ljust(_LABEL), Style.DIM),
            f"{reader.workload}, pod {reader.pod} ({reader.how}) ",
            Span(text, style),
        )


def _of_object(body: Mapping[str, Any]) -> Iterator[Entry]:
    metadata = body.get("metadata") or {}
    for field, what in (("creationTimestamp", "Created"), ("deletionTimestamp", "Deleted")):
        at = _time(metadata.get(field))
        if at is not None:
            yield Entry(at, what, "the ApiKeyGrant")


def _of_keys(status: GrantStatus) -> Iterator[Entry]:
    if status.issued_at is not None and status.revision:
        yield Entry(status.issued_at, "Issued", f"the key of revision {status.revision}")
    if status.expires_at is not None:
        yield Entry(status.expires_at, "Expiry", f"of the key of revision {status.revision}")
    if status.pending is not None and status.pending.started_at is not None:
        yield Entry(status.pending.started_at, "Intent", "to create a key in the cloud (journal)")
    for key in status.retiring:
        if key.retire_at is not None:
            yield Entry(key.retire_at, "Retirement", f"of the old key {key.key_id}")
    if status.last_failure_time is not None and status.failed_attempts:
        attempts = f"attempt {status.failed_attempts} in a row"
        yield Entry(status.last_failure_time, "Failed", attempts, bad=True)


def _of_conditions(status: GrantStatus) -> Iterator[Entry]:
    for condition in status.conditions:
        if condition.last_transition_time is None:
            continue
        true = condition.status is ConditionStatus.TRUE
        yield Entry(
            condition.last_transition_time,
            f"{condition.type}={condition.status.value}",
            f"{condition.reason}: {condition.message}",
            bad=true != (condition.type == READY),
        )


def _of_events(events: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for event in events:
        series = event.get("series") or {}
        at = (
            _time(series.get("lastObservedTime"))
            or _time(event.get("eventTime"))
            or _time(event.get("lastTimestamp"))
            or _time((event.get("metadata") or {}).get("creationTimestamp"))
        )
        if at is not None:
            yield Entry(
                at,
                f"Event {event.get('reason', '')}",
                str(event.get("message") or event.get("note") or ""),
                bad=event.get("type") == "Warning",
            )


def _time(raw: object) -> datetime | None:
    try:
        return parse_time(raw) if isinstance(raw, str) else None
    except ValueError:
        return None
