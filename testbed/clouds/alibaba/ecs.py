"""Elastic Compute Service: one action, which shows the effect of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds.alibaba import answers, refusals, signatures

if TYPE_CHECKING:
    from testbed.clouds.alibaba.authentication import Authentication
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request, Response

_VERSION = "2014-05-26"
_REGIONS = ("cn-hangzhou", "cn-shanghai", "ap-southeast-1", "eu-central-1")


class ElasticComputeService:
    """DescribeRegions, if RAM allows ecs:DescribeRegions."""

    name = "ecs"

    def __init__(self, *, authentication: Authentication) -> None:
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The Action parameter, or the equivalent header."""
        return signatures.action_of(request)

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        if action != "DescribeRegions" or signatures.version_of(request) != _VERSION:
            raise refusals.unknown_action()
        principal = self._authentication.verify(request)
        entry.principal = principal.arn
        if not principal.may(
            f"ecs:{action}",
            resource=f"acs:ecs:*:{principal.account}:*",
            context=self._authentication.context(request),
        ):
            raise refusals.not_permitted()
        regions = [{"RegionId": region, "LocalName": region} for region in _REGIONS]
        return answers.result({"Regions": {"Region": regions}})

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error document."""
        return answers.error(request, error)
