"""`keywright lint`: find mistakes in manifests before they are applied. Asks no cluster."""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.manifest_input import input_errors

DEFAULT_OPERATOR = "keywright-system/keywright"
_BUILDERS = (("kustomize", "build"), ("kubectl", "kustomize"))
_BUILD_SECONDS = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder, or - for standard input"
    )
    parser.add_argument(
        "--kustomize",
        action="store_true",
        help="render each PATH with kustomize, or kubectl, and check the output",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "sarif", "github"),
        default="text",
        help="output format; default: text",
    )
    parser.add_argument(
        "--operator",
        default=DEFAULT_OPERATOR,
        metavar="NAMESPACE/NAME",
        help=f"ServiceAccount of the operator; default: {DEFAULT_OPERATOR}",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print the findings; the exit code is 1 if there are any, 2 for a path that is not there."""
    operator = parse_operator(options.operator)
    with input_errors(), _without_collector():
        from keywright.cli.linting.engine import lint  # noqa: PLC0415
        from keywright.cli.linting.reports import FORMATS  # noqa: PLC0415
        from keywright.cli.manifest_reader import read_bytes, read_paths  # noqa: PLC0415
        from keywright.cli.manifests import ReadResult  # noqa: PLC0415

        if options.kustomize:
            read = ReadResult()
            for path in options.paths:
                read_bytes(_build(path), file=f"{path} (kustomize)", into=read)
        else:
            read = read_paths(options.paths)
        result = lint(read, operator=operator)
    sys.stdout.write(FORMATS[options.output](result))
    return ExitCode.FINDINGS if result.findings else ExitCode.OK


@contextmanager
def _without_collector() -> Iterator[None]:
    """Do not search for reference cycles: the nodes of the manifests are needed until the end.

    With 10,000 objects, these searches take a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse_operator(text: str) -> tuple[str, str]:
    """Namespace and name of the operator's ServiceAccount."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise CommandError(
            f"--operator {text} is no ServiceAccount",
            remedy="Write it as NAMESPACE/NAME.",
            code=ExitCode.USAGE,
        )
    return namespace, name


def _build(path: str) -> bytes:
    """Render a folder with kustomize, without network access for remote resources."""
    command = _builder()
    # kustomize fetches remote resources with git and HTTP; a lint must not depend on them.
    environment = os.environ | {
        "GIT_ALLOW_PROTOCOL": "file",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "",
    }
    try:
        done = subprocess.run(  # noqa: S603  the program is kustomize, the argument a path
            [*command, "--", path],
            env=environment,
            capture_output=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"{' '.join(command)} {path} takes too long") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise _failed(f"{' '.join(command)} {path} failed: {reason}")
    return done.stdout


def _builder() -> Sequence[str]:
    for program, command in _BUILDERS:
        if (found := shutil.which(program)) is not None:
            return found, command
    raise _failed("neither kustomize nor kubectl is installed", remedy="Install one of them.")


def _failed(message: str, *, remedy: str = "") -> CommandError:
    return CommandError(message, remedy=remedy, code=ExitCode.USAGE)
