"""What all ways of trying a key have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from keywright.clouds.aws.calls import AwsCalls
from keywright.clouds.http import Answer, HttpCalls, Limits, NoAnswerError, is_own_machine
from keywright.clouds.scrubbing import scrubbed
from keywright.planning.failures import Failure, FailureClass


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that a probe may need."""

    calls: AwsCalls
    http: HttpCalls


_PATIENCE = Limits(connect_seconds=5.0, read_seconds=5.0)


async def ask(
    edges: Edges,
    method: str,
    url: str,
    *,
    by: str,
    headers: Mapping[str, str],
    json_body: object = None,
) -> Answer:
    """The answer, whatever its status; raises Failure where there is none.

    An address of the operator's own machine or link is never asked, by name or by number: the URL
    may be a tenant's.
    """
    if is_own_machine(url):
        raise Failure(
            f"{by} is an address of the operator's own machine or link, which is never asked.",
            kind=FailureClass.CONFIGURATION,
            reason="AddressForbidden",
            field="spec.probe.url",
            cure="Name one that other machines can reach.",
        )
    try:
        return await edges.http.request(
            method,
            url,
            limits=_PATIENCE,
            headers=headers,
            body=None if json_body is None else json.dumps(json_body),
            content_type="application/json",
            guarded=True,
        )
    except NoAnswerError as error:
        raise Failure(
            f"{by} did not answer: {error}.",
            kind=FailureClass.RETRY,
            reason="NoAnswer",
            field="spec.probe",
        ) from None


def not_accepted(answer: Answer, *, by: str, cure: str = "") -> Failure:
    """What the key was answered, in the cloud's own words."""
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    told = ": ".join(
        filter(None, [" ".join(filter(None, [str(answer.status), code])), _words(answer)])
    )
    return Failure(
        f"{by} answered {told}",
        kind=FailureClass.RETRY,
        reason="NotAccepted",
        field="spec.probe",
        cure=cure,
    )


def _words(answer: Answer) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    message = body.get("message") or body.get("Message") or ""
    return scrubbed(str(message))
