"""Namespaces whose grants are long-term keys of AWS services other than Amazon Bedrock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.readers import claude_platform, otlp
from testbed.readers.answers import Answer
from testbed.readers.clients import CLAUDE_PLATFORM, OTLP_LOGS, OTLP_METRICS, OTLP_TRACES
from testbed.world import EXAMPLES, World
from tests.cluster.long_term import LongTermTenant, admin_of
from tests.cluster.tenants import GRANT, Document

KIND = "awsLongTermKey"
REGION = "us-west-2"
WORKSPACE = "wrkspc_01AbCdEf23GhIj"
GROUP, STREAM = "/apps/observability", "main"
_TELEMETRY = EXAMPLES / "telemetry-keys"
_CLAUDE = EXAMPLES / "claude-platform-long-term"


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its name in the spec and in IAM, and what its readers use."""

    name: str
    iam_name: str
    policy: str
    client: str
    form: str
    key_entry: str
    fields: Mapping[str, str]
    actions: tuple[str, str]
    host: str
    boundary: str = "keywright-telemetry"

    def __str__(self) -> str:
        return self.name


SERVICES = (
    Service(
        name="CloudWatch",
        iam_name="cloudwatch.amazonaws.com",
        policy="CloudWatchAPIKeyAccess",
        client=OTLP_METRICS,
        form="OtlpMetricsEnv",
        key_entry="OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        fields={},
        actions=("cloudwatch:CallWithBearerToken", "cloudwatch:PutMetricData"),
        host="monitoring",
    ),
    Service(
        name="CloudWatchLogs",
        iam_name="logs.amazonaws.com",
        policy="CloudWatchLogsAPIKeyAccess",
        client=OTLP_LOGS,
        form="OtlpLogsEnv",
        key_entry="OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        fields={"logGroup": GROUP, "logStream": STREAM},
        actions=("logs:CallWithBearerToken", "logs:PutLogEvents"),
        host="logs",
    ),
    Service(
        name="XRay",
        iam_name="xray.amazonaws.com",
        policy="AWSXRayAPIKeyAccess",
        client=OTLP_TRACES,
        form="OtlpTracesEnv",
        key_entry="OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        fields={},
        actions=("xray:CallWithBearerToken", "xray:PutTraceSegments"),
        host="xray",
    ),
    Service(
        name="ClaudePlatform",
        iam_name="aws-external-anthropic.amazonaws.com",
        policy="AnthropicInferenceAccess",
        client=CLAUDE_PLATFORM,
        form="ClaudePlatformEnv",
        key_entry="ANTHROPIC_AWS_API_KEY",
        fields={"workspaceId": WORKSPACE},
        actions=(
            "aws-external-anthropic:CallWithBearerToken",
            "aws-external-anthropic:CreateInference",
        ),
        host="aws-external-anthropic",
        boundary="keywright-claude",
    ),
)
CLOUDWATCH, LOGS, XRAY, CLAUDE = SERVICES


def ask(service: Service, data: Mapping[str, str], *, world: World) -> Answer:
    """One call of the vendor's SDK, in a pod with the Secret."""
    environment = world.aws.client_environment()
    if service is CLAUDE:
        return claude_platform.call(data, cloud_environment=environment)
    return otlp.call(service.client, data, cloud_environment=environment)


class ServiceKeyTenant(LongTermTenant):
    """The role has the policies of both examples; the user is named after the test."""

    kind = KIND
    service: Service = CLOUDWATCH

    def prepare(self) -> None:
        """As for Bedrock, with the permissions of these examples."""
        super().prepare()
        for name, folder in (("permissions", _TELEMETRY), ("claude", _CLAUDE)):
            text = (folder / "permissions-policy.json").read_text()
            # The grants that use an existing user name it.
            moved = json.loads(text.replace("observability-telemetry", self.user))
            self.world.aws.put_role_policy(role=self.role, name=name, document=moved)

    @property
    def user(self) -> str:
        """The IAM user of the grant."""
        return f"user-{self.namespace}"

    def key_spec(self, **changed: Any) -> Document:
        """`spec.awsLongTermKey`, with an overlap that a test can wait for."""
        return {
            "service": self.service.name,
            **self.service.fields,
            "user": {
                "name": self.user,
                "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/{self.service.boundary}",
            },
            "rotateEvery": "7d",
            "overlap": "2s",
            **changed,
        }

    def spec(self, **changed: Any) -> Document:
        """The spec of a grant of such a key, in the format for its clients."""
        return {**super().spec(**changed), "secret": {"formats": [self.service.form]}}

    def ask(self, data: Mapping[str, str] | None = None, *, name: str = GRANT) -> Answer:
        """One call of the vendor's SDK, in a pod with the Secret."""
        return ask(self.service, data or self.data(name), world=self.world)

    def works(self, data: dict[str, str] | None = None) -> bool:
        """Whether a reader of the Secret is served."""
        return self.ask(data).ok


def tenants(world: World, *, name: str) -> Iterator[Callable[[Service], ServiceKeyTenant]]:
    """Makes prepared namespaces, which go with the test, as do the faults of the cloud."""
    iam = _prepared(world)
    made: list[ServiceKeyTenant] = []

    def make(service: Service) -> ServiceKeyTenant:
        tenant = ServiceKeyTenant(world, name=name, iam=iam)
        tenant.service = service
        tenant.prepare()
        made.append(tenant)
        return tenant

    yield make
    world.aws.clear_faults()
    world.aws.set_outbound_federation(enabled=True)
    for tenant in made:
        world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")


# By the world itself: a later one may have the same id().
_ADMINS: WeakKeyDictionary[World, Any] = WeakKeyDictionary()


def _prepared(world: World) -> Any:
    """A client of IAM; the boundaries and the log group of the examples exist from then on."""
    found = _ADMINS.get(world)
    if found is not None:
        return found
    for name, folder in (("keywright-telemetry", _TELEMETRY), ("keywright-claude", _CLAUDE)):
        document = json.loads((folder / "boundary-policy.json").read_text())
        world.aws.create_managed_policy(name=name, document=document)
    add_log_group(world, GROUP, accepts=True)
    found = _ADMINS[world] = admin_of(world)
    return found


def add_log_group(world: World, name: str, *, accepts: bool) -> None:
    """A log group with a stream; with `accepts`, as the guide says."""
    logs = world.aws.administrator("logs", region=REGION)
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName=STREAM)
    if accepts:
        accept_keys(world, name)


def accept_keys(world: World, name: str) -> None:
    """Let a log group accept API keys."""
    world.aws.administrator("logs", region=REGION).put_bearer_token_authentication(
        logGroupIdentifier=name, bearerTokenAuthenticationEnabled=True
    )
