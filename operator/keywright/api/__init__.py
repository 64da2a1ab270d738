"""The two resources, as frozen values.

`parsing` turns what the API server sends into a `CredentialSource` or an `ApiKeyGrant`, or into
the list of what is wrong with it. The schemas in `crds/` are the contract; these types follow it
field by field, and a test holds the two together. Nothing in here imports another room.
"""
