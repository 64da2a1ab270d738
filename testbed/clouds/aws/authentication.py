"""Authentication and authorization of a caller, verified on every call."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from testbed.clouds import policies
from testbed.clouds.aws import refusals, sigv4
from testbed.clouds.aws.amz_dates import compact, from_compact
from testbed.clouds.aws.principals import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.rates import Rates
    from testbed.clouds.aws.sessions import Sessions
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Request

# The allowed clock skew of a client: STS allows more than the other services.
SKEW_MINUTES = 5
STS_SKEW_MINUTES = 15


class Authentication:
    """Finds principals, verifies signed requests, and evaluates the policies."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        clock: Clock,
        rates: Rates,
        propagation: Propagation,
    ) -> None:
        self._accounts = accounts
        self._rates = rates
        self._propagation = propagation
        self._sessions = sessions
        self._clock = clock

    def find(self, access_key_id: str) -> Principal | None:
        """The owner of an access key: a session, expired or not, or a user."""
        session = self._sessions.find(access_key_id)
        if session is not None:
            return Principal(
                arn=session.arn,
                user_id=session.user_id,
                account=session.account,
                access_key_id=access_key_id,
                secret_key=session.secret_key,
                token=session.token,
                expires_at=session.expires_at,
                identity_policies=self._accounts.role_policies(
                    account=session.account, role_id=session.role_id
                ),
                session_policies=session.policies,
                boundary=self._accounts.role_boundary(
                    account=session.account, role_id=session.role_id
                ),
                role_arn=session.role_arn,
                tags=session.tags,
                transitive_tag_keys=session.transitive_tag_keys,
                source_identity=session.source_identity,
                scopes=session.scopes,
            )
        key = self._accounts.user_key(access_key_id)
        if key is None or not self._propagation.known(access_key_id):
            return None
        owner = self.user(
            account=key.account,
            name=key.user_name,
            user_id=key.user_id,
            credential_id=access_key_id,
        )
        return None if owner is None else dataclasses.replace(owner, secret_key=key.secret_key)

    def user(
        self, *, account: str, name: str, user_id: str, credential_id: str
    ) -> Principal | None:
        """A user as the owner of one of its credentials; None if it is not known (yet)."""
        stored = self._accounts.stored_user(account=account, name=name)
        if stored is None or stored.id != user_id or not self._propagation.known(stored.arn):
            return None
        return Principal(
            arn=stored.arn,
            user_id=user_id,
            account=account,
            access_key_id=credential_id,
            secret_key="",
            token=None,
            expires_at=None,
            identity_policies=self._accounts.user_policies(account=account, name=name),
            session_policies=None,
            boundary=self._accounts.user_boundary(account=account, name=name),
            tags=self._accounts.user_tags(account=account, name=name),
        )

    def verify(
        self, request: Request, *, service: str, region: str, paced_as: str | None = None
    ) -> Principal:
        """The principal of a request signed in its headers; raises CloudError.

        `service` is the one in the scope, `paced_as` the one whose rate counts, if it differs.

        In the order of AWS: the access key, its session, the scope, the clock, the signature.
        """
        header = request.header("authorization")
        if header is None or not header.startswith(sigv4.ALGORITHM):
            raise refusals.missing_authentication()
        authorization = sigv4.Authorization.parse(header)
        scope = authorization.scope
        principal = self.find(scope.access_key_id)
        if principal is None or request.header("x-amz-security-token") != principal.token:
            raise refusals.unknown_access_key()
        now = self._clock.now()
        if principal.expires_at is not None and principal.expires_at <= now:
            raise refusals.session_expired()
        if scope.region != region:
            raise refusals.signature_does_not_match(
                "Credential should be scoped to a valid region."
            )
        if scope.service != service:
            raise refusals.signature_does_not_match(
                f"Credential should be scoped to correct service: '{service}'."
            )
        timestamp = request.header("x-amz-date") or ""
        minutes = STS_SKEW_MINUTES if service == "sts" else SKEW_MINUTES
        self.check_time(timestamp, scope=scope, minutes=minutes)
        self.check_signed_headers(request, signed=authorization.signed_headers)
        expected = sigv4.signature(
            secret=principal.secret_key,
            scope=scope,
            timestamp=timestamp,
            canonical=sigv4.canonical_request(request, signed_headers=authorization.signed_headers),
        )
        if not sigv4.same(expected, authorization.signature):
            raise refusals.signature_does_not_match()
        self.pace(paced_as or service, account=principal.account)
        return principal

    def pace(self, service: str, *, account: str) -> None:
        """Raise CloudError Throttling if the account exceeds the rate that a test has set."""
        self._rates.check(service, account=account)

    def authorize(
        self,
        principal: Principal,
        *,
        action: str,
        resource: str,
        source_ip: str,
        context: Mapping[str, str | tuple[str, ...]] | None = None,
    ) -> None:
        """Raise CloudError AccessDenied unless the policies allow the action."""
        reason = policies.refusal(
            identity=principal.identity_policies,
            session=principal.session_policies,
            boundary=principal.boundary,
            scopes=principal.scopes,
            action=action,
            resource=resource,
            context=self.context(principal, source_ip=source_ip, more=context),
        )
        if reason is not None:
            raise refusals.not_authorized(
                principal=principal.arn, action=action, resource=resource, reason=reason
            )

    def context(
        self,
        principal: Principal,
        *,
        source_ip: str,
        more: Mapping[str, str | tuple[str, ...]] | None = None,
    ) -> dict[str, tuple[str, ...]]:
        """The context keys of a call: those of every call, and those of the action."""
        now = datetime.datetime.fromtimestamp(self._clock.now(), datetime.UTC)
        keys = {
            "aws:sourceip": (source_ip,),
            "aws:currenttime": (now.isoformat(),),
            "aws:securetransport": ("true",),
            **principal.keys(),
        }
        for key, value in (more or {}).items():
            keys[key.lower()] = (value,) if isinstance(value, str) else value
        return keys

    def check_time(self, timestamp: str, *, scope: sigv4.Scope, minutes: int) -> None:
        """Raise CloudError if the time of a signature is not within so many minutes."""
        signed_at = from_compact(timestamp)
        if signed_at is None:
            raise refusals.incomplete_signature(
                "Date must be in ISO-8601 'basic format'. "
                f"Got '{timestamp}'. See https://en.wikipedia.org/wiki/ISO_8601"
            )
        if scope.date != timestamp[:8]:
            raise refusals.signature_does_not_match(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                f"from HTTP: '{scope.date}' != '{timestamp[:8]}', from '{timestamp}'."
            )
        now, skew = self._clock.now(), minutes * 60
        if signed_at < now - skew:
            raise refusals.signature_does_not_match(
                f"Signature expired: {timestamp} is now earlier than "
                f"{compact(now - skew)} ({compact(now)} - {minutes} min.)"
            )
        if signed_at > now + skew:
            raise refusals.signature_does_not_match(
                f"Signature not yet current: {timestamp} is still later than "
                f"{compact(now + skew)} ({compact(now)} + {minutes} min.)"
            )

    @staticmethod
    def check_signed_headers(request: Request, *, signed: tuple[str, ...]) -> None:
        """Raise CloudError if a header that must be signed is not."""
        unsigned = {
            name
            for name, _ in request.headers
            if (name == "host" or name.startswith("x-amz-")) and name not in signed
        }
        if unsigned or "host" not in signed:
            names = ", ".join(f"'{name}'" for name in sorted(unsigned)) or "'host'"
            raise refusals.signature_does_not_match(
                f"{names} must be a 'SignedHeader' in the AWS Authorization."
            )
