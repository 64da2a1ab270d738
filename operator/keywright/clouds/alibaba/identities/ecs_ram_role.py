"""The role of the operator's node, from the metadata service of ECS.

Anyone who may write a CredentialSource could use it, so it is off unless a flag of the operator
allows it. The library sends metadata requests through HTTP_PROXY even if NO_PROXY excludes the
address, which discloses the node's credentials to the proxy, and keeps a thread running; the
protocol is three requests (help center, "Instance RAM roles": hardened mode first, with a token
from a PUT request).
"""

from __future__ import annotations

import re

from keywright.api.alibaba_source import EcsRamRole
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    alibaba_of,
    limits_of,
    reject_session_options,
    session_of,
    verify_identity,
)
from keywright.clouds.alibaba.credentials import parse_credentials
from keywright.clouds.alibaba.sts.client import TemporaryCredentials
from keywright.clouds.alibaba.sts.errors import RequestContext
from keywright.clouds.http import HttpResponse, Timeouts, TransportError
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

FIELD = f"{ROOT}.ecsRamRole"
_SERVICE = "http://100.100.100.200/latest"
_ROLES = f"{_SERVICE}/meta-data/ram/security-credentials/"
_TOKEN_SECONDS = "60"  # noqa: S105  it is used immediately, and requested again the next time
_ROLE_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
# The characters allowed in a header.
_TOKEN = re.compile(r"[!-~]{1,4096}")
_FORBIDDEN = 403
_PATIENCE = Timeouts(connect_seconds=1.0, read_seconds=1.0)


async def open_session(
    identity: EcsRamRole, *, source: CredentialSource, ask: SessionOptions, context: AlibabaContext
) -> Session:
    """Read the credentials from the metadata service, which renews them by itself.

    Raises:
        Failure: the flag is not set, there is no metadata service or no role, or the cloud does not
            accept the credentials.
    """
    reject_session_options(ask, way="ecsRamRole")
    if context.own is None:
        raise not_allowed(FIELD, remedy="Use oidcRoleArn")
    session = await node_session(
        identity.role_name,
        hardened_alone=identity.disable_imds_v1,
        field=FIELD,
        source=source,
        context=context,
    )
    return await verify_identity(
        session, source=source, asking=RequestContext(fields={"": FIELD}), context=context
    )


def not_allowed(field: str, *, remedy: str) -> Failure:
    """The failure if the flag that allows the identity of the operator or its node is not set."""
    return Failure(
        "this operator lends its own identity, and its node's, to no one.",
        kind=FailureClass.CONFIGURATION,
        reason="AmbientNotAllowed",
        field=field,
        remedy=f"{remedy}, or start the operator with --allow-ambient.",
    )


async def node_session(
    role_name: str | None,
    *,
    hardened_alone: bool,
    field: str,
    source: CredentialSource,
    context: AlibabaContext,
) -> Session:
    """The credentials of the node's role, not verified yet; raises Failure."""
    alibaba = alibaba_of(source)
    chosen = alibaba.connect_timeout or alibaba.read_timeout
    limits = limits_of(source) if chosen else _PATIENCE
    metadata = _Metadata(context, limits=limits, field=field, tenant=source.namespace)
    issued_at = whole_seconds(context.clock())
    headers = await metadata.token(hardened_alone=hardened_alone)
    try:
        issued = await metadata.credentials(role_name, headers)
    except _RefusedTokenError:
        if hardened_alone:
            raise _failed("answers with HTTP 403", field=field) from None
        # As documented by the vendor: if the hardened mode fails, the normal one is tried.
        issued = await metadata.credentials(role_name, {})
    return session_of(issued, issued_at=issued_at, field=field)


class _RefusedTokenError(Exception):
    """The metadata service rejects the token that it issued (403)."""


class _Metadata:
    """The requests, and the conversion of their failures."""

    def __init__(
        self, context: AlibabaContext, *, limits: Timeouts, field: str, tenant: str
    ) -> None:
        self._context = context
        self._tenant = tenant
        self._limits = limits
        self._field = field

    async def token(self, *, hardened_alone: bool) -> dict[str, str]:
        """The header of the hardened mode; empty if the normal mode is allowed and needed."""
        try:
            answer = await self._context.http.request(
                "PUT",
                f"{_SERVICE}/api/token",
                limits=self._limits,
                reach=Reach.OPERATOR,
                tenant=self._tenant,
                headers={"X-aliyun-ecs-metadata-token-ttl-seconds": _TOKEN_SECONDS},
            )
        except TransportError as error:
            if hardened_alone:
                raise _failed(f"does not answer ({error})", field=self._field) from None
            return {}
        if answer.status == 200:
            token = answer.body.decode(errors="replace").strip()
            if not _TOKEN.fullmatch(token):
                raise _failed("gives a token that is none", field=self._field)
            return {"X-aliyun-ecs-metadata-token": token}
        if hardened_alone:
            raise Failure(
                f"the metadata service gives no token of its hardened mode (HTTP {answer.status}).",
                kind=FailureClass.TRANSIENT,
                reason="MetadataUnavailable",
                field=f"{self._field}.disableImdsV1",
                remedy="Turn the hardened mode on for the node, or set disableImdsV1 to false.",
            )
        return {}

    async def credentials(
        self, role_name: str | None, headers: dict[str, str]
    ) -> TemporaryCredentials:
        """The credentials of the role, or of the node's only role.

        Raises:
            Failure: no response, or one without credentials.
            _RefusedTokenError: the token in `headers` is rejected.
        """
        found = role_name
        if not found:
            answer = await self.get(_ROLES, headers)
            found = answer.body.decode(errors="replace").strip()
        if not _ROLE_NAME.fullmatch(found):
            raise _failed("is asked for a role whose name is none", field=self._field)
        issued = parse_credentials((await self.get(f"{_ROLES}{found}", headers)).body)
        if issued is None:
            raise _failed(f"gives no credentials of role {found}", field=self._field)
        return issued

    async def get(self, url: str, headers: dict[str, str]) -> HttpResponse:
        """Send a GET request and return the response, which has the status 200.

        Raises:
            Failure: no response, or one with another status.
            _RefusedTokenError: 403 for a request with a token.
        """
        try:
            answer = await self._context.http.request(
                "GET",
                url,
                limits=self._limits,
                reach=Reach.OPERATOR,
                tenant=self._tenant,
                headers=headers,
            )
        except TransportError as error:
            raise _failed(f"does not answer ({error})", field=self._field) from None
        if answer.status == _FORBIDDEN and headers:
            raise _RefusedTokenError
        if answer.status == 404:
            raise Failure(
                "the metadata service knows no such role on this node.",
                kind=FailureClass.TRANSIENT,
                reason="MetadataUnavailable",
                field=f"{self._field}.roleName",
                remedy="Attach a RAM role to the node, or correct the name.",
            )
        if answer.status != 200:
            raise _failed(f"answers with HTTP {answer.status}", field=self._field)
        return answer


def _failed(what: str, *, field: str) -> Failure:
    return Failure(
        f"the metadata service of the node {what}.",
        kind=FailureClass.TRANSIENT,
        reason="MetadataUnavailable",
        field=field,
        remedy="Run the operator on a node of ECS or ECI that has a RAM role.",
    )
