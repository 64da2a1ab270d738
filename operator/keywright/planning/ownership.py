"""Keys of another cluster: a grant that names them is Stalled until a person decides."""

from __future__ import annotations

from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import ANNOTATION_TAKE_OVER
from keywright.planning.state import GrantState

OWNED_BY_ANOTHER_CLUSTER: Final = "OwnedByAnotherCluster"


def owned_elsewhere(state: GrantState) -> Failure | None:
    """Why nothing may be done with keys that Secret or status name; None where they are ours."""
    grant = state.grant
    if grant is None or grant.managed is None:
        return None
    identity = grant.known_as
    if not identity.owned_by_another_cluster:
        return None
    named = state.status.key_id or (state.secret.key_id if state.secret is not None else None)
    return owned_by_another_cluster(grant, what=f"the key {named or ''}".rstrip())


def owned_by_another_cluster(grant: ApiKeyGrant, *, what: str) -> Failure:
    """What is said of a key, a user or a plan that another cluster has tagged.

    The id of the other cluster is repeated only where Secret or status name it: to know it is part
    of the right to take its keys over.
    """
    identity = grant.known_as
    cluster = identity.elsewhere or "CLUSTER_ID"
    where = f" {identity.elsewhere}" if identity.elsewhere else ""
    find = (
        ""
        if identity.elsewhere
        else " CLUSTER_ID is what `kubectl get namespace kube-system -o"
        " jsonpath={.metadata.uid}` prints in that cluster."
    )
    again = (
        " The annotation has been carried out before: remove it first."
        if grant.take_over and not identity.take_over
        else ""
    )
    return Failure(
        f"{what} belongs to this grant in another cluster{where}; it was left alone.",
        kind=FailureClass.CONFIGURATION,
        reason=OWNED_BY_ANOTHER_CLUSTER,
        field=f"metadata.annotations[{ANNOTATION_TAKE_OVER}]",
        remedy=(
            "If that cluster does not use it any more, take it over: kubectl annotate"
            f" --namespace={grant.namespace} apikeygrant {grant.name}"
            f" {ANNOTATION_TAKE_OVER}={cluster}.{find}{again} Otherwise give this grant another"
            " name, and delete its Secret."
        ),
        no_side_effect=True,
    )
