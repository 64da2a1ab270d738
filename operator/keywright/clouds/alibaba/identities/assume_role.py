"""AssumeRole: one hop of a chain, with the session of the hop before."""

from __future__ import annotations

from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.asking import (
    ROOT,
    Edges,
    alibaba_of,
    endpoint_of,
)
from keywright.clouds.alibaba.identities.roles import (
    assumed,
    role_of,
)
from keywright.clouds.ways import Session, SessionAsk


async def open_hop(
    number: int, *, by: Session, source: CredentialSource, ask: SessionAsk, edges: Edges
) -> Session:
    """A new session of `assumeRoles[number]`, assumed by the session `by`.

    Raises:
        Failure: STS refuses.
    """
    hop = alibaba_of(source).assume_roles[number]
    role = role_of(
        hop,
        arn=hop.role_arn,
        field=f"{ROOT}.assumeRoles[{number}]",
        source=source,
        ask=ask,
        external_id=hop.external_id,
    )
    return await assumed(role, by=by, at=endpoint_of(source), edges=edges)
