"""API Gateway for one grant: with one session, and the keys that the grant may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import GATEWAY_ID, text
from keywright.clouds.aws.api_gateway import api_key, usage_plans
from keywright.clouds.aws.api_gateway.api_key import Key, OwnerTags
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.tags import Owned
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, Session
from keywright.clouds.rate_limit import pace_key
from keywright.planning.key_ownership import owned_by_another_cluster

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
