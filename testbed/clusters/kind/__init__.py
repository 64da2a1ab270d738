"""A real cluster with a node and pods, created and deleted by kind."""

from testbed.clusters.kind.cluster import KindCluster
from testbed.clusters.kind.engine import Engine

__all__ = ["Engine", "KindCluster"]
