"""GenerateSessionAccessKey: a session from an RSA key pair whose public key is stored in RAM."""

from __future__ import annotations

import asyncio

from keywright.api.alibaba_source import RsaKeyPair
from keywright.api.durations import parse_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    DEFAULT_DURATION,
    GRANTS_DURATION,
    ROOT,
    AlibabaContext,
    endpoint_of,
    reject_session_options,
    session_of,
    verify_identity,
)
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.alibaba.sts.rsa import NoRsaKeyError, RsaSigner
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_FIELD = f"{ROOT}.rsaKeyPair"


async def open_session(
    identity: RsaKeyPair, *, source: CredentialSource, ask: SessionOptions, context: AlibabaContext
) -> Session:
    """Request a session access key; it has no security token.

    Raises:
        Failure: the private key is missing or invalid, or STS refuses.
    """
    if ask.policy is not None:
        reject_session_options(ask, way="rsaKeyPair")
    reference, field = identity.private_key_secret_ref, f"{_FIELD}.privateKeySecretRef"
    private_key = await context.secrets.value(
        namespace=source.namespace,
        name=reference.name,
        key=reference.key,
        field=field,
        copied=False,
    )
    seconds = ask.seconds or int(parse_duration(identity.session_expiration or DEFAULT_DURATION))
    asking = RequestContext(
        fields={
            "": _FIELD,
            "key": field,
            "duration": GRANTS_DURATION if ask.seconds else f"{_FIELD}.sessionExpiration",
        },
        secret=reference.name,
    )
    return await generated(
        identity.public_key_id,
        private_key=private_key,
        seconds=seconds,
        asking=asking,
        source=source,
        context=context,
    )


async def generated(
    public_key_id: str,
    *,
    private_key: Sensitive,
    seconds: int,
    asking: RequestContext,
    source: CredentialSource,
    context: AlibabaContext,
) -> Session:
    """A session of the key pair, with the identity that the cloud reports; raises Failure."""
    issued_at = whole_seconds(context.clock())
    try:
        # In a thread: the first one imports the library of the algorithm.
        signer = await asyncio.to_thread(RsaSigner, public_key_id, private_key=private_key)
    except NoRsaKeyError:
        raise Failure(
            f"what Secret {asking.secret} holds there is no RSA private key.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRsaPrivateKey",
            field=asking.fields["key"],
            remedy="Put the key into it as PEM (PKCS #8), without a password.",
        ) from None
    try:
        issued = await context.sts.generate_session_access_key(
            {"DurationSeconds": str(seconds)}, signer=signer, at=endpoint_of(source)
        )
    except StsError as error:
        raise refusal(error, asking) from None
    session = session_of(issued, issued_at=issued_at, field=asking.fields[""])
    return await verify_identity(session, source=source, asking=asking, context=context)
