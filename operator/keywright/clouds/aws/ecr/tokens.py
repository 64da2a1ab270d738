"""Logins to the private registries of Amazon ECR, by one call with the session of the source.

GetAuthorizationToken, as in botocore's model ecr 2015-09-21: the token is `user:password` in
base64, "can be used to access any Amazon ECR registry that your IAM principal has access to", and
is valid for 12 hours; what counts is the expiry in the answer. The user is always AWS: ECR user
guide, "Registry authentication". A token cannot be listed or revoked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from keywright.api.errors import FailureClass
from keywright.api.grant import ApiKeyGrant, Probe
from keywright.api.registry_tokens import ECR_USER, EcrToken
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.answer_values import REGISTRY_PASSWORD, invalid, moment, secret
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.error_codes import SOURCE, ErrorRow
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.probes import ProbeContext, rejected, send
from keywright.clouds.aws.service_calls import NO_ENDPOINT, ServiceCall
from keywright.clouds.common_refusals import check_end
from keywright.clouds.interfaces import (
    DEFAULT_OPTIONS,
    IssuedKey,
    Session,
    SessionOptions,
    whole_seconds,
)
from keywright.clouds.policy_statements import statement
from keywright.secrets.credential import API_KEY, Credential

_SERVICE: Final = "ecr"
_FIELD: Final = f"spec.{EcrToken.kind}"
_ACTION: Final = f"{_SERVICE}:GetAuthorizationToken"
# Those of the managed policy AmazonEC2ContainerRegistryPullOnly.
_PULL: Final = (f"{_SERVICE}:BatchGetImage", f"{_SERVICE}:GetDownloadUrlForLayer")
_ENDPOINT: Final = re.compile(r"https://([0-9]{12})\.dkr[.-]ecr[a-z0-9.-]{1,200}", re.ASCII)
_CALL: Final = ServiceCall(
    _SERVICE,
    "Amazon ECR",
    {
        "AccessDeniedException": ErrorRow(
            FailureClass.DENIED,
            SOURCE,
            f"Allow {_ACTION} on * in the policies of the role: AWS accepts no other resource for"
            " it. keywright explain prints the policy.",
            reason="AccessDenied",
        ),
        "InvalidParameterException": ErrorRow(
            FailureClass.CONFIGURATION, _FIELD, "Correct the value to what ECR says of it."
        ),
        "ServerException": ErrorRow(
            FailureClass.TRANSIENT,
            _FIELD,
            "Tried again. If this stays, see the AWS Health Dashboard.",
            reason="CloudError",
        ),
        NO_ENDPOINT: ErrorRow(
            FailureClass.TRANSIENT,
            f"{_FIELD}.region",
            "Correct the region, or the network, proxy and firewall between the operator and the"
            " Region; tried again.",
            reason="CloudError",
        ),
    },
)


def session_options(key: EcrToken, *, region: str) -> SessionOptions:
    """None: the session of the source requests the token."""
    del key, region
    return DEFAULT_OPTIONS


def accepts_session(key: EcrToken, *, session: Session, now: datetime) -> bool:
    """Whether a cached session may be used: any that has not expired."""
    del key
    return session.expires_at is None or now < session.expires_at


async def mint(
    key: EcrToken,
    *,
    grant: ApiKeyGrant,
    source: CredentialSource,
    session: Session,
    region: str,
    account_id: str,
    context: AwsContext,
) -> IssuedKey:
    """Request a token; its expiry, and the account of its registry, are those in the response.

    Raises:
        Failure: the service refuses, or returns no login that can be used.
    """
    del key, account_id
    issued_at = whole_seconds(context.clock())
    answer = await _CALL.run(
        lambda client: client.get_authorization_token(),
        grant=grant,
        source=source,
        session=session,
        region=region,
        context=context,
    )
    found = answer.get("authorizationData")
    data = found[0] if isinstance(found, list) and found else None
    if not isinstance(data, Mapping):
        raise invalid("authorizationData")
    password = secret(_password(data.get("authorizationToken")), REGISTRY_PASSWORD)
    registry = _ENDPOINT.fullmatch(str(data.get("proxyEndpoint")))
    if registry is None:
        raise invalid("proxyEndpoint")
    ends_at = moment(data.get("expiresAt"), what="expiresAt")
    check_end(ends_at, issued_at=issued_at, least=context.min_lifetime, field=_FIELD)
    return IssuedKey(
        Credential(
            values={API_KEY: password},
            region=region,
            account_id=registry[1],
            key_id=session.access_key_id,
            issued_at=issued_at,
            expires_at=ends_at,
        )
    )


def _password(token: object) -> str:
    """The password in a token; raises Failure, which does not quote it."""
    text = ""
    if isinstance(token, str):
        try:
            text = base64.b64decode(token, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            # Reported below, without the message: it may quote the token.
            text = ""
    user, colon, password = text.partition(":")
    if user != ECR_USER or not colon:
        raise invalid("authorizationToken")
    return password


def permissions(keys: Sequence[tuple[EcrToken, Place]]) -> Iterator[dict[str, Any]]:
    """What the operator calls, and what readers call to pull: a token has the role's permissions.

    The second statement can be limited to some repositories.
    """
    for key, place in keys:
        yield statement("RequestRegistryTokens", [_ACTION], "*")
        accounts = dict.fromkeys((place.account, *key.accounts))
        yield statement(
            "PullImages",
            _PULL,
            [
                f"arn:{place.partition}:{_SERVICE}:{place.region}:{account}:repository/*"
                for account in accounts
            ],
        )


async def probe(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Ask the first registry for its API version, as `docker login` does.

    ECR user guide, "HTTP API authentication": Basic authentication. It needs no permission.

    Raises:
        Failure: the registry rejects the login.
    """
    del probe
    assert context.key is not None
    registry = context.key.registries(credential.region, credential.account_id)[0]
    login = f"{ECR_USER}:{credential.values[API_KEY].reveal()}"
    answer = await send(
        context,
        "GET",
        f"https://{registry}/v2/",
        by=_CALL.title,
        headers={"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"},
        reach=Reach.VENDOR,
    )
    if answer.status != 200:
        raise rejected(
            answer,
            by=_CALL.title,
            remedy=f"The probe logs in to {registry}: check the clock of the operator's node.",
        )
