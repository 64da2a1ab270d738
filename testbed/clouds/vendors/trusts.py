"""What the vendors trust, and the tokens that they verify with it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from testbed.clouds import issuer_keys
from testbed.clouds.issuer_keys import BadSignatureError, IssuerKeys, NoKeyError, NotATokenError

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.clock import Clock

_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})


@dataclass(frozen=True, slots=True)
class Trust:
    """A federation rule, a mapping of a provider, or a policy, by its ID at the vendor.

    `seconds` is the lifetime of the access tokens, `max_jwt_seconds` the most that a token may be
    valid for. Without `workspaces`, the organization has one.
    """

    vendor: str
    id: str
    issuer: str = ""
    subject: str = ""
    audience: str = ""
    claims: dict[str, str] = field(default_factory=dict)
    account: str = ""
    organization: str = ""
    workspaces: tuple[str, ...] = ()
    seconds: int = 3600
    max_jwt_seconds: int = 3600
    enabled: bool = True
    parameters: dict[str, str] = field(default_factory=dict)
    grant_type: str = "TokenExchange"


class Mismatch(enum.Enum):
    """Why a token is refused; the vendors tell no more than their error codes."""

    NOT_A_JWT = enum.auto()
    KEYS = enum.auto()
    SIGNATURE = enum.auto()
    ISSUER = enum.auto()
    AUDIENCE = enum.auto()
    SUBJECT = enum.auto()
    CLAIMS = enum.auto()
    EXPIRED = enum.auto()
    LIFETIME = enum.auto()
    REUSED = enum.auto()


class MismatchError(Exception):
    """A token that a trust does not accept."""

    def __init__(self, reason: Mismatch) -> None:
        super().__init__(reason.name)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that a trust accepts: its subject, and the seconds that it is still valid."""

    subject: str
    left: float


class Trusts:
    """The trusts, and the keys of their issuers.

    `seen` are all received tokens, valid or not, for tests that search for leaked tokens.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._keys = IssuerKeys()
        self._trusts: dict[tuple[str, str], Trust] = {}
        self._used: set[tuple[str, str]] = set()
        self.seen: set[str] = set()

    def trust_issuer(self, *, issuer: str, ca_file: Path | None) -> None:
        """Use this CA, None for the system's, to reach the issuer; forgets its keys."""
        self._keys.trust(issuer, ca_file=ca_file)

    def put(self, *, vendor: str, id: str, **changed: Any) -> None:  # noqa: A002  as at the vendor
        """Create a trust, or change these fields of one."""
        if "workspaces" in changed:
            changed["workspaces"] = tuple(changed["workspaces"])
        known = self._trusts.get((vendor, id)) or Trust(vendor, id)
        self._trusts[vendor, id] = replace(known, **changed)

    def remove(self, *, vendor: str, id: str) -> None:  # noqa: A002  as at the vendor
        """Delete a trust."""
        self._trusts.pop((vendor, id), None)

    def find(self, vendor: str, id_: str) -> Trust | None:
        """The trust with that ID, if it is enabled."""
        found = self._trusts.get((vendor, id_))
        return found if found is not None and found.enabled else None

    def of_vendor(self, vendor: str) -> list[Trust]:
        """All enabled trusts of a vendor."""
        return [each for each in self._trusts.values() if each.vendor == vendor and each.enabled]

    async def verify(
        self, token: str, trust: Trust, *, leeway: float = 0, once: bool = False
    ) -> Verified:
        """Verify a token; raises MismatchError with the first reason.

        `once`: a token with a `jti` is accepted only once.
        """
        self.seen.add(token)
        try:
            header, claims = issuer_keys.parse(token)
        except NotATokenError as error:
            raise MismatchError(Mismatch.NOT_A_JWT) from error
        if header.get("alg") not in _ALGORITHMS or not header.get("kid"):
            raise MismatchError(Mismatch.SIGNATURE)
        if claims.get("iss") != trust.issuer:
            raise MismatchError(Mismatch.ISSUER)
        await self._signed(token, header, trust)
        self._in_time(claims, trust, leeway=leeway)
        audiences = claims.get("aud")
        if trust.audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise MismatchError(Mismatch.AUDIENCE)
        if claims.get("sub") != trust.subject:
            raise MismatchError(Mismatch.SUBJECT)
        if any(claims.get(name) != value for name, value in trust.claims.items()):
            raise MismatchError(Mismatch.CLAIMS)
        if once:
            self._use(claims, trust)
        return Verified(str(claims["sub"]), float(claims["exp"]) - self._clock.now())

    async def _signed(self, token: str, header: dict[str, Any], trust: Trust) -> None:
        try:
            await self._keys.verify(
                token, header=header, provider=trust.issuer, issuer=trust.issuer
            )
        except NoKeyError as error:
            raise MismatchError(Mismatch.KEYS) from error
        except BadSignatureError as error:
            raise MismatchError(Mismatch.SIGNATURE) from error

    def _in_time(self, claims: dict[str, Any], trust: Trust, *, leeway: float) -> None:
        issued, ends = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(ends, int | float):
            raise MismatchError(Mismatch.EXPIRED)
        now = self._clock.now()
        if now > ends + leeway or now < issued - max(leeway, 5):
            raise MismatchError(Mismatch.EXPIRED)
        if ends - issued > trust.max_jwt_seconds:
            raise MismatchError(Mismatch.LIFETIME)

    def _use(self, claims: dict[str, Any], trust: Trust) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str):
            return
        if (trust.issuer, jti) in self._used:
            raise MismatchError(Mismatch.REUSED)
        self._used.add((trust.issuer, jti))
