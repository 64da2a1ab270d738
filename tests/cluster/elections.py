"""Who holds the Lease, and what a replica says of itself."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from testbed.operators import OperatorProcess
from testbed.world import World

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases/keywright"


def holder(world: World) -> str:
    """Who holds the Lease."""
    return str(world.api.get(_LEASE)["spec"].get("holderIdentity", ""))


def leads(replica: OperatorProcess) -> bool:
    """Whether it says of itself that it works."""
    return _leader(replica) == 1


def is_standby(replica: OperatorProcess) -> bool:
    """Whether it says of itself that it does not."""
    return _leader(replica) == 0


def _leader(replica: OperatorProcess) -> float | None:
    """None if there is no answer: a process that restarts in place does not answer for a moment."""
    try:
        families = text_string_to_metric_families(replica.get("/metrics"))
    except OSError:
        return None
    (found,) = (family for family in families if family.name == "keywright_leader")
    return float(found.samples[0].value)
