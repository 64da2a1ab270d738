"""`keywright status` on a real API server, with an operator that works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from testbed.program import Timing, timed
from testbed.world import ROOT, World
from tests.cluster.command_line import keywright
from tests.cluster.eventually import eventually
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, KEY, SOURCE, Tenant, merged
from tests.cluster.tier import Record

_GRANTS = 500


def pod_that_reads(tenant: Tenant, *, name: str, started: str) -> None:
    """A pod with the Secret in its environment, as a kubelet would report it."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": tenant.namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "chat",
                    "image": "chat",
                    "envFrom": [{"secretRef": {"name": GRANT}}],
                }
            ],
        },
    }
    tenant.world.api.create(body)
    tenant.patch(
        f"/api/v1/namespaces/{tenant.namespace}/pods/{name}/status",
        {
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {
                        "name": "chat",
                        "image": "chat",
                        "imageID": "",
                        "ready": True,
                        "restartCount": 0,
                        "state": {"running": {"startedAt": started}},
                    }
                ],
            }
        },
    )


def test_a_good_grant_is_a_row_and_exit_code_0(tenant: Tenant) -> None:
    """Its state, lifetime, next step, source and Secret, and the pods that read it."""
    status = tenant.become_ready()
    later = datetime.now(UTC).replace(year=2030).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod_that_reads(tenant, name="old", started="2020-01-01T00:00:00Z")
    pod_that_reads(tenant, name="new", started=later)
    shown = keywright(tenant.world, "status", "-n", tenant.namespace)
    assert shown.code == ExitCode.OK
    heading, row, count = shown.out.splitlines()
    assert heading.split() == [
        *("NAME", "STATE", "LIFETIME", "NEXT", "SOURCE", "SECRET", "READERS"),
    ]
    assert row.split()[:2] == [GRANT, "Ready"]
    assert "left  renews in" in row
    assert row.endswith("bedrock  chat-key  2 pods, 1 with an old key")
    assert count == "1 grant: 1 fine"
    item = keywright(tenant.world, "status", "-n", tenant.namespace, "-o", "json").json()["items"][
        0
    ]
    assert item["expiresAt"] == status["expiresAt"]
    assert item["next"] == {"step": "renews", "at": status["renewAt"]}
    assert {each["pod"]: each["revision"] for each in item["readers"]} == {
        "old": "old",
        "new": "present",
    }


def test_a_broken_grant_is_never_exit_code_0(tenant: Tenant) -> None:
    """The row says why, and the filter by source shows only its grants."""
    tenant.become_ready()
    tenant.apply_grant(name="broken", source="missing")
    tenant.reported("Ready", status="False", reason="SourceNotFound", name="broken")
    shown = keywright(tenant.world, "status", "-n", tenant.namespace)
    assert shown.code == ExitCode.FINDINGS
    assert "SourceNotFound" in shown.out
    assert "there is no CredentialSource missing" in shown.out
    assert shown.out.splitlines()[-1] == "2 grants: 1 fine, 1 failing"
    good = keywright(tenant.world, "status", "-n", tenant.namespace, "--source", "bedrock")
    assert good.code == ExitCode.OK
    assert "broken" not in good.out


def test_a_grant_of_a_missing_source_says_what_it_waits_for(tenant: Tenant) -> None:
    """And suggests the most similar source that the grant may use."""

    def next_step(source: str, namespace: str = "") -> str:
        reference = {"name": source, **({"namespace": namespace} if namespace else {})}
        reason = "SourceNotAllowed" if namespace else "SourceNotFound"
        tenant.edit_grant(sourceRef=reference)
        tenant.reported("Ready", status="False", reason=reason)
        shown = keywright(tenant.world, "status", GRANT, "-n", tenant.namespace)
        assert shown.code == ExitCode.FINDINGS
        (line,) = (line for line in shown.out.splitlines() if line.startswith("Next "))
        return " ".join(line.split()[1:])

    tenant.apply_grant(source="bedrok")
    waits = "waits for CredentialSource bedrok, which does not exist"
    assert next_step("bedrok") == waits
    tenant.apply_source()
    assert next_step("bedrok") == f"{waits}; did you mean bedrock?"
    elsewhere = "waits for CredentialSource nowhere/bedrock, which does not exist"
    assert next_step("bedrock", "nowhere") == f"{elsewhere}; did you mean bedrock?"
    tenant.edit_grant(sourceRef={"name": "bedrock", "namespace": None})
    tenant.ready()


def _trust(tenant: Tenant, *, namespace: str) -> None:
    """Let the tenant's role trust the ServiceAccount of that namespace alone."""
    trust = tenant.world.trust_policy(namespace=namespace, service_account=ACCOUNT_NAME)
    tenant.world.aws.put_trust_policy(name=tenant.role, trust_policy=trust)


def test_a_source_that_fails_is_shown_while_the_key_is_valid(tenant: Tenant) -> None:
    """The grant stays Ready; the row says what fails, and until when the key is valid."""
    valid = tenant.become_ready()["expiresAt"]

    def shown(*arguments: str) -> dict[str, Any]:
        found = keywright(tenant.world, "status", "-n", tenant.namespace, *arguments, "-o", "json")
        assert found.code == ExitCode.FINDINGS
        item: dict[str, Any] = found.json() if GRANT in arguments else found.json()["items"][0]
        return item

    # The role no longer trusts the ServiceAccount; the edit makes the operator notice at once.
    _trust(tenant, namespace="other")
    tenant.apply_source(sessionDuration="6h")
    eventually(lambda: tenant.source_status().get("state") not in (None, "Ready"))
    for item in (shown(), shown(GRANT), shown("--source", SOURCE)):
        assert (item["state"], item["health"]) == ("SourceFailing", "failing")
        assert item["message"].startswith("CredentialSource bedrock fails (")
        assert f"The key is valid until {valid}, and cannot be renewed" in item["message"]
    tenant.world.api.delete(tenant.source_path())
    eventually(lambda: not tenant.world.api.exists(tenant.source_path()))
    eventually(lambda: tenant.status()["state"] == "RenewalFailing")
    for item in (shown(), shown(GRANT)):
        assert "there is no CredentialSource bedrock" in item["message"]
        assert item["next"]["at"] is None
        assert item["next"]["step"].startswith("waits for ")
    _trust(tenant, namespace=tenant.namespace)
    tenant.apply_source()
    eventually(lambda: tenant.source_status().get("state") == "Ready")
    assert keywright(tenant.world, "status", "-n", tenant.namespace).code == ExitCode.OK


def test_a_source_of_another_namespace_that_no_longer_allows_it_is_shown(
    tenant: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    """The key of the grant is valid, and cannot be renewed."""
    owner = new_tenant()
    body = owner.source_body()
    labels = {"matchLabels": {"kubernetes.io/metadata.name": tenant.namespace}}
    for allowed in ({"names": [tenant.namespace]}, {"selector": labels}):
        owner.world.api.apply(merged(body, {"spec": {"allowedNamespaces": allowed}}))
        tenant.apply_grant(sourceRef={"name": SOURCE, "namespace": owner.namespace})
        tenant.ready()
        eventually(
            lambda: keywright(tenant.world, "status", "-n", tenant.namespace).code == ExitCode.OK
        )
        owner.world.api.apply(merged(body, {"spec": {"allowedNamespaces": {"names": ["other"]}}}))
        found = keywright(tenant.world, "status", "-n", tenant.namespace)
        assert found.code == ExitCode.FINDINGS
        assert "that allows namespace" in found.out


def test_the_story_of_a_grant_is_newest_last(tenant: Tenant) -> None:
    """From its conditions and Events to what comes next."""
    tenant.apply_grant(source="late")
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    tenant.apply_source(name="late")
    tenant.ready()

    def recovered() -> bool:
        shown = keywright(tenant.world, "status", GRANT, "-n", tenant.namespace)
        return "Event Recovered" in shown.out

    eventually(recovered)
    story = keywright(tenant.world, "status", GRANT, "-n", tenant.namespace, "-o", "yaml")
    document = yaml.safe_load(story.out)
    assert document["kind"] == "GrantStatus"
    times = [entry["at"] for entry in document["story"]]
    assert times == sorted(times)
    what = [entry["what"] for entry in document["story"]]
    assert what[0] == "Created"
    assert {"Event SourceNotFound", "Event Recovered", "Ready=True", "Issued"} <= set(what)
    assert what[-2:] == ["Next", "Expiry"]


def test_what_is_missing_or_forbidden_is_explained(tenant: Tenant, tmp_path: Path) -> None:
    """With the command or the right that helps, and the exit codes of docs/cli.md."""
    missing = keywright(tenant.world, "status", "nope", "-n", tenant.namespace)
    assert (missing.code, missing.out) == (ExitCode.FINDINGS, "")
    assert f"there is no ApiKeyGrant nope in namespace {tenant.namespace}" in missing.err
    user = tenant.world.cluster.service_account_kubeconfig(
        namespace=tenant.namespace, name="chat-bedrock", directory=tmp_path
    )
    forbidden = keywright(tenant.world, "status", "-n", tenant.namespace, kubeconfig=user)
    assert forbidden.code == ExitCode.UNREACHABLE
    right = f"list apikeygrants.keywright.dev --namespace {tenant.namespace}"
    assert f"kubectl auth can-i {right}" in forbidden.err


def test_no_answer_is_exit_code_3(tenant: Tenant, tmp_path: Path) -> None:
    """For a kubeconfig that does not exist, a wrong context, and an API server that is down."""
    absent = keywright(tenant.world, "status", kubeconfig=tmp_path / "absent")
    assert absent.code == ExitCode.UNREACHABLE
    assert "there is no kubeconfig" in absent.err
    wrong = keywright(tenant.world, "status", "--context=nope")
    assert wrong.code == ExitCode.UNREACHABLE
    document = yaml.safe_load(tenant.world.cluster.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    down = tmp_path / "down"
    down.write_text(yaml.safe_dump(document))
    refused = keywright(tenant.world, "status", kubeconfig=down)
    assert refused.code == ExitCode.UNREACHABLE
    assert "does not respond" in refused.err


def test_an_exec_plugin_and_a_token_log_in(tenant: Tenant, tmp_path: Path) -> None:
    """As with kubectl."""
    user = tenant.world.cluster.service_account_kubeconfig(
        namespace=tenant.namespace, name="chat-bedrock", directory=tmp_path
    )
    document = yaml.safe_load(user.read_text())
    entry = document["users"][0]["user"]
    token = entry.get("token") or Path(entry["tokenFile"]).read_text()
    answer = tmp_path / "answer.json"
    answer.write_text(
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
        f' "status": {{"token": "{token}"}}}}'
    )
    document["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "cat",
            "args": [str(answer)],
            "interactiveMode": "Never",
        }
    }
    plugin = tmp_path / "plugin"
    plugin.write_text(yaml.safe_dump(document))
    for kubeconfig in (user, plugin):
        shown = keywright(tenant.world, "status", "-n", tenant.namespace, kubeconfig=kubeconfig)
        # The API server knows the user, who has no rights.
        assert "chat-bedrock" in shown.err
        assert "may not" in shown.err


def test_no_secret_value_is_shown(tenant: Tenant) -> None:
    """Not in a table, not in a story, not in a document."""
    tenant.become_ready()
    value = tenant.data()[KEY]
    for arguments in ((), ("-o", "json"), (GRANT,), (GRANT, "-o", "yaml")):
        shown = keywright(tenant.world, "status", "-n", tenant.namespace, *arguments)
        assert value not in shown.out + shown.err


@pytest.fixture
def many(new_tenant: Callable[[], Tenant]) -> Tenant:
    """A namespace with 500 grants."""
    tenant = new_tenant()
    tenant.apply_source()
    for number in range(_GRANTS):
        tenant.world.api.create(tenant.grant_body(name=f"grant-{number:03}"))

    def ready() -> bool:
        found: Any = keywright(
            tenant.world, "status", "-n", tenant.namespace, "-o", "json", "--no-readers"
        ).json()
        states = [item["state"] for item in found["items"]]
        return states == ["Ready"] * _GRANTS

    eventually(ready, seconds=90)
    return tenant


def test_500_grants_are_shown_at_once(world: World, many: Tenant, record_property: Record) -> None:
    """The best of five runs, next to a namespace without a grant; benchmarks/ has the seconds."""
    assert many.world is world
    runs: list[Timing] = [timed(world, "status", "-A") for _ in range(5)]
    empty = [timed(world, "status", "-n", "default") for _ in range(5)]
    assert all(run.out.count("\n") >= _GRANTS + 2 for run in runs)
    record_property("status_first_byte_seconds", min(run.first_byte for run in runs))
    record_property("status_total_seconds", min(run.total for run in runs))
    processor = min(run.processor for run in runs)
    alone = min(run.processor for run in empty)
    record_property("status_processor_seconds", processor)
    record_property("status_of_nothing_processor_seconds", alone)
    assert processor < 3 * alone


def test_help_is_quick(world: World, record_property: Record) -> None:
    """Nothing is loaded that the text does not need; benchmarks/ has the seconds."""
    record_property("help_seconds", min(timed(world, "--help").total for _ in range(5)))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "keywright", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "status" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "keywright.cli.main" in loaded
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & {"kubernetes", "kopf", "msgspec", "yaml", "rich", "asyncio", "boto3"}
