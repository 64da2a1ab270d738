"""Shared sessions: one call to the cloud, regardless of the number of waiting grants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from keywright.api.errors import Failure
from keywright.clouds.bounded import LruDict
from keywright.clouds.interfaces import Session, SessionRequirement
from keywright.clouds.slots import waiting_for_cloud
from keywright.planning.backoff import retry_at

Open = Callable[[], Awaitable[Session]]
# A session in the last twentieth of its lifetime is not used to assume roles.
_LAST_SHARE = 0.05
# Above this limit, grants of one source with different options no longer share sessions.
_SESSIONS_OF_A_SOURCE: Final = 256
_FORMER_SESSIONS: Final = 1024
_Cached = TypeVar("_Cached")


class Clock(Protocol):
    """Returns the current time, aware, in UTC."""

    def __call__(self) -> datetime:
        """The current time."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The key of a session: the source's version, the number of roles, and the options."""

    source_uid: str
    generation: int
    hop: int = 0
    ask: str = ""


@dataclass(slots=True)
class _NegativeEntry:
    failure: Failure
    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class _Opening:
    """A session that is being opened, and since when."""

    task: asyncio.Task[Session]
    began: datetime


class SessionCache:
    """The newest session of each key, opened once for all concurrent requests.

    A failure is cached until its retry is due (a second, doubling to a minute), so that five
    hundred grants of one misconfigured source cause one call to the cloud, not five hundred.
    """

    _NEGATIVE_TTL = timedelta(minutes=1)

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        # By source, and bounded for each: tenants choose the session options of grants.
        self._sessions: dict[str, LruDict[SessionKey, Session]] = {}
        self._refusals: dict[str, LruDict[SessionKey, _NegativeEntry]] = {}
        self._opening: dict[SessionKey, _Opening] = {}
        # For deleted sources, while they are valid: they revoke the keys issued with them.
        self._retired: LruDict[SessionKey, Session] = LruDict(_FORMER_SESSIONS)

    async def get(
        self,
        key: SessionKey,
        *,
        accepts_session: SessionRequirement,
        open_session: Open,
        not_before: datetime | None = None,
    ) -> Session:
        """The cached session if it is accepted, otherwise a new one.

        `not_before`: a new one was requested at that time, and older ones are not accepted.

        Raises:
            Failure: the cloud refuses, or has just refused.
        """
        opening = self._opening.get(key)
        while opening is not None and not_before is not None and opening.began < not_before:
            with waiting_for_cloud():
                await asyncio.wait({opening.task})
            opening = self._opening.get(key)
        now = self._clock()
        cached = _of(self._sessions, key)
        if cached is not None and accepts_session(cached, now) and _is_since(cached, not_before):
            return cached
        refusal = _of(self._refusals, key)
        if refusal is not None and now < refusal.until:
            # Without the frames of earlier waiters, which would accumulate.
            raise refusal.failure.with_traceback(None)
        if opening is None:
            task = asyncio.create_task(
                self._open(key, open_session, began=now), name=f"session of source {key.source_uid}"
            )
            opening = self._opening[key] = _Opening(task, began=now)
        # Shielded: a cancelled waiter must not cancel the session of the others.
        with waiting_for_cloud():
            return await asyncio.shield(opening.task)

    def newest(self, *, source_uid: str, generation: int, hop: int) -> Session | None:
        """The session in memory with the latest expiry, with any options."""
        known, now = self._sessions.get(source_uid), self._clock()
        valid = [
            session
            for key, session in (known.items() if known is not None else ())
            if (key.generation, key.hop) == (generation, hop) and is_usable(session, now)
        ]
        endless = next((session for session in valid if session.expires_at is None), None)
        return endless or max(valid, key=lambda session: session.expires_at or now, default=None)

    def is_refused(self, key: SessionKey) -> bool:
        """Whether the last attempt to open such a session failed."""
        return _of(self._refusals, key) is not None

    def forget(self, *, source_uid: str) -> None:
        """Drop everything of a source, except for the session in `last_valid_session`.

        A session that is being opened is only returned to its waiters.
        """
        for key in [key for key in self._opening if key.source_uid == source_uid]:
            del self._opening[key]
        known = self._sessions.pop(source_uid, None)
        for key, session in known.items() if known is not None else ():
            if not key.ask:
                self._keep_former(key, session)
        self._refusals.pop(source_uid, None)

    def _keep_former(self, key: SessionKey, session: Session) -> None:
        """Keep one for each source and hop: that of another version would authorize no grant."""
        for other in [
            other
            for other in self._retired.keys()  # noqa: SIM118  not a mapping: the keys are a copy
            if (other.source_uid, other.hop) == (key.source_uid, key.hop)
        ]:
            self._retired.pop(other)
        self._retired.put(key, session)

    def last_valid_session(self, *, source_uid: str, generation: int, hop: int) -> Session | None:
        """A valid session of a source that is deleted or can open no other.

        Only of that generation: another version of the source may allow other namespaces.
        """
        now = self._clock()
        for name in [
            name
            for name, held in self._retired.items()
            if held.expires_at and now >= held.expires_at
        ]:
            self._retired.pop(name)
        key = SessionKey(source_uid, generation, hop)
        present = _of(self._sessions, key)
        if present is not None and (present.expires_at is None or now < present.expires_at):
            return present
        return self._retired.get(key)

    async def _open(self, key: SessionKey, open_session: Open, *, began: datetime) -> Session:
        try:
            session = replace(await open_session(), opened_at=began)
        except Failure as failure:
            if self._is_wanted(key):
                self._remember(key, failure)
            raise
        else:
            if self._is_wanted(key):
                self._drop_older(key)
                refusals = self._refusals.get(key.source_uid)
                if refusals is not None:
                    refusals.pop(key)
                _put(self._sessions, key, session)
            return session
        finally:
            if self._is_wanted(key):
                del self._opening[key]

    def _is_wanted(self, key: SessionKey) -> bool:
        """Whether the calling task is still the one that opens this session."""
        opening = self._opening.get(key)
        return opening is not None and opening.task is asyncio.current_task()

    def _remember(self, key: SessionKey, failure: Failure) -> None:
        known = _of(self._refusals, key)
        attempts = known.attempts + 1 if known else 1
        now = self._clock()
        until = min(
            retry_at(attempts=attempts, last_failure=now, expires_at=None, position=0.0),
            now + self._NEGATIVE_TTL,
        )
        if failure.retry_after is not None:
            until = max(until, now + failure.retry_after)
        _put(self._refusals, key, _NegativeEntry(failure, attempts, until))

    def _drop_older(self, key: SessionKey) -> None:
        """Drop sessions of older generations: an edited source does not use them."""
        caches: tuple[LruDict[SessionKey, Any] | None, ...] = (
            self._sessions.get(key.source_uid),
            self._refusals.get(key.source_uid),
        )
        for cache in filter(None, caches):
            for other in cache.keys():  # noqa: SIM118  not a mapping: the keys are a copy
                if other.generation < key.generation:
                    cache.pop(other)


def _is_since(session: Session, moment: datetime | None) -> bool:
    """Whether a session was opened at that time or later."""
    return moment is None or (session.opened_at is not None and session.opened_at >= moment)


def _of(caches: dict[str, LruDict[SessionKey, _Cached]], key: SessionKey) -> _Cached | None:
    cache = caches.get(key.source_uid)
    return None if cache is None else cache.get(key)


def _put(caches: dict[str, LruDict[SessionKey, _Cached]], key: SessionKey, value: _Cached) -> None:
    caches.setdefault(key.source_uid, LruDict(_SESSIONS_OF_A_SOURCE)).put(key, value)


def is_usable(session: Session, now: datetime) -> bool:
    """Whether a session may still be used to assume a role: it does not expire soon."""
    if session.expires_at is None:
        return True
    life = session.expires_at - session.issued_at
    return now < session.expires_at - life * _LAST_SHARE
