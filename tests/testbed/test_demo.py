"""`python -m testbed.demo`, as `make demo` runs it."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.demo.examples import examples

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "testbed.demo", "--lifetime=8", "--renewals=2")
# A bearer key, a secret access key in quotes or after a sign, a JSON web token.
KEY_MATERIAL = re.compile(
    r"bedrock-api-key-|[\"'=: ][A-Za-z0-9/+]{40}[\"'\s,]|eyJ[A-Za-z0-9_-]{20}"
)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The demo's, with a temporary directory by which its processes are known; none may be left."""
    path = os.pathsep.join(map(str, (ROOT / "operator", ROOT)))
    yield {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path), "TERM": "xterm-256color"}
    assert list(tmp_path.glob("keywright-*")) == []
    assert _processes_naming(tmp_path) == []


def _processes_naming(directory: Path) -> list[str]:
    """The command lines on this machine that name a directory; Linux only."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def test_the_demo_takes_the_examples_that_its_clients_can_use() -> None:
    """Bedrock short-term keys by web identity; the others are left out, whatever is added."""
    taken = {example.name for example in examples()}
    assert "bedrock-short-term" in taken
    assert not taken & {"sts-for-an-sdk", "chained-roles", "access-key", "restart-on-renewal"}


def test_once_holds_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    """Two renewals, every call answered, the first key refused; no key is printed or drawn."""
    picture = tmp_path / "demo.svg"
    ended = subprocess.run(
        [*COMMAND, "--once", f"--picture={picture}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert "is Ready=True" in ended.stdout
    assert "revision 3: key ASIA" in ended.stdout
    assert "the key of revision 1 is refused" in ended.stdout
    assert "orders/partner-a: key 2, the receiver accepts two keys" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("demo: held: first key after ")
    assert ended.stdout.replace("\n", "").isprintable()
    assert not KEY_MATERIAL.search(ended.stdout + picture.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_table_within_seconds(
    environment: dict[str, str], number: signal.Signals
) -> None:
    """With exit code 0 and no traceback; a second signal changes nothing."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as demo:
        try:
            os.close(theirs)
            shown = b""
            while b"You said" not in shown:
                shown += os.read(ours, 65536)
            demo.send_signal(number)
            demo.send_signal(number)
            began = time.monotonic()
            shown += b"".join(_rest(ours))
            assert demo.wait(timeout=10) == 0
            assert time.monotonic() - began < 8
        finally:
            os.close(ours)  # without a terminal, the demo ends; with a full one, it would wait
    assert b"Traceback" not in shown
    assert b"kubectl get akg -A -w" in shown
    assert not KEY_MATERIAL.search(shown.decode())


def test_commands_in_another_terminal_use_the_demo(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """`doctor` reaches the emulated cloud, `check` finds the operator, `kubectl` can apply."""
    with subprocess.Popen(
        [*COMMAND[:-2], "--lifetime=90"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        hint = next(line for line in demo.stdout if "in another terminal: " in line)
        source = hint.partition("in another terminal: ")[2].partition(";")[0]
        try:
            doctor = _typed(f"{source} && keywright doctor grant chat-key -n chat", tmp_path)
            check = _typed(f"{source} && keywright check", tmp_path)
            grant = ROOT / "examples" / "bedrock-short-term" / "apikeygrant.yaml"
            apply = _typed(f"{source} && kubectl apply -f {grant}", tmp_path)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=30)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "No fault found." in doctor.stdout
    assert check.returncode == 0, check.stdout + check.stderr
    assert "the operator runs without a Deployment" in check.stdout
    if shutil.which("kubectl"):
        assert apply.returncode == 0, apply.stderr
        assert apply.stderr == ""


def _typed(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The line in a shell of a user, whose environment knows nothing of the demo."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        ["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _rest(terminal: int) -> Iterator[bytes]:
    """What comes until the other side is closed, which Linux tells as an error."""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return
        if not data:
            return
        yield data
