"""A Kubernetes API in one Python process: for the demo, and for load and fault tests.

Resource versions, watches, server-side apply, schemas with CEL, TokenRequest, Leases, owners'
dependents and tables are those of the real server, whose answers a contract suite compares with
these. Not here: RBAC (whoever is authenticated may do everything), admission webhooks,
conversion between versions of a custom kind, pods that run, the schemas of built-in kinds (of their
unknown fields only those at the top are noticed), CEL's static types and cost limits, pages of a
list as of one version, deletion in the foreground.
"""

from testbed.clusters.embedded.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
