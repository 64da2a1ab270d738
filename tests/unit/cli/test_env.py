"""`keywright env`: a tenant's Secret must not run code on the machine of its reader."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from keywright.cli.cluster_client import grant_path, secret_path, segment
from keywright.cli.env import _write, environment_of
from keywright.cli.errors import CommandError
from keywright.cli.grant_secret import seconds_between_reads

_CODE = (
    "BASH_ENV",
    "ENV",
    "LD_PRELOAD",
    "DYLD_INSERT_LIBRARIES",
    "PROMPT_COMMAND",
    "PATH",
    "PS4",
    "PYTHONPATH",
    "NODE_OPTIONS",
    "GIT_SSH_COMMAND",
    "JAVA_TOOL_OPTIONS",
    "KUBECONFIG",
)


@pytest.mark.parametrize("name", _CODE)
def test_a_variable_that_runs_code_is_left_out(name: str) -> None:
    """Shells, loaders and interpreters run code by these."""
    assert environment_of({name: b"$(touch x)", "OPENAI_API_KEY": b"v"}) == {"OPENAI_API_KEY": "v"}


def test_only_names_and_values_of_variables_are_set() -> None:
    """As `envFrom` in a pod does it."""
    values = {"a.b": b"1", "GOOD": b"x", "BINARY": b"\xff", "ZERO": b"a\0b", "AWS_REGION": b"eu"}
    assert environment_of(values) == {"GOOD": "x", "AWS_REGION": "eu"}


@pytest.mark.parametrize(
    ("mount_path", "written"),
    [
        ("/var/run/keywright", "file={directory}/token"),
        ("/var/run/keywright/", "file={directory}/token"),
        ("/", "file=/var/run/keywright/token"),
    ],
)
def test_files_name_other_files_by_their_path_here(
    tmp_path: Path, mount_path: str, written: str
) -> None:
    """A Secret that is mounted at the root names nothing that could be replaced."""
    _write(tmp_path, {"config": b"file=/var/run/keywright/token"}, mount_path=mount_path)
    assert (tmp_path / "config").read_text() == written.format(directory=tmp_path)


@pytest.mark.parametrize("text", ["0", "0.5", "-1", "inf", "nan", "1e9"])
def test_the_secret_is_not_read_without_a_pause(text: str) -> None:
    """Nor never."""
    with pytest.raises(ArgumentTypeError):
        seconds_between_reads(text)
    assert seconds_between_reads("1") == 1.0


def test_a_name_stays_one_segment_of_a_path() -> None:
    """A status can name anything: it is read with the rights of the user."""
    assert segment("chat-key") == "chat-key"
    assert secret_path("chat", "../../kube-system/secrets/x").count("/") == 6
    assert "/../" not in grant_path("chat", "../x")
    for name in ("", ".", ".."):
        with pytest.raises(CommandError):
            segment(name)
