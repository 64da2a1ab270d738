"""`keywright env` on a real API server: a command has the key, and follows its renewals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from keywright.cli.exit_codes import ExitCode
from testbed.world import ROOT
from tests.cluster.command_line import Result, keywright
from tests.cluster.tenants import GRANT, KEY, Tenant

_PRINT_ENVIRONMENT = f"import os; print(os.environ['{KEY}'])"
_FILES = {"formats": ["BedrockEnv"], "data": {"app.ini": "[x]\nat = /etc/chat/app.ini\n"}}


def run(tenant: Tenant, *arguments: str) -> Result:
    """Run `keywright env` as a process of its own."""
    completed = subprocess.run(
        [sys.executable, "-m", "keywright", "env", GRANT, "-n", tenant.namespace, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(completed.returncode, completed.stdout, completed.stderr)


def test_a_command_has_the_values_in_its_environment(tenant: Tenant) -> None:
    """Its exit code is that of the program."""
    tenant.become_ready()
    shown = run(tenant, "--", sys.executable, "-c", _PRINT_ENVIRONMENT)
    assert (shown.code, shown.out, shown.err) == (0, f"{tenant.data()[KEY]}\n", "")
    assert run(tenant, "--", sys.executable, "-c", "raise SystemExit(7)").code == 7
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(tenant, "--", sys.executable, "-c", killed).code == 137
    assert run(tenant, "--", "/no/such/program").code == 127


def test_files_follow_the_secret_and_go_with_the_command(tenant: Tenant) -> None:
    """A file that names its place in a pod names its place here."""
    tenant.become_ready(secret={**_FILES, "mountPath": "/etc/chat"})
    program = (
        "import os, pathlib, sys, time\n"
        "at = pathlib.Path(os.environ['KEYWRIGHT_FILES'])\n"
        f"key = at / '{KEY}'\n"
        "first = key.read_text()\n"
        "print(at, oct(key.stat().st_mode & 0o777), (at / 'app.ini').read_text().split()[-1],"
        " flush=True)\n"
        "deadline = time.monotonic() + 20\n"
        "while key.read_text() == first and time.monotonic() < deadline: time.sleep(0.05)\n"
        "print(key.read_text() != first)\n"
    )
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "keywright", "env", GRANT, "-n", tenant.namespace),
            *("--interval=1", "--", sys.executable, "-c", program),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        directory, mode, place = process.stdout.readline().split()
        renewed = keywright(tenant.world, "renew", GRANT, "-n", tenant.namespace, "--wait")
        assert renewed.code == ExitCode.OK
        assert process.stdout.readline() == "True\n"
    assert process.returncode == 0
    assert (mode, place) == ("0o600", f"{directory}/app.ini")
    assert not Path(directory).exists()


def test_export_lines_are_for_a_shell(tenant: Tenant) -> None:
    """`eval` of them sets the values."""
    tenant.become_ready()
    shown = run(tenant, "--export")
    assert shown.code == ExitCode.OK
    script = f'{shown.out}\nprintf %s "${KEY}"'
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == tenant.data()[KEY]


def test_a_command_or_export_is_needed(tenant: Tenant) -> None:
    """And a Secret that exists."""
    tenant.apply_grant(source="missing")
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    assert run(tenant).code == ExitCode.USAGE
    assert run(tenant, "--export", "--", "true").code == ExitCode.USAGE
    absent = run(tenant, "--", "true")
    assert (absent.code, absent.out) == (ExitCode.FINDINGS, "")
    assert "there is no Secret chat-key yet" in absent.err
