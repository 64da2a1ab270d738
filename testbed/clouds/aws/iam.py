"""AWS IAM: own implementations where moto is lax or lacks an action, otherwise moto's.

Signature, session and policies are checked here before anything else happens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.core.request import Request as MotoRequest
from moto.iam.responses import IamResponse

from testbed.clouds.aws import iam_permissions, query, refusals
from testbed.clouds.conditions import MalformedPolicyError
from testbed.clouds.policies import Policy
from testbed.clouds.wire import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.iam_service_credentials import ServiceCredentialActions
    from testbed.clouds.aws.iam_users import Users
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_TOLD = (
    "RoleName",
    "UserName",
    "PolicyName",
    "PolicyArn",
    "OpenIDConnectProviderArn",
    "ServiceName",
    "ServiceSpecificCredentialId",
    "CredentialAgeDays",
    "Status",
    "Path",
    "PermissionsBoundary",
)


class IdentityAndAccessManagement:
    """The global IAM endpoint."""

    name = "iam"

    def __init__(
        self,
        *,
        authentication: Authentication,
        accounts: Accounts,
        propagation: Propagation,
        users: Users,
        credentials: ServiceCredentialActions,
    ) -> None:
        self._authentication = authentication
        self._accounts = accounts
        self._propagation = propagation
        self._users = users
        self._actions: Mapping[str, Callable[[str, dict[str, str]], dict[str, Any] | None]] = {
            "AttachUserPolicy": users.attach,
            "CreateServiceSpecificCredential": credentials.create,
            "CreateUser": users.create,
            "DeleteServiceSpecificCredential": credentials.delete,
            "DeleteUser": users.delete,
            "DeleteUserPermissionsBoundary": users.delete_boundary,
            "DetachUserPolicy": users.detach,
            "GetUser": users.get,
            "ListServiceSpecificCredentials": credentials.list,
            "ListUsers": users.list,
            "PutUserPermissionsBoundary": users.put_boundary,
            "PutUserPolicy": users.put_policy,
            "ResetServiceSpecificCredential": credentials.reset,
            "UpdateServiceSpecificCredential": credentials.update,
        }

    def action(self, request: Request) -> str:
        """The Action parameter."""
        return query.form(request).get("Action", "")

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call in the account of the caller."""
        caller = self._authentication.verify(request, service="iam", region="us-east-1")
        entry.principal = caller.arn
        parameters = query.form(request)
        entry.parameters.update({name: parameters[name] for name in _TOLD if name in parameters})
        for permission in iam_permissions.needed(
            action, parameters, caller=caller, accounts=self._accounts
        ):
            self._authentication.authorize(
                caller,
                action=permission.action,
                resource=permission.resource,
                source_ip=request.source_ip,
                context=permission.context,
            )
        _check_documents(parameters)
        name = iam_permissions.user_name(action, parameters, caller=caller)
        if name is not None:
            parameters["UserName"] = name
        own = self._actions.get(action)
        if own is not None:
            content = own(caller.account, parameters)
            return query.result("iam", action, content or {})
        if name is not None:
            self._users.find(caller.account, name)
        return self._moto(request, action=action, caller=caller, entry=entry)

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The error document of the query protocol."""
        return query.error(error, namespace=_NAMESPACE)

    def _moto(self, request: Request, *, action: str, caller: Principal, entry: Entry) -> Response:
        headers = dict(request.headers) | {"x-moto-account-id": caller.account}
        status, _, body = IamResponse.dispatch(
            MotoRequest.from_primitives(
                request.method, f"https://{request.host}{request.path}", headers, request.body
            )
        )
        content = body.encode() if isinstance(body, str) else body
        code = re.search(rb"<Code>(\w+)</Code>", content)
        entry.error_code = code[1].decode() if code else None
        made = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", content)
        if action == "CreateAccessKey" and made:
            self._propagation.made(made[1].decode())
        return Response(int(status), content, "text/xml")


def _check_documents(parameters: Mapping[str, str]) -> None:
    """Reject what the evaluator does not support when it is stored, not when it is used."""
    for name, trust in (("PolicyDocument", False), ("AssumeRolePolicyDocument", True)):
        document = parameters.get(name)
        if document is None:
            continue
        is_trust = trust or parameters.get("Action") == "UpdateAssumeRolePolicy"
        try:
            Policy.parse(document, trust=is_trust)
        except MalformedPolicyError as error:
            raise refusals.malformed_policy(str(error)) from error
