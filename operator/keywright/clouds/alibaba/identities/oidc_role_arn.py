"""AssumeRoleWithOIDC with the token of a ServiceAccount (RRSA of ACK, and any federated cluster).

Each session uses a new token from the API server, for one audience and ten minutes. The library
only supports a token file of the operator's own pod, which is never used here.
"""

from __future__ import annotations

import re

from keywright.api.alibaba_source import (
    OidcRoleArn,
    audience_of,
)
from keywright.api.errors import Failure, FailureClass
from keywright.api.names import ANNOTATION_RRSA_ROLE_NAME
from keywright.api.schema import ServiceAccountReference
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    endpoint_of,
    session_of,
)
from keywright.clouds.alibaba.identities.roles import (
    Role,
    build_role,
)
from keywright.clouds.alibaba.sts.client import Endpoint, StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.identity_tokens import token_facts
from keywright.clouds.interfaces import Session, SessionOptions, TokenSource, whole_seconds

_FIELD = f"{ROOT}.oidcRoleArn"
_ROLE_NAME = re.compile(r"[\w.-]{1,64}")


async def open_session(
    identity: OidcRoleArn, *, source: CredentialSource, ask: SessionOptions, context: AlibabaContext
) -> Session:
    """Open a session, with the expiry from STS, never the requested one.

    Raises:
        Failure: no role, no token, or STS refuses.
    """
    arn = identity.role_arn or await _annotated_role(
        identity.service_account_ref.name,
        provider_arn=identity.oidc_provider_arn,
        source=source,
        tokens=context.tokens,
    )
    return await exchanged(
        build_role(identity, arn=arn, field=_FIELD, source=source, ask=ask),
        provider_arn=identity.oidc_provider_arn,
        account=identity.service_account_ref,
        source=source,
        at=endpoint_of(source),
        context=context,
    )


async def exchanged(
    role: Role,
    *,
    provider_arn: str,
    account: ServiceAccountReference,
    source: CredentialSource,
    at: Endpoint,
    context: AlibabaContext,
) -> Session:
    """Exchange a token of the ServiceAccount for a session of the role; raises Failure."""
    token = await context.tokens.token(
        namespace=source.namespace, name=account.name, audience=audience_of(account)
    )
    issued_at = whole_seconds(context.clock())
    parameters = {
        **role.parameters(),
        "OIDCProviderArn": provider_arn,
        "OIDCToken": token.reveal(),
    }
    place = role.fields[""]
    fields = {
        **role.fields,
        "audiences": f"{place}.serviceAccountRef.audiences",
        "provider": f"{place}.oidcProviderArn",
    }
    try:
        issued = await context.sts.assume_role_with_oidc(parameters, at=at)
    except StsError as error:
        asking = RequestContext(
            fields=fields,
            role_arn=role.arn,
            provider_arn=provider_arn,
            token=token_facts(token),
        )
        raise refusal(error, asking) from None
    return session_of(issued, issued_at=issued_at, field=place)


async def _annotated_role(
    account: str, *, provider_arn: str, source: CredentialSource, tokens: TokenSource
) -> str:
    """The role in ACK's own annotation: a role name in the account of the OIDC provider."""
    annotations = await tokens.annotations(namespace=source.namespace, name=account)
    name = annotations.get(ANNOTATION_RRSA_ROLE_NAME)
    if name and not _ROLE_NAME.fullmatch(name):
        raise Failure(
            f"ServiceAccount {account}: {ANNOTATION_RRSA_ROLE_NAME} is no name of a role.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRoleArn",
            field=f"{_FIELD}.serviceAccountRef",
            remedy="Write the role's name alone, such as chat, not its ARN.",
        )
    if not name:
        raise Failure(
            f"the source names no role, and ServiceAccount {account} has no annotation"
            f" {ANNOTATION_RRSA_ROLE_NAME}.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRoleArn",
            field=f"{_FIELD}.roleArn",
            remedy="Set it, or annotate the ServiceAccount.",
        )
    return f"acs:ram::{provider_arn.split(':')[3]}:role/{name}"
