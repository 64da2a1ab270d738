"""What the readers of a long-term key of an AWS service call.

Requests: CloudWatch User Guide, "Setting up bearer token authentication for Metrics", whose test of
a key is an empty request, and "OTLP Endpoints". Permissions: the managed policies of AWS for such
keys (`keywright.api.aws_long_term_key`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from keywright.api.aws_long_term_key import AwsLongTermKey, AwsService
from keywright.api.grant import Probe
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.claude_platform import short_term as claude_platform
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.probes import ProbeContext, rejected, send
from keywright.clouds.policy_statements import statement
from keywright.secrets.credential import API_KEY, Credential

_SENDING: Final = {
    AwsService.CLOUDWATCH: "cloudwatch:PutMetricData",
    AwsService.CLOUDWATCH_LOGS: "logs:PutLogEvents",
    AwsService.XRAY: "xray:PutTraceSegments",
}
# The only field of an export request of each signal (opentelemetry-proto, collector).
_CONTENT: Final = {
    "metrics": "resourceMetrics",
    "logs": "resourceLogs",
    "traces": "resourceSpans",
}


def boundary(key: AwsLongTermKey, place: Place) -> Iterator[dict[str, Any]]:
    """The most that a created user can do: use the service with its keys."""
    if key.service is AwsService.CLAUDE_PLATFORM:
        workspace = f"workspace/{key.workspace_id}"
        yield from claude_platform.use_of_workspace(
            place.arn("aws-external-anthropic", workspace, region=place.region)
        )
        return
    word = key.key_service.word
    yield statement(f"Use{word}ApiKeys", key.key_service.bearer_actions, "*")
    resource = "*"
    if key.log_group is not None:
        resource = place.arn("logs", f"log-group:{key.log_group}:*", region=place.region)
    yield statement(f"SendTo{word}", [_SENDING[key.service]], resource)


async def probe(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Send a request without data, or call Claude Platform on AWS.

    Raises:
        Failure: the service rejects the key.
    """
    key = context.key
    assert isinstance(key, AwsLongTermKey)
    signal = key.signal
    if signal is None:
        await claude_platform.probe(probe, credential=credential, context=context)
        return
    title = key.key_service.title
    answer = await send(
        context,
        "POST",
        signal.url(credential.region),
        by=title,
        headers={
            "Authorization": f"Bearer {credential.values[API_KEY].reveal()}",
            **key.otlp_headers,
        },
        json_body={_CONTENT[signal.name]: []},
        reach=Reach.VENDOR,
    )
    if answer.status != 200:
        needs = [*key.key_service.bearer_actions, _SENDING[key.service]]
        remedy = f"The probe needs {' and '.join(needs)} for {key.owner_description}"
        if key.log_group is not None:
            remedy += (
                f", log group {key.log_group} and stream {key.log_stream} in {credential.region},"
                " and bearer token authentication enabled for the group"
            )
        raise rejected(answer, by=title, remedy=f"{remedy}.")
