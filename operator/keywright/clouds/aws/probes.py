"""Probes of new keys before they are published."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe
from keywright.api.key_spec import KeySpec
from keywright.api.partitions import service_host
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.endpoints import Endpoints, host_of
from keywright.clouds.http import (
    HttpClient,
    HttpResponse,
    Timeouts,
    TransportError,
    may_connect_literal,
)
from keywright.clouds.interfaces import Session
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    API_KEY,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    Credential,
)

_CODE: Final = re.compile(r"[A-Za-z]{1,64}")
_BEDROCK: Final = "Amazon Bedrock"
_FLAG: Final = "or have the operator started with --allow-probe-url for it"


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """All external dependencies of a probe.

    `tenant` is the namespace of the grant, and `key` its spec of the key.
    """

    calls: BotoClients
    http: HttpClient
    endpoints: Endpoints = field(default_factory=Endpoints)
    tenant: str = ""
    key: KeySpec | None = None


_PATIENCE = Timeouts(connect_seconds=5.0, read_seconds=5.0)


async def send(
    context: ProbeContext,
    method: str,
    url: str,
    *,
    by: str,
    headers: Mapping[str, str],
    json_body: object = None,
    reach: Reach | None = None,
) -> HttpResponse:
    """Send a request and return the response with any status; raises Failure without one.

    A tenant may choose the URL: a host of the cloud may have a private address, any other host only
    a global one, unless the operator's flags list it. For such a host, the reason for a missing
    response is not disclosed. `reach` is that of a host which the caller has chosen.
    """
    reach = reach or context.endpoints.probe_reach(url)
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
    """The failure for a rejected key: only the status and the cloud's error code."""
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    shown = code if _CODE.fullmatch(code) else ""
    return Failure(
        f"{by} answered {' '.join(filter(None, [str(answer.status), shown]))}.",
        kind=FailureClass.TRANSIENT,
        reason="ProbeRejected",
        field="spec.probe",
        remedy=remedy,
    )


async def probe_identity(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Call GetCallerIdentity in the credential's region, which needs no permission.

    Raises:
        Failure: STS rejects the credential.
    """
    del probe
    values = credential.values
    session = Session(
        access_key_id=values[ACCESS_KEY_ID].reveal(),
        secret_access_key=values[SECRET_ACCESS_KEY],
        session_token=values.get(SESSION_TOKEN),
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        identity="",
    )
    try:
        await context.calls.run(
            "sts",
            lambda client: client.get_caller_identity(),
            region=credential.region,
            tenant=context.tenant,
            session=session,
            attempts=1,
        )
    except Exception as error:
        raise failure_from_session(error) from None


async def probe_bedrock(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """List the foundation models, or invoke a model for one token.

    Paths and bodies are those of botocore's models `bedrock` and `bedrock-runtime`; a bearer key is
    sent in the header Authorization (AWS's guide to Bedrock API keys). No boto3 client is used: it
    takes a bearer key only from its environment.

    Raises:
        Failure: Bedrock rejects the key.
    """
    headers = {"Authorization": f"Bearer {credential.values[API_KEY].reveal()}"}
    region = credential.region
    if probe.model_id is None:
        answer = await send(
            context,
            "GET",
            f"https://{service_host('bedrock', region=region)}/foundation-models",
            by=_BEDROCK,
            headers=headers,
        )
        needs = "bedrock:ListFoundationModels"
    else:
        answer = await send(
            context,
            "POST",
            f"https://{service_host('bedrock-runtime', region=region)}"
            f"/model/{quote(probe.model_id, safe='')}/converse",
            by=_BEDROCK,
            headers=headers,
            json_body={
                "messages": [{"role": "user", "content": [{"text": "."}]}],
                "inferenceConfig": {"maxTokens": 1},
            },
        )
        needs = f"bedrock:InvokeModel on {probe.model_id}"
    if answer.status != 200:
        raise rejected(
            answer,
            by=_BEDROCK,
            remedy=f"The probe needs bedrock:CallWithBearerToken and {needs}.",
        )


async def probe_http(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Call a deployed method that requires the key.

    A key that its usage plan does not know yet gets 403 (Forbidden), for minutes after it was added
    (Amazon API Gateway Developer Guide, "Set up API keys"). Any other response of the API accepts
    the key; a server error (500 and above) says nothing about it.

    Raises:
        Failure: the API rejects the key.
    """
    assert probe.url is not None
    place = probe.url.partition("?")[0]
    answer = await send(
        context,
        "GET",
        probe.url,
        by=place,
        headers={"x-api-key": credential.values[API_KEY].reveal()},
    )
    if answer.status == 403 or answer.status >= 500:
        raise rejected(
            answer,
            by=place,
            remedy="See that its stage is in the usage plan, and that the method asks for a key.",
        )
