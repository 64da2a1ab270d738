"""API Gateway for one grant, within the fixed quotas of the service.

Quotas: "Quotas for creating, deploying and managing an API" of the developer guide; they cannot be
raised, and apply to an account in a Region, so that other programs share them. Changes: AWS rejects
concurrent changes with "concurrent modification" (serverless/serverless#12065).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import GATEWAY_ID, text
from keywright.clouds.aws.api_gateway import api_key, usage_plans
from keywright.clouds.aws.api_gateway.api_key import Key, OwnerTags
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.bounded import LruDict
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, Session
from keywright.clouds.owner_tags import Owned
from keywright.clouds.rate_limit import FixedRate, pace_key
from keywright.clouds.shares import FairShares
from keywright.planning.key_ownership import owned_by_another_cluster

SERVICE: Final = "apigateway"
RATES: Final = {
    "CreateApiKey": FixedRate(per_second=5.0, burst=5),
    "DeleteApiKey": FixedRate(per_second=5.0, burst=5),
    "UpdateUsagePlan": FixedRate(per_second=0.05, burst=1),
}
TOTAL: Final = FixedRate(per_second=10.0, burst=40)

_PLACES: Final = 4096
# Requests may arrive closer together than they were sent: stay a little below the quota.
_SAFETY: Final = 0.95
# A longer wait would block a thread that other calls need.
_MAX_WAIT: Final = 5.0


@dataclass(slots=True)
class _Bucket:
    """Tokens of a quota; negative ones are reserved already."""

    rate: FixedRate
    tokens: float
    filled_at: float

    def reserve(self, now: float, *, longest: float | None = None) -> float:
        """Take a token and return the seconds until it is available; above `longest`: take none."""
        gained = max(0.0, now - self.filled_at) * self.rate.per_second
        self.tokens = min(float(self.rate.burst), self.tokens + gained)
        self.filled_at = now
        wait = max(0.0, 1.0 - self.tokens) / self.rate.per_second
        if longest is None or wait <= longest:
            self.tokens -= 1.0
        return wait


class _Place:
    """The buckets of an account in a Region, and its lock for changes."""

    def __init__(self, *, scale: float, now: float) -> None:
        self._scale = scale
        self._now = now
        self.changes = FairShares(soft=1, hard=1)
        self.total = self._bucket(TOTAL)
        self.operations = {name: self._bucket(rate) for name, rate in RATES.items()}

    def _bucket(self, rate: FixedRate) -> _Bucket:
        scaled = FixedRate(rate.per_second * self._scale * _SAFETY, rate.burst)
        return _Bucket(scaled, float(rate.burst), self._now)


class GatewayQuotas:
    """Delays requests until the quotas allow them. `clock` is a monotonic one, in seconds.

    `scale` is how many times faster the quotas refill than those of AWS, for tests.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = scale
        self._places: LruDict[tuple[str, str], _Place] = LruDict(_PLACES)

    def limits(self, region: str, operation: str) -> tuple[str, ...]:
        """The separate rate limits of operations with a quota of their own."""
        whole = f"{SERVICE} {region}"
        return (f"{whole} {operation}",) if operation in RATES else (whole,)

    async def enter(
        self, place: tuple[str, str], operation: str, *, tenant: str, change: bool
    ) -> Callable[[], None]:
        """Wait until the call may be sent; returns what must be called after the response.

        `place` is the rate limit key of the account, and the Region.

        Raises:
            Failure: the operation's own quota only allows it much later; nothing is reserved then.
        """
        of = self._of(place)
        bucket = of.operations.get(operation)
        if bucket is not None:
            longest = _MAX_WAIT / self._scale
            wait = bucket.reserve(self._clock(), longest=longest)
            if wait > longest:
                raise _later(operation, wait=wait)
            await asyncio.sleep(wait)
        leave = partial(of.changes.release, await of.changes.acquire(tenant)) if change else _no_op
        try:
            await asyncio.sleep(of.total.reserve(self._clock()))
        except BaseException:
            leave()
            raise
        return leave

    def _of(self, place: tuple[str, str]) -> _Place:
        found = self._places.get(place)
        if found is None:
            found = _Place(scale=self._scale, now=self._clock())
            self._places.put(place, found)
        return found


def _no_op() -> None:
    return


def _later(operation: str, *, wait: float) -> Failure:
    rate = RATES[operation]
    return Failure(
        f"API Gateway allows an account one {operation} in {1 / rate.per_second:g} seconds, and"
        f" others come first: the next turn is {wait:.0f} seconds away.",
        kind=FailureClass.THROTTLED,
        reason="Throttled",
        field="spec.apiGatewayKey.usagePlan",
        remedy="The operator tries again by itself.",
        no_side_effect=True,
        retry_after=timedelta(seconds=wait),
    )


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """The calls of one grant, with one session."""

    key: ApiGatewayKey
    grant: ApiKeyGrant
    source: CredentialSource
    session: Session
    context: AwsContext
    evidence: Evidence = NO_EVIDENCE

    @property
    def region(self) -> str:
        """The region in which the key is valid."""
        return self.grant.region(self.source)

    @property
    def account(self) -> str:
        """The account of the session."""
        return self.session.identity.split(":")[4]

    @property
    def mark(self) -> OwnerTags:
        """The tags that distinguish the grant's keys."""
        return OwnerTags.of(self.grant)

    def covers(self, key: Key) -> bool:
        """Whether a key may be changed: by its tags, or by the proof of its ID.

        The proof counts if the tags are from before cluster IDs, or were all removed.
        """
        if self.mark.covers(key):
            return True
        tags = api_key.tags_of(key)
        unsure = self.mark.owned(tags) is Owned.UNSURE or api_key.is_unmarked(key)
        name = parts_of(self.id_of(key, region=self.region))[2]
        return unsure and name in {parts_of(each)[2] for each in self.evidence.proven}

    def key_id(self, name: str) -> str:
        """The ID of a key or an import of this account and region."""
        return f"{self.account}/{self.region}/{name}"

    def own_name(self, key_id: str) -> str | None:
        """The name in an ID of this account and region; None for any other."""
        account, region, name = parts_of(key_id)
        return name if (account, region) == (self.account, self.region) else None

    def arn(self, name: str, *, region: str | None = None, kind: str = "apikeys") -> str:
        """The ARN of a key or a plan, which has no account."""
        partition = self.session.identity.split(":")[1]
        return f"arn:{partition}:apigateway:{region or self.region}::/{kind}/{name}"

    async def plans(self) -> tuple[str, ...]:
        """The IDs of the grant's plans, including those that were to be created."""
        mark = usage_plans.PlanMark(
            self.mark,
            lambda name: owned_by_another_cluster(self.grant, what=f"the usage plan {name}"),
        )
        desired = await self.run(lambda client: usage_plans.find(client, self.key, mark=mark))
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
        """Call API Gateway and return the response; raises Failure."""
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
            raise failure_from_gateway(error) from None

    def id_of(self, key: Key, *, region: str) -> str:
        """The ID of a key, or of the import that created it."""
        name = api_key.import_of(key, mark=self.mark) or text(key.get("id"), GATEWAY_ID)
        return f"{self.account}/{region}/{name}"

    def _change_plans(
        self, client: Any, desired: tuple[usage_plans.ResolvedPlan, ...], mark: usage_plans.PlanMark
    ) -> None:
        usage_plans.change(client, desired)
        usage_plans.tag(
            client, desired, mark=mark, arn=lambda plan: self.arn(plan, kind="usageplans")
        )


def parts_of(key_id: str) -> tuple[str, str, str]:
    """Account, region and key of an ID; empty for any other text."""
    account, _, rest = key_id.partition("/")
    region, _, name = rest.partition("/")
    return account, region, name
