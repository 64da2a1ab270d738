"""No secret value is on the screen of a command, or in a file that a command leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from testbed.world import ROOT
from tests.cluster.canaries import forms
from tests.cluster.command_line import Result
from tests.cluster.tenants import GRANT, KEY, SOURCE, Document, Tenant
from tests.cluster.test_command_audit import marks, tag_list

_PLANTED = "planted-secret-access-key-9c1e7d40aa52"
_STATIC = "static"
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iam:*", "apigateway:*"], "Resource": "*"}],
}
_CHILD = (
    "import os, pathlib;"
    "folder = pathlib.Path(os.environ['KEYWRIGHT_FILES']);"
    f"assert (folder / '{KEY}').read_text() == os.environ['{KEY}'];"
    "print(oct(folder.stat().st_mode & 0o777))"
)


def static_source(tenant: Tenant) -> Document:
    """A source of a static key, which AWS does not know."""
    body = tenant.source_body(name=_STATIC)
    body["spec"]["aws"] = {"region": "us-west-2", "accessKey": {"secretRef": {"name": _STATIC}}}
    return body


def run(tenant: Tenant, folder: Path, *arguments: str) -> Result:
    """Run a command whose home, working and temporary directory is that folder."""
    completed = subprocess.run(
        [sys.executable, "-m", "keywright", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONIOENCODING": "utf-8",
            **tenant.world.client_environment(),
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


def plant(tenant: Tenant) -> dict[str, str]:
    """Grants and resources that the commands read; returns the secret values by what they are."""
    world = tenant.world
    world.aws.put_role_policy(role=tenant.role, name="everything", document=_EVERYTHING)
    tenant.become_ready()
    tenant.create_secret(
        name=_STATIC, AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY=_PLANTED
    )
    world.api.apply(static_source(tenant))
    iam = world.aws.administrator("iam")
    user = f"{tenant.namespace}-gone"
    tags = marks(tenant, "gone", **{"keywright.dev/created": "true"})
    iam.create_user(UserName=user, Tags=tag_list(tags))
    made = iam.create_service_specific_credential(
        UserName=user, ServiceName="bedrock.amazonaws.com"
    )["ServiceSpecificCredential"]
    access_key = iam.create_access_key(UserName=user)["AccessKey"]
    gateway = world.aws.administrator("apigateway", region="us-west-2")
    value = "planted-api-key-value-5b0d2e91c7"
    gateway.create_api_key(name=user, value=value, enabled=True, tags=marks(tenant, "gone"))
    token = yaml.safe_load(world.cluster.kubeconfig.read_text())["users"][0]["user"]
    return {
        "static key": _PLANTED,
        "key of a user": made["ServiceCredentialSecret"],
        "access key of a user": access_key["SecretAccessKey"],
        "API key": value,
        **{f"kubeconfig {name}": text for name, text in token.items() if len(str(text)) > 20},
    }


@pytest.mark.long
def test_commands_show_and_leave_no_secret_value(tenant: Tenant, tmp_path: Path) -> None:
    """Screens and documents of audit, doctor, env, render, status and explain, also of faults."""
    secrets = plant(tenant)
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    secret = tenant.secret(_STATIC)
    committed = {**secret, "stringData": {"AWS_SECRET_ACCESS_KEY": _PLANTED}}
    bodies = [tenant.source_body(), tenant.grant_body(), static_source(tenant), committed]
    (manifests / "all.yaml").write_text(yaml.safe_dump_all(bodies))
    given = {path for path in tmp_path.rglob("*") if path.is_file()}
    where = ("-n", tenant.namespace)
    child = (sys.executable, "-c", _CHILD)
    ran = {
        words: run(tenant, tmp_path, *words)
        for words in (
            ("audit", *where),
            ("audit", *where, "-o", "json"),
            ("audit", *where, "--fix", "--yes"),
            ("doctor", "source", SOURCE, *where),
            ("doctor", "source", _STATIC, *where),
            ("doctor", "source", _STATIC, *where, "-o", "json"),
            ("doctor", "grant", GRANT, *where),
            ("env", GRANT, *where, "--", *child),
            ("render", "-f", "manifests"),
            ("explain", "-f", "manifests"),
            ("lint", "manifests"),
            ("status", *where, "-o", "json"),
            ("status", GRANT, *where),
        )
    }
    codes = {words: result.code for words, result in ran.items()}
    assert codes["audit", *where, "--fix", "--yes"] == ExitCode.FINDINGS
    assert codes["doctor", "source", _STATIC, *where] == ExitCode.FINDINGS
    assert codes["doctor", "grant", GRANT, *where] == ExitCode.OK, ran
    assert codes["render", "-f", "manifests"] == ExitCode.OK, ran
    assert ran["env", GRANT, *where, "--", *child].out == "0o700\n", ran
    files = {path for path in tmp_path.rglob("*") if path.is_file()} - given
    texts = {" ".join(words): result.out + result.err for words, result in ran.items()}
    texts |= {str(path): path.read_text(errors="replace") for path in files}
    secrets |= {f"session {number}": text for number, text in enumerate(tenant.world.aws.secrets())}
    secrets["grant"] = tenant.data()[KEY]
    leaks = {
        (place, what)
        for place, text in texts.items()
        for what, value in secrets.items()
        for form in forms(value)
        if form in text
    }
    assert leaks == set()
    assert [place for place, text in texts.items() if "Traceback" in text] == []
    assert all(text for place, text in texts.items() if "lint" not in place)
    # The search would find them.
    assert _PLANTED in (manifests / "all.yaml").read_text()
    assert json.dumps(secret)
