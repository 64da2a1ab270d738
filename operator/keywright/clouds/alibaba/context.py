"""What all requests to STS for a session have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from keywright.api.alibaba_source import AlibabaSource
from keywright.api.durations import parse_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.api_calls import ApiCalls
from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, StsError, TemporaryCredentials
from keywright.clouds.alibaba.sts.errors import SOURCE, RequestContext, refusal
from keywright.clouds.endpoints import AllowedUris
from keywright.clouds.http import HttpClient, Timeouts
from keywright.clouds.interfaces import (
    DefaultCredentials,
    SecretReader,
    Session,
    SessionOptions,
    TokenSource,
)
from keywright.clouds.listings import SharedListings
from keywright.clouds.sessions import Clock

DEFAULT_DURATION: Final = "1h"
GRANTS_DURATION: Final = "spec.sessionCredentials.duration"
GRANTS_POLICY: Final = "spec.sessionCredentials.policy"
ROOT: Final = SOURCE
_SESSION_NAME_LIMIT = 64
# The timeouts of the Alibaba Cloud Credentials tool.
_CONNECT, _READ = "10s", "5s"
DEFAULT_LIMITS: Final = Timeouts(
    connect_seconds=parse_duration(_CONNECT), read_seconds=parse_duration(_READ)
)
"""The timeouts of requests that several sources share."""


@dataclass(frozen=True, slots=True)
class AlibabaContext:
    """All external dependencies of an identity.

    `own` is only set if the operator's flag allows it, and with it the metadata of the node.
    """

    tokens: TokenSource
    secrets: SecretReader
    sts: StsCalls
    api: ApiCalls
    http: HttpClient
    clock: Clock
    uris: AllowedUris
    own: DefaultCredentials | None = None
    min_lifetime: timedelta = timedelta(0)
    listings: SharedListings = field(
        default_factory=lambda: SharedListings(clock=lambda: datetime.now(UTC))
    )


def alibaba_of(source: CredentialSource) -> AlibabaSource:
    """The Alibaba Cloud part of the source."""
    assert source.spec.alibaba_cloud is not None
    return source.spec.alibaba_cloud


def limits_of(source: CredentialSource) -> Timeouts:
    """The timeouts of the source, in seconds."""
    alibaba = alibaba_of(source)
    return Timeouts(
        connect_seconds=parse_duration(alibaba.connect_timeout or _CONNECT),
        read_seconds=parse_duration(alibaba.read_timeout or _READ),
    )


def endpoint_of(source: CredentialSource) -> Endpoint:
    """The STS endpoint of the source: its own, otherwise the public one of its region."""
    alibaba = alibaba_of(source)
    host = alibaba.sts_endpoint or f"sts.{alibaba.region_id}.aliyuncs.com"
    return Endpoint(
        host.removeprefix("https://"),
        limits_of(source),
        tenant=source.namespace,
        source=source,
        field=f"{ROOT}.stsEndpoint" if alibaba.sts_endpoint else f"{ROOT}.regionId",
    )


def session_name(source: CredentialSource) -> str:
    """<namespace>.<name>, truncated to STS's limit: it distinguishes tenants in ActionTrail."""
    return f"{source.namespace}.{source.name}"[:_SESSION_NAME_LIMIT]


def session_of(
    issued: TemporaryCredentials, *, issued_at: datetime, field: str, chained: bool = False
) -> Session:
    """The session in a response, with the expiry from the cloud, never the requested one.

    Raises:
        Failure: it has already expired.
    """
    if issued.expires_at <= issued_at:
        raise Failure(
            f"the credentials that came are over since {issued.expires_at:%Y-%m-%dT%H:%M:%SZ}.",
            kind=FailureClass.TRANSIENT,
            reason="CredentialsExpired",
            field=field,
            remedy="Their issuer must renew them first; check the clocks as well.",
        )
    return Session(
        access_key_id=issued.access_key_id,
        secret_access_key=issued.secret,
        session_token=issued.token,
        issued_at=issued_at,
        expires_at=issued.expires_at,
        identity=issued.arn,
        chained=chained,
    )


async def verify_identity(
    session: Session, *, source: CredentialSource, asking: RequestContext, context: AlibabaContext
) -> Session:
    """Return the session with the identity that the cloud reports for it.

    Raises:
        Failure: the cloud does not accept it.
    """
    try:
        arn, _ = await context.sts.caller(session, at=endpoint_of(source))
    except StsError as error:
        raise refusal(error, asking) from None
    return replace(session, identity=arn)


def reject_session_options(ask: SessionOptions, *, way: str) -> None:
    """Reject session options of a grant that only a role session supports.

    Raises:
        Failure: the grant sets such an option.
    """
    if ask.seconds is None and ask.policy is None:
        return
    raise Failure(
        f"{way} assumes no role, so that nothing can be asked of its session.",
        kind=FailureClass.CONFIGURATION,
        reason="NoRole",
        field=GRANTS_DURATION if ask.seconds else GRANTS_POLICY,
        remedy="Remove it, or let the source assume a role (assumeRoles).",
    )
