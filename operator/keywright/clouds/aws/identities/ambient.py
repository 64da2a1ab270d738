"""The operator's own identity: what boto3 finds in the operator's own surroundings.

Whoever may write a CredentialSource could borrow it, so that it is off until the operator's flag
allows it. botocore keeps it fresh; it is asked for at each new session.
"""

from __future__ import annotations

from keywright.api.aws_source import Ambient
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.aws.errors import refusal_of_session
from keywright.clouds.aws.identities.context import AwsContext, verify_identity
from keywright.clouds.interfaces import Session, SessionOptions

_FIELD = "CredentialSource spec.aws.ambient"


async def open_session(
    identity: Ambient, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
) -> Session:
    """What the default chain gives now.

    Raises:
        Failure: the flag is not set, the chain finds nothing, or AWS does not know what it finds.
    """
    del identity, ask
    if context.ambient is None:
        raise Failure(
            "this operator lends its own identity to no one.",
            kind=FailureClass.CONFIGURATION,
            reason="AmbientNotAllowed",
            field=_FIELD,
            remedy="Use webIdentity, or start the operator with --allow-ambient.",
        )
    try:
        session = await context.ambient.session(now=context.clock())
    except Exception as error:
        # `from None`: providers of the chain may quote what they read.
        raise refusal_of_session(error) from None
    if session is None:
        raise Failure(
            "boto3's default chain finds no credentials in the operator's surroundings.",
            kind=FailureClass.TRANSIENT,
            reason="AmbientNotFound",
            field=_FIELD,
            remedy="Give the operator's pod an identity: IRSA, Pod Identity, or an instance role.",
        )
    return await verify_identity(
        session, source=source, context=context, refusal=refusal_of_session
    )
