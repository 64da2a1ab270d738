"""IAM's service-specific credentials: the long-term API keys of services.

Fields are those of botocore's model of IAM. The format of a key of Bedrock, "ABSK" and base64 of
alias and secret, is from public reports. [K] The prefixes of the other services are from public
repositories [R], that of X-Ray is a guess [U], and so is the form of what follows them. [U]
"""

from __future__ import annotations

import base64
import dataclasses
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.clouds.aws import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.clock import Clock

SERVICE = "bedrock.amazonaws.com"
CLAUDE_PLATFORM = "aws-external-anthropic.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"
CLOUDWATCH_LOGS = "logs.amazonaws.com"
XRAY = "xray.amazonaws.com"
PREFIXES = {
    SERVICE: "ABSK",
    CLAUDE_PLATFORM: "AEAA",
    CLOUDWATCH: "APIAACWM",
    CLOUDWATCH_LOGS: "ACWL",
    XRAY: "AXRT",
}
# What a key of Claude Platform has before the alias: its prefix is the base64 of a header. [U]
_FRAMES = {CLAUDE_PLATFORM: b"\x01\x00\x00"}
_PER_USER = 2
_DAY_SECONDS = 86400
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_BYTES = 33


@dataclass(frozen=True, slots=True)
class ServiceCredential:
    """One credential of a user; it belongs to the user by `user_id`, not by name."""

    id: str
    account: str
    user_id: str
    user_name: str
    service: str
    alias: str
    secret: str = field(repr=False)
    created_at: float
    expires_at: float | None
    active: bool

    def status(self, now: float) -> str:
        """Active, Inactive or Expired: the model has all three. That List returns Expired: [U]."""
        if self.expires_at is not None and now >= self.expires_at:
            return "Expired"
        return "Active" if self.active else "Inactive"


class ServiceCredentials:
    """The credentials of all accounts."""

    def __init__(self, *, clock: Clock, propagation: Propagation) -> None:
        self._clock = clock
        self._propagation = propagation
        self._stored: dict[str, ServiceCredential] = {}
        self._deleted: dict[str, tuple[ServiceCredential, float]] = {}
        self._lag_seconds = 0.0
        self.to_api: set[str] = set()

    def lag(self, *, seconds: float) -> None:
        """Let deleted credentials count and work for that long: eventual consistency [R]."""
        self._lag_seconds = seconds
        self._deleted.clear()

    def _lingering(self) -> list[ServiceCredential]:
        now = self._clock.now()
        return [item for item, until in self._deleted.values() if now < until]

    def create(
        self, *, account: str, user_id: str, user_name: str, service: str, age_days: int | None
    ) -> ServiceCredential:
        """Create a credential; a user has at most two per service, regardless of their status."""
        owned = [
            *self.of(account=account, user_id=user_id),
            *(item for item in self._lingering() if item.user_id == user_id),
        ]
        taken = {item.alias for item in owned if item.service == service}
        if len(taken) >= _PER_USER:
            raise refusals.limit_exceeded("ServiceSpecificCredentialsPerUser", _PER_USER)
        names = (f"{user_name}-at-{account}", f"{user_name}+1-at-{account}")
        alias = next(name for name in names if name not in taken)
        now = self._clock.now()
        made = ServiceCredential(
            id="ACCA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(17)),
            account=account,
            user_id=user_id,
            user_name=user_name,
            service=service,
            alias=alias,
            secret=self._new_secret(alias, service=service),
            created_at=now,
            expires_at=None if age_days is None else now + age_days * _DAY_SECONDS,
            active=True,
        )
        self._stored[made.id] = made
        self._propagation.made(made.id)
        return made

    def find(self, *, account: str, user_id: str, credential_id: str) -> ServiceCredential:
        """The user's credential with that ID; raises CloudError NoSuchEntity."""
        found = self._stored.get(credential_id)
        if found is None or (found.account, found.user_id) != (account, user_id):
            raise refusals.no_such_entity(f"No such credential {credential_id} exists")
        return found

    def of(self, *, account: str, user_id: str | None) -> Iterator[ServiceCredential]:
        """The credentials of a user, or of all users of the account if that is None."""
        for stored in self._stored.values():
            if stored.account == account and user_id in {None, stored.user_id}:
                yield stored

    def listed(self, *, account: str, user_id: str | None) -> list[ServiceCredential]:
        """The credentials that List shows already."""
        owned = self.of(account=account, user_id=user_id)
        return [item for item in owned if self._propagation.listed(item.id)]

    def set_active(self, credential: ServiceCredential, *, active: bool) -> None:
        """Make it Active or Inactive; it applies from the next call on."""
        self._stored[credential.id] = dataclasses.replace(credential, active=active)

    def end(self, *, credential_id: str) -> None:
        """Let it have expired now."""
        ended = dataclasses.replace(self._stored[credential_id], expires_at=self._clock.now())
        self._stored[credential_id] = ended

    def reset(self, credential: ServiceCredential) -> ServiceCredential:
        """Generate a new secret for the credential."""
        changed = dataclasses.replace(
            credential, secret=self._new_secret(credential.alias, service=credential.service)
        )
        self._stored[credential.id] = changed
        return changed

    def delete(self, credential: ServiceCredential) -> None:
        """Delete it from the next call on, unless `lag` is set."""
        del self._stored[credential.id]
        if self._lag_seconds > 0:
            until = self._clock.now() + self._lag_seconds
            self._deleted[credential.id] = (credential, until)

    def verify(self, key: str, *, service: str) -> ServiceCredential:
        """The credential with this secret, if it is valid now for the service; raises CloudError.

        Only a key past its expiry is reported as such; an inactive one is reported as unknown. [U]
        """
        known = [*self._stored.values(), *self._lingering()]
        found = next((item for item in known if item.secret == key), None)
        if found is None or found.service != service or not self._propagation.known(found.id):
            raise refusals.bearer_token_invalid()
        status = found.status(self._clock.now())
        if status == "Expired":
            raise refusals.bearer_token_expired()
        if status == "Inactive":
            raise refusals.bearer_token_invalid()
        return found

    def _new_secret(self, alias: str, *, service: str) -> str:
        random = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        content = _FRAMES.get(service, b"") + f"{alias}:{random}".encode()
        secret = PREFIXES[service] + base64.b64encode(content).decode()
        self.to_api.add(secret)
        return secret
