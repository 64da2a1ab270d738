"""A cloud that does what the test has written down for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.interfaces import (
    NO_EVIDENCE,
    CallerIdentity,
    Evidence,
    Intent,
    IssuedKey,
    ManagedKeys,
    Session,
)
from keywright.secrets.credential import Credential
from tests.unit.fakes.managed_keys import SmallIam
from tests.unit.replace import replace

LIFE = timedelta(hours=12)


def session(
    *, issued_at: datetime, life: timedelta = timedelta(hours=1), name: str = "1"
) -> Session:
    """A session whose secrets are planted."""
    return Session(
        access_key_id=f"ASIA{name}",
        secret_access_key=Sensitive("planted-secret-access-key"),
        session_token=Sensitive("planted-session-token"),
        issued_at=issued_at,
        expires_at=issued_at + life,
        identity="arn:aws:sts::123456789012:assumed-role/bedrock-invoker/chat.bedrock",
    )


class ScriptedProvider:
    """A `CloudProvider` that raises the next of `failures` at each call, else succeeds."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.failures: list[Exception] = []
        self.issued_key = 0
        self.not_before: datetime | None = None
        self.verified = 0
        self.forgotten: list[str] = []
        self.held: list[str] = []
        self.in_memory = True
        self.time_requested = 0
        self.endless = False
        self.meanwhile: Callable[[], None] = lambda: None
        self.answers: list[Exception] = []
        self.tried: list[str | None] = []
        self.kept: ManagedKeys | None = None
        self.requested: list[tuple[str, str]] = []

    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """What the test has put there."""
        self.requested.append((grant.namespace, source.uid))
        assert self.kept is not None
        if isinstance(self.kept, SmallIam):
            self.kept.evidence = evidence
        return self.kept

    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        """A key numbered by the mint."""
        self.not_before = not_before
        self.issued_key += 1
        self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        if grant.managed is not None:
            assert intent is not None
            return await (await self.keys(grant, source=source)).create(intent)
        now = self._clock()
        return IssuedKey(
            Credential(
                values={"apiKey": Sensitive(f"bedrock-api-key-planted{self.issued_key}")},
                region=grant.region(source),
                account_id="123456789012",
                key_id=f"ASIA{self.issued_key}",
                issued_at=now,
                expires_at=now + LIFE,
            )
        )

    async def verify(
        self, source: CredentialSource, *, force: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """A verified identity; with credentials without an expiry if `endless` says so."""
        del force
        self.verified += 1
        self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        made = session(issued_at=self._clock(), name=source.name)
        if self.endless:
            made = replace(made, expires_at=None)
        return made, CallerIdentity(identity=made.identity, account_id="123456789012")

    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """What the test has put into `answers`, one for each try; then the key works."""
        del grant, source
        self.tried.append(credential.key_id)
        if self.answers:
            raise self.answers.pop(0)

    async def hold(self, source: CredentialSource) -> None:
        """Note it."""
        self.held.append(source.name)
        if self.failures:
            raise self.failures.pop(0)

    async def ask(self, source: CredentialSource) -> None:
        """Note it."""
        del source
        self.time_requested += 1
        self.meanwhile()

    def has_session(self, source: CredentialSource) -> bool:
        """What the test says."""
        del source
        return self.in_memory

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Where there is no session."""
        return not self.has_session(source)

    def forget(self, *, source_uid: str) -> None:
        """Note it."""
        self.forgotten.append(source_uid)
