"""A real cluster with a node and pods, made and deleted by kind."""

from testbed.clusters.kind.cluster import KindCluster
from testbed.clusters.kind.engine import Engine

__all__ = ["Engine", "KindCluster"]
