"""The clouds: identities of each vendor, and one package for each of its services.

No module in this package depends on Kubernetes: what an identity needs from a cluster is passed as
`TokenSource` and `SecretReader`.
"""
