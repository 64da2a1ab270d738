"""Sessions of sources, role by role: cached, and shared by all requests with equal options."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from keywright.api.errors import Failure
from keywright.api.names import SOURCE_KIND
from keywright.api.source import CredentialSource
from keywright.clouds.bounded import LruDict
from keywright.clouds.classified import unexpected
from keywright.clouds.common_refusals import check_lifetime
from keywright.clouds.interfaces import DEFAULT_OPTIONS, CallerIdentity, Session, SessionOptions
from keywright.clouds.sessions import Clock, SessionCache, SessionKey, is_usable
from keywright.planning.renewal import is_fresh, source_renews_at

# At most one key per minute from a cloud whose credentials expire too soon.
_CALLERS: Final = 16_384
# What STS says of a session that has ended, and cannot be limited any more.
_SESSION_ENDED: Final = frozenset(
    {"InsufficientSessionLifetime", "InvalidSubjectCredentials", "ExpiredToken"}
)
# Failures that depend on the response of the host, not on the request.
_OF_THE_ENDPOINT: Final = frozenset({"InvalidAnswer", "CredentialsExpired", "UnexpectedError"})


class ChainSteps(Protocol):
    """The steps of a role chain in one cloud; each raises Failure."""

    async def assume_base(self, source: CredentialSource, *, ask: SessionOptions) -> Session:
        """Open a session of the source's identity."""

    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        """Open a session of the role with that number, from 0, assumed by another session."""

    async def caller(self, source: CredentialSource, session: Session) -> CallerIdentity:
        """The identity of the session, as the cloud itself reports it."""


class _Base(Protocol):
    """Gets the session that a role is assumed with."""

    async def __call__(self, *, hop: int) -> Session:
        """The session; raises Failure."""


class RoleChain:
    """The sessions of all sources of one cloud, and their callers."""

    def __init__(
        self, links: ChainSteps, *, clock: Clock, min_lifetime: timedelta = timedelta(0)
    ) -> None:
        self._links = links
        self._min_lifetime = min_lifetime
        self._clock = clock
        self._sessions = SessionCache(clock=clock)
        self._callers: LruDict[str, tuple[int, CallerIdentity]] = LruDict(_CALLERS)

    async def session(
        self,
        source: CredentialSource,
        *,
        hop: int,
        accepts_session: Callable[[Session, datetime], bool] = is_usable,
        ask: SessionOptions = DEFAULT_OPTIONS,
        not_before: datetime | None = None,
    ) -> Session:
        """The session after `hop` roles of the chain; `ask` applies to the last one only.

        `not_before`: the last one must not have been opened before.
        """
        return await self._sessions.get(
            SessionKey(source.uid, source.generation, hop, ask.name()),
            accepts_session=accepts_session,
            open_session=lambda: self._open(
                source,
                hop=hop,
                ask=ask,
                base=partial(
                    self.session, source, accepts_session=accepts_session, not_before=not_before
                )
                if ask.scoped
                else partial(self.session, source),
            ),
            not_before=not_before,
        )

    async def verified(
        self, source: CredentialSource, *, hop: int, force: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """A session that need not be renewed yet, and its caller; a grant may have opened it.

        The caller is requested once for each edit of the source.
        """
        refused = force or self._is_refused(source, hop=hop)
        session = None if refused else self._newest(source, hop=hop)
        if session is None or self._is_due(session, source=source):
            session = await self.session(
                source,
                hop=hop,
                accepts_session=lambda session, now: (
                    not force
                    and is_fresh(
                        issued_at=session.issued_at, expires_at=session.expires_at, now=now
                    )
                ),
            )
        known = self._callers.get(source.uid)
        if known is not None and known[0] == source.generation:
            return session, known[1]
        try:
            caller = await self._links.caller(source, session)
        except Failure as failure:
            raise _with_field(failure, source) from None
        self._callers.put(source.uid, (source.generation, caller))
        return session, caller

    async def ask(self, source: CredentialSource, *, hop: int) -> None:
        """Request the caller of the source, even if it is known already; raises Failure."""
        session = self._newest(source, hop=hop) or await self.session(source, hop=hop)
        await self._links.caller(source, session)

    def has_valid(self, source: CredentialSource, *, hop: int) -> bool:
        """Whether a valid session after that number of roles is in memory."""
        return self._newest(source, hop=hop) is not None

    def is_doubtful(self, source: CredentialSource, *, hop: int) -> bool:
        """Whether no such session is in memory, or the last attempt to open one failed."""
        return self._is_refused(source, hop=hop) or not self.has_valid(source, hop=hop)

    def _newest(self, source: CredentialSource, *, hop: int) -> Session | None:
        return self._sessions.newest(source_uid=source.uid, generation=source.generation, hop=hop)

    def _is_refused(self, source: CredentialSource, *, hop: int) -> bool:
        return self._sessions.is_refused(SessionKey(source.uid, source.generation, hop))

    def _is_due(self, session: Session, *, source: CredentialSource) -> bool:
        if session.expires_at is None:
            return False
        due = source_renews_at(
            issued_at=session.issued_at, expires_at=session.expires_at, uid=source.uid
        )
        return self._clock() >= due

    def last_valid_session(self, source: CredentialSource, *, hop: int) -> Session | None:
        """The last session of this version of a source, if no other can be opened."""
        return self._sessions.last_valid_session(
            source_uid=source.uid, generation=source.generation, hop=hop
        )

    def forget(self, *, source_uid: str) -> None:
        """Drop the cached sessions of a deleted source."""
        self._sessions.forget(source_uid=source_uid)
        self._callers.pop(source_uid)

    async def _open(
        self, source: CredentialSource, *, hop: int, ask: SessionOptions, base: _Base
    ) -> Session:
        """Open a session; `base` gets the session of the hop before.

        A scoped session expires with that one, so that it must be as fresh as this one.
        """
        try:
            if hop == 0:
                session = await self._links.assume_base(source, ask=ask)
            else:
                session = await self._assume(source, hop=hop, ask=ask, base=base)
        except Exception as error:
            # A failure is cached for all waiters of the session; any other exception is not.
            raise _with_field(unexpected(error, what="opening a session"), source) from None
        self._check_lifetime(session, source=source)
        return session

    async def _assume(
        self, source: CredentialSource, *, hop: int, ask: SessionOptions, base: _Base
    ) -> Session:
        by = await base(hop=hop - 1)
        assume = self._links.assume_chained_role
        try:
            return await assume(hop - 1, by=by, source=source, ask=ask)
        except Failure as failure:
            if not ask.scoped or failure.reason not in _SESSION_ENDED:
                raise
        # The session in memory was revoked: a new one, once.
        by = await self.session(source, hop=hop - 1, not_before=self._clock())
        return await assume(hop - 1, by=by, source=source, ask=ask)

    def _check_lifetime(self, session: Session, *, source: CredentialSource) -> None:
        """Raise Failure if the session is too short-lived to be renewed in time."""
        if session.expires_at is None:
            return
        check_lifetime(
            session.expires_at - session.issued_at,
            least=self._min_lifetime,
            field=f"CredentialSource {source.name} spec",
        )


def _with_field(failure: Failure, source: CredentialSource) -> Failure:
    """The failure, with the field of the host whose response is invalid."""
    if failure.reason in _OF_THE_ENDPOINT and not failure.field:
        failure.field = f"{SOURCE_KIND} {source.host_field}"
    return failure
