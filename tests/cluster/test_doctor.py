"""`keywright doctor` names the failing hop of each planted fault, with a cure that works."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from keywright.cli.exit_codes import ExitCode
from testbed.clouds.emulator import CloudRefusedError
from testbed.world import ROOT
from tests.cluster.command_line import Result
from tests.cluster.doctor_faults import FAULTS, Fault, provider
from tests.cluster.gateway import PARTNER, GatewayTenant
from tests.cluster.tenants import GRANT, KEY, SOURCE, Tenant

_NAMES = {"source": SOURCE, "grant": GRANT}


def doctor(tenant: Tenant, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    """Run `keywright doctor`."""
    return run_command(tenant, "doctor", *arguments, environment=environment)


def run_command(
    tenant: Tenant, *arguments: str, environment: Mapping[str, str] | None = None
) -> Result:
    """Run a command in a process of its own, in which the clouds are the emulated ones."""
    completed = subprocess.run(
        [sys.executable, "-m", "keywright", *arguments, "-n", tenant.namespace],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tenant.world.directory),
            "PYTHONIOENCODING": "utf-8",
            **tenant.world.client_environment(),
            **(environment or {}),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(completed.returncode, completed.stdout, completed.stderr)


def hops(
    tenant: Tenant, kind: str, *, environment: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The hops of `-o json`; the last one is the first that failed."""
    shown = doctor(tenant, kind, _NAMES[kind], "-o", "json", environment=environment)
    assert shown.code in (ExitCode.OK, ExitCode.FINDINGS), shown
    assert shown.err == ""
    found: list[dict[str, Any]] = json.loads(shown.out)["hops"]
    assert (shown.code == ExitCode.FINDINGS) is (found[-1]["result"] == "failed")
    return found


@pytest.fixture
def patient(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant whose test restores the identity provider of the cluster afterwards."""
    yield tenant
    with contextlib.suppress(CloudRefusedError):  # it exists
        provider(tenant)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_failing_hop_is_named_with_a_cure_that_works(patient: Tenant, fault: Fault) -> None:
    """The hops before it succeed; once the cure is followed, the hop does too."""
    fault.plant(patient)
    *before, last = hops(patient, fault.kind, environment=fault.environment)
    assert (last["id"], last["result"]) == (fault.hop, "failed")
    assert [hop for hop in before if hop["result"] == "failed"] == []
    text = " ".join([*last["facts"], last["cure"]])
    assert [words for words in fault.says if words not in text] == []
    assert last["cure"]
    if fault.fix is None:
        return
    fault.fix(patient, last["cure"])
    after = hops(patient, fault.kind)
    # The operator itself may not have tried again yet.
    failing = [hop["id"] for hop in after if hop["result"] == "failed"]
    assert failing in ([], ["doctor-operator"]), after


def test_a_working_grant_has_no_fault(tenant: Tenant) -> None:
    """Each hop is shown as it comes, with what was found, and no secret value."""
    tenant.become_ready(probe={"mode": "Bedrock"})
    tenant.source_reported("Ready")
    shown = doctor(tenant, "grant", GRANT)
    assert shown.code == ExitCode.OK, shown
    assert "No fault found." in shown.out
    for words in (
        "aud sts.amazonaws.com",
        f"sub system:serviceaccount:{tenant.namespace}:chat-bedrock",
        f"assumed-role/{tenant.role}",
        "the key works: probe Bedrock",
    ):
        assert words in shown.out
    reported = shown.out + shown.err
    assert "eyJ" not in reported
    assert tenant.data()[KEY] not in reported
    assert [value for value in tenant.world.aws.secrets() if value in reported] == []
    assert tenant.status()["revision"] == 1


def test_a_managed_key_is_not_touched(
    new_gateway_tenant: Callable[[], GatewayTenant],
) -> None:
    """Doctor creates, lists and tags nothing in the cloud."""
    tenant = new_gateway_tenant()
    tenant.key_ready(usagePlan={"id": tenant.plan()})
    before = len(tenant.world.aws.calls(service="apigateway"))
    shown = doctor(tenant, "grant", PARTNER, "-o", "json")
    found = {hop["id"]: hop["result"] for hop in json.loads(shown.out)["hops"]}
    assert (shown.code, found["doctor-key"]) == (ExitCode.OK, "skipped"), shown
    assert len(tenant.world.aws.calls(service="apigateway")) == before


def test_the_operators_own_view_needs_no_cloud(tenant: Tenant) -> None:
    """`--as-operator` explains what the operator reports, from its status alone."""
    tenant.apply_source(roleArn=f"{tenant.role_arn}-missing")
    tenant.source_reported("Ready", status="False", reason="AccessDenied")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    shown = doctor(tenant, "source", SOURCE, "--as-operator", environment=nowhere)
    assert shown.code == ExitCode.FINDINGS
    assert [line.split()[-1] for line in shown.out.splitlines() if line.startswith("✗")] == [
        "doctor-operator"
    ]
    assert "the operator reports this source as not fine: AccessDenied" in shown.out
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in shown.out
    assert "First check the spelling of the role in roleArn." in shown.out
    words = " ".join(shown.out.split())
    command = f"keywright doctor source {SOURCE} --namespace {tenant.namespace}"
    assert f"Fix: Follow the message above, or find the step that fails: {command}" in words
    assert "before this one" not in words


def test_a_missing_object_is_reported(tenant: Tenant) -> None:
    """With exit code 1."""
    shown = doctor(tenant, "grant", "nope")
    assert shown.code == ExitCode.FINDINGS
    assert "there is no ApiKeyGrant nope" in shown.err


def test_a_typo_in_the_source_of_a_grant_is_corrected(tenant: Tenant) -> None:
    """`doctor` suggests the similar source; `explain` names the field and not `--namespace`."""
    tenant.apply_source()
    tenant.apply_grant(source="bedrok")
    (*_, hop) = hops(tenant, "grant")
    assert hop["id"] == "doctor-source"
    assert hop["cure"].endswith("Did you mean bedrock?")
    shown = run_command(tenant, "explain", "grant", GRANT)
    assert f"there is no CredentialSource bedrok in namespace {tenant.namespace}." in shown.err
    assert "Correct spec.sourceRef of the grant" in shown.err
    wrong = run_command(tenant, "explain", "source", "bedrok")
    assert "Choose its namespace with -n." in wrong.err


def test_the_cause_of_an_unreadable_issuer_is_shown(tenant: Tenant) -> None:
    """The test cluster's certificate is not publicly trusted, and the warning says so."""
    tenant.apply_source()
    shown = hops(tenant, "source")
    (issuer,) = (hop for hop in shown if hop["id"] == "doctor-issuer")
    assert issuer["result"] == "warning"
    assert "certificate verify failed" in issuer["facts"][0]
