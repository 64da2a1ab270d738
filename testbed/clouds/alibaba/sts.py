"""Alibaba Cloud's STS: roles by signature or token, keys for RSA key pairs, GetCallerIdentity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.clouds.alibaba import answers, refusals, session_requests, signatures
from testbed.clouds.policies import Effect

if TYPE_CHECKING:
    from testbed.clouds.alibaba.accounts import Accounts, Role
    from testbed.clouds.alibaba.authentication import Authentication
    from testbed.clouds.alibaba.oidc_tokens import Identity, OidcTokens
    from testbed.clouds.alibaba.principals import Principal
    from testbed.clouds.alibaba.rates import StsRates
    from testbed.clouds.alibaba.session_requests import SessionRequest
    from testbed.clouds.alibaba.sessions import Session, Sessions
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request, Response

_ACTION = "sts:AssumeRole"  # also the action in a trust policy for OIDC
_VERSION = "2015-04-01"
_LONGEST_KEY_SECONDS = 3600
_TOLD = ("RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "OIDCProviderArn", "ExternalId")


class SecurityTokenService:
    """The STS endpoint: global, regional and in a VPC."""

    name = "sts"

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        tokens: OidcTokens,
        authentication: Authentication,
        rates: StsRates,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._authentication = authentication
        self._rates = rates

    def action(self, request: Request) -> str:
        """The Action parameter, or the equivalent header."""
        return signatures.action_of(request)

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        given = signatures.parameters(request)
        entry.parameters.update({name: given[name] for name in _TOLD if name in given})
        if signatures.version_of(request) != _VERSION:
            raise refusals.unsupported("Version")
        match action:
            case "AssumeRole":
                return self._assume(request, given, entry=entry)
            case "AssumeRoleWithOIDC":
                return await self._assume_with_oidc(request, given, entry=entry)
            case "GetCallerIdentity":
                return self._caller_identity(request, entry=entry)
            case "GenerateSessionAccessKey":
                return self._generate_session_access_key(request, given, entry=entry)
            case _:
                raise refusals.unknown_action()

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error document."""
        return answers.error(request, error)

    def _caller_identity(self, request: Request, *, entry: Entry) -> Response:
        """GetCallerIdentity, which needs no permission."""
        principal = self._authentication.verify(request)
        entry.principal = principal.arn
        self._rates.check("GetCallerIdentity", account=principal.account)
        return answers.result(
            {
                "AccountId": principal.account,
                "Arn": principal.arn,
                "PrincipalId": principal.principal_id,
                **_kind(principal),
            }
        )

    def _assume(self, request: Request, given: dict[str, str], *, entry: Entry) -> Response:
        principal = self._authentication.verify(request)
        entry.principal = principal.arn
        self._rates.check("AssumeRole", account=principal.account)
        requested = session_requests.parse(given)
        if principal.is_root:
            raise refusals.root_may_not_assume()
        role = self._role(requested)
        context = self._authentication.context(request)
        if requested.external_id is not None:
            context["sts:externalid"] = (requested.external_id,)
        if not principal.may(_ACTION, resource=role.arn, context=context) or not _trusts(
            role, kind="RAM", names=principal.names(), context=context
        ):
            raise refusals.not_authorized()
        return answers.result(_content(self._issue(role, requested, entry=entry)))

    async def _assume_with_oidc(
        self, request: Request, given: dict[str, str], *, entry: Entry
    ) -> Response:
        """AssumeRoleWithOIDC, which is not signed: the token authenticates the caller."""
        self._authentication.check_time(
            given.get("Timestamp") or request.header("x-acs-date") or ""
        )
        for name in ("OIDCProviderArn", "OIDCToken"):
            if not given.get(name):
                raise refusals.missing_parameter(name)
        requested = session_requests.parse(given)
        identity = await self._tokens.verify(
            given["OIDCToken"], provider_arn=given["OIDCProviderArn"]
        )
        self._rates.check("AssumeRoleWithOIDC", account=identity.provider.arn.split(":")[3])
        role = self._role(requested)
        if not _trusts(
            role,
            kind="Federated",
            names=frozenset({identity.provider.arn}),
            context=identity.context(),
        ):
            raise refusals.oidc_not_trusted()
        session = self._issue(role, requested, entry=entry)
        entry.principal = session.arn
        return answers.result({**_content(session), "OIDCTokenInfo": _token_info(identity)})

    def _generate_session_access_key(
        self, request: Request, given: dict[str, str], *, entry: Entry
    ) -> Response:
        user = self._authentication.verify_rsa(request)
        entry.principal = user.arn
        seconds = session_requests.duration(given)
        if seconds > _LONGEST_KEY_SECONDS:
            raise refusals.duration(_LONGEST_KEY_SECONDS)
        session = self._sessions.issue_to_user(user, duration_seconds=seconds)
        entry.session = session.access_key_id
        return answers.result(
            {
                "SessionAccessKey": {
                    "SessionAccessKeyId": session.access_key_id,
                    "SessionAccessKeySecret": session.secret_key,
                    "Expiration": answers.time_text(session.expires_at),
                }
            }
        )

    def _role(self, requested: SessionRequest) -> Role:
        role = self._accounts.role(requested.role_arn)
        if role is None:
            raise refusals.role_not_found(requested.role_arn)
        return role

    def _issue(self, role: Role, requested: SessionRequest, *, entry: Entry) -> Session:
        if requested.duration_seconds > role.max_session_seconds:
            raise refusals.duration(role.max_session_seconds)
        session = self._sessions.issue(
            role,
            name=requested.name,
            duration_seconds=requested.duration_seconds,
            policy=requested.policy,
        )
        entry.session = session.access_key_id
        return session


def _trusts(
    role: Role, *, kind: str, names: frozenset[str], context: dict[str, tuple[str, ...]]
) -> bool:
    effect = role.trust.effect(
        action=_ACTION, resource=role.arn, context=context, trusted=(kind, names)
    )
    return effect is Effect.ALLOW


def _kind(principal: Principal) -> dict[str, str]:
    if principal.role_id is not None:
        return {"IdentityType": "AssumedRoleUser", "RoleId": principal.role_id}
    kind = "Account" if principal.is_root else "RAMUser"
    return {"IdentityType": kind, "UserId": principal.principal_id}


def _content(session: Session) -> dict[str, Any]:
    return {
        "AssumedRoleUser": {"Arn": session.arn, "AssumedRoleId": session.principal_id},
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.secret_key,
            "SecurityToken": session.token,
            "Expiration": answers.time_text(session.expires_at),
        },
    }


def _token_info(identity: Identity) -> dict[str, str]:
    return {
        "Subject": identity.subject,
        "Issuer": identity.provider.issuer,
        "ClientIds": ",".join(identity.audiences),
        "IssuanceTime": answers.time_text(identity.issued_at),
        "ExpirationTime": answers.time_text(identity.expires_at),
        "VerificationInfo": "Success",
    }
