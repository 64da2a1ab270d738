"""The walk-through of CONTRIBUTING, carried out literally in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("operator", "crds", "manifests", "examples", "testbed", "tools", "docs")
PROGRAM: Final = Path(__file__).with_name("walkthrough_program.py")
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks() -> list[tuple[str, str]]:
    """The code blocks of the section: language and text, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("\n## Add a key kind\n")[2].partition("\n## ")[0]
    return [(language, block) for language, block in _FENCE.findall(section)]


def _run(*command: str, at: Path, given: str | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=at,
        input=given,
        env={**os.environ, "PYTHONPATH": "operator:.", "GIT_CEILING_DIRECTORIES": str(at.parent)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def _carry_out(language: str, block: str, *, at: Path) -> None:
    match language:
        case "diff":
            _run("git", "apply", "--recount", "-", at=at, given=block)
        case "python":
            file, _, content = block.partition("\n")
            (at / file.removeprefix("# ")).write_text(content, encoding="utf-8")
        case "sh":
            assert block == "make crds reference\n"
            _run(sys.executable, "-m", "tools.crds", at=at)
            _run(sys.executable, "-m", "tools.reference", at=at)
        case "yaml":
            (at / "grant.yaml").write_text(block, encoding="utf-8")
        case _:
            raise AssertionError(f"a block of {language}, which the test does not carry out")


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for folder in ("operator", "crds")
        for file in sorted((root / folder).rglob("*"))
        if file.is_file() and file.suffix != ".pyc"
    }


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_walk_through_adds_a_kind_that_works(tmp_path: Path) -> None:
    """Four files of the product change, and the emulated Bedrock accepts the new kind of key."""
    copy = tmp_path / "copy"
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=ignored)
    before = _files(copy)
    for language, block in _blocks():
        _carry_out(language, block, at=copy)
    after = _files(copy)
    assert {name for name in after if after[name] != before.get(name)} == {
        "crds/apikeygrants.keywright.dev.yaml",
        "operator/keywright/api/keys.py",
        "operator/keywright/clouds/aws/bedrock/toy.py",
        "operator/keywright/clouds/aws/provider.py",
    }
    _run(sys.executable, "-m", "tools.crds", "--check", at=copy)
    _run(sys.executable, "-m", "tools.reference", "--check", at=copy)
    assert "`toyKey`" in (copy / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
    shown = _run(sys.executable, str(PROGRAM), str(tmp_path / "world"), at=copy)
    assert shown.splitlines()[-1] == "toyKey ['apiKey'] Ready"
