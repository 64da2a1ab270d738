"""The interface of a cloud to the controller: sessions of identities, and keys issued with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.schema import TOKEN_SECONDS
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.planning.state import CloudKey, KeyFault
from keywright.secrets.credential import Credential
from keywright.secrets.references import Consent, ReferencedSecret


class RequestObserver(Protocol):
    """Counts and times the requests to clouds."""

    def __call__(self, cloud: str, operation: str, *, status: int | None, seconds: float) -> None:
        """Record one request; `status` is that of HTTP, None without a response."""


class SecretReader(Protocol):
    """Reads Secrets that a source refers to, in the source's own namespace."""

    async def value(
        self, *, namespace: str, name: str, key: str, field: str, copied: bool = True
    ) -> Sensitive:
        """Read one value; `copied`: it will leave the operator, which needs the Secret's consent.

        Raises:
            Failure: it is missing, or the Secret does not consent; names `field`.
        """

    async def values(self, *, namespace: str, name: str, field: str) -> ReferencedSecret:
        """Read all values of one Secret in one request; raises Failure if it does not exist."""


class TokenSource(Protocol):
    """ServiceAccounts for identities, in the source's own namespace."""

    async def token(
        self, *, namespace: str, name: str, audience: str, seconds: int = TOKEN_SECONDS
    ) -> Sensitive:
        """Request a token for that audience only, valid for that long; raises Failure."""

    async def annotations(self, *, namespace: str, name: str) -> dict[str, str]:
        """Read the ServiceAccount's annotations; raises Failure."""


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary or static credentials, with their actual expiry.

    `expires_at` is None if there is none, or if it is unknown, as for an access key. `chained`: a
    session assumed the role, so that it expires within an hour, whatever is requested. `bearer` is
    the token of a source that has only a token; of the access key only the ID is set then, which
    distinguishes tokens. `not_shared` returns why static credentials must not be written to another
    namespace now; None if no Secret has to consent. `opened_at`: when the cache began to open it,
    with fractions of a second, to compare it with a later request. `warning`: a sentence for the
    status of the source, or empty.
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
    warning: str = ""


class DefaultCredentials(Protocol):
    """The operator's own identity, from the default credential chain of a cloud's SDK."""

    async def session(self, *, now: datetime) -> Session | None:
        """The current credentials, not verified yet; None if the chain finds none."""


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The caller's ARN and account, as the cloud reports them; no account if it reports none."""

    identity: str
    account_id: str


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key; `warning`: a sentence for its clients, or empty.

    `identity`: the ARN of the session that issued it; empty if the cloud has not reported it.
    """

    credential: Credential
    warning: str = field(default="")
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is recorded before a key is created, so that the create can be resumed later.

    `name` is unique to it, `value` the value of a key that the operator chooses: the same for the
    same intent. `fresh`: nothing can have been created by it yet. `in_use` is the key that clients
    use. `keep` is the one that the Secret lost: its value is read again instead of replaced, if the
    cloud supports that.
    """

    name: str
    value: Sensitive
    fresh: bool = True
    in_use: str | None = None
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves, without asking the cloud, which of its keys belong to a grant.

    `proven` are IDs whose proof was verified. `value` is a key's value from a Secret whose
    fingerprint was verified: the operator wrote it, for that grant.
    """

    proven: frozenset[str] = frozenset()
    value: Sensitive | None = None


NO_EVIDENCE = Evidence()


class HolderInUseError(Failure):
    """The keys of a grant are deleted, but not their owner: it has keys of others."""


class ManagedKeys(Protocol):
    """The managed keys of one grant; all operations are idempotent, except for `create`.

    If an intent can be resumed (`ManagedKeyPolicy.marked`), `create` may be repeated for the same
    one.

    Each raises Failure; that of `create` says whether nothing was certainly done.
    """

    async def prepare(self, known: frozenset[str], /) -> None:
        """Create or update the owner of the keys, and the keys' editable attributes.

        No key with a known ID is replaced.
        """

    async def list_keys(self, known: frozenset[str], /) -> tuple[CloudKey, ...]:
        """The keys of the owner, and those of former owners in the known IDs."""

    async def find_fault(
        self, key_id: str, known: frozenset[str], parts: int, /
    ) -> KeyFault | None:
        """Why a key does not work; None if shared listings show that it works.

        `parts`: the number of its keys, if it is an import. MISSING comes from a listing that is
        minutes old, and also means that it shows keys of the grant that are not known: the caller
        lists the keys again to decide. Other faults were confirmed.
        """

    async def create(self, intent: Intent, /) -> IssuedKey:
        """Create a key, by one call that is never repeated."""

    async def deactivate(self, key_ids: tuple[str, ...], /) -> None:
        """Make the keys inactive."""

    async def remove(
        self, key_ids: tuple[str, ...], /, *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete keys, and their owner if Keywright created it; returns those it cannot reach.

        Raises HolderInUseError if `and_holder` is set, all keys are deleted, and the owner is not.
        """


class GrantProvider(Protocol):
    """A cloud provider for the reconciles of grants."""

    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        """Issue a key for the grant, by an intent if it is managed; raises Failure.

        `not_before`: not with a session that was opened earlier.
        """

    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """The managed keys of a grant; raises Failure."""

    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Probe a new key as the grant specifies; raises Failure with the response."""


class CloudProvider(GrantProvider, Protocol):
    """A cloud provider."""

    async def verify(
        self, source: CredentialSource, *, force: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """Return a session of the source that is not due yet, and its caller; raises Failure.

        `force`: an earlier session does not count.
        """

    async def hold(self, source: CredentialSource) -> None:
        """Ensure a valid session in memory for keys that must be revoked; raises Failure."""

    async def ask(self, source: CredentialSource) -> None:
        """Call the cloud for the identity of the source, to learn its time; raises Failure."""

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a valid session of the source is in memory."""

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""

    def forget(self, *, source_uid: str) -> None:
        """Drop the cached sessions of a deleted source."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of the session for a key, beyond those of the source; all optional.

    STS limits a session by one set of policies; with a source that has its own, grants may have
    none, unless the session of the source is limited further (`scoped`): what results is another
    session with the same identity, which expires with that of the source at the latest.
    """

    seconds: int | None = None
    policy: Mapping[str, Any] | None = None
    policy_arns: tuple[str, ...] = ()
    scoped: bool = False

    def name(self) -> str:
        """Equal for options that can share a session; empty for no options."""
        if self == SessionOptions():
            return ""
        state = (self.seconds, self.policy, sorted(self.policy_arns), self.scoped)
        return hashlib.sha256(msgspec.json.encode(state, order="deterministic")).hexdigest()[:16]


DEFAULT_OPTIONS = SessionOptions()


class SessionRequirement(Protocol):
    """Whether a cached session is accepted."""

    def __call__(self, session: Session, now: datetime, /) -> bool:
        """Whether the session is accepted."""


def session_warning(session: Session) -> str:
    """The warning of a session, or one for an unknown expiry; empty for any other."""
    if session.warning:
        return session.warning
    if session.expires_at is not None or (session.session_token or session.bearer) is None:
        return ""
    if session.bearer is not None:
        return "The expiry of the bearer token is unknown: no service reports it."
    return (
        "The expiry of this session token is unknown: the token is tried every --verify-interval."
    )


def whole_seconds(moment: datetime) -> datetime:
    """The time, cut to whole seconds, as the clouds and Kubernetes write it."""
    return moment.replace(microsecond=0)


def seconds(delta: timedelta) -> int:
    """The duration in whole seconds."""
    return int(delta.total_seconds())
