"""The skew of this machine's clock against those of the clouds, by the Date of their responses.

A signature is rejected when the clock is five or fifteen minutes off, and keys that are signed with
a wrong clock are not valid yet, or expire too early; so a skew of a minute is reported.

A response counts for the source that sent the request. The operator's metric only uses responses of
the vendors' own hosts: an endpoint that a tenant chooses can send any Date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from keywright.api.source import CredentialSource, Provider
from keywright.clouds.bounded import LruDict
from keywright.clouds.sessions import Clock
from keywright.planning.sources import is_skewed

_SOURCES: Final = 16_384
# RFC 9110, section 5.6.7: the only format that a sender may generate.
_IMF_FIXDATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" (?:19|2[0-9])[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
# A Date is cut to whole seconds.
_HALF_A_SECOND: Final = timedelta(seconds=0.5)
# The uncertainty, half of the response time, that is tolerated without correction.
_TOLERATED: Final = timedelta(seconds=0.25)


def skew_of_answer(
    headers: Mapping[str, str], *, received: datetime, took: timedelta
) -> timedelta | None:
    """How far this clock is ahead of the one that dated a response; None if that is unknown.

    `headers` by names in lower case, `took` the time from the request to the response: its
    uncertainty is subtracted from the skew. The Date of a cached response does not show the current
    time.
    """
    text = headers.get("date", "")
    if headers.get("age", "0").strip() != "0" or not _IMF_FIXDATE.fullmatch(text):
        return None
    try:
        dated = parsedate_to_datetime(text)
    except ValueError:
        return None
    ahead = received - took / 2 - (dated + _HALF_A_SECOND)
    uncertain = max(timedelta(0), took / 2 - _TOLERATED)
    if abs(ahead) <= uncertain:
        return timedelta(0)
    return ahead - uncertain if ahead > timedelta(0) else ahead + uncertain


@dataclass(frozen=True, slots=True)
class Observation:
    """The last response for a source, and its time; `stale`: from before the clock was set."""

    skew: timedelta
    at: datetime
    stale: bool = False


class ClockSkews:
    """The skews in the last responses: by source, and by vendor for the metric.

    `changed` is called with the name of a source whose clock skew has begun or ended.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        changed: Callable[[tuple[str, str]], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._sources: LruDict[str, Observation] = LruDict(_SOURCES)
        self._providers: dict[Provider, timedelta] = {}

    def note(
        self,
        headers: Mapping[str, str],
        *,
        took: float,
        source: CredentialSource,
        by_vendor: bool,
    ) -> None:
        """Record a response for the source that took `took` seconds.

        `by_vendor`: the host is the vendor's own, or the operator's choice.
        """
        now = self._clock()
        skew = skew_of_answer(headers, received=now, took=timedelta(seconds=took))
        if skew is None:
            return
        before = self._sources.get(source.uid)
        self._sources.put(source.uid, Observation(skew, now))
        if by_vendor:
            self._providers[source.provider] = skew
        if is_skewed(skew) is not (before is not None and is_skewed(before.skew)):
            self._changed(source.object_key)

    def of_source(self, uid: str) -> Observation | None:
        """The last observation for the source; None without one."""
        return self._sources.get(uid)

    def by_vendor(self) -> Mapping[str, float]:
        """How far this clock is ahead of each vendor's, in seconds."""
        return {
            cloud_provider.value: skew.total_seconds()
            for cloud_provider, skew in self._providers.items()
        }

    def clock_was_set(self) -> None:
        """Mark all earlier observations as stale."""
        self._providers.clear()
        for uid, known in self._sources.items():
            self._sources.put(uid, replace(known, stale=True))
