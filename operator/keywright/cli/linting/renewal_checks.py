"""Checks of renewal: margins, windows, rotation, and sessions that end before the key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from keywright.api.durations import format_duration, parse_duration, parse_percent
from keywright.api.grant import ApiKeyGrant
from keywright.api.presigned_key import PresignedKey
from keywright.api.sensitive import Sensitive
from keywright.api.user_key import UserKey
from keywright.cli.findings import Finding
from keywright.cli.inventory import GrantEntry, SourceEntry
from keywright.cli.linting import rules
from keywright.cli.linting.context import LintContext, finding
from keywright.cli.linting.lifetimes import key_lifetime, session_lifetime
from keywright.cli.manifests import mapping_of
from keywright.planning.renewal import margin, planned_renewal
from keywright.secrets.credential import Credential
from keywright.secrets.formats import min_refresh_margin
from keywright.secrets.rendering import validate

_LONGEST_ROTATION: Final = timedelta(days=365)
_LONGEST_LIFETIME: Final = timedelta(days=90)
_KUBELET: Final = timedelta(minutes=2)
# Renewals that are simulated, each after the one before: more than a week of daily windows.
_RENEWALS: Final = 10
# A Monday; the result must not depend on the day on which the check runs.
_START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_SLACK: Final = timedelta(minutes=1)


def check_renewals(context: LintContext) -> Iterator[Finding]:
    """The renewal of each grant, with the source that it names."""
    for entry in context.inventory.grants:
        if entry.spec is None or validate(entry.spec):
            continue  # reported by check_specs; the layout may not even be readable
        source = context.inventory.source_of(entry)
        spec = None if source is None else source.spec
        lifetime = key_lifetime(entry.spec, source=spec)
        yield from _rotation(entry)
        yield from _shortened(entry, source)
        if lifetime is not None:
            yield from _margin(entry, lifetime)
        yield from _windows(entry, lifetime)


def _rotation(entry: GrantEntry) -> Iterator[Finding]:
    """A key of months in which nothing but a leak would end it."""
    assert entry.spec is not None
    managed, kind = entry.spec.managed, entry.spec.kind
    if managed is None or entry.spec.imports is not None:
        return
    field = f"spec.{kind}.rotateEvery"
    key = entry.spec.key
    days = key.expires_after_days if isinstance(key, UserKey) else None
    if managed.rotate_seconds is not None:
        if managed.rotate_seconds > _LONGEST_ROTATION.total_seconds():
            yield finding(
                rules.NO_ROTATION,
                entry.placed,
                field,
                f"{field} is longer than a year",
                cure="rotate the key at least once a year",
            )
    elif days is None:
        yield finding(
            rules.NO_ROTATION,
            entry.placed,
            field,
            "the key has no expiry and is never replaced",
            cure=f"set {field}, for example 30d",
        )
    elif days > _LONGEST_LIFETIME.days:
        yield finding(
            rules.NO_ROTATION,
            entry.placed,
            f"spec.{kind}.expiresAfterDays",
            f"the key is valid for {days} days and not replaced before",
            cure=f"set {field}, for example 30d, or at most {_LONGEST_LIFETIME.days} days",
        )


def _shortened(entry: GrantEntry, source: SourceEntry | None) -> Iterator[Finding]:
    """A duration that the author has written, and that the session does not last."""
    assert entry.spec is not None
    key = entry.spec.key
    written = mapping_of(mapping_of(entry.placed.manifest.body.get("spec")).get(key.kind))
    if source is None or source.spec is None or "duration" not in written:
        return
    if not isinstance(key, PresignedKey):
        return
    session = session_lifetime(source.spec)
    wanted = timedelta(seconds=key.duration_seconds)
    if session is None or session + _SLACK >= wanted:
        return
    yield finding(
        rules.KEY_SHORTENED,
        entry.placed,
        f"spec.{key.kind}.duration",
        f"the key ends with the session of {source.placed.label} after"
        f" {format_duration(session.total_seconds())}, not after {key.duration}",
        cure=(
            f"set sessionDuration in the source ({source.placed.manifest.position()}), or"
            f" duration: {format_duration(session.total_seconds())}"
        ),
    )


def _margin(entry: GrantEntry, lifetime: timedelta) -> Iterator[Finding]:
    grant = entry.spec
    assert grant is not None
    text = grant.spec.renewal.before
    readers = min_refresh_margin(grant)
    needed = readers or _KUBELET
    kept = _kept(grant, lifetime)
    shown = format_duration(needed.total_seconds())
    if kept < min(needed, lifetime):
        yield finding(
            rules.MARGIN_TOO_SMALL,
            entry.placed,
            f"spec.{grant.kind}.duration",
            f"a key of {format_duration(lifetime.total_seconds())} is renewed"
            f" {format_duration(kept.total_seconds())} before its end; its readers need {shown}",
            cure="use a longer duration",
        )
    elif text is not None and _requested(text, lifetime) < needed:
        yield finding(
            rules.MARGIN_TOO_SMALL,
            entry.placed,
            "spec.renewal.before",
            f"spec.renewal.before is {text}; the readers of this Secret need {shown}, so the"
            " operator renews earlier",
            cure=f"set at least {shown}",
        )
    rollout = grant.spec.rollout
    if rollout.restart and rollout.min_interval is not None:
        batches = math.ceil(len(rollout.restart) / rollout.batch_size) - 1
        takes = timedelta(seconds=parse_duration(rollout.min_interval)) * batches
        if takes >= kept:
            yield finding(
                rules.MARGIN_TOO_SMALL,
                entry.placed,
                "spec.rollout.minInterval",
                f"the restarts take {format_duration(takes.total_seconds())}, and the old key ends"
                f" {format_duration(kept.total_seconds())} after the renewal",
                cure="use a larger batchSize, a shorter minInterval or a larger renewal.before",
            )


def _requested(text: str, lifetime: timedelta) -> timedelta:
    if text.endswith("%"):
        return lifetime * parse_percent(text)
    return timedelta(seconds=parse_duration(text))


def _kept(grant: ApiKeyGrant, lifetime: timedelta) -> timedelta:
    """The margin that the operator keeps."""
    text = grant.spec.renewal.before
    before = None if text is None else _requested(text, lifetime)
    return margin(lifetime=lifetime, before=before, readers=min_refresh_margin(grant))


def _windows(entry: GrantEntry, lifetime: timedelta | None) -> Iterator[Finding]:
    grant = entry.spec
    assert grant is not None
    if not grant.spec.renewal.windows or lifetime is None:
        return  # a key without expiry waits for its window
    missed = _first_missed(_Planned(grant), lifetime)
    if missed is not None:
        yield finding(
            rules.WINDOW_TOO_RARE,
            entry.placed,
            "spec.renewal.windows",
            f"a key of {format_duration(lifetime.total_seconds())} cannot wait for these windows:"
            f" one issued at {missed[0]:%a %H:%M} UTC is renewed at {missed[1]:%a %H:%M} UTC,"
            " outside all of them",
            cure="open the windows more often, or use a longer-lived key",
        )


class _Planned:
    """A grant, equal to others with the same plan: a simulation takes milliseconds."""

    def __init__(self, grant: ApiKeyGrant) -> None:
        self.grant = grant
        managed = grant.managed
        rotate = None if managed is None else managed.rotate_seconds
        self.key = (grant.spec.renewal, rotate, min_refresh_margin(grant))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Planned) and self.key == other.key

    def __hash__(self) -> int:
        return hash(str(self.key))


@lru_cache(maxsize=1024)
def _first_missed(planned: _Planned, lifetime: timedelta) -> tuple[datetime, datetime] | None:
    """The first key that is renewed outside the windows, as issue and renewal; None if none is.

    The first key is issued when a window opens: later ones follow from it.
    """
    windows = planned.grant.spec.renewal.windows
    issued = min(
        (opening for window in windows if (opening := window.open_from(_START))), default=_START
    )
    for _ in range(_RENEWALS):
        credential = Credential(
            values={"apiKey": Sensitive("placeholder")},
            region="",
            account_id=None,
            key_id=None,
            issued_at=issued,
            expires_at=issued + lifetime,
        )
        renewed = planned_renewal(planned.grant, credential)
        if renewed is None:
            return None
        if not any(window.open_from(renewed) == renewed for window in windows):
            return issued, renewed
        issued = renewed
    return None
