"""How a grant is identified in the clouds, where another cluster may use the same account."""

from __future__ import annotations

import msgspec


class GrantIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The grant id and cluster id of a grant, with which its keys are tagged.

    `grant_id` is the uid of the object that the first key was issued for: a restored grant has
    another uid, and keeps its id. `cluster_id` is the uid of the namespace `kube-system`, empty
    where it is unknown. `former_ids` are other ids under which the grant may have tagged keys;
    the operator has proved each of them.

    `recorded`: the status has the id, so that the tags were written by this cluster.
    `elsewhere` is the cluster that Secret or status name where that is another one, and
    `claimed_id` the grant id that they name then, proved or not. `take_over` is the cluster that
    the annotation names whose keys are to become those of this one.
    """

    grant_id: str
    cluster_id: str = ""
    former_ids: tuple[str, ...] = ()
    recorded: bool = False
    elsewhere: str = ""
    claimed_id: str = ""
    take_over: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """All grant ids that are proved to be those of the grant."""
        return frozenset({self.grant_id, *self.former_ids})

    @property
    def clusters(self) -> frozenset[str]:
        """The clusters whose tags count as those of the grant."""
        return frozenset({self.cluster_id, self.take_over} - {""})

    @property
    def owned_by_another_cluster(self) -> bool:
        """Whether Secret or status name another cluster, whose keys are not to be taken over."""
        return bool(self.elsewhere) and self.elsewhere != self.take_over

    @property
    def proof_id(self) -> str:
        """What proofs of key ids are made by: grant and cluster."""
        return proof_id(self.grant_id, self.cluster_id)


def proof_id(grant_id: str, cluster_id: str) -> str:
    """A grant of a cluster as one word; the grant id alone where the cluster is unknown."""
    return f"{grant_id}@{cluster_id}" if cluster_id else grant_id
