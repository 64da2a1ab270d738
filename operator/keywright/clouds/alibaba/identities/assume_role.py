"""AssumeRole: one hop of a chain, with the session of the hop before."""

from __future__ import annotations

from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.context import (
    ROOT,
    AlibabaContext,
    alibaba_of,
    endpoint_of,
)
from keywright.clouds.alibaba.identities.roles import (
    assume,
    build_role,
)
from keywright.clouds.interfaces import Session, SessionOptions


async def assume_chained_role(
    number: int,
    *,
    by: Session,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """A new session of `assumeRoles[number]`, assumed by the session `by`.

    Raises:
        Failure: STS refuses.
    """
    hop = alibaba_of(source).assume_roles[number]
    role = build_role(
        hop,
        arn=hop.role_arn,
        field=f"{ROOT}.assumeRoles[{number}]",
        source=source,
        ask=ask,
        external_id=hop.external_id,
    )
    return await assume(role, by=by, at=endpoint_of(source), context=context)
