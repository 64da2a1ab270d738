"""Grants with usage plans of their own, made at the pace that API Gateway's quotas allow.

Time is scaled: emulator and operator refill quotas SCALE times as fast as AWS does.
"""

from __future__ import annotations

import asyncio
import collections
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.api_gateway.client import RATES, SERVICE, TOTAL, GatewayQuotas
from keywright.clouds.aws.api_gateway.keys import GatewayKeys
from keywright.clouds.aws.clients import AwsContext, BotoClients
from keywright.clouds.connections import Authorities
from keywright.clouds.http import HttpClient
from keywright.clouds.interfaces import Intent, Session
from tests.testbed.api_gateway import Partner
from tests.testbed.world import ACCOUNT, REGION, allow
from tests.unit.api.samples import grant_body, parsed_grant, source
from tests.unit.clouds.aws.contexts import Secrets, Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from testbed.clouds.aws import AwsCloud
    from tests.testbed.world import Tenant

    Record = Callable[[str, object], None]

GRANTS = 200
NAMESPACES = 10
SCALE = 1.5
TAKES_SECONDS = 0.1


@dataclass
class Stage:
    """A source's session, and what a grant's keys reach for."""

    cloud: AwsCloud
    partner: Partner
    session: Session
    context: AwsContext
    retries: int = 0

    def keys(self, number: int) -> GatewayKeys:
        """Those of a grant with a plan of its own."""
        name = f"grant-{number}"
        body = grant_body(
            bedrockShortTermKey=None,
            apiGatewayKey={
                "usagePlan": {
                    "create": {
                        "name": f"plan-{number}-{uuid.uuid4().hex[:6]}",
                        "apiStages": [self.partner.stage],
                        "throttle": {"rateLimit": 10, "burstLimit": 20},
                    }
                }
            },
        )
        body["metadata"] |= {
            "name": name,
            "namespace": f"team-{number % NAMESPACES}",
            "uid": str(uuid.uuid4()),
        }
        parsed = parsed_grant(body)
        assert parsed.spec.api_gateway_key is not None
        return GatewayKeys(
            key=parsed.spec.api_gateway_key,
            grant=parsed,
            source=source(region=REGION),
            session=self.session,
            context=self.context,
        )

    async def ready(self, number: int) -> str:
        """The id of a grant's key; what is refused for its rate is tried again, as by the queue."""
        keys = self.keys(number)
        intent = Intent(name=uuid.uuid4().hex, value=Sensitive(f"value-{uuid.uuid4().hex}"))
        attempts = 0
        while True:
            try:
                await keys.prepare(frozenset())
                await keys.list_keys(frozenset())
                made = await keys.create(intent)
            except Failure as failure:
                if failure.kind is not FailureClass.THROTTLED:
                    raise
                self.retries += 1
                attempts += 1
                await asyncio.sleep(min(2**attempts, 300) / SCALE)
                intent = Intent(name=intent.name, value=intent.value, fresh=False)
            else:
                assert made.credential.key_id is not None
                return made.credential.key_id


@pytest.fixture
async def stage(tenant: Tenant) -> AsyncIterator[Stage]:
    """One account, with the operator's calls held to scaled quotas."""
    cloud = tenant.cloud
    user = cloud.create_user(
        name=f"operator-{uuid.uuid4().hex[:8]}", policies={"all": allow("apigateway:*")}
    )
    http = HttpClient(
        proxy_of=lambda url: f"http://127.0.0.1:{cloud.proxy_port}" if url.host else None,
        authorities=Authorities(bundle=str(cloud.ca_file)),
    )
    calls = BotoClients(http=http, quotas={SERVICE: GatewayQuotas(scale=SCALE)})
    now = datetime.now(UTC)
    yield Stage(
        cloud,
        Partner(tenant),
        Session(
            access_key_id=user.access_key_id,
            secret_access_key=Sensitive(user.secret_key),
            session_token=None,
            issued_at=now,
            expires_at=None,
            identity=f"arn:aws:iam::{ACCOUNT}:user/operator",
        ),
        AwsContext(
            tokens=Tokens(), secrets=Secrets(), calls=calls, clock=lambda: datetime.now(UTC)
        ),
    )
    calls.close()
    await http.close()


@pytest.mark.timeout(400)
async def test_grants_become_ready_at_the_pace_of_the_quotas(
    stage: Stage, record_property: Record
) -> None:
    """200 grants: the calls that they need take no more than twice the time of the quotas."""
    stage.cloud.gateway_time_scale(SCALE)
    stage.cloud.forget_calls()
    began = time.monotonic()
    made = await asyncio.gather(*(stage.ready(number) for number in range(GRANTS)))
    measured = time.monotonic() - began
    calls = stage.cloud.calls(service="apigateway")
    refused = collections.Counter(call.error_code for call in calls if call.error_code)
    changes = sum(not call.action.startswith("Get") for call in calls)
    needed = collections.Counter(call.action for call in calls if not call.error_code)
    ideal = max(
        (sum(needed.values()) - TOTAL.burst) / TOTAL.per_second / SCALE,
        changes * TAKES_SECONDS / SCALE,
        *(
            (needed[action] - rate.burst) / rate.per_second / SCALE
            for action, rate in RATES.items()
        ),
    )
    for name, value in (
        ("ideal seconds", ideal),
        ("measured seconds", measured),
        ("calls", dict(needed)),
        ("refused", dict(refused)),
        ("grants tried again", stage.retries),
    ):
        record_property(name, value)
    assert len(set(made)) == GRANTS
    assert needed["CreateApiKey"] == needed["CreateUsagePlan"] == GRANTS
    assert measured < 2 * ideal
    assert sum(refused.values()) < len(calls) / 20
