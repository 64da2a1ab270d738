"""Sessions, shared by all who may use them: one call to the cloud, however many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from keywright.clouds.ways import Session, SessionNeed
from keywright.planning.backoff import retry_at
from keywright.planning.failures import Failure

Open = Callable[[], Awaitable[Session]]
# A session in the last twentieth of its life assumes no role any more.
_LAST_SHARE = 0.05


class Clock(Protocol):
    """The time now, aware, in UTC."""

    def __call__(self) -> datetime:
        """Now."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Whose session: the source as it stands, how many roles down its chain, and what was asked."""

    source_uid: str
    generation: int
    hop: int = 0
    ask: str = ""


@dataclass(slots=True)
class _Refusal:
    failure: Failure
    attempts: int
    until: datetime


class SessionCache:
    """The newest session of each key, made once for all who ask at the same time.

    A refusal is remembered until its retry is due (a second, doubling to a minute), so that five
    hundred grants of one misconfigured source cost the cloud one call, not five hundred.
    """

    _LONGEST_REFUSAL = timedelta(minutes=1)

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[SessionKey, Session] = {}
        self._opening: dict[SessionKey, asyncio.Task[Session]] = {}
        self._refusals: dict[SessionKey, _Refusal] = {}
        # Of sources that are gone, while they last: what was made by them is revoked with them.
        self._former: dict[SessionKey, Session] = {}

    async def get(self, key: SessionKey, *, will_do: SessionNeed, open_session: Open) -> Session:
        """The cached session where it will do, else a new one.

        Raises:
            Failure: the cloud refuses, or has just refused.
        """
        now = self._clock()
        cached = self._sessions.get(key)
        if cached is not None and will_do(cached, now):
            return cached
        refusal = self._refusals.get(key)
        if refusal is not None and now < refusal.until:
            raise refusal.failure
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.create_task(
                self._open(key, open_session), name=f"session of source {key.source_uid}"
            )
            self._opening[key] = opening
        # Shielded: one waiter that is cancelled must not take the session from the others.
        return await asyncio.shield(opening)

    def forget(self, *, source_uid: str) -> None:
        """Drop everything of a source, but for the last session, which `former` may still give.

        A session that is being opened serves its waiters alone.
        """
        for key in [key for key in self._opening if key.source_uid == source_uid]:
            del self._opening[key]
        for key in [key for key in self._sessions if key.source_uid == source_uid]:
            session = self._sessions.pop(key)
            if not key.ask:
                self._keep_former(key, session)
        for key in [key for key in self._refusals if key.source_uid == source_uid]:
            del self._refusals[key]

    def _keep_former(self, key: SessionKey, session: Session) -> None:
        """One for each source and hop: that of another version would authorize nobody."""
        for other in [
            other
            for other in self._former
            if (other.source_uid, other.hop) == (key.source_uid, key.hop)
        ]:
            del self._former[other]
        self._former[key] = session

    def former(self, *, source_uid: str, generation: int, hop: int) -> Session | None:
        """A valid session of a source that is gone or can open no other.

        Only of that generation: another version of the source may allow other namespaces.
        """
        now = self._clock()
        for name in [
            name
            for name, held in self._former.items()
            if held.expires_at and now >= held.expires_at
        ]:
            del self._former[name]
        key = SessionKey(source_uid, generation, hop)
        present = self._sessions.get(key)
        if present is not None and (present.expires_at is None or now < present.expires_at):
            return present
        return self._former.get(key)

    async def _open(self, key: SessionKey, open_session: Open) -> Session:
        try:
            session = await open_session()
        except Failure as failure:
            if self._is_wanted(key):
                self._remember(key, failure)
            raise
        else:
            if self._is_wanted(key):
                self._refusals.pop(key, None)
                self._drop_older(key)
                self._sessions[key] = session
            return session
        finally:
            if self._is_wanted(key):
                del self._opening[key]

    def _is_wanted(self, key: SessionKey) -> bool:
        """Whether the task that asks is still the one that opens this session."""
        return self._opening.get(key) is asyncio.current_task()

    def _remember(self, key: SessionKey, failure: Failure) -> None:
        known = self._refusals.get(key)
        attempts = known.attempts + 1 if known else 1
        now = self._clock()
        until = min(
            retry_at(attempts=attempts, last_failure=now, expires_at=None, position=0.0),
            now + self._LONGEST_REFUSAL,
        )
        if failure.retry_after is not None:
            until = max(until, now + failure.retry_after)
        self._refusals[key] = _Refusal(failure, attempts, until)

    def _drop_older(self, key: SessionKey) -> None:
        """A source that was edited has a new generation: its older sessions are of no use."""
        for cache in (self._sessions, self._refusals):
            for other in [
                other
                for other in cache
                if other.source_uid == key.source_uid and other.generation < key.generation
            ]:
                del cache[other]


def lives_on(session: Session, now: datetime) -> bool:
    """Whether a session may still be used to assume a role: it is not about to end."""
    if session.expires_at is None:
        return True
    life = session.expires_at - session.issued_at
    return now < session.expires_at - life * _LAST_SHARE
