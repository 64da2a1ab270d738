"""Authorization tokens of CodeArtifact, by one call with the session of the source.

GetAuthorizationToken, as in botocore's model codeartifact 2018-09-22: a token is valid for 900 to
43,200 seconds, regardless of the session, or with `durationSeconds=0` until the session ends. It
has the permissions of the caller. Permissions: CodeArtifact user guide, "Provision an IAM user" and
"AWS CodeArtifact permissions reference". A token cannot be listed or revoked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from keywright.api.errors import FailureClass
from keywright.api.formats import Variable
from keywright.api.grant import ApiKeyGrant, Probe
from keywright.api.registry_tokens import CodeArtifactToken
from keywright.api.source import AWS_TRAITS, CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.answer_values import PACKAGE_TOKEN, moment, secret
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
from keywright.planning.renewal import is_fresh
from keywright.secrets.credential import API_KEY, Credential

_SERVICE: Final = "codeartifact"
_FIELD: Final = f"spec.{CodeArtifactToken.kind}"
_BEARER_ACTION: Final = "sts:GetServiceBearerToken"
_BEARER_CONDITION: Final = {
    "StringEquals": {"sts:AWSServiceName": f"{_SERVICE}.amazonaws.com"},
}
_CALL: Final = ServiceCall(
    _SERVICE,
    "AWS CodeArtifact",
    {
        "AccessDeniedException": ErrorRow(
            FailureClass.DENIED,
            SOURCE,
            f"Allow {_SERVICE}:GetAuthorizationToken on the domain and {_BEARER_ACTION} on * in the"
            " policies of the role (keywright explain prints them); a domain of another account"
            " must allow the first action in its own policy as well.",
            reason="AccessDenied",
        ),
        "ResourceNotFoundException": ErrorRow(
            FailureClass.CONFIGURATION,
            f"{_FIELD}.domain",
            "Correct domain, domainOwner and region: a domain belongs to one account and Region.",
            reason="DomainNotFound",
        ),
        "ValidationException": ErrorRow(
            FailureClass.CONFIGURATION, _FIELD, "Correct the value to what CodeArtifact says of it."
        ),
        NO_ENDPOINT: ErrorRow(
            FailureClass.TRANSIENT,
            f"{_FIELD}.region",
            "Set a Region that has CodeArtifact, or correct the network, proxy and firewall between"
            " the operator and the Region; tried again.",
            reason="CloudError",
        ),
    },
)


def session_options(key: CodeArtifactToken, *, region: str) -> SessionOptions:
    """None: the session of the source requests the token."""
    del key, region
    return DEFAULT_OPTIONS


def accepts_session(key: CodeArtifactToken, *, session: Session, now: datetime) -> bool:
    """Whether a cached session may be used: a fresh one if the token ends with it."""
    if session.expires_at is not None and now >= session.expires_at:
        return False
    if not key.bound_to_session:
        return True
    return is_fresh(issued_at=session.issued_at, expires_at=session.expires_at, now=now)


async def mint(
    key: CodeArtifactToken,
    *,
    grant: ApiKeyGrant,
    source: CredentialSource,
    session: Session,
    region: str,
    account_id: str,
    context: AwsContext,
) -> IssuedKey:
    """Request a token; its expiry is the one in the response, never the requested one.

    Raises:
        Failure: the service refuses, or returns no token that can be used.
    """
    issued_at = whole_seconds(context.clock())
    answer = await _CALL.run(
        lambda client: client.get_authorization_token(
            domain=key.domain, domainOwner=key.domain_owner, durationSeconds=key.duration_seconds
        ),
        grant=grant,
        source=source,
        session=session,
        region=region,
        context=context,
    )
    ends_at = moment(answer.get("expiration"), what="expiration")
    check_end(ends_at, issued_at=issued_at, least=context.min_lifetime, field=_FIELD)
    return IssuedKey(
        Credential(
            values={API_KEY: secret(answer.get("authorizationToken"), PACKAGE_TOKEN)},
            region=region,
            account_id=account_id,
            key_id=session.access_key_id,
            issued_at=issued_at,
            expires_at=ends_at,
        )
    )


def permissions(keys: Sequence[tuple[CodeArtifactToken, Place]]) -> Iterator[dict[str, Any]]:
    """What the operator calls, and what readers call: a token has the permissions of the role."""
    for key, place in keys:
        prefix = f"arn:{place.partition}:{_SERVICE}:{place.region}:{key.domain_owner}"
        yield statement(
            "RequestTokensOfTheDomain",
            [f"{_SERVICE}:GetAuthorizationToken"],
            f"{prefix}:domain/{key.domain}",
        )
        yield statement("IssueThem", [_BEARER_ACTION], "*", condition=_BEARER_CONDITION)
        yield statement(
            "ReadPackages",
            [f"{_SERVICE}:ReadFromRepository"],
            f"{prefix}:repository/{key.domain}/{key.repository}",
        )


async def probe(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Ping the npm endpoint of the repository, which needs ReadFromRepository.

    CodeArtifact user guide, "Verifying npm authentication and authorization". A repository has the
    endpoints of all package formats.

    Raises:
        Failure: the service rejects the token.
    """
    del probe
    assert context.key is not None
    own: Mapping[Variable, str] = context.key.own_values(credential.region, AWS_TRAITS)
    repository = own[Variable.REPOSITORY]
    answer = await send(
        context,
        "GET",
        f"https://{own[Variable.CODE_ARTIFACT_HOST]}/npm/{repository}/-/ping",
        by=_CALL.title,
        headers={"Authorization": f"Bearer {credential.values[API_KEY].reveal()}"},
        reach=Reach.VENDOR,
    )
    if answer.status != 200:
        raise rejected(
            answer,
            by=_CALL.title,
            remedy=(
                f"The probe needs {_SERVICE}:ReadFromRepository on repository {repository}, which"
                f" must exist in the domain, in {credential.region}."
            ),
        )
