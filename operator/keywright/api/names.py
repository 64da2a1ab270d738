"""Public names: the API group, its resources, annotations and labels."""

from typing import Final

GROUP: Final = "keywright.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

SOURCE_KIND: Final = "CredentialSource"
SOURCE_PLURAL: Final = "credentialsources"
GRANT_KIND: Final = "ApiKeyGrant"
GRANT_PLURAL: Final = "apikeygrants"

FIELD_MANAGER: Final = "keywright"
"""The field manager for server-side apply; fields of other managers are left unchanged."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "keywright"
WATCH_LABEL: Final = f"{GROUP}/managed"
WATCH_LABEL_VALUE: Final = "true"
SECRET_SELECTOR: Final = f"{WATCH_LABEL}={WATCH_LABEL_VALUE}"
"""The label selector of the watch on Secrets; the label alone does not imply ownership.

Not the label `managed-by`: policies standardize the labels that Kubernetes recommends.
"""
UNWATCHED_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY},{WATCH_LABEL}!={WATCH_LABEL_VALUE}"
"""Secrets with only `managed-by`, as versions before the watch label wrote them."""

ANNOTATION_RESTARTED_FOR: Final = f"restarted-for.{GROUP}/"
"""On a pod template, followed by a Secret's name: the hash of the data that its pods started with.
"""

RESERVED_PREFIX: Final = f"{GROUP}/"


def imitates_mark(text: str) -> bool:
    """Whether a text for a cloud starts with a prefix reserved for the operator's own tags.

    In any letter case: IAM treats tag keys that differ only in case as equal.
    """
    return RESERVED_PREFIX in text.casefold()


# On a Secret that the operator manages.
ANNOTATION_OWNER: Final = f"{GROUP}/owner"
ANNOTATION_ISSUED_AT: Final = f"{GROUP}/issued-at"
ANNOTATION_EXPIRES_AT: Final = f"{GROUP}/expires-at"
ANNOTATION_RENEW_AT: Final = f"{GROUP}/renew-at"
ANNOTATION_REVISION: Final = f"{GROUP}/revision"
# The value of the renewal request that the key was issued for: a status may be lost.
ANNOTATION_HANDLED_REQUEST: Final = f"{GROUP}/handled-request"
ANNOTATION_FINGERPRINT: Final = f"{GROUP}/fingerprint"
# For a managed key: its ID, and that of its predecessor.
ANNOTATION_KEY_ID: Final = f"{GROUP}/key-id"
ANNOTATION_REPLACES: Final = f"{GROUP}/replaces-key-id"
# For each of the two: the operator's proof that the key was created for the grant.
ANNOTATION_KEY_PROOF: Final = f"{GROUP}/key-proof"
ANNOTATION_REPLACES_PROOF: Final = f"{GROUP}/replaces-key-proof"
# For a layout with the previous value: the ID and a keyed hash of the old key; empty without one.
ANNOTATION_PREVIOUS_KEY: Final = f"{GROUP}/previous-key"
# For a managed key: the grant ID and cluster ID in its tags, and the operator's proof of both.
ANNOTATION_GRANT_ID: Final = f"{GROUP}/grant-id"
ANNOTATION_CLUSTER_ID: Final = f"{GROUP}/cluster-id"
ANNOTATION_GRANT_PROOF: Final = f"{GROUP}/grant-proof"
# For a bulk import: a digest of the entries' names, and the rows that were skipped.
ANNOTATION_ENTRIES: Final = f"{GROUP}/entries"
ANNOTATION_WARNING: Final = f"{GROUP}/warning"
# As earlier versions named two of them: read if the new one is missing, replaced by the next write.
LEGACY_ANNOTATION_OWNER: Final = f"{GROUP}/granted-by"
LEGACY_ANNOTATION_WARNING: Final = f"{GROUP}/remark"

# On a Secret, set by its owner: its values may be sent to a cloud or copied to another namespace.
REFERENCE_LABEL: Final = f"{GROUP}/allow-reference"

# On a grant: each new value requests one renewal.
ANNOTATION_RENEW_REQUESTED_AT: Final = f"{GROUP}/renew-requested-at"
ANNOTATION_RECONCILE_REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"

# On a grant: the ID of the cluster whose keys this cluster takes over.
ANNOTATION_TAKE_OVER: Final = f"{GROUP}/take-over"

FINALIZER: Final = f"{GROUP}/revoke"

# On a ServiceAccount: the IAM role, as EKS and the SDKs read it.
ANNOTATION_EKS_ROLE_ARN: Final = "eks.amazonaws.com/role-arn"
# The equivalent for ACK and its webhook: a role name in the account of the cluster's provider.
ANNOTATION_RRSA_ROLE_NAME: Final = "pod-identity.alibabacloud.com/role-name"
