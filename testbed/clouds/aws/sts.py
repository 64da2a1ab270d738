"""AWS STS: AssumeRole, AssumeRoleWithWebIdentity, GetScopedCredentials, GetCallerIdentity.

moto's own implementation is not used: it checks no token, no trust policy and no expiry.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import query, refusals, role_assumption, scoping, session_requests
from testbed.clouds.policies import Effect

if TYPE_CHECKING:
    from testbed.clouds.aws.accounts import Accounts, Role
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.identity_tokens import Identity, IdentityTokens
    from testbed.clouds.aws.session_requests import SessionRequest
    from testbed.clouds.aws.sessions import Session, Sessions
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request, Response

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_GLOBAL_HOST = "sts.amazonaws.com"
_TOLD = ("RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "SourceIdentity")


def region_of(host: str) -> str:
    """The region in the scope of signatures for this host."""
    parts = host.split(".")
    return parts[1] if parts[1] != "amazonaws" else "us-east-1"


class SecurityTokenService:
    """The STS endpoint, global and regional."""

    name = "sts"

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        tokens: IdentityTokens,
        authentication: Authentication,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The Action parameter."""
        return query.form(request).get("Action", "")

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        match action:
            case "AssumeRole":
                return self._assume(request, entry=entry)
            case "AssumeRoleWithWebIdentity":
                return await self._assume_with_web_identity(request, entry=entry)
            case "GetScopedCredentials" if request.host != _GLOBAL_HOST:
                return self._scope_down(request, entry=entry)
            case "GetCallerIdentity":
                return self._caller_identity(request, entry=entry)
            case _:
                raise refusals.unknown_action(action, version="2011-06-15")

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The error document of the query protocol."""
        return query.error(error, namespace=_NAMESPACE)

    def _caller_identity(self, request: Request, *, entry: Entry) -> Response:
        """GetCallerIdentity, which needs no permission, as in AWS."""
        principal = self._authentication.verify(
            request, service="sts", region=region_of(request.host)
        )
        entry.principal = principal.arn
        return query.result(
            "sts",
            "GetCallerIdentity",
            {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn},
        )

    def _assume(self, request: Request, *, entry: Entry) -> Response:
        principal = self._authentication.verify(
            request, service="sts", region=region_of(request.host)
        )
        entry.principal = principal.arn
        requested = self._requested(request, entry=entry)
        requested = role_assumption.inherit(requested, caller=principal)
        role = role_assumption.check(
            requested,
            role=self._accounts.role(requested.role_arn),
            caller=principal,
            authentication=self._authentication,
            source_ip=request.source_ip,
        )
        session = self._issue(role, requested, entry=entry)
        content = _content(session, requested)
        if session.source_identity is not None:
            content["SourceIdentity"] = session.source_identity
        return query.result("sts", "AssumeRole", content)

    def _scope_down(self, request: Request, *, entry: Entry) -> Response:
        principal = self._authentication.verify(
            request, service="sts", region=region_of(request.host)
        )
        entry.principal = principal.arn
        parameters = query.form(request)
        entry.parameters.update({name: parameters[name] for name in _TOLD if name in parameters})
        session = self._sessions.find(principal.access_key_id)
        requested = scoping.check(parameters, session=session, now=self._sessions.now())
        self._authentication.authorize(
            principal,
            action="sts:GetScopedCredentials",
            resource="*",
            source_ip=request.source_ip,
        )
        assert session is not None
        scoped = self._sessions.scope_down(
            session, policy=requested.policy, expires_at=requested.expires_at
        )
        entry.session = scoped.access_key_id
        content = {
            "Credentials": _credentials(scoped),
            "SessionInfo": {"ScopedSessionId": scoped.user_id, "Arn": scoped.arn},
            "SessionTokenSize": len(scoped.token),
            "ScopedPoliciesCount": len(scoped.scopes),
        }
        if scoped.source_identity is not None:
            content["SourceIdentity"] = scoped.source_identity
        return query.result("sts", "GetScopedCredentials", content)

    async def _assume_with_web_identity(self, request: Request, *, entry: Entry) -> Response:
        requested = dataclasses.replace(  # this action has no such parameters
            self._requested(request, entry=entry),
            tags={},
            transitive_tag_keys=frozenset(),
            source_identity=None,
        )
        self._authentication.pace(self.name, account=requested.account)
        identity = await self._tokens.verify(
            query.form(request).get("WebIdentityToken", ""), account=requested.account
        )
        role = self._accounts.role(requested.role_arn)
        if role is None or not _trusts(role, identity):
            raise refusals.not_authorized_for_web_identity()
        if requested.duration_seconds > role.max_session_seconds:
            raise refusals.duration_exceeds_maximum()
        session = self._issue(role, requested, entry=entry)
        entry.principal = session.arn
        content = _content(session, requested) | {
            "SubjectFromWebIdentityToken": identity.subject,
            "Provider": identity.provider.arn,
            "Audience": identity.audience,
        }
        return query.result("sts", "AssumeRoleWithWebIdentity", content)

    def _requested(self, request: Request, *, entry: Entry) -> SessionRequest:
        parameters = query.form(request)
        entry.parameters.update({name: parameters[name] for name in _TOLD if name in parameters})
        arns = query.members(parameters, "PolicyArns", field="arn")
        if arns:
            entry.parameters["PolicyArns"] = ",".join(arns)
        return session_requests.parse(parameters, accounts=self._accounts)

    def _issue(self, role: Role, requested: SessionRequest, *, entry: Entry) -> Session:
        session = self._sessions.issue(
            role,
            name=requested.name,
            duration_seconds=requested.duration_seconds,
            policies=requested.policies,
            tags=requested.tags,
            transitive_tag_keys=requested.transitive_tag_keys,
            source_identity=requested.source_identity,
        )
        entry.session = session.access_key_id
        return session


def _content(session: Session, requested: SessionRequest) -> dict[str, Any]:
    """The common content of both responses; the expiry is in whole seconds."""
    return {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "PackedPolicySize": requested.packed_percent,
    }


def _credentials(session: Session) -> dict[str, Any]:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": datetime.datetime.fromtimestamp(session.expires_at, datetime.UTC),
    }


def _trusts(role: Role, identity: Identity) -> bool:
    effect = role.trust.effect(
        action="sts:AssumeRoleWithWebIdentity",
        resource=role.arn,
        context={
            f"{identity.provider.url}:sub".lower(): (identity.subject,),
            f"{identity.provider.url}:aud".lower(): (identity.audience,),
        },
        trusted=("Federated", frozenset({identity.provider.arn})),
    )
    return effect is Effect.ALLOW
