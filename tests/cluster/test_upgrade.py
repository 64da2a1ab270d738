"""Another version of the operator, or a cluster restored from a backup: what is good is kept."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from testbed.operators import OperatorProcess
from testbed.world import ROOT, World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import GRANT, Document, Tenant
from tests.cluster.tier import without_history
from tests.cluster.worlds import MakeWorld

_STS = "sts"
_KEPT = ("revision", "expiresAt", "issuedAt", "secretName")


@pytest.fixture(scope="module")
def previous(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's source as of the commit before this one."""
    done = subprocess.run(
        ["git", "archive", "HEAD~1", "operator"], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        without_history(request.config, done.stderr.decode().strip())
    directory = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory / "operator"


@pytest.fixture
def upgraded(make_world: MakeWorld) -> Iterator[World]:
    """A world without an operator."""
    with make_world() as made:
        yield made


@pytest.fixture
def make_lasting(upgraded: World) -> Iterator[Callable[[], LongTermTenant]]:
    """Namespaces in it whose grants are long-term keys."""
    yield from tenants(upgraded, name="lasting")


def sts_body(tenant: Tenant) -> Document:
    """A grant of STS credentials."""
    body = tenant.grant_body(name=_STS, bedrockShortTermKey=None, sessionCredentials={})
    body["spec"]["secret"] = {"formats": ["AwsEnv"]}
    return body


def mints(operator: OperatorProcess) -> float:
    """How many keys it has asked for since its start."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(operator.get("/metrics"))
        for sample in family.samples
        if sample.name == "keywright_mint_total"
    )


def test_what_the_previous_version_wrote_is_taken_over_as_it_is(
    upgraded: World, previous: Path, make_lasting: Callable[[], LongTermTenant]
) -> None:
    """Short-term, STS and long-term: no key is minted, and no Secret changed.

    AWS hears nothing but that a session is opened by which the long-term key can be revoked.
    """
    old = upgraded.operator(identity="old", environment={"PYTHONPATH": str(previous)}, pace=())
    old.start()
    brief = Tenant(upgraded, name="brief")
    brief.prepare()
    before = {GRANT: brief.become_ready()}
    upgraded.api.apply(sts_body(brief))
    before[_STS] = brief.ready(name=_STS)
    lasting = make_lasting()
    kept = lasting.key_ready()
    data = [brief.data(), brief.data(_STS), lasting.data()]
    assert mints(old) == 3
    assert old.stop() == 0
    calls = upgraded.aws.calls()
    new = upgraded.operator(identity="new")
    new.start()
    bystander = Tenant(upgraded, name="bystander")
    bystander.prepare()
    bystander.become_ready()
    eventually(lambda: bystander.source_status().get("grants") == 1)
    assert mints(new) == 1
    assert [brief.data(), brief.data(_STS), lasting.data()] == data
    for name, status in before.items():
        after = brief.ready(name=name)
        assert {field: after[field] for field in _KEPT} == {f: status[f] for f in _KEPT}
    assert lasting.ready()["keyId"] == kept["keyId"]
    others = upgraded.aws.calls()[len(calls) :]
    asked = {call.parameters.get("RoleSessionName") for call in others if call.service == "sts"}
    assert asked - {None} <= {f"{tenant.namespace}.bedrock" for tenant in (bystander, lasting)}
    assert {call.action for call in others} <= {"AssumeRoleWithWebIdentity", "GetCallerIdentity"}
    assert lasting.listed() == {kept["keyId"]: "Active"}


def test_sts_credentials_outlast_a_restore_without_status(
    tenant: Tenant, bystander: Callable[[], None]
) -> None:
    """With another uid and no status the grant takes the good Secret as it is."""
    tenant.apply_source()
    tenant.world.api.apply(sts_body(tenant))
    before = tenant.ready(name=_STS)
    data, asked = tenant.data(_STS), tenant.session_calls()
    path = tenant.grant_path(_STS)
    tenant.world.api.request("DELETE", path, query={"propagationPolicy": "Orphan"})
    eventually(lambda: not tenant.world.api.exists(path))
    tenant.patch(tenant.secret_path(_STS), {"metadata": {"ownerReferences": None}})
    tenant.world.api.apply(sts_body(tenant))
    after = tenant.ready(name=_STS)
    bystander()
    assert tenant.data(_STS) == data
    assert tenant.session_calls() == asked
    assert {field: after[field] for field in _KEPT} == {field: before[field] for field in _KEPT}
