"""API keys of Amazon API Gateway, in their usage plans.

The ID of a key is `<account>/<region>/<key>`, that of all keys of an imported file
`<account>/<region>/import-<intent>`: sufficient to delete them, whatever the spec says then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from keywright.api.errors import Failure
from keywright.clouds.answer_values import moment
from keywright.clouds.aws.api_gateway import api_key, usage_plans
from keywright.clouds.aws.api_gateway.api_key import Key
from keywright.clouds.aws.api_gateway.client import GatewayClient, parts_of
from keywright.clouds.aws.api_gateway.csv_import import CsvImport
from keywright.clouds.aws.api_gateway.key_lookup import KeyLookup
from keywright.clouds.aws.api_gateway.single_key import SingleApiKey
from keywright.clouds.interfaces import Intent, IssuedKey
from keywright.clouds.owner_tags import CLUSTER_TAG, DISABLED_TAG, TAG, Owned
from keywright.planning.key_ownership import owned_by_another_cluster
from keywright.planning.state import CloudKey, KeyFault

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class GatewayKeys(GatewayClient):
    """The keys of one grant, with one session; implements `clouds.interfaces.ManagedKeys`."""

    async def prepare(self, known: frozenset[str]) -> None:
        """Prepare the plans, the input, and editable attributes of keys; all are checked first."""
        await self._issuer.check()
        await self.plans()
        here = tuple(key_id for key_id in known if parts_of(key_id)[1] == self.region)
        if here:
            await self.run(lambda client: self._edit(client, here))

    async def list_keys(self, known: frozenset[str]) -> tuple[CloudKey, ...]:
        """The keys that were created for the grant, and those with known IDs."""
        regions = {region for region, _ in self._by_region(known)} | {self.region}
        found: list[CloudKey] = []
        for region in sorted(regions):
            found += await self.run(
                partial(self._listed, region=region, known=known), region=region
            )
        return tuple(found)

    async def find_fault(self, key_id: str, known: frozenset[str], parts: int) -> KeyFault | None:
        """Why the key, or one of an import, does not work; see `KeyLookup`."""
        account, region, name = parts_of(key_id)
        if account != self.account:
            return None
        names = frozenset(parts_of(each)[2] for each in known)
        return await KeyLookup(self, region=region).find_fault(name, known=names, parts=parts)

    async def create(self, intent: Intent) -> IssuedKey:
        """Create the key or keys of that intent; idempotent, also when it is resumed."""
        try:
            return await self._issuer.make(intent)
        except Failure as failure:
            # One call of several: earlier ones were carried out, and the intent is resumed.
            failure.no_side_effect = False
            raise

    async def deactivate(self, key_ids: tuple[str, ...]) -> None:
        """Disable the keys; a deleted one is not an error."""
        for region, ids in self._by_region(key_ids):
            await self.run(partial(self._disable, key_ids=ids, region=region), region=region)

    async def remove(
        self, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete keys, and unused plans created for the grant; returns IDs it cannot reach.

        `and_holder` also deletes the plans that the grant names, if they were created for it and
        contain no other keys.
        """
        by_region = dict(self._by_region(key_ids))
        left = {key_id for key_id in key_ids if parts_of(key_id)[0] != self.account}
        for region in sorted({*by_region, self.region}):
            ids = by_region.get(region, ())
            call = partial(self._remove, key_ids=ids, region=region, and_holder=and_holder)
            left |= await self.run(call, region=region)
        return tuple(key_id for key_id in key_ids if key_id in left)

    # ---- run in a thread

    def _edit(self, client: Any, key_ids: Iterable[str]) -> None:
        for key in self._members(client, key_ids):
            wanted = api_key.attributes(self.key, grant=self.grant)
            if self.key.csv_from is not None:
                # The file has the name of each, and whether it is enabled.
                wanted = {"customerId": wanted["customerId"]}
            elif api_key.is_disabled_by_hand(key):
                # Its value may have leaked; `create` handles one that is still in use.
                del wanted["enabled"]
            tags = api_key.wanted_tags(self.key, grant=self.grant)
            api_key.update(client, key, wanted=wanted, tags=tags, arn=self.arn(key["id"]))

    def _listed(self, client: Any, *, region: str, known: frozenset[str]) -> list[CloudKey]:
        found: dict[str, CloudKey] = {}
        for key in api_key.list_keys(client):
            key_id = self.id_of(key, region=region)
            if self._is_elsewhere(key, claimed=key_id in known):
                continue
            left = self.mark.left(key)
            if not (left or (key_id in known and self.covers(key))):
                continue
            self._tag_on_sight(client, key, key_id, region=region)
            before = found.get(key_id)
            created_at = moment(key.get("createdDate"), what="createdDate")
            found[key_id] = CloudKey(
                id=key_id,
                created_at=min(created_at, before.created_at) if before else created_at,
                active=bool(key.get("enabled")) or (before is not None and before.active),
                in_current_holder=region == self.region,
                marked=True,
                issued=left or (before is not None and before.issued),
                disabled_by_operator=DISABLED_TAG in api_key.tags_of(key),
                parts=before.parts + 1 if before else 1,
            )
        return list(found.values())

    def _is_elsewhere(self, key: Key, *, claimed: bool) -> bool:
        """Whether another cluster created the key; raises Failure if the grant names it."""
        tags = api_key.tags_of(key)
        if self.mark.owned(tags) is not Owned.ELSEWHERE:
            return False
        if (claimed or self.mark.is_claimed(tags)) and not self.grant.deleting:
            raise owned_by_another_cluster(self.grant, what=f"the API key {key['id']}")
        return True

    def _tag_on_sight(self, client: Any, key: Key, key_id: str, *, region: str) -> None:
        """Set grant ID and cluster ID on a key of the grant that has none, or outdated ones.

        A key of a former grant of the name keeps its own, unless it is taken over.
        """
        mark, tags = self.mark, api_key.tags_of(key)
        missing = mark.missing(tags)
        if self._lacks_disabled_tag(key):
            missing[DISABLED_TAG] = "true"
        former = mark.owned(tags) is Owned.FORMER and CLUSTER_TAG not in missing
        left = former and key_id not in self.evidence.proven
        goes = self.grant.deleting and not mark.retain
        # The import tags its keys.
        importing = TAG not in tags and key_id not in self.evidence.proven
        if goes or left or importing or not missing:
            return
        client.tag_resource(resourceArn=self.arn(key["id"], region=region), tags=missing)

    def _lacks_disabled_tag(self, key: Key) -> bool:
        """Whether a version before that tag disabled the key because the grant said so."""
        wants_disabled = not self.key.enabled and self.key.csv_from is None
        return wants_disabled and api_key.is_disabled_by_hand(key)

    def _disable(self, client: Any, *, key_ids: Iterable[str], region: str) -> None:
        for key in self._members(client, key_ids, region=region):
            api_key.disable(client, key["id"])

    def _remove(
        self, client: Any, *, key_ids: Iterable[str], region: str, and_holder: bool
    ) -> set[str]:
        """Delete the keys; returns the IDs of those whose tags name another grant, which stay."""
        left: set[str] = set()
        for key in self._behind(client, key_ids, region=region):
            if self.covers(key):
                api_key.delete(client, key["id"])
            elif self.mark.owned(api_key.tags_of(key)) is not Owned.ELSEWHERE:
                left.add(self.id_of(key, region=region))
        made = {plan.create.name for _, plan in self.key.usage_plans if plan.create is not None}
        here = region == self.region and not and_holder
        wanted = frozenset(made) if here else frozenset[str]()
        usage_plans.delete_unused_plans(client, mark=self.mark, wanted=wanted)
        return left

    def _members(
        self, client: Any, key_ids: Iterable[str], *, region: str | None = None
    ) -> list[Key]:
        """The keys of IDs that may be changed.

        Tenants may write the IDs; they must not reach keys of other grants.
        """
        return [key for key in self._behind(client, key_ids, region=region) if self.covers(key)]

    def _behind(
        self, client: Any, key_ids: Iterable[str], *, region: str | None = None
    ) -> list[Key]:
        """The keys of the IDs, regardless of their owner."""
        names = {parts_of(key_id)[2] for key_id in key_ids}
        if any(name.startswith("import-") for name in names):
            of = region or self.region
            return [
                key
                for key in api_key.list_keys(client)
                if parts_of(self.id_of(key, region=of))[2] in names
            ]
        each = (api_key.find(client, name) for name in sorted(names))
        return [key for key in each if key is not None]

    @property
    def _issuer(self) -> SingleApiKey | CsvImport:
        return SingleApiKey(self) if self.key.csv_from is None else CsvImport(self)

    def _by_region(self, key_ids: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The IDs of this account, by region; other texts are skipped."""
        found: dict[str, list[str]] = {}
        for key_id in key_ids:
            account, region, name = parts_of(key_id)
            known = region == self.region or _REGION.fullmatch(region)
            if account == self.account and known and name:
                found.setdefault(region, []).append(key_id)
        return [(region, tuple(ids)) for region, ids in sorted(found.items())]
