"""`make mutants`: whether the unit tests notice changes of `planning/` and `secrets/`.

mutmut changes one operator or constant at a time in a copy of the project, and runs the tests that
reach the changed function: first those of the two packages, then, for what these do not notice,
those of the controller. A seeded sample is tried, since all of them take a day. The changes that no
test notices are printed: each is either equivalent to the original, or a missing test.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
MUTATED: Final = ("planning", "secrets")
# Everything that the unit tests read.
_COPIED: Final = ("crds", "testbed", "examples", "manifests", "docs", "benchmarks", "tools")
# mutmut derives the names of modules from their paths, and knows this source root.
_SOURCE: Final = "src"
_SETTINGS: Final = f"""\
[tool.mutmut]
source_paths = ["{_SOURCE}"]
only_mutate = {[f"{_SOURCE}/keywright/{package}/*" for package in MUTATED]}
also_copy = {list(_COPIED)}
pytest_add_cli_args_test_selection = %s

[tool.pytest.ini_options]
asyncio_mode = "auto"
pythonpath = [".", "{_SOURCE}"]
"""
# By the exit code of the tests, as mutmut records it.
_SURVIVED: Final = 0
_NO_TESTS: Final = 33


def main() -> int:
    """Return 0 if the tests noticed the given share of the sample."""
    parser = argparse.ArgumentParser(prog="tools.mutants", description=__doc__)
    parser.add_argument("place", type=Path, help="where the copy is made")
    parser.add_argument("--sample", type=int, default=400, help="how many mutants are tried")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--least", type=float, default=0.9, help="the share that must be noticed")
    options = parser.parse_args()
    copy_project(options.place)
    mutmut = Mutmut(options.place, children=options.children)
    mutmut.choose_tests(MUTATED)
    # Also runs the tests without a change, which must pass.
    mutmut.run(["keywright.planning.backoff.*"])
    chosen = sample(mutmut.codes(), size=options.sample, seed=options.seed)
    mutmut.run(chosen)
    missed = mutmut.missed(chosen)
    print(f"{len(chosen)} mutants tried, {len(missed)} not noticed by the tests of the packages")
    mutmut.choose_tests(("controller",))
    if missed:
        mutmut.forget(missed)
        mutmut.run(missed)
        missed = mutmut.missed(missed)
    for name in missed:
        print(mutmut.diff(name))
    share = 1 - len(missed) / len(chosen)
    print(f"{len(chosen)} mutants, {len(missed)} not noticed by any test: {share:.0%} noticed")
    return 0 if share >= options.least else 1


def copy_project(place: Path) -> None:
    """Copy the project in the layout that mutmut expects."""
    shutil.rmtree(place, ignore_errors=True)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "operator", place / _SOURCE, ignore=without)
    for folder in ("tests", *_COPIED):
        shutil.copytree(ROOT / folder, place / folder, ignore=without, symlinks=True)


def sample(names: Iterable[str], *, size: int, seed: int) -> list[str]:
    """A sample of the mutants that is the same for the same code and seed."""
    ordered = sorted(names)
    return random.Random(seed).sample(ordered, min(size, len(ordered)))  # noqa: S311  no secret


class Mutmut:
    """Runs mutmut in the copy of the project."""

    def __init__(self, place: Path, *, children: int) -> None:
        self._place = place
        self._children = children

    def run(self, names: Sequence[str]) -> None:
        """Run the tests on these mutants.

        Raises:
            SystemExit: mutmut failed, or the tests fail without a change.
        """
        command = ["run", "--max-children", str(self._children), *names]
        log = self._place / "mutmut.log"
        with log.open("w") as written:
            ended = subprocess.run(  # noqa: S603  the arguments are this program's
                [sys.executable, "-m", "mutmut", *command],
                cwd=self._place,
                stdout=written,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode:
            raise SystemExit(f"mutmut failed: see {log}")

    def choose_tests(self, packages: Iterable[str]) -> None:
        """Run the unit tests of these packages from now on, and forget what others reach."""
        chosen = [f"tests/unit/{package}" for package in packages]
        (self._place / "pyproject.toml").write_text(_SETTINGS % chosen)
        (self._place / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)

    def forget(self, names: Iterable[str]) -> None:
        """Forget the results of these mutants, so that they are tried again."""
        forgotten = dict.fromkeys(names)
        for meta in self._metas():
            content = json.loads(meta.read_text())
            codes = content["exit_code_by_key"]
            codes.update({name: None for name in codes if name in forgotten})
            meta.write_text(json.dumps(content))

    def missed(self, names: Iterable[str]) -> list[str]:
        """The mutants that no test has noticed."""
        codes = self.codes()
        return [name for name in names if codes[name] in {_SURVIVED, _NO_TESTS}]

    def codes(self) -> dict[str, int | None]:
        """The exit code of the tests by mutant; None for one that was not tried."""
        found: dict[str, int | None] = {}
        for meta in self._metas():
            found |= json.loads(meta.read_text())["exit_code_by_key"]
        return found

    def _metas(self) -> list[Path]:
        return sorted((self._place / "mutants").rglob("*.py.meta"))

    def diff(self, name: str) -> str:
        """The change of a mutant."""
        return subprocess.run(  # noqa: S603  the arguments are this program's
            [sys.executable, "-m", "mutmut", "show", name],
            cwd=self._place,
            capture_output=True,
            text=True,
            check=True,
        ).stdout


if __name__ == "__main__":
    sys.exit(main())
