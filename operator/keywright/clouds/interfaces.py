"""What every cloud offers the controller: sessions to be someone, and keys to mint from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.planning.state import CloudKey, KeyFault
from keywright.secrets.credential import Credential
from keywright.secrets.references import Consent, ReferencedSecret


class SecretReader(Protocol):
    """Secrets that a source refers to; the source's own namespace is passed on."""

    async def value(
        self, *, namespace: str, name: str, key: str, field: str, copied: bool = True
    ) -> Sensitive:
        """One value; `copied`: it will leave the operator, which needs the Secret's consent.

        Raises:
            Failure: there is none, or the Secret does not consent; names `field`.
        """

    async def values(self, *, namespace: str, name: str, field: str) -> ReferencedSecret:
        """All values of one Secret, read at once; raises Failure where there is no Secret."""


class TokenSource(Protocol):
    """ServiceAccounts, as an identity needs them; the callers' own namespace is passed on."""

    async def token(self, *, namespace: str, name: str, audience: str) -> Sensitive:
        """A fresh token for that audience alone; raises Failure."""

    async def annotations(self, *, namespace: str, name: str) -> dict[str, str]:
        """The ServiceAccount's annotations; raises Failure."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who we are for a while: credentials and their real end.

    `expires_at` is None where there is none, or where nobody tells it: those of an access key.
    `chained`: a session assumed the role, so that it ends within an hour, whatever is asked.
    `bearer` is the token of a source that has nothing but one; of an access key there is only the
    id then, which tells one token from another. `not_shared` returns why static credentials must
    not be written to another namespace now; None where no Secret has to consent. `opened_at`: when
    the cache began to open it, with fractions of a second, to tell it from one that was asked for
    later.
    """

    access_key_id: str
    secret_access_key: Sensitive
    session_token: Sensitive | None
    issued_at: datetime
    expires_at: datetime | None
    identity: str
    chained: bool = False
    bearer: Sensitive | None = None
    not_shared: Consent | None = None
    opened_at: datetime | None = None


class DefaultCredentials(Protocol):
    """The operator's own identity, as the default credential chain of a cloud's SDK finds it."""

    async def session(self, *, now: datetime) -> Session | None:
        """The current credentials, not verified yet; None if the chain finds none."""


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The caller's ARN and account, as the cloud reports them; no account where it tells none."""

    identity: str
    account_id: str


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, and what its readers should know of it (`remark`, a sentence or nothing)."""

    credential: Credential
    remark: str = field(default="")


@dataclass(frozen=True, slots=True)
class Intent:
    """What was written down before a key is created, so that it can be carried on later.

    `name` is its own alone, `value` what a key is given whose value is ours to choose: the same for
    the same intent. `fresh`: nothing can have been created by it yet. `in_use` is the key that the
    readers have. `keep` is the one that the Secret lost: it is told again rather than replaced,
    where the cloud does that.
    """

    name: str
    value: Sensitive
    fresh: bool = True
    in_use: str | None = None
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves, without asking the cloud, which of its keys belong to a grant.

    `proven` are ids whose proof was verified. `value` is a key's value from a Secret whose
    fingerprint was verified: the operator wrote it, for that grant.
    """

    proven: frozenset[str] = frozenset()
    value: Sensitive | None = None


NO_EVIDENCE = Evidence()


class ManagedKeys(Protocol):
    """The keys of one grant that live in the cloud; all may be repeated, but for `create`.

    Where an intent is carried on (`Keeping.marked`) `create` may be repeated for the same intent.

    Each raises Failure; that of `create` says whether it is certain that nothing was done.
    """

    async def prepare(self, known: frozenset[str], /) -> None:
        """Bring the holder of the keys to where the grant wants it, and what can be edited of them.

        No key of the known ids is replaced.
        """

    async def list_keys(self, known: frozenset[str], /) -> tuple[CloudKey, ...]:
        """The keys of the holder, and those of former holders that the known ids name."""

    async def find_fault(
        self, key_id: str, known: frozenset[str], parts: int, /
    ) -> KeyFault | None:
        """What keeps a key from working; None if shared listings show that it works.

        `parts`: the number of its keys, if it is an import. MISSING comes from a listing that is
        minutes old, and also means that it shows keys of the grant that are not known: the caller
        lists the keys again to decide. Other faults were confirmed.
        """

    async def create(self, intent: Intent, /) -> IssuedKey:
        """A new key, by one call that is never repeated."""

    async def deactivate(self, key_ids: tuple[str, ...], /) -> None:
        """Refuse their use from now on."""

    async def remove(
        self, key_ids: tuple[str, ...], /, *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete them, and their holder if it is ours and empty; the ids that are out of reach."""


class GrantProvider(Protocol):
    """One cloud, as the reconciler of grants uses it."""

    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        """A new key for the grant, by an intent where it lives in the cloud; raises Failure.

        `not_before`: by no session that was opened before.
        """

    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """The keys of a grant whose kind lives in the cloud; raises Failure."""

    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Try a new key the way that the grant asks for; raises Failure: what it was answered."""


class CloudProvider(GrantProvider, Protocol):
    """One cloud."""

    async def verify(
        self, source: CredentialSource, *, anew: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """A session of the source, not due yet, and who it is to the cloud; raises Failure.

        `anew`: a session of before does not count.
        """

    async def hold(self, source: CredentialSource) -> None:
        """Have a valid session in memory for keys that must be revoked; raises Failure."""

    async def ask(self, source: CredentialSource) -> None:
        """Ask the cloud who the source is, for the time that the answer tells; raises Failure."""

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a session of the source is in memory that can still be used."""

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""

    def forget(self, *, source_uid: str) -> None:
        """Drop what is cached of a source that is gone."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a key wants of the session that it is, beyond what the source says: all optional.

    STS limits a session by one set of policies; a source that has its own takes none from a grant.
    """

    seconds: int | None = None
    policy: Mapping[str, Any] | None = None
    policy_arns: tuple[str, ...] = ()

    def name(self) -> str:
        """Equal for asks that can share a session; empty for one that asks for nothing."""
        if self == SessionOptions():
            return ""
        state = (self.seconds, self.policy, sorted(self.policy_arns))
        return hashlib.sha256(msgspec.json.encode(state, order="deterministic")).hexdigest()[:16]


DEFAULT_OPTIONS = SessionOptions()


class SessionRequirement(Protocol):
    """Whether a cached session will do."""

    def __call__(self, session: Session, now: datetime, /) -> bool:
        """True where it will."""


def end_unknown(session: Session) -> str:
    """What people should know of a session whose end nobody reports; empty of any other."""
    if session.expires_at is not None or (session.session_token or session.bearer) is None:
        return ""
    if session.bearer is not None:
        return "The expiry of the bearer token is unknown: no service reports it."
    return (
        "The expiry of this session token is unknown: the token is tried every --verify-interval."
    )


def whole_seconds(moment: datetime) -> datetime:
    """The moment, cut to whole seconds, as the clouds and Kubernetes write it."""
    return moment.replace(microsecond=0)


def seconds(delta: timedelta) -> int:
    """Whole seconds."""
    return int(delta.total_seconds())
