"""What the tests of this folder share: one cluster, one operator, two clouds."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.clusters.kind import KindCluster
from testbed.readers.ledger import SecretHistory
from testbed.world import World
from tests.kind import readers
from tests.kind.installation import Document, Installation
from tests.kind.surroundings import Surroundings

# Every session lasts that long. A kubelet updates mounted Secrets of a pod each 60 to 90 s and then
# brings its mounted Secret up to date: that is what a margin must have room for. What it leaves is
# the pace of renewals, 14 s (a tenth of a life) to 18 s by the grant's uid.
LIFETIME_SECONDS = 140
MARGIN = "122s"


@dataclass(frozen=True)
class Stage:
    """All that a test of this folder needs; `first_pods` are the operator's, when first ready."""

    world: World
    cluster: KindCluster
    installation: Installation
    first_pods: tuple[Document, ...]
    surroundings: Surroundings
    ledger: SecretHistory


def prepare_for_pods(stage: Stage, *, namespace: str) -> None:
    """The programs of readers, and the CAs of the clouds."""
    stage.world.api.apply(readers.programs(namespace))
    stage.world.api.apply(stage.surroundings.config_map(namespace))
