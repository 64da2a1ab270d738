"""A static access key out of a Secret, with or without a session token.

It is proved once, by GetCallerIdentity, which also tells whose it is. It has no end that AWS would
tell; whoever replaces it in the Secret is noticed by the Secret's watch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from keywright.api.aws_source import AwsAccessKey
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.identities.asking import Edges, proved
from keywright.clouds.aws.refusals import refusal_of_key
from keywright.clouds.ways import Session, SessionAsk, whole_seconds
from keywright.planning.failures import Failure, FailureClass

_ID, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_FIELD = "CredentialSource spec.aws.accessKey.secretRef"
# AccessKeyId in the models of STS and IAM: 16 to 128 word characters; AWS uses capitals and digits.
_ACCESS_KEY_ID = re.compile("[A-Z0-9]{16,128}")


async def open_session(
    identity: AwsAccessKey, *, source: CredentialSource, ask: SessionAsk, edges: Edges
) -> Session:
    """The key as the Secret has it now.

    Raises:
        Failure: the Secret, or a value in it, is missing, or AWS does not know the key.
    """
    del ask  # AWS has no session for a key that assumes no role: pair_problems says so
    name = identity.secret_ref.name
    secret = await edges.secrets.values(namespace=source.namespace, name=name, field=_FIELD)
    values = secret.values
    token = values.get(_TOKEN, Sensitive("")).reveal().strip()
    if token:
        # The key signs and stays here; its token is part of each request.
        secret.check_copy(_TOKEN)
    key_id = _value(values, _ID, name=name).reveal()
    if not _ACCESS_KEY_ID.fullmatch(key_id):
        raise Failure(
            f"{_ID} in Secret {name} is not an access key id of AWS.",
            kind=FailureClass.CONFIGURATION,
            reason="AccessKeyIncomplete",
            field=_FIELD,
            cure="An access key id has 16 to 128 capital letters and digits, like AKIA....",
        )
    session = Session(
        access_key_id=key_id,
        secret_access_key=_value(values, _SECRET, name=name),
        session_token=Sensitive(token) if token else None,
        issued_at=whole_seconds(edges.clock()),
        expires_at=None,
        identity="",
    )
    return await proved(
        session,
        source=source,
        edges=edges,
        refusal=lambda error: refusal_of_key(error, secret=name, field=_FIELD),
    )


def _value(values: Mapping[str, Sensitive], key: str, *, name: str) -> Sensitive:
    """One value without the newline that an editor may have left behind it."""
    text = values[key].reveal().strip() if key in values else ""
    if not text:
        raise Failure(
            f"Secret {name} has no {key}.",
            kind=FailureClass.CONFIGURATION,
            reason="AccessKeyIncomplete",
            field=_FIELD,
            cure=f"Put {_ID}, {_SECRET} and, for temporary credentials, {_TOKEN} into it.",
        )
    return Sensitive(text)
