"""Find why an API key does not work, in listings that the grants of an account share.

A listing can be minutes old. A fault in it is therefore confirmed by a separate request before it
is reported; the caller confirms a missing or disabled key by listing the keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from keywright.api.api_gateway_key import UsagePlan
from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.api_gateway import api_key, key_file, usage_plans
from keywright.clouds.aws.api_gateway.api_key import ListedKey
from keywright.clouds.aws.api_gateway.client import GatewayClient
from keywright.planning.state import KeyFault

_LOG = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_PlanIds = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one key requires: to be enabled, and one plan out of each of these sets."""

    enabled: bool
    plans: tuple[_PlanIds, ...]

    @property
    def plan_ids(self) -> _PlanIds:
        """The ids of all plans that it may be in."""
        return frozenset().union(*self.plans)

    def is_held(self, plans: _PlanIds) -> bool:
        """Whether a key in these plans has all that it requires."""
        return not any(plans.isdisjoint(each) for each in self.plans)


@dataclass(frozen=True, slots=True)
class KeyLookup:
    """Looks up the key, or all keys of an import, of one grant in one region."""

    keys: GatewayClient
    region: str

    async def find_fault(self, name: str, *, known: frozenset[str], parts: int) -> KeyFault | None:
        """Why the key or import `name` does not work; None if no fault is known.

        MISSING is still to be confirmed, see `ManagedKeys.find_fault`; it also stands for keys of
        the grant and this cluster that are not `known`.
        """
        listed = await self._listed()
        here, cluster = self.region == self.keys.region, self.keys.mark.identity.cluster_id
        found = [key for key in listed if key.name == name and key.cluster in {cluster, ""}]
        unknown = {key.name for key in listed if key.cluster == cluster and not key.retained}
        if len(found) < parts or (here and not unknown <= known):
            return KeyFault.MISSING
        bulk, enabled = self.keys.key.csv_from is not None, self.keys.key.enabled
        disabled = (key for key in found if not key.enabled)
        if not bulk and any(enabled or not key.disabled_by_operator for key in disabled):
            # Listing the key decides, and sets a missing tag.
            return KeyFault.MISSING
        if not enabled or not here:
            return None
        try:
            return await self._fault_of(found, bulk=bulk, skipped=len(found) > parts)
        except Failure as failure:
            if failure.kind is not FailureClass.DENIED:
                raise
            _LOG.warning(
                "looking up the usage plans of a key was refused: %s", failure.message_with_remedy()
            )
            return None

    async def _fault_of(
        self, found: list[ListedKey], *, bulk: bool, skipped: bool
    ) -> KeyFault | None:
        """The fault that the listings show, confirmed.

        `skipped`: the import has keys that are not in the Secret, of rows that a repair skipped.
        """
        of_grant = [plan for _, plan in self.keys.key.usage_plans]
        plans = tuple([await self._plan_ids(plan) for plan in of_grant])
        rows = await self._rows() if bulk else {}
        suspects = [
            key for key in found if await self._is_suspect(key, _wanted(key, rows, plans=plans))
        ]
        if suspects and (skipped or any(plan.id is None for plan in of_grant)):
            # The listing of plans can be older than a plan that works.
            every = {str(plan["id"]): plan for plan in await self._run(usage_plans.list_plans)}
            by_name = _ids_by_name(every.values())
            plans = tuple(_ids_of(plan, by_name) for plan in of_grant)
            if skipped:
                suspects = [
                    key
                    for key in suspects
                    if not _is_skipped(_wanted(key, rows, plans=plans), plans=plans, every=every)
                ]
        wanted = {key.id: _wanted(key, rows, plans=plans) for key in suspects}
        # One key of a thousand is enough to confirm: all of them are repaired together.
        disabled = [key.id for key in suspects if wanted[key.id].enabled and not key.enabled]
        if disabled and await self._is_disabled_now(disabled[0]):
            return KeyFault.NOT_ENABLED
        for key_id, each in wanted.items():
            if not each.is_held(await self._listed_plans(each, key_id)):
                outside = not each.is_held(await self._plans_now(key_id))
                return KeyFault.OUTSIDE_PLAN if outside else None
        return None

    async def _rows(self) -> Mapping[str, key_file.Row]:
        """The rows of the file by the names of their keys; empty if the file is unreadable now."""
        assert self.keys.key.imports is not None
        field, reference = self.keys.key.imports
        try:
            text = await self.keys.context.secrets.value(
                namespace=self.keys.grant.namespace,
                name=reference.name,
                key=reference.key,
                field=field,
            )
            file = await asyncio.to_thread(key_file.read, text.reveal())
        except (Failure, key_file.KeyFileError):
            # The grant reports that itself.
            return {}
        return {row.name: row for row in file.rows}

    # ---- shared listings

    async def _listed(self) -> list[ListedKey]:
        every = await self.keys.context.listings.get(
            ("apigateway", self.keys.account, self.region),
            lambda: self._run(api_key.list_by_grant),
            source=self.keys.source,
        )
        return every.get(self.keys.mark.owner, [])

    async def _plan_ids(self, plan: UsagePlan) -> _PlanIds:
        by_name: Mapping[str, _PlanIds] = {}
        if plan.id is None:
            by_name = await self.keys.context.listings.get(
                ("apigateway plans", self.keys.account, self.region),
                lambda: self._run(lambda client: _ids_by_name(usage_plans.list_plans(client))),
                source=self.keys.source,
            )
        return _ids_of(plan, by_name)

    async def _is_suspect(self, key: ListedKey, wanted: _Wanted) -> bool:
        """Whether the listings show a fault of the key."""
        held = wanted.is_held(await self._listed_plans(wanted, key.id))
        return not held or (wanted.enabled and not key.enabled)

    async def _listed_plans(self, wanted: _Wanted, key_id: str) -> _PlanIds:
        plans = wanted.plan_ids
        return frozenset([plan for plan in plans if key_id in await self._members(plan)])

    async def _members(self, plan_id: str) -> frozenset[str]:
        return await self.keys.context.listings.get(
            ("apigateway plan", self.keys.account, self.region, plan_id),
            lambda: self._run(lambda client: usage_plans.list_members(client, plan_id)),
            source=self.keys.source,
        )

    # ---- requests that confirm

    async def _is_disabled_now(self, key_id: str) -> bool:
        key = await self._run(lambda client: api_key.find(client, key_id))
        return key is not None and not key.get("enabled")

    async def _plans_now(self, key_id: str) -> _PlanIds:
        return frozenset(await self._run(lambda client: api_key.plans_of(client, key_id)))

    async def _run(self, call: Callable[[Any], _Answer]) -> _Answer:
        return await self.keys.run(call, region=self.region)


def _wanted(
    key: ListedKey, rows: Mapping[str, key_file.Row], *, plans: tuple[_PlanIds, ...]
) -> _Wanted:
    """What the grant, with these plans, and the row of the key want."""
    row = rows.get(key.label)
    if row is None:
        return _Wanted(enabled=True, plans=plans)
    return _Wanted(row.enabled, (*plans, *(frozenset({plan}) for plan in row.plans)))


def _is_skipped(
    wanted: _Wanted, *, plans: tuple[_PlanIds, ...], every: Mapping[str, usage_plans.Plan]
) -> bool:
    """Whether imports skip the row of the key for its plans, which only another file can repair.

    Not where the plans of the grant themselves are the trouble.
    """
    if usage_plans.trouble(frozenset().union(*plans), every=every):
        return False
    return bool(usage_plans.trouble(wanted.plan_ids, every=every))


def _ids_of(plan: UsagePlan, by_name: Mapping[str, _PlanIds]) -> _PlanIds:
    """The ids of the plans that a field may mean; a name need not be unique."""
    if plan.id is not None:
        return frozenset({plan.id})
    name = plan.create.name if plan.create is not None else plan.name
    return by_name.get(name or "", frozenset())


def _ids_by_name(plans: Iterable[usage_plans.Plan]) -> dict[str, _PlanIds]:
    found: dict[str, _PlanIds] = {}
    for plan in plans:
        name = str(plan["name"])
        found[name] = found.get(name, frozenset()) | {str(plan["id"])}
    return found
