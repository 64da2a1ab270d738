"""A new key is published only when it works: seen by readers of the Secret that never stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.operators import OperatorProcess
from testbed.readers import PollingReader
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, short, tenants
from tests.cluster.tenants import GRANT, Tenant, condition

_UNKNOWN_SECONDS = 10.0
_MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture
def long_term(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[LongTermTenant]:
    """A namespace whose grants are long-term keys."""
    assert operator.process.exit_code is None
    for made in tenants(world, name=short(request)):
        yield made()


def test_no_reader_meets_a_key_that_does_not_work_yet(
    long_term: LongTermTenant, tmp_path: Path
) -> None:
    """Bedrock does not know new keys for ten seconds: the old one is read until it does.

    ProbeFailing says meanwhile what was answered; only one new key was made for it.
    """
    long_term.key_ready()
    long_term.edit_grant(probe={"mode": "Bedrock"})
    long_term.ready()
    long_term.world.aws.new_keys_fail_for(_UNKNOWN_SECONDS)
    requested = datetime.now(UTC)
    with reader(long_term, tmp_path, "boto3-converse") as readings:
        long_term.annotate_grant(**{"keywright.dev/renew-requested-at": requested.isoformat()})
        reported = condition(long_term.reported("ProbeFailing"), "ProbeFailing")
        assert "Amazon Bedrock answered 403" in reported["message"]
        assert condition(long_term.status(), "Ready")["status"] == "True"
        long_term.revision(2, seconds=30)
        readings.wait_until(lambda seen: bool(seen) and seen[-1].revision == "2", seconds=30)
    assert datetime.now(UTC) - requested >= timedelta(seconds=_UNKNOWN_SECONDS)
    assert readings.failures() == []
    assert long_term.reported("Ready")["conditions"][1:] == []
    eventually(lambda: len(long_term.listed()) == 1)
    made = long_term.world.aws.calls(service="iam", action="CreateServiceSpecificCredential")
    assert len([call for call in made if call.parameters.get("UserName") == long_term.user]) == 2


def test_a_key_that_never_works_is_removed_and_told(long_term: LongTermTenant) -> None:
    """After the timeout there is no unused key, and no Secret with a key that does not work."""
    long_term.world.aws.new_keys_fail_for(3600)
    long_term.apply_source(sessionDuration=None)
    long_term.apply_grant(
        bedrockShortTermKey=None,
        bedrockLongTermKey=long_term.key_spec(),
        probe={"mode": "Bedrock", "timeout": "2s"},
    )
    status = long_term.reported("Ready", reason="ProbeFailed", status="False")
    assert "within 2s" in condition(status, "ProbeFailing")["message"]
    assert not long_term.has_secret()
    long_term.world.aws.clear_faults()
    eventually(lambda: len(long_term.listed()) == 1, seconds=60)
    assert long_term.ready()["keyId"] in long_term.listed()


@pytest.mark.parametrize(
    "probe",
    [
        {"mode": "Bedrock"},
        {"mode": "Bedrock", "modelId": _MODEL},
        {"mode": "Service"},
        {"mode": "Service", "modelId": _MODEL},
    ],
)
def test_a_short_term_key_is_tried(tenant: Tenant, probe: dict[str, str]) -> None:
    """By the list of models, or by one token of a model."""
    status = tenant.become_ready(probe=probe)
    assert status["revision"] == 1
    service, action = (
        ("bedrock-runtime", "Converse")
        if "modelId" in probe
        else ("bedrock", "ListFoundationModels")
    )
    calls = tenant.world.aws.calls(service=service, action=action)
    assert any(tenant.role in (call.principal or "") for call in calls)


def test_session_credentials_are_tried(tenant: Tenant) -> None:
    """By GetCallerIdentity."""
    before = len(tenant.world.aws.calls(service="sts", action="GetCallerIdentity"))
    tenant.become_ready(
        bedrockShortTermKey=None,
        sessionCredentials={},
        secret={"formats": ["AwsEnv"]},
        probe={"mode": "Identity"},
    )
    # The source asks once as well: whose credentials they are.
    assert len(tenant.world.aws.calls(service="sts", action="GetCallerIdentity")) >= before + 2


def test_a_model_that_may_not_be_used_is_told(tenant: Tenant) -> None:
    """With Bedrock's own words, the field and the permission; and no key is published."""
    tenant.apply_source()
    tenant.apply_grant(probe={"mode": "Bedrock", "modelId": "no.such-model", "timeout": "1s"})
    reported = condition(tenant.reported("ProbeFailing"), "ProbeFailing")["message"]
    assert "spec.probe" in reported
    assert "bedrock:InvokeModel on no.such-model" in reported
    assert not tenant.has_secret()


def reader(tenant: Tenant, directory: Path, *clients: str) -> PollingReader:
    """A process that calls with whatever the Secret holds, five times a second."""
    return PollingReader(
        directory,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
        clients=clients,
    )
