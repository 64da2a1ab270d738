"""Names that others see: the API group, its resources, annotations and labels."""

from typing import Final

GROUP: Final = "keywright.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

SOURCE_KIND: Final = "CredentialSource"
SOURCE_PLURAL: Final = "credentialsources"
GRANT_KIND: Final = "ApiKeyGrant"
GRANT_PLURAL: Final = "apikeygrants"

FIELD_MANAGER: Final = "keywright"
"""Our name in server-side apply: what it owns of a Secret is ours, all else is left alone."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "keywright"
WATCH_LABEL: Final = f"{GROUP}/managed"
WATCH_LABEL_VALUE: Final = "true"
SECRET_SELECTOR: Final = f"{WATCH_LABEL}={WATCH_LABEL_VALUE}"
"""The label selector of our watch on Secrets; a label alone never makes a Secret ours.

Not the label `managed-by`: policies standardize the labels that Kubernetes recommends.
"""
UNWATCHED_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY},{WATCH_LABEL}!={WATCH_LABEL_VALUE}"
"""The Secrets that carry `managed-by` alone, as versions before the watch label wrote them."""

ANNOTATION_RESTARTED_FOR: Final = f"restarted-for.{GROUP}/"
"""Of a pod template, followed by a Secret's name: the mark of the data that its pods began with."""

RESERVED_PREFIX: Final = f"{GROUP}/"


def imitates_mark(text: str) -> bool:
    """Whether a text that goes to a cloud has what the operator's own marks begin with.

    In any letter case: IAM takes tag keys for equal that differ in case alone.
    """
    return RESERVED_PREFIX in text.casefold()


# On a Secret that we keep.
ANNOTATION_GRANTED_BY: Final = f"{GROUP}/granted-by"
ANNOTATION_ISSUED_AT: Final = f"{GROUP}/issued-at"
ANNOTATION_EXPIRES_AT: Final = f"{GROUP}/expires-at"
ANNOTATION_RENEW_AT: Final = f"{GROUP}/renew-at"
ANNOTATION_REVISION: Final = f"{GROUP}/revision"
# The request that the key in it has answered, by its value: a status may be lost.
ANNOTATION_HANDLED_REQUEST: Final = f"{GROUP}/handled-request"
ANNOTATION_FINGERPRINT: Final = f"{GROUP}/fingerprint"
# Of a key that lives in the cloud: its id, and that of the one that it has replaced.
ANNOTATION_KEY_ID: Final = f"{GROUP}/key-id"
ANNOTATION_REPLACES: Final = f"{GROUP}/replaces-key-id"
# Beside each of the two: the operator's proof that the key was made for the grant.
ANNOTATION_KEY_PROOF: Final = f"{GROUP}/key-proof"
ANNOTATION_REPLACES_PROOF: Final = f"{GROUP}/replaces-key-proof"
# Of a key that lives in the cloud: grant id and cluster id, with which it is tagged there, and the
# operator's proof of both.
ANNOTATION_GRANT_ID: Final = f"{GROUP}/grant-id"
ANNOTATION_CLUSTER_ID: Final = f"{GROUP}/cluster-id"
ANNOTATION_GRANT_PROOF: Final = f"{GROUP}/grant-proof"
# Of many keys: a digest of the names of their entries, and what was left out of them.
ANNOTATION_ENTRIES: Final = f"{GROUP}/entries"
ANNOTATION_REMARK: Final = f"{GROUP}/remark"

# On a Secret, set by its owner: its values may be sent to a cloud or copied to another namespace.
REFERENCE_LABEL: Final = f"{GROUP}/allow-reference"

# On a grant: each new value asks for one renewal.
ANNOTATION_RENEW_REQUESTED_AT: Final = f"{GROUP}/renew-requested-at"
ANNOTATION_RECONCILE_REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"

# On a grant: the id of the cluster whose keys of the grant this cluster takes over.
ANNOTATION_TAKE_OVER: Final = f"{GROUP}/take-over"

FINALIZER: Final = f"{GROUP}/revoke"

# On a ServiceAccount: the role it stands for, as EKS and the SDKs read it.
ANNOTATION_EKS_ROLE_ARN: Final = "eks.amazonaws.com/role-arn"
# The same as ACK and its webhook read it: a role's name, in the account of the cluster's provider.
ANNOTATION_RRSA_ROLE_NAME: Final = "pod-identity.alibabacloud.com/role-name"
