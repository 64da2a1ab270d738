"""Tags of the AWS resources that were created for a grant."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from keywright.api.errors import KeywrightError
from keywright.api.grant import ApiKeyGrant, DeletionPolicy, GrantIdentity

TAG: Final = "keywright.dev/grant"
UID_TAG: Final = "keywright.dev/grant-uid"
GRANT_ID_TAG: Final = "keywright.dev/grant-id"
CLUSTER_TAG: Final = "keywright.dev/cluster-id"
RETAIN_TAG: Final = "keywright.dev/retain"
# On an API key that is disabled because the grant says enabled: false, and not by hand.
DISABLED_TAG: Final = "keywright.dev/disabled"
# On an IAM user: the IDs of its keys, which cannot be tagged.
KEYS_TAG: Final = "keywright.dev/key-ids"
# On an IAM user: "true" if Keywright created it, "false" if it tagged an existing one.
CREATED_TAG: Final = "keywright.dev/created"
INTENT_TAG: Final = "keywright.dev/intent"
IMPORT_TAG: Final = "keywright.dev/import"
_TAG_VALUE_LIMIT: Final = 256


def owner_of(grant: ApiKeyGrant) -> str:
    """The value of the owner tag: the grant, by a name that survives a restore."""
    return owner_tag(grant.namespace, grant.name)


def owner_tag(namespace: str, name: str) -> str:
    """The value of the owner tag of a grant with this name."""
    name = f"{namespace}/{name}"
    if len(name) <= _TAG_VALUE_LIMIT:
        return name
    return f"{name[:200]}.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


class NotRemovedError(KeywrightError):
    """A resource is not what a listing showed any more, so that it stays."""


class Owned(enum.Enum):
    """The owner of a resource, by its tags."""

    OWNED = "made for this grant"
    FORMER = "made for a grant of this name and cluster that had another grant id"
    UNSURE = "made for a grant of this name, before tags named a cluster"
    ELSEWHERE = "made for a grant of this name in another cluster"
    OTHERS = "not made for a grant of this name"


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """The tags that distinguish the resources of one grant from all others."""

    owner: str
    uid: str
    identity: GrantIdentity
    retain: bool = False

    @classmethod
    def of(cls, grant: ApiKeyGrant) -> Self:
        """The tags for the grant."""
        return cls(
            owner=owner_of(grant),
            uid=grant.uid,
            identity=grant.known_as,
            retain=grant.spec.deletion_policy is DeletionPolicy.RETAIN,
        )

    def owned(self, tags: Mapping[str, str]) -> Owned:
        """The owner of a resource with these tags."""
        if tags.get(TAG) != self.owner:
            return Owned.OTHERS
        cluster = tags.get(CLUSTER_TAG)
        if cluster is None:
            return Owned.OWNED if tags.get(UID_TAG) in self.identity.ids else Owned.UNSURE
        if self.identity.cluster_id and cluster not in self.identity.clusters:
            return Owned.ELSEWHERE
        known = {*self.identity.ids, self.identity.claimed_id}
        return Owned.OWNED if tags.get(GRANT_ID_TAG) in known else Owned.FORMER

    def is_claimed(self, tags: Mapping[str, str]) -> bool:
        """Whether Secret or status name the grant ID of the resource."""
        return tags.get(GRANT_ID_TAG) in {*self.identity.ids, self.identity.claimed_id}

    def tags(self) -> dict[str, str]:
        """The tags of resources created for the grant, without those of specific types."""
        found = {TAG: self.owner, GRANT_ID_TAG: self.identity.grant_id}
        if self.identity.cluster_id:
            found[CLUSTER_TAG] = self.identity.cluster_id
        if self.retain:
            # Retained by a deletion: a later grant of the name does not delete it.
            found[RETAIN_TAG] = "true"
        return found

    def missing(self, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags that a resource of the grant lacks."""
        return {name: value for name, value in self.tags().items() if tags.get(name) != value}


def is_retained(tags: Mapping[str, str]) -> bool:
    """Whether a deletion retained the resource."""
    return RETAIN_TAG in tags
