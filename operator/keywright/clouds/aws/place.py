"""The place of a key in AWS: partition, account and Region."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.api.grant import ApiKeyGrant
from keywright.api.partitions import partition_of
from keywright.api.source import CredentialSource


@dataclass(frozen=True, slots=True)
class Place:
    """Where the keys of a grant are issued."""

    partition: str
    account: str
    region: str
    has_mantle: bool

    def arn(self, service: str, resource: str, *, region: str = "") -> str:
        """An ARN in the account."""
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"


def place_of(grant: ApiKeyGrant, source: CredentialSource, *, account: str) -> Place:
    """The place of the grant's keys."""
    region = grant.region(source)
    partition = partition_of(region)
    return Place(partition.id, account, region, partition.has_mantle)
