"""The program in one file runs without an installation, and krew can install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from image import tree
from image.assemble import version
from tools import archive

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_TEXT = {"type": "string", "minLength": 1}
# What krew's validation of a manifest demands.
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "krew.googlecontainertools.github.com/v1alpha2"},
        "kind": {"const": "Plugin"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string", "pattern": r"^[a-z][a-z0-9-]*$"}},
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["version", "shortDescription", "description", "platforms"],
            "properties": {
                "version": {"type": "string", "pattern": r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$"},
                "homepage": {"type": "string", "pattern": "^https://"},
                "shortDescription": {"type": "string", "pattern": r"^[A-Z].{10,49}[^.\n]$"},
                "description": _TEXT,
                "caveats": _TEXT,
                "platforms": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["selector", "uri", "sha256", "bin", "files"],
                        "properties": {
                            "uri": {"type": "string", "pattern": r"^https://.+\.(zip|tar\.gz)$"},
                            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                            "bin": _TEXT,
                            "selector": {
                                "type": "object",
                                "required": ["matchLabels"],
                                "properties": {
                                    "matchLabels": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "required": ["os", "arch"],
                                        "properties": {
                                            "os": {"enum": ["linux", "darwin"]},
                                            "arch": {"enum": ["amd64", "arm64"]},
                                        },
                                    }
                                },
                            },
                            "files": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "required": ["from", "to"],
                                    "properties": {"from": _TEXT, "to": _TEXT},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file for this machine and this Python."""
    into = tmp_path_factory.mktemp("archive") / archive.PROGRAM
    return archive.build(archive.this_platform(), pythons=(_PYTHON,), into=into)


def run(program: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with the Python that this environment is based on, which has no dependencies."""
    python = Path(sys.base_prefix) / "bin" / f"python{_PYTHON}"
    return subprocess.run(
        [python, "-I", program, *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/nonexistent"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_without_an_installation(program: Path, tmp_path: Path) -> None:
    """Also commands that need compiled modules: PyYAML, CEL, msgspec, and the clouds."""
    shown = run(program, tmp_path, "version", "--client")
    assert (shown.returncode, shown.stdout.split()) == (0, ["client", version()]), shown
    assert "lint" in run(program, tmp_path, "--help").stdout
    linted = run(program, tmp_path, "lint", str(tree.ROOT / "examples"))
    assert linted.returncode == 0, linted
    assert re.match(r"0 findings in \d\d+ objects", linted.stdout)
    rendered = run(program, tmp_path, "render", "-f", str(tree.ROOT / "examples"))
    assert rendered.returncode == 0, rendered
    missing = run(program, tmp_path, "doctor", "source", "x")
    assert missing.returncode == 3
    assert "Traceback" not in missing.stderr
    operator = run(program, tmp_path, "run", "--help")
    assert operator.returncode == 0, operator
    # What is extracted belongs to the user alone.
    assert (tmp_path / ".shiv").stat().st_uid == os.getuid()


def test_another_python_is_named(tmp_path: Path) -> None:
    """Instead of an import error of a compiled module."""
    preamble = tmp_path / "preamble.py"
    preamble.write_text(archive.preamble_for(("3.99",)))
    done = subprocess.run(
        [sys.executable, "-I", preamble], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "error: this file is for Python 3.99.\n")


def test_the_krew_manifest_is_complete(program: Path, tmp_path: Path) -> None:
    """Its digest is that of the download, which contains the named files."""
    here = archive.this_platform()
    download = archive.package(program, into=tmp_path / here.file)
    manifest = archive.krew_manifest(
        [(here, download)], releases="https://example.org/releases", pythons=(_PYTHON,)
    )
    fastjsonschema.compile(_SCHEMA)(manifest)
    (platform,) = manifest["spec"]["platforms"]
    assert platform["selector"]["matchLabels"] == here.selector
    assert platform["uri"] == f"https://example.org/releases/v{version()}/{here.file}"
    with tarfile.open(download) as opened:
        members = {member.name: member for member in opened.getmembers()}
    assert set(members) == {file["from"] for file in platform["files"]}
    assert members[platform["bin"]].mode & 0o111
    assert members[platform["bin"]].size == program.stat().st_size
    again = archive.package(program, into=tmp_path / "again.tar.gz")
    assert again.read_bytes() == download.read_bytes()
    assert platform["sha256"] == archive.sha256_of(again)
