"""The table of `keywright status`: a row for each grant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from keywright.cli.grant_view import GrantView, brief_duration, brief_time
from keywright.cli.screen import Cell, Column, Screen, Span, Style, Table
from keywright.cli.secret_reads import Sight
from keywright.planning.grant_summary import Health

STYLES: Final = {
    Health.FINE: Style.GOOD,
    Health.WAITING: Style.WARN,
    Health.FAILING: Style.BAD,
}
_BAR: Final = 10
_URGENT: Final = 0.9
_MISSED: Final = (Sight.OLD, Sight.SOON)


def write_table(screen: Screen, views: Sequence[GrantView], *, namespaces: bool) -> None:
    """Write a row for each grant, and a line with their number."""
    table = Table(
        [
            Column("NAMESPACE", rank=0, least=10, hidden=not namespaces),
            Column("NAME", rank=0, least=12),
            Column("STATE", rank=0),
            Column("LIFETIME", rank=2),
            Column("NEXT", rank=1),
            Column("SOURCE", rank=4),
            Column("SECRET", rank=5),
            Column("READERS", rank=3),
        ]
    )
    for view in views:
        table.add(
            view.namespace,
            view.name,
            Span(view.summary.state, STYLES[view.summary.health]),
            lifetime(view, unicode=screen.unicode),
            next_step(view),
            _source(view),
            view.secret,
            _readers(view),
            note=Span(view.summary.message, Style.DIM) if not view.is_fine else "",
        )
    table.write(screen)
    screen.line(count(views))


def count(views: Iterable[GrantView]) -> str:
    """The number of grants by health."""
    found = Counter(view.summary.health for view in views)
    total = sum(found.values())
    parts = ", ".join(f"{found[health]} {health.value}" for health in Health if found[health])
    return f"{total} grant{'' if total == 1 else 's'}: {parts}"


def lifetime(view: GrantView, *, unicode: bool) -> Cell:
    """A bar from issue to expiry, with the elapsed part and a mark at the renewal, and the rest."""
    status, now = view.status, view.now
    if status.issued_at is None or not status.revision:
        return Span("no key yet", Style.DIM)
    if status.expires_at is None:
        return Span("does not expire", Style.DIM)
    whole = (status.expires_at - status.issued_at).total_seconds()
    left = (status.expires_at - now).total_seconds()
    if left <= 0:
        return Span(f"expired {brief_duration(-left)} ago", Style.BAD)
    over, rest, mark = ("█", "░", "┃") if unicode else ("#", "-", "|")
    spent = min(max(1 - left / whole, 0.0), 1.0) if whole > 0 else 1.0
    style = Style.BAD if spent >= _URGENT else Style.GOOD
    cells = [over] * round(_BAR * spent) + [rest] * (_BAR - round(_BAR * spent))
    if status.renew_at is not None and whole > 0:
        share = (status.renew_at - status.issued_at).total_seconds() / whole
        cells[min(max(int(share * _BAR), 0), _BAR - 1)] = mark
        if now > status.renew_at and style is Style.GOOD:
            style = Style.WARN
    return [Span("".join(cells), style), Span(f" {brief_duration(left)} left")]


def next_step(view: GrantView) -> str:
    """What happens next, and when."""
    summary = view.summary
    if summary.next_at is None:
        return summary.next_step
    if summary.next_step == "retries" and summary.next_at <= view.now:
        # The time of the retry has passed: the operator is busy, or is not running.
        return "retry due"
    if summary.next_step == "renewal due":
        return f"renewal due for {brief_duration((view.now - summary.next_at).total_seconds())}"
    return f"{summary.next_step} {brief_time(summary.next_at, now=view.now)}"


def _source(view: GrantView) -> str:
    namespace, name = view.source
    return name if namespace == view.namespace else f"{namespace}/{name}"


def _readers(view: GrantView) -> Cell:
    if view.readers is None:
        return Span("?", Style.DIM)
    if not view.readers:
        return Span("none", Style.DIM)
    total = len(view.readers)
    text = f"{total} pod{'' if total == 1 else 's'}"
    missed = sum(view.sight(reader) in _MISSED for reader in view.readers)
    if not missed:
        return text
    return [Span(f"{text}, "), Span(f"{missed} with an old key", Style.WARN)]
