"""Cloud Call Center: the one product that accepts a bearer token instead of a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds.alibaba import answers, refusals, signatures

if TYPE_CHECKING:
    from testbed.clouds.alibaba.authentication import Authentication
    from testbed.clouds.alibaba.bearer import BearerTokens
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request, Response

_VERSION = "2020-07-01"
_BEARER = "BEARERTOKEN"


class CloudCallCenter:
    """Only its action GetInstance."""

    name = "ccc"

    def __init__(self, *, tokens: BearerTokens, authentication: Authentication) -> None:
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The Action parameter, or the equivalent header."""
        return signatures.action_of(request)

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        if action != "GetInstance" or signatures.version_of(request) != _VERSION:
            raise refusals.unknown_action()
        given = signatures.parameters(request)
        # the SDK sends a header; an older RPC request has a parameter (alibabacloud_tea_openapi)
        token = request.header("x-acs-bearer-token") or given.get("BearerToken")
        if token is None:
            entry.principal = self._authentication.verify(request).arn
        else:
            if given.get("SignatureType") != _BEARER:
                raise refusals.unsupported("SignatureType")
            self._authentication.check_time(
                given.get("Timestamp") or request.header("x-acs-date") or ""
            )
            entry.principal = f"acs:ram::{self._tokens.account(token)}:root"
        name = given.get("InstanceId", "")
        return answers.result({"Code": "OK", "Data": {"Id": name, "Name": name}})

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error document."""
        return answers.error(request, error)
