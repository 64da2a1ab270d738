"""What a kind cluster is made with, for each machine that a developer may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from testbed.clusters import NoClusterError
from testbed.clusters.kind.means import EngineMeans, NodeMeans, engine_means, node_means


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with configured answers."""

    engine: bool = False
    root: bool = False
    lacks: Sequence[str] = ()

    def answers(self) -> bool:
        """As configured."""
        return self.engine

    def is_root(self) -> bool:
        """As configured."""
        return self.root

    def missing_packages(self) -> Sequence[str]:
        """As configured."""
        return self.lacks


@dataclass(frozen=True, slots=True)
class Images:
    """Likewise; to pull may be out of the question."""

    requested: bool = False
    cached: bool = False
    pulls: bool | None = False
    lacks: Sequence[str] = ()

    def is_requested(self) -> bool:
        """As configured."""
        return self.requested

    def is_cached(self) -> bool:
        """As configured."""
        return self.cached

    def can_be_pulled(self) -> bool:
        """As configured; fails if it should not have been tried."""
        assert self.pulls is not None, "megabytes for nothing"
        return self.pulls

    def missing_to_build(self) -> Sequence[str]:
        """As configured."""
        return self.lacks


@pytest.mark.parametrize(
    ("machine", "means"),
    [
        (Machine(engine=True, lacks=["mmdebstrap"]), EngineMeans.RUNNING),
        (Machine(engine=True, root=True), EngineMeans.RUNNING),
        (Machine(root=True), EngineMeans.OWN),
    ],
    ids=["a running engine", "root with an engine", "root with the packages"],
)
def test_the_engine_that_answers_goes_before_one_of_our_own(
    machine: Machine, means: EngineMeans
) -> None:
    """A developer's Docker is used as it is; root without one has one for the time of the tests."""
    assert engine_means(machine) is means


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(lacks=["docker.io"]), "only root can start one: start Docker, or be root"),
        (Machine(root=True, lacks=["docker.io"]), r"docker\.io is missing: `make packages`"),
        (Machine(root=True, lacks=["docker.io", "zstd"]), "docker.io, zstd are missing"),
    ],
    ids=["neither docker nor root", "root without a package", "root without two"],
)
def test_without_an_engine_the_message_has_what_is_missing_and_the_cure(
    machine: Machine, expected: str
) -> None:
    """It is the line with which `make test` says that pods were not tested."""
    with pytest.raises(NoClusterError, match=expected):
        engine_means(machine)


@pytest.mark.parametrize(
    ("images", "means"),
    [
        (Images(requested=True, cached=True, pulls=None), NodeMeans.ASKED),
        (Images(cached=True, pulls=None), NodeMeans.CACHED),
        (Images(pulls=True, lacks=["root"]), NodeMeans.PULLED),
        (Images(), NodeMeans.BUILT),
    ],
    ids=["asked for", "in the cache", "pulled", "built"],
)
def test_a_node_is_built_only_where_none_can_be_had_otherwise(
    images: Images, means: NodeMeans
) -> None:
    """What is asked for, then the cache, then kind's own image, then minutes of building."""
    assert node_means(images) is means


def test_without_an_image_of_a_node_the_message_has_what_is_missing_and_the_cure() -> None:
    """An engine without a registry, on a machine that can build none."""
    with pytest.raises(NoClusterError, match="Go, a Debian are missing: `make packages`"):
        node_means(Images(lacks=["Go", "a Debian"]))
