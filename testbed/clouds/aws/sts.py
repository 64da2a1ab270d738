"""AWS STS: AssumeRoleWithWebIdentity and GetCallerIdentity.

moto's own answers are not used: it looks at no token, no trust policy and no expiry.
"""

from __future__ import annotations

import datetime
import math
import re
import zlib
from typing import TYPE_CHECKING

from testbed.clouds.aws import query, refusals
from testbed.clouds.aws.conditions import MalformedPolicyError
from testbed.clouds.aws.policies import Effect, Policy

if TYPE_CHECKING:
    from testbed.clouds.aws.accounts import Accounts, Role
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.identity_tokens import Identity, IdentityTokens
    from testbed.clouds.aws.refusals import AwsError
    from testbed.clouds.aws.sessions import Sessions
    from testbed.clouds.aws.wire import Entry, Request, Response

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SHORTEST_SECONDS, _LONGEST_SECONDS, _DEFAULT_SECONDS = 900, 43200, 3600
_SESSION_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)
_SESSION_NAME_LENGTH = (2, 64)
_POLICY_CHARACTERS = 2048
_POLICY_ARNS = 10
_POLICY_ARN = re.compile(r"arn:aws:iam::(aws|\d{12}):policy/[\w+=,.@/-]+", re.ASCII)
# What AWS packs into, and how, is not published; the share is told for the form's sake. [U]
_PACKED_BYTES = 1024
_TOLD = ("RoleArn", "RoleSessionName", "DurationSeconds", "Policy")


def region_of(host: str) -> str:
    """The region whose scope a signature for this host must carry."""
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
        """Carry the call out."""
        match action:
            case "AssumeRoleWithWebIdentity":
                return await self._assume_with_web_identity(request, entry=entry)
            case "GetCallerIdentity":
                return self._caller_identity(request, entry=entry)
            case _:
                raise refusals.unknown_action(action, version="2011-06-15")

    def refuse(self, request: Request, error: AwsError) -> Response:  # noqa: ARG002  as Service has it
        """The error document of the query protocol."""
        return query.error(error, namespace=_NAMESPACE)

    def _caller_identity(self, request: Request, *, entry: Entry) -> Response:
        """Needs no permission, as in AWS."""
        principal = self._authentication.verify(
            request, service="sts", region=region_of(request.host)
        )
        entry.principal = principal.arn
        return query.result(
            "sts",
            "GetCallerIdentity",
            {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn},
        )

    async def _assume_with_web_identity(self, request: Request, *, entry: Entry) -> Response:
        parameters = query.form(request)
        arns = query.members(parameters, "PolicyArns", field="arn")
        entry.parameters.update({name: parameters[name] for name in _TOLD if name in parameters})
        if arns:
            entry.parameters["PolicyArns"] = ",".join(arns)
        duration = _checked_duration(parameters)
        name = _checked_session_name(parameters)
        role_arn = parameters.get("RoleArn", "")
        parts = role_arn.split(":")
        if len(parts) != 6 or not parts[5].startswith("role/"):
            raise refusals.validation("Request ARN is invalid")
        policies, packed = self._session_policies(parameters.get("Policy"), arns=arns)
        identity = await self._tokens.verify(
            parameters.get("WebIdentityToken", ""), account=parts[4]
        )
        role = self._accounts.role(role_arn)
        if role is None or not _trusts(role, identity):
            raise refusals.not_authorized_for_web_identity()
        if duration > role.max_session_seconds:
            raise refusals.validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )
        session = self._sessions.issue(
            role, name=name, duration_seconds=duration, policies=policies
        )
        entry.principal = session.arn
        ends = datetime.datetime.fromtimestamp(session.expires_at, datetime.UTC)
        return query.result(
            "sts",
            "AssumeRoleWithWebIdentity",
            {
                "Credentials": {
                    "AccessKeyId": session.access_key_id,
                    "SecretAccessKey": session.secret_key,
                    "SessionToken": session.token,
                    "Expiration": ends,
                },
                "SubjectFromWebIdentityToken": identity.subject,
                "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
                "PackedPolicySize": packed,
                "Provider": identity.provider.arn,
                "Audience": identity.audience,
            },
        )

    def _session_policies(
        self, document: str | None, *, arns: list[str]
    ) -> tuple[tuple[Policy, ...] | None, int | None]:
        """The session's policies and their packed size in per cent; None and None without any."""
        if document is None and not arns:
            return None, None
        if document is not None and not 1 <= len(document) <= _POLICY_CHARACTERS:
            raise refusals.constraint(
                "policy", document, f"have length less than or equal to {_POLICY_CHARACTERS}"
            )
        if len(arns) > _POLICY_ARNS:
            raise refusals.constraint(
                "policyArns", arns, f"have length less than or equal to {_POLICY_ARNS}"
            )
        policies = [self._managed_policy(arn) for arn in arns]
        if document is not None:
            try:
                policies.append(Policy.parse(document))
            except MalformedPolicyError as error:
                raise refusals.malformed_policy(str(error)) from error
        size = len(zlib.compress("".join([document or "", *arns]).encode()))
        percent = math.ceil(100 * size / _PACKED_BYTES)
        if percent > 100:
            raise refusals.packed_policy_too_large(percent)
        return tuple(policies), percent

    def _managed_policy(self, arn: str) -> Policy:
        if not _POLICY_ARN.fullmatch(arn):
            raise refusals.validation(f"ARN {arn} is not valid.")
        policy = self._accounts.managed_policy(arn)
        if policy is None:
            raise refusals.malformed_policy(f"Policy {arn} does not exist.")  # [U] the words
        return policy


def _checked_duration(parameters: dict[str, str]) -> int:
    text = parameters.get("DurationSeconds", str(_DEFAULT_SECONDS))
    if not text.isdigit() or int(text) < _SHORTEST_SECONDS:
        raise refusals.constraint(
            "durationSeconds", text, f"have value greater than or equal to {_SHORTEST_SECONDS}"
        )
    if int(text) > _LONGEST_SECONDS:
        raise refusals.constraint(
            "durationSeconds", text, f"have value less than or equal to {_LONGEST_SECONDS}"
        )
    return int(text)


def _checked_session_name(parameters: dict[str, str]) -> str:
    name = parameters.get("RoleSessionName", "")
    shortest, longest = _SESSION_NAME_LENGTH
    if not _SESSION_NAME.fullmatch(name):
        demand = r"satisfy regular expression pattern: [\w+=,.@-]*"
    elif len(name) < shortest:
        demand = f"have length greater than or equal to {shortest}"
    elif len(name) > longest:
        demand = f"have length less than or equal to {longest}"
    else:
        return name
    raise refusals.constraint("roleSessionName", name, demand)


def _trusts(role: Role, identity: Identity) -> bool:
    effect = role.trust.effect(
        action="sts:AssumeRoleWithWebIdentity",
        resource=role.arn,
        context={
            f"{identity.provider.url}:sub".lower(): (identity.subject,),
            f"{identity.provider.url}:aud".lower(): (identity.audience,),
        },
        trusted=("Federated", identity.provider.arn),
    )
    return effect is Effect.ALLOW
