"""`keywright env`: run a command with the values of a grant's Secret, on any machine."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keywright.api.errors import KeywrightError
from keywright.cli.cluster_client import connect
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_secret import GrantSecret, seconds_between_reads
from keywright.cli.screen import clean

TAKES_COMMAND: Final = True
"""The words after `--` are a command of their own."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# By these variables a shell, the loader or an interpreter runs code: the owner of a grant must not
# run code as the person who uses its values.
_RESERVED: Final = re.compile(
    r"LD_.*|DYLD_.*|PYTHON.*|PERL.*|RUBY.*|NODE_.*|GIT_.*|JAVA_.*|JDK_.*|_JAVA_OPTIONS|BASH.*|ENV|IFS"
    r"|PATH|CDPATH|SHELLOPTS|PROMPT_COMMAND|PS[0-4]|ZDOTDIR|HOME|SHELL|EDITOR|VISUAL|PAGER|LESS.*"
    r"|GCONV_PATH|LOCPATH|KUBECONFIG"
)
_DIRECTORY: Final = "KEYWRIGHT_FILES"
_SIGNAL_BASE: Final = 128
_NOT_FOUND: Final = 127


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "keywright env NAME [options] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("name", metavar="NAME", help="name of the grant")
    parser.add_argument(
        "--export",
        action="store_true",
        help='print export lines, for eval "$(keywright env NAME --export)"',
    )
    parser.add_argument(
        "--interval",
        type=seconds_between_reads,
        default=30.0,
        metavar="SECONDS",
        help="how often the files are compared with the Secret; default: 30",
    )
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command, and return its exit code."""
    command: list[str] = options.command
    if bool(command) == options.export:
        raise CommandError(
            "write a command after --, or use --export.",
            remedy="keywright env NAME -- python app.py",
            code=ExitCode.USAGE,
        )
    if options.export and sys.stdout.isatty():
        raise CommandError(
            "--export prints the values of the Secret, and this is a terminal.",
            remedy=f'Run: eval "$(keywright env {options.name} --export)"',
            code=ExitCode.USAGE,
        )
    secret = GrantSecret(connect(options), options.name)
    values = secret.read()
    reserved = sorted(name for name in values if _RESERVED.fullmatch(name))
    if reserved:
        names = ", ".join(reserved)
        sys.stderr.write(clean(f"note: not set, as programs run code by it: {names}") + "\n")
    if options.export:
        for name, value in environment_of(values).items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        return ExitCode.OK
    return _run(command, secret, values, interval=options.interval)


def environment_of(values: Mapping[str, bytes]) -> dict[str, str]:
    """The entries that can be environment variables, as `envFrom` in a pod has them.

    Without those by which a shell or an interpreter runs code.
    """
    found = {}
    for name, value in values.items():
        with contextlib.suppress(UnicodeDecodeError):
            usable = _VARIABLE.fullmatch(name) and not _RESERVED.fullmatch(name)
            if usable and b"\0" not in value:
                found[name] = value.decode()
    return found


def _run(
    command: list[str], secret: GrantSecret, values: Mapping[str, bytes], *, interval: float
) -> int:
    """Run the command beside a directory with the entries as files, which follows the Secret."""
    with tempfile.TemporaryDirectory(prefix="keywright-") as name:
        directory = Path(name)
        _write(directory, values, mount_path=secret.mount_path)
        ended = threading.Event()
        children: list[subprocess.Popen[bytes]] = []
        follower = threading.Thread(
            target=_follow, args=(directory, secret, ended, interval), daemon=True
        )
        follower.start()
        try:
            # The directory is removed whatever ends this program.
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, _: _end(children, number))
            # The user's own command, in the environment of the user.
            with subprocess.Popen(  # noqa: S603
                command, env={**os.environ, **environment_of(values), _DIRECTORY: name}
            ) as process:
                children.append(process)
                code = _wait(process)
        except OSError as error:
            sys.stderr.write(f"error: {command[0]} cannot be run: {error.strerror}\n")
            return _NOT_FOUND
        finally:
            ended.set()
            follower.join(timeout=1)
    return code if code >= 0 else _SIGNAL_BASE - code


def _end(children: list[subprocess.Popen[bytes]], number: int) -> None:
    """Pass a signal on to the command, whose end ends this program; without one, end now."""
    if not children:
        raise SystemExit(_SIGNAL_BASE + number)
    children[0].send_signal(number)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the command; Ctrl-C goes to it as well, and it decides."""
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def _follow(directory: Path, secret: GrantSecret, ended: threading.Event, interval: float) -> None:
    """Write the files again whenever the Secret has changed."""
    while not ended.wait(interval):
        # A cluster that cannot be reached now is asked again; the present files stay.
        with contextlib.suppress(KeywrightError, OSError):
            _write(directory, secret.read(), mount_path=secret.mount_path)


def _write(directory: Path, values: Mapping[str, bytes], *, mount_path: str) -> None:
    """Write each entry that has changed, in one step, for this user alone.

    Files that name other files by the path in a pod name them by the path here.
    """
    mounted = mount_path.rstrip("/").encode()
    for name, value in values.items():
        content = value.replace(mounted, str(directory).encode()) if mounted else value
        target = directory / name
        if target.exists() and target.read_bytes() == content:
            continue
        partial = directory / f".{name}.new"
        partial.touch(mode=0o600)
        partial.write_bytes(content)
        partial.replace(target)
