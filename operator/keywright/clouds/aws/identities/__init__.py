"""The identities in AWS, one module each."""
