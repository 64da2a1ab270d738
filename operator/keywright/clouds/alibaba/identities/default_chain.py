"""The operator's own identity: what the default credential chain finds in its surroundings.

Whoever may write a CredentialSource could borrow it, so that it is off until the operator's flag
allows it.
"""

from __future__ import annotations

from keywright.api.alibaba_source import DefaultChain
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.errors import RequestContext
from keywright.clouds.alibaba.identities.context import (
    ROOT,
    AlibabaContext,
    reject_session_options,
    verify_identity,
)
from keywright.clouds.alibaba.identities.ecs_ram_role import not_allowed
from keywright.clouds.interfaces import Session, SessionOptions

_FIELD = f"{ROOT}.defaultChain"


async def open_session(
    identity: DefaultChain,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """What the chain gives now.

    Raises:
        Failure: the flag is not set, the chain finds nothing that lives, or the cloud does not know
            what it finds.
    """
    del identity
    reject_session_options(ask, way="defaultChain")
    if context.own is None:
        raise not_allowed(_FIELD, remedy="Use oidcRoleArn")
    now = context.clock()
    session = await context.own.session(now=now)
    if session is None or (session.expires_at is not None and session.expires_at <= now):
        raise Failure(
            "the default credential chain finds no living credentials around the operator.",
            kind=FailureClass.TRANSIENT,
            reason="AmbientNotFound",
            field=_FIELD,
            remedy="Give the operator's pod an identity: RRSA, variables, or a role of its node.",
        )
    return await verify_identity(
        session, source=source, asking=RequestContext(fields={"": _FIELD}), context=context
    )
