"""Another version of the operator, or a cluster restored from a backup: what is good is kept."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keywright.api.names import WATCH_LABEL
from testbed.operators import OperatorProcess
from testbed.world import ROOT, World
from tests.cluster.audit import WRITE_SECRET
from tests.cluster.conftest import audit_log
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.rollouts import let_restart, path, workload
from tests.cluster.tenants import GRANT, Document, Tenant
from tests.cluster.tier import without_history
from tests.cluster.worlds import MakeWorld

_STS = "sts"
_LEGACY_OWNER = "keywright.dev/granted-by"
_KEPT = ("revision", "expiresAt", "issuedAt", "secretName")


# The last commit whose Secrets are selected by app.kubernetes.io/managed-by.
_WITHOUT_WATCH_LABEL = "211dcda"


@pytest.fixture(scope="module", params=["HEAD~1", _WITHOUT_WATCH_LABEL])
def previous(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's source as of the commit before this one, and as of older versions."""
    done = subprocess.run(
        ["git", "archive", request.param, "operator"], cwd=ROOT, capture_output=True, check=False
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


def as_written(tenant: Tenant, name: str = GRANT) -> Document:
    """A Secret without what the API server notes of each write, and without the watch label.

    The owner counts under its legacy name as well: the first write renames it.
    """
    secret = tenant.secret(name)
    annotations = secret["metadata"]["annotations"]
    if _LEGACY_OWNER in annotations:
        annotations["keywright.dev/owner"] = annotations.pop(_LEGACY_OWNER)
    for field in ("resourceVersion", "managedFields"):
        secret["metadata"].pop(field)
    secret["metadata"]["labels"].pop(WATCH_LABEL, None)
    return secret


def test_what_the_previous_version_wrote_is_taken_over_as_it_is(
    upgraded: World, previous: Path, make_lasting: Callable[[], LongTermTenant]
) -> None:
    """Short-term, STS and long-term: nothing is issued or restarted, no Secret has other data.

    The Secrets get the watch label, also that of a suspended grant, and by one write each at most.
    AWS hears nothing but that a session is opened by which the long-term key can be revoked.
    """
    old = upgraded.operator(identity="old", environment={"PYTHONPATH": str(previous)}, pace=())
    old.start()
    brief, idle = Tenant(upgraded, name="brief"), Tenant(upgraded, name="idle")
    brief.prepare()
    let_restart(brief)
    upgraded.api.apply(workload(brief, "Deployment", "concierge"))
    restarted = {"restart": [{"kind": "Deployment", "name": "concierge"}]}
    before = {GRANT: brief.become_ready(rollout=restarted)}
    upgraded.api.apply(sts_body(brief))
    before[_STS] = brief.ready(name=_STS)
    idle.prepare()
    # As earlier CRDs stored it in every grant.
    idle.become_ready(secret={"type": "Opaque"})
    idle.edit_grant(suspend=True)
    idle.reported("Ready", reason="Suspended")
    lasting = make_lasting()
    kept = lasting.key_ready()
    secrets = ((brief, GRANT), (brief, _STS), (idle, GRANT), (lasting, GRANT))
    written = [as_written(tenant, name) for tenant, name in secrets]
    template = upgraded.api.get(path(brief, "Deployment", "concierge"))["spec"]["template"]
    assert mints(old) == 4
    assert old.stop() == 0
    calls, mark = upgraded.aws.calls(), audit_log(upgraded).mark()
    new = upgraded.operator(identity="new")
    new.start()
    for tenant, name in secrets:
        eventually(lambda t=tenant, n=name: is_watched(t, n))  # type: ignore[misc]
    barrier = Tenant(upgraded, name="bystander")
    barrier.prepare()
    barrier.become_ready()
    eventually(lambda: barrier.source_status().get("grants") == 1)
    assert mints(new) == 1
    assert [as_written(tenant, name) for tenant, name in secrets] == written
    assert upgraded.api.get(path(brief, "Deployment", "concierge"))["spec"]["template"] == template
    patched = Counter(
        (request.namespace, request.name)
        for request in audit_log(upgraded).writes(since=mark)
        if request.what == WRITE_SECRET and request.namespace != barrier.namespace
    )
    assert max(patched.values(), default=0) <= 1
    for name, status in before.items():
        after = brief.ready(name=name)
        assert {field: after[field] for field in _KEPT} == {f: status[f] for f in _KEPT}
    assert lasting.ready()["keyId"] == kept["keyId"]
    others = upgraded.aws.calls()[len(calls) :]
    requested = {call.parameters.get("RoleSessionName") for call in others if call.service == "sts"}
    assert requested - {None} <= {f"{tenant.namespace}.bedrock" for tenant in (barrier, lasting)}
    assert {call.action for call in others} <= {"AssumeRoleWithWebIdentity", "GetCallerIdentity"}
    assert lasting.listed() == {kept["keyId"]: "Active"}


def is_watched(tenant: Tenant, name: str) -> bool:
    """Whether the Secret carries the label by which the operator's watch selects."""
    return bool(tenant.secret(name)["metadata"]["labels"].get(WATCH_LABEL) == "true")


def test_sts_credentials_outlast_a_restore_without_status(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """With another uid and no status the grant takes the good Secret as it is."""
    tenant.apply_source()
    tenant.world.api.apply(sts_body(tenant))
    before = tenant.ready(name=_STS)
    data, requested = tenant.data(_STS), tenant.session_calls()
    path = tenant.grant_path(_STS)
    tenant.world.api.request("DELETE", path, query={"propagationPolicy": "Orphan"})
    eventually(lambda: not tenant.world.api.exists(path))
    tenant.patch(tenant.secret_path(_STS), {"metadata": {"ownerReferences": None}})
    tenant.world.api.apply(sts_body(tenant))
    after = tenant.ready(name=_STS)
    barrier()
    assert tenant.data(_STS) == data
    assert tenant.session_calls() == requested
    assert {field: after[field] for field in _KEPT} == {field: before[field] for field in _KEPT}
