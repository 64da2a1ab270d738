"""AWS as the controller sees it: the tables of its ways, and the sessions that they share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from keywright.api.aws_source import AwsSource, WebIdentity
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.aws.calls import AwsCalls
from keywright.clouds.aws.identities import web_identity
from keywright.clouds.aws.keys import bedrock_short_term
from keywright.clouds.aws.refusals import refusal_of_session
from keywright.clouds.sessions import Clock, SessionCache, SessionKey
from keywright.clouds.ways import Caller, Minted, Session, Tokens
from keywright.planning.renewal import is_young


class OpenSession(Protocol):
    """One way to be someone: a new session of the identity."""

    async def __call__(
        self,
        identity: Any,
        *,
        source: CredentialSource,
        region: str,
        endpoint: str | None,
        tokens: Tokens,
        calls: AwsCalls,
        clock: Clock,
    ) -> Session:
        """Raises Failure."""


class KeyWay(Protocol):
    """One kind of key: whether a cached session will do for it, and how it is minted."""

    def will_do(self, key: Any, *, session: Session, now: datetime) -> bool:
        """True where the session may mint it."""

    def mint(
        self,
        key: Any,
        *,
        grant: ApiKeyGrant,
        session: Session,
        region: str,
        account_id: str,
        now: datetime,
    ) -> Minted:
        """A new key; raises Failure."""


IDENTITIES: dict[type, OpenSession] = {WebIdentity: web_identity.open_session}
KEYS: dict[KeyKind, KeyWay] = {KeyKind.BEDROCK_SHORT_TERM_KEY: bedrock_short_term}


class Aws:
    """Implements `clouds.ways.Vendor`."""

    def __init__(self, *, tokens: Tokens, calls: AwsCalls, clock: Clock) -> None:
        self._tokens = tokens
        self._calls = calls
        self._clock = clock
        self._sessions = SessionCache(clock=clock)
        self._callers: dict[SessionKey, Caller] = {}

    async def mint(self, grant: ApiKeyGrant, *, source: CredentialSource) -> Minted:
        """A new key for the grant, by a session that all grants of the source share."""
        way, key = KEYS[grant.kind], grant.key
        session = await self._session(
            source, lambda session, now: way.will_do(key, session=session, now=now)
        )
        return way.mint(
            key,
            grant=grant,
            session=session,
            region=grant.region(source),
            account_id=session.identity.split(":")[4],
            now=self._clock(),
        )

    async def verify(self, source: CredentialSource) -> tuple[Session, Caller]:
        """A young session, and its caller; STS is asked once for each edit of the source."""
        session = await self._session(
            source,
            lambda session, now: is_young(
                issued_at=session.issued_at, expires_at=session.expires_at, now=now
            ),
        )
        key = SessionKey(source.uid, source.generation)
        caller = self._callers.get(key)
        if caller is None:
            caller = await self._caller(source, session)
            self.forget_caller(source_uid=source.uid)
            self._callers[key] = caller
        return session, caller

    def forget(self, *, source_uid: str) -> None:
        """Drop what is cached of a source that is gone."""
        self._sessions.forget(source_uid=source_uid)
        self.forget_caller(source_uid=source_uid)

    def forget_caller(self, *, source_uid: str) -> None:
        """Ask again who we are."""
        for key in [key for key in self._callers if key.source_uid == source_uid]:
            del self._callers[key]

    async def _session(
        self, source: CredentialSource, will_do: Callable[[Session, datetime], bool]
    ) -> Session:
        aws = _aws(source)
        opener = IDENTITIES[type(aws.identity)]
        return await self._sessions.get(
            SessionKey(source.uid, source.generation),
            will_do=will_do,
            open_session=lambda: opener(
                aws.identity,
                source=source,
                region=aws.region,
                endpoint=aws.sts_endpoint,
                tokens=self._tokens,
                calls=self._calls,
                clock=self._clock,
            ),
        )

    async def _caller(self, source: CredentialSource, session: Session) -> Caller:
        aws = _aws(source)
        try:
            answer = await self._calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region=aws.region,
                endpoint=aws.sts_endpoint,
                session=session,
            )
        except Exception as error:
            raise refusal_of_session(error) from None
        return Caller(identity=answer["Arn"], account_id=answer["Account"])


def _aws(source: CredentialSource) -> AwsSource:
    assert source.spec.aws is not None
    return source.spec.aws
