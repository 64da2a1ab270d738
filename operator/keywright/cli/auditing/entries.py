"""The findings in the list of keys that could not be revoked; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keywright.api.keys import USER_KINDS, KeyKind
from keywright.cli.auditing.findings import Finding, Kind, Known, Reason, parts_of
from keywright.clouds.alibaba.modelstudio.marked_keys import ModelStudioListing
from keywright.clouds.aws.marked_resources import GatewayListing, IamListing
from keywright.cluster.operator_state import CONFIG_MAP
from keywright.planning.orphans import Orphan


def entry_findings(
    entries: Mapping[str, Orphan],
    accounts: Mapping[str, IamListing],
    regions: Mapping[tuple[str, str], GatewayListing],
    studios: Mapping[tuple[str, str], ModelStudioListing],
    known: Known,
) -> Iterator[Finding]:
    """The entries of the list of keys that could not be revoked, whose key is gone."""
    for name, entry in entries.items():
        account, second, third = parts_of(entry.key_id)
        if entry.kind in USER_KINDS and account in accounts:
            exists = accounts[account].has_credential(second, third)
        elif entry.kind == KeyKind.API_GATEWAY_KEY and (account, second) in regions:
            exists = any(key.name == third for key in regions[account, second].keys)
        elif entry.kind == KeyKind.MODEL_STUDIO_KEY and (account, second) in studios:
            exists = third in studios[account, second].ids
        else:
            continue
        if exists is not False or any(
            entry.key_id in grant.key_ids for grant in known.grants.values()
        ):
            continue
        yield Finding(
            reason=Reason.STALE_ENTRY,
            kind=Kind.ENTRY,
            account=account,
            region="" if entry.kind in USER_KINDS else second,
            name=name,
            grant=f"{entry.grant.namespace}/{entry.grant.name}",
            detail=f"{CONFIG_MAP} lists key {entry.key_id}, which does not exist",
            action=f"remove entry {name} from ConfigMap {CONFIG_MAP}",
            key_id=entry.key_id,
        )
