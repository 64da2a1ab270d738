"""The two custom resources as immutable values.

`parsing` turns an object from the API server into a `CredentialSource` or an `ApiKeyGrant`, or into
a list of field errors. The schemas in `crds/` are the contract; these types mirror them field by
field, and a test compares the two. This package imports no other package of Keywright.
"""
