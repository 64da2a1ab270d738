"""API Gateway's control plane for REST APIs, keys and usage plans.

moto's backend is not used: it ignores stages, duplicates and pages, and has no import.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from testbed.clouds.aws import apigateway_routes as routes
from testbed.clouds.aws import json_protocol, refusals
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.api_regions import ApiRegions
    from testbed.clouds.aws.apigateway_quotas import GatewayQuotas
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.wire import Entry, Request


class ApiGateway:
    """apigateway.REGION.amazonaws.com; a call uses the caller's account."""

    name = "apigateway"

    def __init__(
        self, *, regions: ApiRegions, authentication: Authentication, quotas: GatewayQuotas
    ) -> None:
        self._regions = regions
        self._quotas = quotas
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The name of the route, or method and path if there is none."""
        found = routes.find(request.method, request.path, request.query)
        return found[0].action if found else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        region = request.host.split(".")[1]
        caller = self._authentication.verify(request, service=self.name, region=region)
        entry.principal = caller.arn
        found = routes.find(request.method, request.path, request.query)
        if found is None:
            raise refusals.unknown_action(action, version="2015-07-09")
        route, path = found
        requested = routes.Asked(
            path=path,
            query=routes.parse_query(request.query),
            body={} if route.imports else _body(request),
            text=request.body.decode("utf-8", "replace"),
        )
        entry.parameters.update(path)
        for name in ("name", "keyId", "customerId"):
            if isinstance(requested.body.get(name), str):
                entry.parameters[name] = requested.body[name]
        self._authorize(request, caller, region=region, tags=requested.body.get("tags") or {})
        of = {"account": caller.account, "region": region}
        self._quotas.check(route.action, **of)
        change = self._quotas.change(**of)
        async with contextlib.nullcontext() if request.method == "GET" else change:
            content = route.does(self._regions.of(**of), requested)
        if content is None:
            return Response(route.status, b"", "application/json")
        return json_response(content, status=route.status)

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The error as JSON."""
        return json_protocol.error(error, throttled="TooManyRequestsException")

    def _authorize(
        self, request: Request, caller: Principal, *, region: str, tags: dict[str, str]
    ) -> None:
        """Raise CloudError unless the policies allow the HTTP method on the path.

        ARNs have no account ID [R]. Tags on creation need PUT on the tags of the new resource [K].
        """
        prefix = f"arn:aws:apigateway:{region}::"
        needed = [(request.method, f"{prefix}{request.path}")]
        if tags and request.method == "POST":
            made = quote(f"{prefix}{request.path}/*", safe="*")
            needed.append(("PUT", f"{prefix}/tags/{made}"))
        context: dict[str, str | tuple[str, ...]] = {
            f"aws:RequestTag/{key}": value for key, value in tags.items()
        }
        if tags:
            context["aws:TagKeys"] = tuple(tags)
        for method, resource in needed:
            self._authentication.authorize(
                caller,
                action=f"apigateway:{method}",
                resource=resource,
                source_ip=request.source_ip,
                context=context,
            )


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise CloudError("SerializationException", "The body is not valid JSON.") from error
    return body if isinstance(body, dict) else {}
