"""Short-term keys of Claude Platform on AWS, used by Anthropic's SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.operators import OperatorProcess
from testbed.readers import PollingReader, claude_platform
from testbed.readers.answers import Answer
from testbed.readers.clients import CLAUDE_PLATFORM
from testbed.world import World
from tests.cluster.claude_platform import (
    KEY,
    KIND,
    REGION,
    WORKSPACE,
    ClaudeTenant,
    permissions,
)
from tests.cluster.eventually import eventually
from tests.cluster.long_term import short
from tests.cluster.tenants import GRANT, condition
from tests.cluster.tier import Record

_RENEWALS = 20
_SESSION_SECONDS = 10
_PROBE = {"mode": "Service", "timeout": "1s"}


@pytest.fixture
def claude(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[ClaudeTenant]:
    """A namespace whose role may use the workspace."""
    assert operator.process.exit_code is None
    tenant = ClaudeTenant(world, name=short(request))
    tenant.prepare()
    yield tenant
    world.aws.set_outbound_federation(enabled=True)
    world.aws.limit_sessions(seconds=None)


def _ask(tenant: ClaudeTenant, name: str = GRANT, **changed: str) -> Answer:
    """One prompt of Anthropic's SDK, in a pod with the Secret."""
    data = {**tenant.data(name), **changed}
    return claude_platform.call(data, cloud_environment=tenant.world.aws.client_environment())


def test_a_key_is_used_by_the_sdk_of_anthropic(claude: ClaudeTenant) -> None:
    """With what the Secret holds, and for as long as the status says."""
    status = claude.become_claude_ready(duration="1h")
    assert claude.data() == {
        KEY: claude.data()[KEY],
        "ANTHROPIC_AWS_WORKSPACE_ID": WORKSPACE,
        "AWS_REGION": REGION,
        "CLAUDE_CODE_USE_ANTHROPIC_AWS": "1",
    }
    answer = _ask(claude)
    assert answer.error is None
    assert answer.text.startswith("You said: ")
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert ends - issued == timedelta(hours=1)


def test_the_region_of_the_key_is_that_of_its_workspace(claude: ClaudeTenant) -> None:
    """A key of one Region is refused in another; the base URL follows the Region."""
    claude.permit_any_workspace()
    spec = claude.claude(region="eu-west-1") | {
        "secret": {
            "formats": ["ClaudePlatformEnv", "DotEnv"],
            "data": {"url": "${claudePlatformUrl}", "workspace": "${workspaceId}"},
        }
    }
    claude.become_ready(**spec)
    data = claude.data()
    assert data["url"] == "https://aws-external-anthropic.eu-west-1.api.aws"
    assert data["workspace"] == WORKSPACE
    assert data[".env"] == (
        f"ANTHROPIC_AWS_API_KEY={data[KEY]}\n"
        f"ANTHROPIC_AWS_WORKSPACE_ID={WORKSPACE}\n"
        "AWS_REGION=eu-west-1\n"
    )
    assert _ask(claude).ok
    elsewhere = _ask(claude, AWS_REGION="us-east-1")
    assert "AuthenticationError" in (elsewhere.error or "")


def test_another_workspace_is_another_key(claude: ClaudeTenant) -> None:
    """It is probed first: a workspace that the role may not use is not published."""
    first = claude.become_ready(**{**claude.claude(), "probe": _PROBE})
    claude.edit_grant(claudePlatformShortTermKey={"workspaceId": "wrkspc_Other"})
    claude.reported("RenewalFailing", status="True", reason="ProbeFailed")
    assert claude.data()["ANTHROPIC_AWS_WORKSPACE_ID"] == WORKSPACE
    claude.permit_any_workspace()
    eventually(lambda: claude.data()["ANTHROPIC_AWS_WORKSPACE_ID"] == "wrkspc_Other", seconds=60)
    assert claude.ready()["revision"] > first["revision"]
    assert _ask(claude).ok


def test_a_session_policy_limits_the_key(claude: ClaudeTenant) -> None:
    """To a workspace, though the role may use all; by the user's policy, or a managed one."""
    claude.permit_any_workspace()
    claude.apply_source()
    claude.apply_grant(name="own", **claude.claude(policy=permissions()))
    read_only = ["arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"]
    claude.apply_grant(name="managed", **claude.claude(policyArns=read_only))
    claude.ready(name="own")
    claude.ready(name="managed")
    assert _ask(claude, "own").ok
    other = _ask(claude, "own", ANTHROPIC_AWS_WORKSPACE_ID="wrkspc_Other")
    assert "no session policy allows" in (other.error or "")
    assert "CallWithBearerToken" in (_ask(claude, "managed").error or "")


def test_a_scoped_session_limits_the_key_as_well(claude: ClaudeTenant) -> None:
    """To what the session policy of the source and that of the grant allow."""
    scoping = {"Effect": "Allow", "Action": "sts:GetScopedCredentials", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [scoping]}
    claude.world.aws.put_role_policy(role=claude.role, name="scoping", document=policy)
    claude.permit_any_workspace()
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    claude.apply_source(policy={**policy, "Statement": [anything]})
    claude.apply_grant(**claude.claude(policy=permissions(), scopedSession=True))
    claude.ready()
    assert _ask(claude).ok
    other = _ask(claude, ANTHROPIC_AWS_WORKSPACE_ID="wrkspc_Other")
    assert "no session policy allows" in (other.error or "")


def test_the_limits_of_source_and_grant_both_apply(claude: ClaudeTenant) -> None:
    """The source may use one workspace, and so may the key, whatever the grant allows."""
    scoping = {"Effect": "Allow", "Action": "sts:GetScopedCredentials", "Resource": "*"}
    own = permissions()
    own["Statement"].append(scoping)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    anything = {"Version": "2012-10-17", "Statement": [everything]}
    claude.permit(anything)
    claude.apply_source(policy=own)
    claude.apply_grant(**claude.claude(policy=anything, scopedSession=True))
    claude.ready()
    assert _ask(claude).ok
    other = _ask(claude, ANTHROPIC_AWS_WORKSPACE_ID="wrkspc_Other")
    assert "PermissionDeniedError" in (other.error or "")


@pytest.mark.parametrize(
    ("model", "action"), [(None, "ListModels"), (claude_platform.MODEL, "CreateInference")]
)
def test_a_key_is_probed(claude: ClaudeTenant, model: str | None, action: str) -> None:
    """By the list of models, or by one token of a model, before it is published."""
    probe = {"mode": "Service", **({} if model is None else {"modelId": model})}
    claude.become_ready(**claude.claude(), probe=probe)
    calls = claude.world.aws.calls(service="aws-external-anthropic", action=action)
    assert any(claude.role in (call.principal or "") for call in calls)


def _probe_fails(tenant: ClaudeTenant, **spec: Any) -> str:
    """The message of the failing probe; no key is published."""
    tenant.apply_source()
    tenant.apply_grant(**{**tenant.claude(), "probe": _PROBE, **spec})
    tenant.reported("Ready", status="False", reason="ProbeFailed")
    message = condition(tenant.status(), "Ready")["message"]
    assert not tenant.has_secret()
    return str(message)


def _expect(message: str, parts: Mapping[str, str]) -> None:
    assert {name: part for name, part in parts.items() if part not in message} == {}, message


def test_an_account_without_outbound_federation_is_told(claude: ClaudeTenant) -> None:
    """The most common mistake of the vendor's guide: field, and what to enable."""
    claude.world.aws.set_outbound_federation(enabled=False)
    _expect(
        _probe_fails(claude),
        {
            "field": "spec.probe",
            "status": "Claude Platform on AWS answered 403",
            "cure": "outbound web identity federation in the account",
        },
    )


def test_a_workspace_of_another_region_is_told(claude: ClaudeTenant) -> None:
    """With the workspace and the Region that was asked."""
    claude.permit_any_workspace()
    claude.world.aws.bind_workspace("wrkspc_Ireland", region="eu-west-1")
    _expect(
        _probe_fails(claude, **{KIND: {"workspaceId": "wrkspc_Ireland"}}),
        {
            "field": "spec.probe",
            "status": "answered 404",
            "cure": f"workspace wrkspc_Ireland in {REGION}",
        },
    )


@pytest.mark.parametrize(
    "action",
    ["CallWithBearerToken", "ListModels"],
)
def test_a_missing_permission_is_told(claude: ClaudeTenant, action: str) -> None:
    """With the actions that the probe needs."""
    policy = permissions()
    for statement in policy["Statement"]:
        kept = [each for each in statement["Action"] if not each.endswith(f":{action}")]
        statement["Action"] = kept or ["sts:GetFederationToken"]
    claude.permit(policy)
    _expect(
        _probe_fails(claude),
        {"field": "spec.probe", "cure": f"aws-external-anthropic:{action}"},
    )


def test_a_model_that_does_not_exist_is_told(claude: ClaudeTenant) -> None:
    """With the action that one token of it needs."""
    message = _probe_fails(claude, probe={**_PROBE, "modelId": "no-such-model"})
    _expect(
        message,
        {"status": "answered 404", "cure": "aws-external-anthropic:CreateInference"},
    )


def test_a_refused_policy_names_the_field(claude: ClaudeTenant) -> None:
    """And leaves the source as it is."""
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Acton": "x"}]}
    claude.apply_source()
    claude.apply_grant(**claude.claude(policy=wrong))
    claude.reported("Ready", status="False", reason="MalformedPolicyDocument")
    message = condition(claude.status(), "Ready")["message"]
    assert message.startswith(f"spec.{KIND}.policy: ")
    claude.source_reported("Ready")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_reader_ever_sees_an_expired_or_missing_key(
    claude: ClaudeTenant, tmp_path: Path, record_property: Record
) -> None:
    """Over twenty renewals with sessions of ten seconds, not one call of the SDK is refused."""
    claude.world.aws.limit_sessions(seconds=_SESSION_SECONDS)
    claude.become_claude_ready()
    reader = PollingReader(
        tmp_path,
        kubeconfig=claude.world.cluster.kubeconfig,
        namespace=claude.namespace,
        secret=GRANT,
        cloud_environment=claude.world.aws.client_environment(),
        clients=[CLAUDE_PLATFORM],
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _SESSION_SECONDS + 60,
        )
    readings = reader.readings()
    record_property("calls of the SDK", len(readings))
    assert reader.failures() == []
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + _RENEWALS + 1))
    left = [
        datetime.fromisoformat(reading.expires_at).timestamp() - reading.time
        for reading in readings
        if reading.expires_at
    ]
    record_property("least life left at a call, seconds", round(min(left), 2))
    assert min(left) > 0
