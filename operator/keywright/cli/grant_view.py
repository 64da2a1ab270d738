"""A grant as the commands show it: one value from its object and its readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keywright.api.durations import format_duration
from keywright.api.status import GrantStatus
from keywright.api.times import format_time
from keywright.cli.secret_reads import PodReader, Sight
from keywright.planning.grant_summary import GrantFacts, GrantSummary, Health, summarize

LIST_VERSION: Final = "cli.keywright.dev/v1"
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant, what its status means now, and its readers (None if pods may not be listed)."""

    namespace: str
    name: str
    source: tuple[str, str]
    secret: str
    status: GrantStatus
    summary: GrantSummary
    readers: tuple[PodReader, ...] | None
    now: datetime

    @property
    def is_fine(self) -> bool:
        """Whether no person has to look at the grant."""
        return self.summary.health is Health.FINE

    def document(self) -> dict[str, Any]:
        """The item of `-o json`; stable, and documented in docs/cli.md."""
        status, summary = self.status, self.summary
        return {
            "namespace": self.namespace,
            "name": self.name,
            "state": summary.state,
            "health": summary.health.value,
            "message": summary.message,
            "keyKind": status.kind,
            "source": {"namespace": self.source[0], "name": self.source[1]},
            "secret": self.secret,
            "revision": status.revision,
            "keyId": status.key_id,
            "issuedAt": _time(status.issued_at),
            "expiresAt": _time(status.expires_at),
            "renewAt": _time(status.renew_at),
            "next": {"step": summary.next_step, "at": _time(summary.next_at)},
            "readers": None if self.readers is None else [self._reader(r) for r in self.readers],
        }

    def _reader(self, reader: PodReader) -> dict[str, Any]:
        return {
            "pod": reader.pod,
            "workload": reader.workload,
            "reads": reader.how,
            "startedAt": _time(reader.started_at),
            "revision": self.sight(reader).value,
        }

    def sight(self, reader: PodReader) -> Sight:
        """Whether a reader has the present revision."""
        return reader.sight(issued_at=self.status.issued_at, now=self.now)


def view_of(
    body: Mapping[str, Any],
    *,
    readers: Mapping[tuple[str, str], Sequence[PodReader]] | None,
    now: datetime,
) -> GrantView:
    """The view of a grant's object; an object that cannot be parsed is shown nevertheless."""
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    status = GrantStatus.parse(body.get("status"))
    reference = _mapping(spec.get("sourceRef"))
    secret = status.secret_name or str(_mapping(spec.get("secret")).get("name") or name)
    facts = GrantFacts(
        uid=str(metadata.get("uid", "")),
        generation=int(metadata.get("generation") or 0),
        suspended=spec.get("suspend") is True,
        deleting="deletionTimestamp" in metadata,
        has_windows=bool(_mapping(spec.get("renewal")).get("windows")),
    )
    return GrantView(
        namespace=namespace,
        name=name,
        source=(str(reference.get("namespace") or namespace), str(reference.get("name", ""))),
        secret=secret,
        status=status,
        summary=summarize(status, facts, now=now),
        readers=None if readers is None else tuple(readers.get((namespace, secret), ())),
        now=now,
    )


def brief_duration(seconds: float) -> str:
    """A duration in its two largest units: 3d4h, 2h10m, 45s; never negative."""
    rest = max(0, int(seconds))
    if rest >= _DAY:
        rest -= rest % 3600
    elif rest >= 3600:
        rest -= rest % 60
    return format_duration(rest)


def brief_time(moment: datetime, *, now: datetime) -> str:
    """A time relative to now: in 2h10m, 45s ago."""
    seconds = (moment - now).total_seconds()
    return f"in {brief_duration(seconds)}" if seconds >= 0 else f"{brief_duration(-seconds)} ago"


def _mapping(raw: object) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
