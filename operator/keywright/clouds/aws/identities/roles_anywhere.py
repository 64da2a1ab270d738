"""CreateSession of IAM Roles Anywhere with a certificate from a Secret, such as cert-manager's.

For clusters whose issuer AWS cannot reach: the certificate authenticates the call. The private key
only signs, and the certificate is public, so that the Secret need not consent. What a session can
do ends with the session, also if the certificate ends before: AWS checks a certificate when it
opens a session (README of github.com/aws/rolesanywhere-credential-helper: SDKs get new credentials
"provided the certificate has not expired or been revoked").
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from keywright.api.aws_source import TLS_CERTIFICATE, TLS_KEY, RolesAnywhere
from keywright.api.durations import parse_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.api.times import format_time
from keywright.clouds.answer_values import invalid, parsed_moment, part
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.roles_anywhere.certificate import ClientCertificate, load_certificate
from keywright.clouds.aws.roles_anywhere.errors import FIELD, failure_from_anywhere
from keywright.clouds.aws.roles_anywhere.signing import SERVICE, sign_request
from keywright.clouds.aws.sts.sessions import DEFAULT_DURATION, session_of
from keywright.clouds.interfaces import SecretReader, Session, SessionOptions, whole_seconds
from keywright.clouds.rate_limit import pace_key
from keywright.clouds.sessions import Clock

_SECRET_FIELD = f"{FIELD}.secretRef"


async def open_session(
    identity: RolesAnywhere, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
) -> Session:
    """Open a session, with the expiry from AWS.

    Raises:
        Failure: the Secret or its certificate cannot be used, or AWS refuses.
    """
    # validate_with_source rejects grants with policies: the session would lack their limits.
    assert ask.policy is None
    assert not ask.policy_arns
    certificate = await read_certificate(
        identity, namespace=source.namespace, secrets=context.secrets, clock=context.clock
    )
    region = identity.region
    request = _request(identity, ask=ask)
    issued_at = whole_seconds(context.clock())
    try:
        answer = await context.calls.run(
            SERVICE,
            lambda client: client.create_session(**request),
            region=region,
            tenant=source.namespace,
            source=source,
            pace=pace_key(source, account=identity.role_arn.split(":")[4]),
            sign=partial(sign_request, certificate=certificate, region=region, clock=context.clock),
        )
        session = session_of(_as_of_sts(answer), issued_at=issued_at)
    except Exception as error:
        # `from None`: botocore's exception contains the request.
        raise failure_from_anywhere(error, identity=identity, certificate=certificate) from None
    return replace(session, warning=_warning(identity, session=session, certificate=certificate))


async def read_certificate(
    identity: RolesAnywhere, *, namespace: str, secrets: SecretReader, clock: Clock
) -> ClientCertificate:
    """The certificate in the Secret, checked; raises Failure."""
    name = identity.secret_ref.name
    secret = await secrets.values(namespace=namespace, name=name, field=_SECRET_FIELD)
    found = {key: secret.find(key) for key in (TLS_CERTIFICATE, TLS_KEY)}
    missing = [key for key, value in found.items() if value is None or not value.reveal().strip()]
    if missing:
        raise Failure(
            f"Secret {name} has no {missing[0]}.",
            kind=FailureClass.CONFIGURATION,
            reason="CertificateIncomplete",
            field=_SECRET_FIELD,
            remedy=(
                f"Put the certificate into {TLS_CERTIFICATE} and its private key into {TLS_KEY}, or"
                " name the Secret of a cert-manager Certificate."
            ),
        )
    certificates, key = found[TLS_CERTIFICATE], found[TLS_KEY]
    assert certificates is not None
    assert key is not None
    # In a thread: the first one imports the library.
    return await asyncio.to_thread(
        load_certificate,
        certificates.reveal(),
        key,
        secret=name,
        field=_SECRET_FIELD,
        now=clock(),
    )


def _request(identity: RolesAnywhere, *, ask: SessionOptions) -> dict[str, Any]:
    seconds = int(parse_duration(identity.session_duration or DEFAULT_DURATION))
    request: dict[str, Any] = {
        "durationSeconds": ask.seconds or seconds,
        "profileArn": identity.profile_arn,
        "roleArn": identity.role_arn,
        "trustAnchorArn": identity.trust_anchor_arn,
    }
    if identity.session_name is not None:
        request["roleSessionName"] = identity.session_name
    return request


def _as_of_sts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The first credentials in a response, in the form of STS; raises Failure."""
    found = answer.get("credentialSet")
    if not isinstance(found, list) or not found:
        raise invalid("credentialSet")
    credentials = part(found[0], "credentials")
    return {
        "AssumedRoleUser": {"Arn": part(found[0], "assumedRoleUser").get("arn")},
        "Credentials": {
            "AccessKeyId": credentials.get("accessKeyId"),
            "SecretAccessKey": credentials.get("secretAccessKey"),
            "SessionToken": credentials.get("sessionToken"),
            "Expiration": parsed_moment(credentials.get("expiration"), what="expiration"),
        },
    }


def _warning(identity: RolesAnywhere, *, session: Session, certificate: ClientCertificate) -> str:
    if session.expires_at is None or certificate.expires_at > session.expires_at:
        return ""
    return (
        f"The certificate in Secret {identity.secret_ref.name} expires at"
        f" {format_time(certificate.expires_at)}, before this session: renew it, because no other"
        " session can be opened after that."
    )
