"""What all ways of trying a key have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.calls import BotoClients
from keywright.clouds.endpoints import Endpoints, host_of
from keywright.clouds.http import (
    HttpClient,
    HttpResponse,
    Timeouts,
    TransportError,
    may_connect_literal,
)

_CODE: Final = re.compile(r"[A-Za-z]{1,64}")
_FLAG: Final = "or have the operator started with --allow-probe-url for it"


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """Everything outside that a probe may need; `tenant` is the namespace of the grant."""

    calls: BotoClients
    http: HttpClient
    endpoints: Endpoints = field(default_factory=Endpoints)
    tenant: str = ""


_PATIENCE = Timeouts(connect_seconds=5.0, read_seconds=5.0)


async def send(
    context: ProbeContext,
    method: str,
    url: str,
    *,
    by: str,
    headers: Mapping[str, str],
    json_body: object = None,
) -> HttpResponse:
    """The answer, whatever its status; raises Failure where there is none.

    The URL may be a tenant's: a host of the cloud's may have a private address, any other host only
    a global one, unless the operator's flags list it. Why such a host gives no answer is not told.
    """
    reach = context.endpoints.probe_reach(url)
    if not may_connect_literal(host_of(url), reach):
        raise Failure(
            f"{by} is a private or local address, which this operator never connects to.",
            kind=FailureClass.CONFIGURATION,
            reason="AddressForbidden",
            field="spec.probe.url",
            remedy=f"Name a public one, {_FLAG}.",
        )
    try:
        return await context.http.request(
            method,
            url,
            limits=_PATIENCE,
            reach=reach,
            tenant=context.tenant,
            headers=headers,
            body=None if json_body is None else json.dumps(json_body),
            content_type="application/json",
        )
    except TransportError as error:
        raise Failure(
            f"{by} was not reached: {error}.",
            kind=FailureClass.TRANSIENT,
            reason="ProbeTimeout",
            field="spec.probe",
            remedy=f"Name a URL that the internet reaches, {_FLAG}."
            if reach is Reach.PUBLIC
            else "",
        ) from None


def rejected(answer: HttpResponse, *, by: str, remedy: str = "") -> Failure:
    """What the key was answered: the status and the cloud's error code, and nothing else of it."""
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    shown = code if _CODE.fullmatch(code) else ""
    return Failure(
        f"{by} answered {' '.join(filter(None, [str(answer.status), shown]))}.",
        kind=FailureClass.TRANSIENT,
        reason="ProbeRejected",
        field="spec.probe",
        remedy=remedy,
    )
