"""Deployed REST APIs: https://API.execute-api.REGION.amazonaws.com/STAGE/PATH with x-api-key.

Every method returns what it was called with. Errors are those of a gateway response: message and
x-amzn-ErrorType as in the developer guide, "Gateway response types". [K]
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws.usage_plans import membership
from testbed.clouds.buckets import Bucket
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.api_regions import ApiRegion, ApiRegions
    from testbed.clouds.aws.gateway_keys import ApiKey
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.usage_plans import UsagePlan
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Entry, Request, Response


class ExecuteApi:
    """All deployed APIs."""

    name = "execute-api"

    def __init__(self, *, regions: ApiRegions, propagation: Propagation, clock: Clock) -> None:
        self._regions = regions
        self._propagation = propagation
        self._clock = clock
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._used: dict[tuple[str, str, str], int] = {}

    def action(self, request: Request) -> str:
        """The HTTP method."""
        return request.method

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """The method's response, if key, plan, throttle and quota allow it."""
        parts = request.host.split(".")
        stage, _, rest = request.path.removeprefix("/").partition("/")
        entry.parameters.update({"ApiId": parts[0], "Stage": stage, "Path": f"/{rest}"})
        found = self._regions.find_api(parts[0], region=parts[2])
        deployed = None if found is None else found[1].deployed(stage)
        if found is None or deployed is None:
            raise _forbidden()
        methods = next((item.methods for item in deployed if item.path == f"/{rest}"), {})
        required = methods.get(action, methods.get("ANY"))
        if required is None:
            raise CloudError(
                "MissingAuthenticationTokenException", "Missing Authentication Token", status=403
            )
        content: dict[str, Any] = {"stage": stage, "path": f"/{rest}", "method": action}
        if required:
            key = self._admit(found[0], request, stage=f"{parts[0]}:{stage}", path=f"/{rest}")
            entry.parameters["ApiKeyId"] = content["apiKeyId"] = key.id
        return json_response(content)

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """A gateway response."""
        return json_response(
            {"message": error.message},
            status=error.status,
            headers={"x-amzn-ErrorType": error.code},
        )

    def _admit(self, region: ApiRegion, request: Request, *, stage: str, path: str) -> ApiKey:
        """The key, valid for this stage now; counted against throttle and quota."""
        seen = region.seen(request.header("x-api-key"), stage=stage)
        if seen is None:
            raise _forbidden()
        key, plan = seen
        if not key.enabled or not self._propagation.known(membership(plan.id, key.id)):
            raise _forbidden()
        method = f"{path}/{request.method}"
        limits = plan.stages[stage].get(method)
        self._throttle((plan.id, key.id), plan.throttle)
        self._throttle((plan.id, key.id, stage, method), limits)
        self._count(plan, key)
        return key

    def _throttle(self, of: tuple[str, ...], limits: dict[str, Any] | None) -> None:
        """Take a token of the bucket: burstLimit is its size, rateLimit its refill per second."""
        if not limits:
            return
        rate = float(limits.get("rateLimit", limits.get("burstLimit", 0)))
        size = float(limits.get("burstLimit", rate))
        now = self._clock.now()
        bucket = self._buckets.get(of)
        if bucket is None or (bucket.per_second, bucket.size) != (rate, size):
            bucket = Bucket(per_second=rate, size=size, left=size, filled_at=now)
            self._buckets[of] = bucket
        if not bucket.take(now):
            raise CloudError("TooManyRequestsException", "Too Many Requests", status=429)

    def _count(self, plan: UsagePlan, key: ApiKey) -> None:
        """Count one more call of this period; raises CloudError above the quota."""
        if plan.quota is None:
            return
        counted = (plan.id, key.id, self._period(plan.quota))
        if self._used.get(counted, 0) >= plan.quota["limit"]:
            raise CloudError("LimitExceededException", "Limit Exceeded", status=429)
        self._used[counted] = self._used.get(counted, 0) + 1

    def _period(self, quota: dict[str, Any]) -> str:
        """A name for the current day, week or month, which begins `offset` days late."""
        now = datetime.datetime.fromtimestamp(self._clock.now(), datetime.UTC)
        day = (now - datetime.timedelta(days=quota.get("offset", 0))).date()
        match quota["period"]:
            case "WEEK":
                return f"{day:%G-W%V}"
            case "MONTH":
                return f"{day:%Y-%m}"
            case _:
                return f"{day:%Y-%m-%d}"


def _forbidden() -> CloudError:
    return CloudError("ForbiddenException", "Forbidden", status=403)
