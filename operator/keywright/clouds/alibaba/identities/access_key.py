"""A static access key out of a Secret, with a security token or without.

It is proved once, by GetCallerIdentity, which also tells whose it is. It has no end that anybody
would tell; whoever replaces it in the Secret is noticed by the Secret's watch.
"""

from __future__ import annotations

from keywright.api.alibaba_identities import (
    AlibabaAccessKey,
    AlibabaSts,
)
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.asking import ROOT, Edges, nothing_to_ask, proved
from keywright.clouds.alibaba.identities.key_material import stored_key
from keywright.clouds.alibaba.refusals import Asking
from keywright.clouds.ways import Session, SessionAsk


async def open_session(
    identity: AlibabaAccessKey | AlibabaSts,
    *,
    source: CredentialSource,
    ask: SessionAsk,
    edges: Edges,
) -> Session:
    """The key as the Secret has it now.

    Raises:
        Failure: the Secret, or a value in it, is missing, or the cloud does not know the key.
    """
    is_session = isinstance(identity, AlibabaSts)
    way = "sts" if is_session else "accessKey"
    nothing_to_ask(ask, way=way)
    name, field = identity.secret_ref.name, f"{ROOT}.{way}.secretRef"
    session = await stored_key(
        name, field=field, source=source, edges=edges, needs_token=is_session
    )
    asking = Asking(fields={"": field}, secret=name)
    return await proved(session, source=source, asking=asking, edges=edges)
