"""The log line about the operator's rights, shortly after its start; nothing waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from keywright.api.rights import (
    CLUSTER_ID,
    LABELS,
    NEEDED,
    REVIEWS,
    ROLLOUTS,
    TOKENS,
    Right,
    own_namespace_rights,
)
from keywright.cluster.client import KubernetesClient
from keywright.cluster.operator_state import CONFIG_MAP
from keywright.cluster.own_rights import ScopedRight, missing_rights
from keywright.controller.settings import Settings

_LOG = logging.getLogger(__name__)
_SECONDS: Final = 60.0
# Each needs a request for each right.
_MAX_NAMESPACES: Final = 20
_MAX_NAMED: Final = 10


def needed_rights(settings: Settings) -> tuple[ScopedRight, ...]:
    """The rights without which requests of this operator are refused."""
    watched = settings.namespaces[:_MAX_NAMESPACES] or ("",)
    of_namespaces = (ScopedRight(right, name) for name in watched for right in NEEDED)
    lease = settings.lease_name if settings.leader_election else ""
    own = own_namespace_rights(lease=lease, orphans=CONFIG_MAP)
    of_cluster = (
        CLUSTER_ID,
        *(
            Right(right.verb, right.group, right.resource, name)
            for name in watched
            for right in LABELS
        ),
        *(REVIEWS if settings.metrics_auth else ()),
    )
    return (
        *of_namespaces,
        *(ScopedRight(right, settings.own_namespace) for right in own),
        *(ScopedRight(right) for right in of_cluster),
    )


async def report_rights(client: KubernetesClient, settings: Settings) -> None:
    """Log one line: which rights are missing, and whether the optional ones are cluster-wide."""
    optional = {
        "tokensOfAnyServiceAccount": ScopedRight(TOKENS),
        "rolloutsInAllNamespaces": ScopedRight(ROLLOUTS),
    }
    try:
        async with asyncio.timeout(_SECONDS):
            needed = needed_rights(settings)
            missing = await missing_rights(client, (*needed, *optional.values()))
    except Exception as error:
        # Only for information: the requests themselves show what is refused.
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        _LOG.info("rights: unknown (%s)", type(cause).__name__)
        return
    lacks = [str(scoped) for scoped in missing if scoped not in optional.values()]
    rights = {
        "missing": lacks,
        **{name: scoped not in missing for name, scoped in optional.items()},
    }
    if not lacks:
        _LOG.info("rights: all that are needed", extra={"rights": rights})
        return
    more = f", and {len(lacks) - _MAX_NAMED} more" if len(lacks) > _MAX_NAMED else ""
    _LOG.warning(
        "rights: %d are missing, and their requests will be refused: %s%s; apply the Roles of this"
        " version",
        len(lacks),
        ", ".join(lacks[:_MAX_NAMED]),
        more,
        extra={"rights": rights},
    )
