"""API keys of Amazon API Gateway, in their usage plans.

A key's id here is `<account>/<region>/<key>`, that of all keys of an imported file
`<account>/<region>/import-<intent>`: what it takes to remove them, whatever the grant says then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import GATEWAY_ID, moment, text
from keywright.clouds.aws.gateway_errors import refusal_of_gateway
from keywright.clouds.aws.identities.context import AwsContext
from keywright.clouds.aws.keys import gateway_key, usage_plans
from keywright.clouds.aws.keys.gateway_import import CsvImport
from keywright.clouds.aws.keys.gateway_key import Key, OwnerTags
from keywright.clouds.aws.keys.gateway_value import SingleApiKey
from keywright.clouds.aws.keys.tags import CLUSTER_TAG, TAG, Owned
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, Intent, IssuedKey, Session
from keywright.clouds.rate_limit import pace_key
from keywright.planning.key_ownership import owned_by_another_cluster
from keywright.planning.state import CloudKey

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """The keys of one grant, by one session; implements `clouds.ways.KeptKeys`."""

    key: ApiGatewayKey
    grant: ApiKeyGrant
    source: CredentialSource
    session: Session
    context: AwsContext
    evidence: Evidence = NO_EVIDENCE

    async def prepare(self, known: frozenset[str]) -> None:
        """The plans, the input, and what can be edited of the keys; refused before all is made."""
        await self._way.check()
        await self.plans()
        here = tuple(key_id for key_id in known if _parts(key_id)[1] == self.region)
        if here:
            await self.run(lambda client: self._edit(client, here))

    async def list_keys(self, known: frozenset[str]) -> tuple[CloudKey, ...]:
        """The keys that were made for the grant, and those that the ids name."""
        regions = {region for region, _ in self._by_region(known)} | {self.region}
        found: list[CloudKey] = []
        for region in sorted(regions):
            found += await self.run(
                partial(self._listed, region=region, known=known), region=region
            )
        return tuple(found)

    async def shows(self, key_id: str, known: frozenset[str], parts: int) -> bool:
        """Whether the key, or all of an import, is there; by one listing of account and region.

        False also where the listing has keys of the grant and this cluster that are not known.
        """
        account, region, name = _parts(key_id)
        if account != self.account:
            return True
        every = await self.context.listings.get(
            ("apigateway", account, region),
            lambda: self.run(gateway_key.owners, region=region),
        )
        assert every is not None
        mark, names = self.mark, {_parts(each)[2] for each in known}
        clusters = (mark.identity.cluster_id, "")
        here = [every.get(gateway_key.owner_name(mark.owner, each)) for each in clusters]
        own = gateway_key.owner_name(mark.owner, mark.identity.cluster_id, revoked=True)
        shown = every.get(own, Counter[str]()).keys() if region == self.region else frozenset()
        return sum(found[name] for found in here if found is not None) >= parts and shown <= names

    async def create(self, intent: Intent) -> IssuedKey:
        """The key or keys of that intent; made once, however often it is carried on."""
        try:
            return await self._way.make(intent)
        except Failure as failure:
            # One call of several: what was done before stands, and the intent is carried on.
            failure.no_side_effect = False
            raise

    async def deactivate(self, key_ids: tuple[str, ...]) -> None:
        """Let them open nothing any more; one that is gone is no failure."""
        for region, ids in self._by_region(key_ids):
            await self.run(partial(self._disable, key_ids=ids, region=region), region=region)

    async def remove(
        self, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete them, and plans of ours that the grant has left; returns what is out of reach.

        `and_holder` takes the plans that the grant names as well, if we made them for it and
        nobody else's key is in them.
        """
        by_region = dict(self._by_region(key_ids))
        left = {key_id for key_id in key_ids if _parts(key_id)[0] != self.account}
        for region in sorted({*by_region, self.region}):
            ids = by_region.get(region, ())
            call = partial(self._remove, key_ids=ids, region=region, and_holder=and_holder)
            left |= await self.run(call, region=region)
        return tuple(key_id for key_id in key_ids if key_id in left)

    # ---- what the ways to have a value share

    @property
    def region(self) -> str:
        """Where the key works."""
        return self.grant.region(self.source)

    @property
    def account(self) -> str:
        """The account of the session."""
        return self.session.identity.split(":")[4]

    @property
    def mark(self) -> OwnerTags:
        """What tells the grant's keys from others."""
        return OwnerTags.of(self.grant)

    def covers(self, key: Key) -> bool:
        """Whether a key may be touched: by its tags, or by the proof of its id.

        The proof counts where the tags are from before they named a cluster, or were all removed.
        """
        if self.mark.covers(key):
            return True
        tags = gateway_key.tags_of(key)
        unsure = self.mark.owned(tags) is Owned.UNSURE or gateway_key.is_unmarked(key)
        name = _parts(self._id_of(key, region=self.region))[2]
        return unsure and name in {_parts(each)[2] for each in self.evidence.proven}

    def key_id(self, name: str) -> str:
        """The id of a key or an import of this account and region."""
        return f"{self.account}/{self.region}/{name}"

    def own_name(self, key_id: str) -> str | None:
        """The name behind an id of this account and region; None for any other."""
        account, region, name = _parts(key_id)
        return name if (account, region) == (self.account, self.region) else None

    def arn(self, name: str, *, region: str | None = None, kind: str = "apikeys") -> str:
        """The ARN of a key or a plan, which has no account."""
        partition = self.session.identity.split(":")[1]
        return f"arn:{partition}:apigateway:{region or self.region}::/{kind}/{name}"

    async def plans(self) -> tuple[str, ...]:
        """The ids of the grant's plans; those to be made are there then."""
        mark = usage_plans.PlanMark(
            self.mark,
            lambda name: owned_by_another_cluster(self.grant, what=f"the usage plan {name}"),
        )
        desired = await self.run(lambda client: usage_plans.find(client, self.key, mark=mark))
        # A client costs 70 ms of processor time.
        if any(plan.is_ours for plan in desired):
            await self.run(lambda client: self._change_plans(client, desired, mark))
        ids = []
        for plan in desired:
            if plan.found is not None:
                ids.append(str(plan.found["id"]))
            elif plan.wanted.create is not None:
                make = partial(usage_plans.make, wanted=plan.wanted.create, mark=self.mark)
                ids.append(await self.run(make, attempts=1))
        return tuple(ids)

    async def run(
        self, call: Callable[[Any], _Answer], *, region: str | None = None, attempts: int = 3
    ) -> _Answer:
        """The answer of a call of API Gateway; raises Failure."""
        try:
            return await self.context.calls.run(
                "apigateway",
                call,
                region=region or self.region,
                tenant=self.grant.namespace,
                session=self.session,
                pace=pace_key(self.source, account=self.account),
                attempts=attempts,
            )
        except Exception as error:
            raise refusal_of_gateway(error) from None

    # ---- run in a thread

    def _change_plans(
        self, client: Any, desired: tuple[usage_plans.ResolvedPlan, ...], mark: usage_plans.PlanMark
    ) -> None:
        usage_plans.change(client, desired)
        usage_plans.tag(
            client, desired, mark=mark, arn=lambda plan: self.arn(plan, kind="usageplans")
        )

    def _edit(self, client: Any, key_ids: Iterable[str]) -> None:
        for key in self._members(client, key_ids):
            wanted = gateway_key.attributes(self.key, grant=self.grant)
            if self.key.csv_from is not None:
                # The file says what each is called, and whether it is enabled.
                wanted = {"customerId": wanted["customerId"]}
            tags = gateway_key.wanted_tags(self.key, grant=self.grant)
            gateway_key.tag(client, key, tags=tags, arn=self.arn(key["id"]))
            gateway_key.change(client, key, wanted=wanted)

    def _listed(self, client: Any, *, region: str, known: frozenset[str]) -> list[CloudKey]:
        found: dict[str, CloudKey] = {}
        for key in gateway_key.list_keys(client):
            key_id = self._id_of(key, region=region)
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
                parts=before.parts + 1 if before else 1,
            )
        return list(found.values())

    def _is_elsewhere(self, key: Key, *, claimed: bool) -> bool:
        """Whether another cluster made the key; raises Failure where the grant names it."""
        tags = gateway_key.tags_of(key)
        if self.mark.owned(tags) is not Owned.ELSEWHERE:
            return False
        if (claimed or self.mark.is_claimed(tags)) and not self.grant.deleting:
            raise owned_by_another_cluster(self.grant, what=f"the API key {key['id']}")
        return True

    def _tag_on_sight(self, client: Any, key: Key, key_id: str, *, region: str) -> None:
        """Set grant id and cluster id on a key of the grant that has none, or other ones.

        A key of a former grant of the name keeps its own, unless it is taken over.
        """
        mark, tags = self.mark, gateway_key.tags_of(key)
        missing = mark.missing(tags)
        former = mark.owned(tags) is Owned.FORMER and CLUSTER_TAG not in missing
        left = former and key_id not in self.evidence.proven
        goes = self.grant.deleting and not mark.retain
        # A key of an import is tagged by the import.
        importing = TAG not in tags and key_id not in self.evidence.proven
        if goes or left or importing or not missing:
            return
        client.tag_resource(resourceArn=self.arn(key["id"], region=region), tags=missing)

    def _disable(self, client: Any, *, key_ids: Iterable[str], region: str) -> None:
        for key in self._members(client, key_ids, region=region):
            gateway_key.disable(client, key["id"])

    def _remove(
        self, client: Any, *, key_ids: Iterable[str], region: str, and_holder: bool
    ) -> set[str]:
        """Delete the keys; the ids of those whose tags name another grant, which stay."""
        left: set[str] = set()
        for key in self._behind(client, key_ids, region=region):
            if self.covers(key):
                gateway_key.delete(client, key["id"])
            elif self.mark.owned(gateway_key.tags_of(key)) is not Owned.ELSEWHERE:
                left.add(self._id_of(key, region=region))
        made = {plan.create.name for _, plan in self.key.usage_plans if plan.create is not None}
        here = region == self.region and not and_holder
        wanted = frozenset(made) if here else frozenset[str]()
        usage_plans.delete_unused_plans(client, mark=self.mark, wanted=wanted)
        return left

    def _members(
        self, client: Any, key_ids: Iterable[str], *, region: str | None = None
    ) -> list[Key]:
        """The keys behind ids that may be touched.

        An id comes from where tenants may write; it must not reach another's key.
        """
        return [key for key in self._behind(client, key_ids, region=region) if self.covers(key)]

    def _behind(
        self, client: Any, key_ids: Iterable[str], *, region: str | None = None
    ) -> list[Key]:
        """The keys behind ids, whoever owns them."""
        names = {_parts(key_id)[2] for key_id in key_ids}
        if any(name.startswith("import-") for name in names):
            of = region or self.region
            return [
                key
                for key in gateway_key.list_keys(client)
                if _parts(self._id_of(key, region=of))[2] in names
            ]
        each = (gateway_key.find(client, name) for name in sorted(names))
        return [key for key in each if key is not None]

    # ---- words

    @property
    def _way(self) -> SingleApiKey | CsvImport:
        return SingleApiKey(self) if self.key.csv_from is None else CsvImport(self)

    def _id_of(self, key: Key, *, region: str) -> str:
        name = gateway_key.import_of(key, mark=self.mark) or text(key.get("id"), GATEWAY_ID)
        return f"{self.account}/{region}/{name}"

    def _by_region(self, key_ids: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The ids of this account, by their regions; what is no id of ours is left out."""
        found: dict[str, list[str]] = {}
        for key_id in key_ids:
            account, region, name = _parts(key_id)
            known = region == self.region or _REGION.fullmatch(region)
            if account == self.account and known and name:
                found.setdefault(region, []).append(key_id)
        return [(region, tuple(ids)) for region, ids in sorted(found.items())]


def _parts(key_id: str) -> tuple[str, str, str]:
    """Account, region and key; empty where it is none of our ids."""
    account, _, rest = key_id.partition("/")
    region, _, name = rest.partition("/")
    return account, region, name
