"""What a number of grants costs the API server, etcd, the operator and STS, by simulation."""
