"""Access keys and tokens as Secrets hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.asking import Edges
from keywright.clouds.ways import Session, whole_seconds
from keywright.planning.failures import Failure, FailureClass

ID, SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
# The pattern of the vendor's API models, shortest first (STS.xxx ids have dots).
_ACCESS_KEY_ID = re.compile(r"[\w.\-]{8,128}", re.ASCII)
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105  as above


async def stored_key(
    name: str, *, field: str, source: CredentialSource, edges: Edges, needs_token: bool = False
) -> Session:
    """The key as the Secret has it now, with its security token if it has one.

    Nobody tells the end of such a key, and it is not proved yet.

    Raises:
        Failure: the Secret, or a value in it, is missing.
    """
    secret = await edges.secrets.values(namespace=source.namespace, name=name, field=field)
    values = secret.values
    token = stored_value(values, TOKEN, secret=name, field=field) if needs_token else None
    optional = values.get(TOKEN, Sensitive("")).reveal().strip()
    if optional:
        # The key signs and stays here; its token is part of each request.
        secret.check_copy(TOKEN)
    key_id = stored_value(values, ID, secret=name, field=field).reveal()
    if not _ACCESS_KEY_ID.fullmatch(key_id):
        raise Failure(
            f"{ID} in Secret {name} is not an access key id of Alibaba Cloud.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretIncomplete",
            field=field,
            cure="An access key id has 16 to 128 letters, digits, dots, dashes or underscores.",
        )
    return Session(
        access_key_id=key_id,
        secret_access_key=stored_value(values, SECRET, secret=name, field=field),
        session_token=token or (Sensitive(optional) if optional else None),
        issued_at=whole_seconds(edges.clock()),
        expires_at=None,
        identity="",
        not_shared=secret.refusal(SECRET),
    )


def stored_value(
    values: Mapping[str, Sensitive], key: str, *, secret: str, field: str
) -> Sensitive:
    """One value without the newline that an editor may have left behind it; raises Failure."""
    text = values[key].reveal().strip() if key in values else ""
    if not text:
        raise Failure(
            f"Secret {secret} has no {key}.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretIncomplete",
            field=field,
            cure=f"Put {key} into it.",
        )
    return Sensitive(text)
