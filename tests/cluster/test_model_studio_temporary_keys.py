"""Temporary keys of Model Studio, made with a long-lived one, and used by the SDKs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from testbed.readers import PollingReader, model_studio
from testbed.readers.reports import Reading
from tests.cluster.eventually import eventually
from tests.cluster.model_studio import (
    HOST,
    KEY,
    PARENT,
    REGION,
    SOURCE,
    TEMPORARY,
    ModelStudioTenant,
    renew,
)
from tests.cluster.model_studio_stage import session_operator, studio, world
from tests.cluster.tenants import GRANT, condition
from tests.cluster.tier import Record

# Fixtures that have a file of their own.
__all__ = ["session_operator", "studio", "world"]

_RENEWALS = 20
_SECONDS = 8
_CLIENTS = (model_studio.DASHSCOPE, model_studio.OPENAI, model_studio.FILES)


def test_a_temporary_key_is_used_by_both_sdks(studio: ModelStudioTenant) -> None:
    """For half an hour, as the service says; the status says which readers it suits."""
    status = studio.temporary_ready(spec={"secret": {"formats": ["DashScopeEnv", "DotEnv"]}})
    data = studio.data()
    assert data[KEY].startswith("st-")
    assert data[".env"].startswith(f"DASHSCOPE_API_KEY={data[KEY]}\n")
    assert studio.ask().ok
    assert studio.ask_openai().ok
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert abs(ends - issued - timedelta(minutes=30)) <= timedelta(seconds=2)
    assert "keywright proxy" in condition(status, "Ready")["message"]


def test_the_duration_is_that_of_the_spec(studio: ModelStudioTenant) -> None:
    """And that of the service, if it is shorter, which the status says."""
    status = studio.temporary_ready(duration="10m")
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert abs(ends - issued - timedelta(minutes=10)) <= timedelta(seconds=2)
    studio.world.alibaba.limit_temporary_keys(seconds=120)
    renew(studio, revision=2)
    assert "ends before the 10m asked" in condition(studio.status(), "Ready")["message"]


def test_the_long_lived_key_is_that_of_another_grant(studio: ModelStudioTenant) -> None:
    """As in the example: no workload mounts the Secret with the long-lived key."""
    data = {"formats": [], "data": {"ALIBABA_CLOUD_BEARER_TOKEN": "${apiKey}"}}
    studio.key_ready(name=PARENT, spec={"secret": data})
    studio.apply_parent()
    studio.apply_temporary()
    studio.ready()
    assert studio.ask().ok
    before = studio.data()
    # A rotated parent is noticed: its former value ends with the overlap, and so do its keys.
    studio.annotate_grant(
        name=PARENT, **{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"}
    )
    studio.revision(2, name=PARENT)
    eventually(lambda: studio.data() != before, seconds=20)
    eventually(lambda: len(studio.live_keys()) == 1, seconds=20)
    assert studio.ask().ok


def test_the_host_of_a_workspace_makes_keys_as_well(studio: ModelStudioTenant) -> None:
    """The newer hosts: the key of a workspace, in a region without a shared host."""
    workspace, region = "ws-frankfurt", "eu-central-1"
    studio.world.alibaba.create_workspace(workspace, region=region)
    data = {"formats": [], "data": {"ALIBABA_CLOUD_BEARER_TOKEN": "${apiKey}"}}
    studio.key_ready(name=PARENT, workspaceId=workspace, region=region, spec={"secret": data})
    studio.apply_parent(region)
    studio.apply_temporary(workspaceId=workspace)
    studio.ready()
    base = f"https://{workspace}.{region}.maas.aliyuncs.com"
    assert studio.data()["DASHSCOPE_API_BASE"] == f"{base}/compatible-mode/v1"
    assert studio.ask().ok


@pytest.mark.long
@pytest.mark.timeout(400)
def test_no_reader_ever_sees_an_expired_or_missing_temporary_key(
    studio: ModelStudioTenant, tmp_path: Path, record_property: Record
) -> None:
    """Over twenty renewals with keys of a few seconds, not one call of an SDK is refused."""
    studio.world.alibaba.limit_temporary_keys(seconds=_SECONDS)
    studio.temporary_ready()
    reader = PollingReader(
        tmp_path,
        kubeconfig=studio.world.cluster.kubeconfig,
        namespace=studio.namespace,
        secret=GRANT,
        cloud_environment=studio.world.client_environment(),
        clients=_CLIENTS,
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _SECONDS + 120,
        )
    readings = reader.readings()
    record_property("calls of SDKs", len(readings))
    assert reader.failures() == []
    assert {reading.client for reading in readings} == set(_CLIENTS)
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + _RENEWALS + 1))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_reader_ever_sees_a_retired_key(
    studio: ModelStudioTenant, tmp_path: Path, record_property: Record
) -> None:
    """Twenty rotations of a long-lived key, without a refused call of an SDK.

    The old key works for the overlap of four seconds, in which the pods start again.
    """
    studio.key_ready(overlap="4s")
    reader = PollingReader(
        tmp_path,
        kubeconfig=studio.world.cluster.kubeconfig,
        namespace=studio.namespace,
        secret=GRANT,
        cloud_environment=studio.world.client_environment(),
        clients=_CLIENTS,
    )
    with reader:
        for number in range(2, _RENEWALS + 2):
            renew(studio, revision=number)
            reader.wait_until(
                partial(_has_seen, str(number)),
                seconds=30,
            )
    record_property("calls of SDKs", len(reader.readings()))
    assert reader.failures() == []
    eventually(lambda: len(studio.live_keys()) == 1, seconds=30)


def _has_seen(revision: str, readings: Sequence[Reading]) -> bool:
    return any(reading.revision == revision for reading in readings)


def _refused(tenant: ModelStudioTenant, *, reason: str, **key: str) -> str:
    """The message of a grant of temporary keys that is refused; no Secret is written."""
    tenant.apply_temporary(**key)
    found = tenant.reported("Ready", status="False", reason=reason)
    assert not tenant.has_secret()
    return str(condition(found, "Ready")["message"])


def _parent(tenant: ModelStudioTenant, value: str | None = None, *, region: str = REGION) -> str:
    found = value or tenant.world.alibaba.create_model_studio_key(region=region)
    tenant.create_released_secret(name=PARENT, ALIBABA_CLOUD_BEARER_TOKEN=found)
    tenant.apply_parent()
    return found


def test_an_unknown_key_is_refused_in_words(studio: ModelStudioTenant) -> None:
    """With the Secret's field, and what to put into it."""
    _parent(studio, "sk-" + "0" * 48)
    message = _refused(studio, reason="InvalidApiKey")
    assert message.startswith("CredentialSource spec.alibabaCloud.bearer.secretRef: ")
    assert f"({HOST}): InvalidApiKey: Invalid API-key provided" in message
    assert "Put an enabled API key of Model Studio into the Secret" in message


def test_a_key_of_another_region_is_refused_in_words(studio: ModelStudioTenant) -> None:
    """With the host that was called."""
    _parent(studio, region="ap-southeast-1")
    assert f"of the region of {HOST}" in _refused(studio, reason="InvalidApiKey")
    studio.edit_grant(modelStudioTemporaryKey={"region": "ap-southeast-1"})
    studio.ready()
    assert studio.ask().ok


def test_a_disabled_key_is_refused_in_words(studio: ModelStudioTenant) -> None:
    """And the grant is Ready again once the key is enabled."""
    _parent(studio)
    number = studio.world.alibaba.model_studio_keys()[-1]["id"]
    studio.world.alibaba.enable_model_studio_key(number, enabled=False)
    assert "Put an enabled API key" in _refused(studio, reason="InvalidApiKey")
    studio.world.alibaba.enable_model_studio_key(number, enabled=True)
    studio.ready(seconds=60)


def test_a_temporary_key_makes_no_other(studio: ModelStudioTenant) -> None:
    """A source with st-... is refused, with the reason."""
    studio.temporary_ready()
    value = studio.data()[KEY]
    studio.create_released_secret(name="short", ALIBABA_CLOUD_BEARER_TOKEN=value)
    identity = {"bearer": {"secretRef": {"name": "short"}}}
    studio.apply(studio.alibaba_source(name="short", regionId=REGION, **identity))
    studio.apply_temporary(name="short-key", source="short")
    found = studio.reported("Ready", status="False", reason="InvalidApiKey", name="short-key")
    assert "A temporary key (st-...) makes no other" in condition(found, "Ready")["message"]


def test_a_workspace_that_is_not_that_of_the_key_is_refused(studio: ModelStudioTenant) -> None:
    """With what to check."""
    _parent(studio)
    message = _refused(studio, reason="AccessDenied", workspaceId="ws-other")
    assert "Workspace.AccessDenied" in message
    assert message.startswith("CredentialSource spec.alibabaCloud.bearer.secretRef: ")


def test_a_region_without_a_host_is_refused(studio: ModelStudioTenant) -> None:
    """Before anything is sent: with the regions that have one."""
    _parent(studio)
    studio.apply(studio.alibaba_source(name=PARENT, bearer={"secretRef": {"name": PARENT}}))
    studio.apply_temporary()
    found = studio.reported("Stalled")
    message = condition(found, "Stalled")["message"]
    assert message.startswith(f"spec.{TEMPORARY}.region: Model Studio has no shared host in cn-")
    assert "set workspaceId" in message


@pytest.mark.parametrize(
    ("code", "status", "reason", "cure"),
    [
        ("Throttling.RateQuota", 429, "Throttled", "Tried again later"),
        ("AccessDenied", 403, "AccessDenied", "Allow the operator's address"),
        ("NotFound", 404, "NotFound", "Correct workspaceId and region"),
        ("InvalidParameter", 400, "InvalidRequest", "Correct the value"),
        ("SystemError", 500, "CloudError", "Tried again"),
    ],
)
def test_other_refusals_say_what_to_do(
    studio: ModelStudioTenant, code: str, status: int, reason: str, cure: str
) -> None:
    """With the code of the service, and a cure for each class."""
    _parent(studio)
    studio.world.alibaba.fail_next(
        "dashscope", "CreateToken", code=code, message="planted", status=status, count=1000
    )
    message = _refused(studio, reason=reason)
    assert f"{code}: planted" in message
    assert cure in message
    studio.world.alibaba.clear_faults()
    studio.ready(seconds=60)


def test_a_broken_response_is_refused(studio: ModelStudioTenant) -> None:
    """Without a word of it; the next one is used."""
    _parent(studio)
    studio.world.alibaba.damage_next("dashscope", "CreateToken", count=2)
    assert "has no valid body with a temporary key" in _refused(studio, reason="InvalidAnswer")
    studio.ready(seconds=60)


def test_a_source_that_signs_makes_no_temporary_key(studio: ModelStudioTenant) -> None:
    """The kind needs a bearer token, and the other kind a signature."""
    studio.apply_source()
    studio.apply_temporary(source=SOURCE)
    message = condition(studio.reported("Stalled"), "Stalled")["message"]
    assert f"{TEMPORARY} cannot come from" in message
    assert "name a source with alibabaCloud.bearer" in message
    _parent(studio)
    studio.apply_grant(name="long", source=PARENT, modelStudioKey=studio.key_spec())
    message = condition(studio.reported("Stalled", name="long"), "Stalled")["message"]
    assert "with alibabaCloud, and an access key or a session" in message
