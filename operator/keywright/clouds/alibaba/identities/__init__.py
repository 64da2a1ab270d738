"""The identities in Alibaba Cloud, one module each."""
