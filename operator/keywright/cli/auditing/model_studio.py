"""The findings in the API keys of Alibaba Cloud Model Studio, of an account in a region; pure.

A key has no tags: its description has hashes of the owner tag of its grant and of the cluster ID.
"""

from __future__ import annotations

from collections.abc import Iterator

from keywright.api.keys import KeyKind
from keywright.cli.auditing.findings import (
    Finding,
    Kind,
    Known,
    Reason,
    established_key,
    missing_finding,
    parts_of,
)
from keywright.cli.auditing.grants import GrantFacts
from keywright.clouds.alibaba.modelstudio import marks
from keywright.clouds.alibaba.modelstudio.marked_keys import MarkedKey, ModelStudioListing


def model_studio_findings(
    account: str, listing: ModelStudioListing, known: Known
) -> Iterator[Finding]:
    """Keys without a grant, keys that their grant does not know, and keys that are gone."""
    own_cluster = marks.cluster_hash(known.cluster_id)
    owners = {marks.owner_hash(owner): owner for owner in {**known.before, **known.grants}}
    for key in listing.marked:
        if key.description.cluster == own_cluster and not key.description.retain:
            owner = owners.get(key.description.owner, "")
            grant = known.grants.get(owner) or known.before.get(owner)
            yield from _of_key(account, listing.region, key, grant, known)
    for grant in known.grants.values():
        yield from _missing(account, listing, grant, known)


def _of_key(
    account: str, region: str, key: MarkedKey, grant: GrantFacts | None, known: Known
) -> Iterator[Finding]:
    key_id = f"{account}/{region}/{key.id}"
    if grant is not None and known.knows(grant, key_id):
        return
    unknown = grant is not None
    yield Finding(
        reason=Reason.UNKNOWN_KEY if unknown else Reason.NO_GRANT,
        kind=Kind.MODEL_STUDIO_KEY,
        account=account,
        region=region,
        name=key.id,
        grant=grant.owner if grant is not None else owner_in(key.description),
        detail="its grant does not use this key" if unknown else "no such grant",
        action=f"delete Model Studio key {key.id} in {region}",
        cure=f"delete API key {key.id} in the console of Model Studio, region {region}",
        key_id=key_id,
        description=key.description,
    )


def owner_in(description: marks.Description) -> str:
    """The grant in a description, with an ellipsis if only the beginning of its name is there."""
    whole = marks.owner_hash(description.label) == description.owner
    return description.label if whole else f"{description.label}..."


def _missing(
    account: str, listing: ModelStudioListing, grant: GrantFacts, known: Known
) -> Iterator[Finding]:
    if grant.kind is not KeyKind.MODEL_STUDIO_KEY:
        return
    owner, region, name = parts_of(established_key(grant, known))
    if (owner, region) == (account, listing.region) and name not in listing.ids:
        yield missing_finding(Kind.MODEL_STUDIO_KEY, account, region, name, grant, what="the key")
