"""The page of annotations and labels, and the finalizer: their names are those in the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from keywright.api import names
from tools.reference.markdown import code, page, table

ON_GRANTS: Final[Mapping[str, str]] = {
    names.ANNOTATION_TAKE_OVER: "the ID of another cluster: this cluster takes over the keys that"
    " the other one created for this grant; each value takes effect once"
    " ([how](../operations.md#take-keys-over-from-another-cluster))",
    names.ANNOTATION_RENEW_REQUESTED_AT: "each new value requests one renewal at once",
    names.ANNOTATION_RECONCILE_REQUESTED_AT: "the same, as Flux sets it;"
    " `.status.lastHandledReconcileAt` contains the handled value",
}
"""Annotations that people and tools set on a grant."""
ON_ACCOUNTS: Final[Mapping[str, str]] = {
    names.ANNOTATION_EKS_ROLE_ARN: "the IAM role of an AWS source that names no role itself"
    " (`webIdentity`)",
    names.ANNOTATION_RRSA_ROLE_NAME: "the RAM role of an Alibaba Cloud source that names no role"
    " itself (`oidcRoleArn`): a name in the account of the provider",
}
"""Annotations of a ServiceAccount that a source names."""
ON_SECRETS: Final[Mapping[str, str]] = {
    names.ANNOTATION_OWNER: "namespace/name and uid of the grant; Keywright does not manage a"
    " Secret without it",
    names.ANNOTATION_ISSUED_AT: "when the key was issued, as RFC 3339 in UTC",
    names.ANNOTATION_EXPIRES_AT: "when the key expires",
    names.ANNOTATION_RENEW_AT: "when the key is renewed",
    names.ANNOTATION_REVISION: "the number of keys that were issued for the grant",
    names.ANNOTATION_HANDLED_REQUEST: "the requests for a renewal that were handled, up to eight",
    names.ANNOTATION_KEY_ID: "for a managed key: its ID",
    names.ANNOTATION_REPLACES: "for a managed key: the ID of the key that it replaces",
    names.ANNOTATION_GRANT_ID: "the grant ID, with which the keys of the grant are tagged in the"
    " cloud; also in `status.grantId` ([key ownership](../operations.md#key-ownership))",
    names.ANNOTATION_CLUSTER_ID: "the cluster ID in these tags; also in `status.clusterId`",
    names.ANNOTATION_GRANT_PROOF: "the operator's proof (an HMAC) of these two IDs; also in"
    " `status.grantProof`",
    names.ANNOTATION_KEY_PROOF: "the operator's proof (an HMAC) that the key was created for this"
    " grant. An ID without a proof is neither used nor removed, unless a tag in the cloud says"
    " which grant the key belongs to",
    names.ANNOTATION_REPLACES_PROOF: "the same for the key that it replaces",
    names.ANNOTATION_PREVIOUS_KEY: "if the Secret contains `${previous.apiKey}`: the ID of that"
    " key, and a keyed hash of its value; empty while there is none",
    names.ANNOTATION_ENTRIES: "for an import of many keys: a digest of the names of their entries",
    names.ANNOTATION_WARNING: "for an import of many keys: the rows that were skipped",
    names.ANNOTATION_FINGERPRINT: "identifies the key (source, role, region, kind, duration), and"
    " contains keyed hashes of the data and the key, which reveal nothing without"
    " `keywright-fingerprint-key`",
}
"""Annotations that the operator sets on each Secret that it manages."""
LABELS: Final[Mapping[str, str]] = {
    f'{names.WATCH_LABEL}: "{names.WATCH_LABEL_VALUE}"': "set on each managed Secret; the"
    " operator's watch selects Secrets with it",
    f"{names.MANAGED_BY_LABEL}: {names.MANAGED_BY}": "set on each managed Secret, for people and"
    " tools",
    f'{names.REFERENCE_LABEL}: "true"': "set by the owner of a Secret: its values can be sent to a"
    " cloud or copied to another Secret"
    " ([guide](../tenancy.md#values-that-are-copied-out-of-a-secret))",
}
"""Labels of Secrets."""
ON_PODS: Final[Mapping[str, str]] = {
    f"{names.ANNOTATION_RESTARTED_FOR}<Secret>": "identifies the data for which the workload was"
    " restarted: a part of the fingerprint of the Secret"
}
"""The annotation of the pod template of a workload that a grant restarts."""
LEGACY: Final[Mapping[str, str]] = {
    names.LEGACY_ANNOTATION_OWNER: names.ANNOTATION_OWNER,
    names.LEGACY_ANNOTATION_WARNING: names.ANNOTATION_WARNING,
}
"""Annotations of earlier versions -> their names now."""
_HEADER: Final = ("annotation", "meaning")


def marks_page() -> str:
    """The tables, by the object that has the annotation or label."""
    return page(
        [
            "# Annotations and labels",
            "",
            (
                "[Annotations](../reference.md#annotations) explains what Keywright does"
                " with them. This page is generated from"
                " [operator/keywright/api/names.py](../../operator/keywright/api/names.py)"
                " and [tools/reference/marks.py](../../tools/reference/marks.py)."
            ),
            "",
            "## On a grant",
            "",
            (
                "You can set these annotations; [Renewal](../renewal.md) describes when"
                " else a key is renewed."
            ),
            "",
            *table(_HEADER, _rows(ON_GRANTS)),
            "## On a ServiceAccount",
            "",
            *table(_HEADER, _rows(ON_ACCOUNTS)),
            "## On a Secret",
            "",
            "Keywright sets these annotations on each Secret that it manages:",
            "",
            *table(_HEADER, _rows(ON_SECRETS)),
            "Secrets have these labels:",
            "",
            *table(("label", "meaning"), _rows(LABELS)),
            "Earlier versions had other names for some annotations:",
            "",
            *table(("earlier name", "name"), ((code(a), code(b)) for a, b in LEGACY.items())),
            "## On a pod template",
            "",
            (
                "Keywright sets this annotation on the workloads that a grant restarts"
                " ([Rolling restarts](../rollouts.md)):"
            ),
            "",
            *table(_HEADER, _rows(ON_PODS)),
            "## Finalizer",
            "",
            (
                f"A grant with a managed key has the finalizer `{names.FINALIZER}` until the key is"
                " revoked."
            ),
        ]
    )


def _rows(meanings: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(code(name), text) for name, text in meanings.items()]
