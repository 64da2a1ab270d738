"""Screens of commands on a terminal, and what none of them shows."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys

from testbed.world import ROOT
from tests.cluster.command_line import keywright
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, SOURCE, Tenant

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def terminal(tenant: Tenant, *arguments: str, columns: int, **environment: str) -> str:
    """What a command writes to a terminal of that width until it ends, or is interrupted."""
    main, end = pty.openpty()
    seen, interrupted = b"", False
    with subprocess.Popen(
        # In a background job of a shell, SIGINT is ignored, also by what is started there.
        [
            *("env", "--default-signal=INT", sys.executable),
            *("-m", "keywright", *arguments, "-n", tenant.namespace),
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
            "PYTHONIOENCODING": "utf-8",
            "TERM": "xterm",
            "COLUMNS": str(columns),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(end)
        with contextlib.suppress(OSError):  # the terminal ends with the process
            while chunk := os.read(main, 65536):
                seen += chunk
                if "--watch" in arguments and seen.count(b"1 grant: ") >= 2 and not interrupted:
                    process.send_signal(signal.SIGINT)
                    interrupted = True
        os.close(main)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode in (0, 1)
    return seen.decode().replace("\r\n", "\n")


def test_a_narrow_terminal_cuts_no_state(tenant: Tenant) -> None:
    """Name and state stay; no line is wider than the terminal; NO_COLOR is respected."""
    tenant.become_ready()
    wide = terminal(tenant, "status", columns=120)
    assert "\x1b[32mReady\x1b[0m" in wide
    assert "READERS" in wide
    narrow = terminal(tenant, "status", columns=50)
    lines = _ESCAPE.sub("", narrow).splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[1].split()[:2] == [GRANT, "Ready"]
    plain = terminal(tenant, "status", columns=120, NO_COLOR="1")
    assert plain == _ESCAPE.sub("", plain)


def test_watching_ends_with_an_interrupt(tenant: Tenant) -> None:
    """Ctrl-C is no error."""
    tenant.become_ready()
    shown = terminal(tenant, "status", "--watch", "--interval=0.1", columns=120)
    assert shown.count("1 grant: 1 fine") >= 2


def test_a_tenant_cannot_command_the_terminal(tenant: Tenant) -> None:
    """Escape sequences in a status that a tenant wrote are not sent to it."""
    tenant.become_ready()
    tenant.edit_grant(suspend=True)
    tenant.reported("Ready", reason="Suspended")
    hostile = "\x1b]0;owned\x07\x1b[2Jall fine\u202e"
    tenant.patch(
        f"{tenant.grant_path()}/status",
        {
            "status": {
                "secretName": f"s{hostile}",
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "Bad",
                        "message": hostile,
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ],
            }
        },
    )
    for arguments in (("status",), ("status", GRANT)):
        shown = terminal(tenant, *arguments, columns=120)
        assert "\x1b]" not in shown
        assert "\x1b[2J" not in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown


def test_no_command_shows_a_secret_value(tenant: Tenant) -> None:
    """Nothing that the cloud issued for this grant, and no token, in any output."""
    tenant.become_ready()
    eventually(lambda: keywright(tenant.world, "status", "-n", tenant.namespace).code == 0)
    reported = ""
    for arguments in (
        *(
            ("status",),
            ("status", "-o", "json"),
            ("status", GRANT),
            ("status", GRANT, "-o", "yaml"),
        ),
        *(("renew", GRANT, "--wait"), ("suspend", GRANT), ("resume", GRANT), ("check",)),
        *(("check", "-o", "json"), ("version", "-o", "json"), ("doctor", "source", SOURCE)),
        *(("doctor", "grant", GRANT), ("doctor", "grant", GRANT, "-o", "json")),
    ):
        shown = keywright(tenant.world, *arguments, *("-n", tenant.namespace))
        reported += shown.out + shown.err
    assert GRANT in reported
    assert "eyJ" not in reported
    values = [*tenant.data().values(), *tenant.world.aws.secrets()]
    assert [value for value in values if len(value) > 16 and value in reported] == []
