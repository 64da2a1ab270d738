"""The findings in the API keys and usage plans of an account in a Region; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keywright.api.keys import KeyKind
from keywright.cli.auditing.findings import (
    Finding,
    Kind,
    Known,
    Reason,
    established_key,
    missing_finding,
    parts_of,
    words,
)
from keywright.cli.auditing.grants import GrantFacts
from keywright.clouds.aws.marked_resources import GatewayListing, ListedApiKey, ListedPlan


def gateway_findings(account: str, listing: GatewayListing, known: Known) -> Iterator[Finding]:
    """The findings in the API keys and usage plans of an account in a Region."""
    found = _GatewayFindings(account, listing, known)
    keys = list(found.keys())
    yield from keys
    yield from found.plans(frozenset(key.name for key in keys if key.action))
    yield from found.missing()


@dataclass(frozen=True, slots=True)
class _GatewayFindings:
    account: str
    listing: GatewayListing
    known: Known

    @property
    def region(self) -> str:
        """The Region of the listing."""
        return self.listing.region

    def keys(self) -> Iterator[Finding]:
        """Keys without a grant, unknown to their grant, or outside of plans."""
        for key in self.listing.keys:
            if not self.known.is_ours(key.marks):
                continue
            grant = self.known.grant(key.marks)
            key_id = f"{self.account}/{self.region}/{key.name}"
            if grant is None:
                yield self._key(key, key_id, Reason.NO_GRANT, "no such grant", removable=True)
            elif not self.known.knows(grant, key_id):
                # Another import of the grant may have taken over a key that is in use.
                detail = "its grant does not use this key"
                yield self._key(key, key_id, Reason.UNKNOWN_KEY, detail, removable=not grant.bulk)
            elif not key.in_plan and key.enabled and grant.enabled and key_id == grant.key_id:
                detail = "in no usage plan, so that it does not work"
                yield self._key(key, key_id, Reason.NOT_IN_PLAN, detail, removable=False)

    def _key(
        self, key: ListedApiKey, key_id: str, reason: Reason, detail: str, *, removable: bool
    ) -> Finding:
        where = words("--region", self.region, "--api-key", key.id)
        cure = f"aws apigateway delete-api-key {where}"
        if reason is Reason.NOT_IN_PLAN:
            cure = "the operator adds it again by itself; otherwise see keywright status"
        if not key.in_plan and reason is not Reason.NOT_IN_PLAN:
            detail = f"{detail}; in no usage plan"
        return Finding(
            reason=reason,
            kind=Kind.API_KEY,
            account=self.account,
            region=self.region,
            name=key.id,
            grant=key.marks.owner,
            detail=detail,
            action=f"delete API key {key.id} in {self.region}" if removable else "",
            cure=cure,
            key_id=key_id,
            marks=key.marks,
        )

    def plans(self, removed: frozenset[str]) -> Iterator[Finding]:
        """Plans without a grant, and plans without keys; `removed` are keys that are removable."""
        for plan in self.listing.plans:
            if not self.known.is_ours(plan.marks):
                continue
            grant = self.known.grant(plan.marks)
            others = plan.members - removed
            if grant is None:
                detail = "no such grant"
                if others:
                    detail += f"; it has keys of others: {', '.join(sorted(others))}"
                yield self._plan(plan, Reason.NO_GRANT, detail, removable=not others)
            elif grant.settled and not others:
                yield from self._plan_without_keys(plan, grant)

    def _plan_without_keys(self, plan: ListedPlan, grant: GrantFacts) -> Iterator[Finding]:
        wanted = plan.name in grant.made_plans or plan.id in grant.plan_ids
        if plan.name in grant.plan_names or wanted:
            # A disabled key stays in its plan; one of another Region is in no plan of this one.
            if grant.key_id is None or parts_of(grant.key_id)[1] != self.region:
                return
            detail = "its grant wants it, but it has no key"
            yield self._plan(plan, Reason.PLAN_WITHOUT_KEYS, detail, removable=False)
            return
        detail = "no keys, and its grant does not name it"
        yield self._plan(plan, Reason.UNUSED, detail, removable=True)

    def _plan(self, plan: ListedPlan, reason: Reason, detail: str, *, removable: bool) -> Finding:
        where = words("--region", self.region, "--usage-plan-id", plan.id)
        cure = f"aws apigateway delete-usage-plan {where}"
        if reason is Reason.PLAN_WITHOUT_KEYS:
            cure = "the operator adds its key again by itself; otherwise see keywright status"
        return Finding(
            reason=reason,
            kind=Kind.PLAN,
            account=self.account,
            region=self.region,
            name=plan.id,
            grant=plan.marks.owner,
            detail=detail,
            action=f"delete usage plan {plan.id} in {self.region}" if removable else "",
            cure=cure,
            marks=plan.marks,
        )

    def missing(self) -> Iterator[Finding]:
        """Keys and plans that grants name, and that do not exist."""
        names = {key.name for key in self.listing.keys}
        plan_ids = {plan.id for plan in self.listing.plans}
        plan_names = {plan.name for plan in self.listing.plans}
        for grant in self.known.grants.values():
            if grant.kind is not KeyKind.API_GATEWAY_KEY:
                continue
            account, region, name = parts_of(established_key(grant, self.known))
            if (account, region) != (self.account, self.region):
                continue
            place = (self.account, self.region)
            if name not in names:
                yield missing_finding(Kind.API_KEY, *place, name, grant, what="the key")
            for plan in sorted(
                (grant.plan_ids - plan_ids) | ((grant.plan_names | grant.made_plans) - plan_names)
            ):
                yield missing_finding(Kind.PLAN, *place, plan, grant, what="the usage plan")
