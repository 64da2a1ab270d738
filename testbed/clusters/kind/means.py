"""What a kind cluster is made with on this machine, by what the machine is found to have."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from testbed.clusters import NoClusterError
from testbed.clusters.kind.packages import CURE


class EngineMeans(Enum):
    """Whose docker engine it is."""

    RUNNING = "the one that answers"
    OWN = "one that we start and end"


class NodeMeans(Enum):
    """Where the image of a node comes from."""

    ASKED = "KIND_NODE_IMAGE"
    CACHED = "our own build, from the cache"
    PULLED = "kind's own"
    BUILT = "our own, which is built now"


class Machine(Protocol):
    """What is asked of the machine, cheap questions first, and only as far as needed."""

    def answers(self) -> bool:
        """Whether a docker engine does."""

    def is_root(self) -> bool:
        """Whether we are."""

    def missing_packages(self) -> Sequence[str]:
        """Of those in packages.txt."""


class ImageStore(Protocol):
    """What is asked of an engine and of the cache."""

    def is_asked_for(self) -> bool:
        """Whether KIND_NODE_IMAGE names one."""

    def is_cached(self) -> bool:
        """Whether our own build is there."""

    def can_be_pulled(self) -> bool:
        """Whether kind's own image is in the engine, or has come into it now."""

    def missing_to_build(self) -> Sequence[str]:
        """What our own build lacks, in words: packages, Go, a Debian, root."""


def engine_means(machine: Machine) -> EngineMeans:
    """Which engine to take.

    Raises:
        NoClusterError: there is none; the message says what is missing, and the remedy.
    """
    if machine.answers():
        return EngineMeans.RUNNING
    if not machine.is_root():
        raise NoClusterError(
            "no docker engine answers, and only root can start one: start Docker, or be root"
        )
    if lacking := machine.missing_packages():
        raise NoClusterError(
            f"no docker engine answers, and to start one {_told(lacking)} missing: {CURE}"
        )
    return EngineMeans.OWN


def node_means(store: ImageStore) -> NodeMeans:
    """Which image of a node to take.

    Raises:
        NoClusterError: there is none; the message says what is missing, and the remedy.
    """
    if store.is_asked_for():
        return NodeMeans.ASKED
    if store.is_cached():
        return NodeMeans.CACHED
    if store.can_be_pulled():
        return NodeMeans.PULLED
    if lacking := store.missing_to_build():
        raise NoClusterError(
            f"the image of kind's node cannot be pulled, and to build one {_told(lacking)} missing:"
            f" {CURE}; KIND_NODE_IMAGE names another image"
        )
    return NodeMeans.BUILT


def _told(lacking: Sequence[str]) -> str:
    return f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'}"
