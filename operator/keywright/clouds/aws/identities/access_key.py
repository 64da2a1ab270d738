"""A static access key from a Secret, with or without a session token.

It is verified once, by GetCallerIdentity, which also returns its owner. AWS does not report its
expiry; the watch of the Secret detects its replacement.
"""

from __future__ import annotations

from keywright.api import aws_source
from keywright.api.aws_source import AwsAccessKey
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import AWS_SECRET, AWS_STORED_KEY_ID, AWS_TOKEN, Form, stored
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.sts.errors import failure_from_key
from keywright.clouds.aws.sts.sessions import verify_identity
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds
from keywright.secrets.references import ReferencedSecret

_ID, _SECRET, _TOKEN = aws_source.AWS_ID, aws_source.AWS_SECRET, aws_source.AWS_TOKEN
_FIELD = "CredentialSource spec.aws.accessKey.secretRef"


async def open_session(
    identity: AwsAccessKey, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
) -> Session:
    """Read the key from the Secret.

    Raises:
        Failure: the Secret, or a value in it, is missing, or AWS does not accept the key.
    """
    del ask  # a key that assumes no role has no session: validate_with_source reports it
    name = identity.secret_ref.name
    secret = await context.secrets.values(namespace=source.namespace, name=name, field=_FIELD)
    token = (secret.find(_TOKEN) or Sensitive("")).reveal().strip()
    if token:
        # The key only signs and is not sent; its token is part of each request.
        secret.check_copy(_TOKEN)
        stored(token, AWS_TOKEN, secret_name=name, key=_TOKEN, field=_FIELD)
    session = Session(
        access_key_id=_value(secret, _ID, form=AWS_STORED_KEY_ID, name=name).reveal(),
        secret_access_key=_value(secret, _SECRET, form=AWS_SECRET, name=name),
        session_token=Sensitive(token) if token else None,
        issued_at=whole_seconds(context.clock()),
        expires_at=None,
        identity="",
    )
    return await verify_identity(
        session,
        source=source,
        context=context,
        refusal=lambda error: failure_from_key(error, secret=name, field=_FIELD),
    )


def _value(secret: ReferencedSecret, key: str, *, form: Form, name: str) -> Sensitive:
    """A value without a trailing newline, which editors often add."""
    text = (secret.find(key) or Sensitive("")).reveal().strip()
    if not text:
        raise Failure(
            f"Secret {name} has no {key}.",
            kind=FailureClass.CONFIGURATION,
            reason="AccessKeyIncomplete",
            field=_FIELD,
            remedy=f"Put {_ID}, {_SECRET} and, for temporary credentials, {_TOKEN} into it.",
        )
    return Sensitive(stored(text, form, secret_name=name, key=key, field=_FIELD))
