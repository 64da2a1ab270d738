"""AWS IAM: moto answers, after signature, session and policies have been checked here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from moto.core.request import Request as MotoRequest
from moto.iam.responses import IamResponse

from testbed.clouds.aws import query
from testbed.clouds.aws.wire import Response

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.refusals import AwsError
    from testbed.clouds.aws.wire import Entry, Request

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_TOLD = ("RoleName", "UserName", "PolicyName", "PolicyArn", "OpenIDConnectProviderArn")


class IdentityAndAccessManagement:
    """The global IAM endpoint."""

    name = "iam"

    def __init__(self, *, authentication: Authentication) -> None:
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The Action parameter."""
        return query.form(request).get("Action", "")

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Let moto carry the call out in the account of the caller."""
        principal = self._authentication.verify(request, service="iam", region="us-east-1")
        entry.principal = principal.arn
        parameters = query.form(request)
        entry.parameters.update({name: parameters[name] for name in _TOLD if name in parameters})
        self._authentication.authorize(
            principal,
            action=f"iam:{action}",
            resource=_resource(parameters, account=principal.account),
            source_ip=request.source_ip,
        )
        headers = dict(request.headers) | {"x-moto-account-id": principal.account}
        status, _, body = IamResponse.dispatch(
            MotoRequest.from_primitives(
                request.method, f"https://{request.host}{request.path}", headers, request.body
            )
        )
        content = body.encode() if isinstance(body, str) else body
        code = re.search(rb"<Code>(\w+)</Code>", content)
        entry.error_code = code[1].decode() if code else None
        return Response(int(status), content, "text/xml")

    def refuse(self, request: Request, error: AwsError) -> Response:  # noqa: ARG002  as Service has it
        """The error document of the query protocol."""
        return query.error(error, namespace=_NAMESPACE)


def _resource(parameters: dict[str, str], *, account: str) -> str:
    for name, kind in (("RoleName", "role"), ("UserName", "user")):
        if name in parameters:
            return f"arn:aws:iam::{account}:{kind}/{parameters[name]}"
    return parameters.get("PolicyArn") or parameters.get("OpenIDConnectProviderArn") or "*"
