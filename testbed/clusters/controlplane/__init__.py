"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager."""

from testbed.clusters.controlplane.assets import Assets, find_assets
from testbed.clusters.controlplane.cluster import ControlPlaneCluster, Memory

__all__ = ["Assets", "ControlPlaneCluster", "Memory", "find_assets"]
