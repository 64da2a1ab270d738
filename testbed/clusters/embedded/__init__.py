"""A Kubernetes API in one Python process: for the demo, and for load and fault tests.

Resource versions, watches, server-side apply, schemas with CEL, TokenRequest, Leases, garbage
collection and tables behave as in the real server, which a contract suite compares it with. Not
supported: RBAC (authenticated users may do everything), admission webhooks, conversion between
versions of a custom kind, running pods, the schemas of built-in kinds (only unknown top-level
fields are detected), CEL's static types and cost limits, consistent pages of a list, foreground
deletion.
"""

from testbed.clusters.embedded.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
