"""The clouds: one folder per vendor, one file per way to be someone and per kind of key.

Nothing in here knows Kubernetes: what an identity needs of a cluster is handed in as `TokenSource`.
"""
