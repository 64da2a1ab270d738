"""An account whose IAM throttles: all its keys are issued, and no other grant waits for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.operators import OperatorProcess
from testbed.world import AUDIENCE, World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, short, tenants
from tests.cluster.tenants import ACCOUNT_NAME, Tenant, condition, merged
from tests.cluster.tier import Record

_PER_SECOND = 5.0
_OTHER_ACCOUNT = "210987654321"
_FEW = 6


@pytest.fixture
def slow(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[LongTermTenant]:
    """A namespace whose account is limited."""
    assert operator.process.exit_code is None
    for made in tenants(world, name=short(request)):
        yield made()


@pytest.mark.timeout(600)
def test_a_slow_account_is_paced_and_holds_up_nobody(
    slow: LongTermTenant,
    new_tenant: Callable[[], Tenant],
    record_property: Record,
) -> None:
    """Every grant becomes Ready with one key each; one of another account is Ready meanwhile."""
    grants = [f"grant-{number}" for number in range(_FEW)]
    other = new_tenant()
    slow.apply_source(sessionDuration=None)
    eventually(lambda: condition(slow.source_status(), "Ready").get("status") == "True")
    before = _creations(slow)
    slow.world.aws.limit_rate("iam", _PER_SECOND)
    began = datetime.now(UTC)
    for name in grants:
        slow.apply_grant(
            name=name,
            bedrockShortTermKey=None,
            bedrockLongTermKey=merged(slow.key_spec(), {"user": {"name": f"{slow.user}-{name}"}}),
        )
    _in_another_account(other)
    # It has not waited for them.
    assert not all(_ready(slow, name) for name in grants)
    for name in grants:
        slow.ready(name=name, seconds=30 * _FEW)
    record_property("seconds to all Ready", (datetime.now(UTC) - began).total_seconds())
    calls = slow.world.aws.calls(service="iam")
    refused = sum(call.error_code == "Throttling" for call in calls)
    record_property("calls of IAM", len(calls))
    record_property("of them refused for speed", refused)
    assert _creations(slow) - before == _FEW
    assert refused < len(calls) / 4


def _in_another_account(tenant: Tenant) -> None:
    """A grant of a role in an account that is not limited, applied last, and Ready in seconds."""
    world = tenant.world
    world.aws.create_identity_provider(
        issuer=world.cluster.issuer,
        client_ids=[AUDIENCE],
        ca_file=world.cluster.ca_file,
        account=_OTHER_ACCOUNT,
    )
    trust = world.trust_policy(namespace=tenant.namespace, service_account=ACCOUNT_NAME)
    role = world.aws.create_role(
        name=tenant.role,
        trust_policy=json.loads(json.dumps(trust).replace(ACCOUNT, _OTHER_ACCOUNT)),
        account=_OTHER_ACCOUNT,
        max_session_seconds=43200,
    )
    tenant.apply_source(roleArn=role)
    tenant.apply_grant()
    tenant.ready(seconds=5)


def _ready(tenant: Tenant, name: str) -> bool:
    return condition(tenant.status(name), "Ready").get("status") == "True"


def _creations(tenant: Tenant) -> int:
    calls = tenant.world.aws.calls(service="iam", action="CreateServiceSpecificCredential")
    return sum(call.error_code is None for call in calls)
