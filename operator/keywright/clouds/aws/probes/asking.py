"""What all ways of trying a key have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass

from keywright.clouds.aws.calls import AwsCalls
from keywright.clouds.scrubbing import scrubbed
from keywright.clouds.web import Answer, Web
from keywright.planning.failures import Failure, FailureClass


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that a probe may need."""

    calls: AwsCalls
    web: Web


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
        body = json.loads(answer.head)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    message = body.get("message") or body.get("Message") or ""
    return scrubbed(str(message))
