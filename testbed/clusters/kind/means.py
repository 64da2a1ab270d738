"""Decide how to create a kind cluster on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from testbed.clusters import NoClusterError
from testbed.clusters.kind.packages import CURE


class EngineMeans(Enum):
    """The docker engine to use."""

    RUNNING = "the one that answers"
    OWN = "one that we start and end"


class NodeMeans(Enum):
    """The source of the node image."""

    ASKED = "KIND_NODE_IMAGE"
    CACHED = "our own build, from the cache"
    PULLED = "kind's own"
    BUILT = "our own, which is built now"


class Machine(Protocol):
    """Queries about the machine, cheap ones first, and only as far as needed."""

    def answers(self) -> bool:
        """Whether a docker engine responds."""

    def is_root(self) -> bool:
        """Whether this user is root."""

    def missing_packages(self) -> Sequence[str]:
        """The missing packages of packages.txt."""


class ImageStore(Protocol):
    """Queries about an engine and the cache."""

    def is_requested(self) -> bool:
        """Whether KIND_NODE_IMAGE names one."""

    def is_cached(self) -> bool:
        """Whether the own build is cached."""

    def can_be_pulled(self) -> bool:
        """Whether the engine has kind's own image, or could pull it now."""

    def missing_to_build(self) -> Sequence[str]:
        """What is missing for an own build, in words: packages, Go, Debian, root."""


def engine_means(machine: Machine) -> EngineMeans:
    """The engine to use.

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
            f"no docker engine answers, and to start one {_reported(lacking)} missing: {CURE}"
        )
    return EngineMeans.OWN


def node_means(store: ImageStore) -> NodeMeans:
    """The node image to use.

    Raises:
        NoClusterError: there is none; the message says what is missing, and the remedy.
    """
    if store.is_requested():
        return NodeMeans.ASKED
    if store.is_cached():
        return NodeMeans.CACHED
    if store.can_be_pulled():
        return NodeMeans.PULLED
    if lacking := store.missing_to_build():
        raise NoClusterError(
            f"the image of kind's node cannot be pulled, and to build one {_reported(lacking)}"
            f" missing: {CURE}; KIND_NODE_IMAGE names another image"
        )
    return NodeMeans.BUILT


def _reported(lacking: Sequence[str]) -> str:
    return f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'}"
