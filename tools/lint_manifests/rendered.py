"""Everything that the repository installs: the chart with each set of values, kustomizations."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from testbed.documents import documents

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "manifests" / "chart"
_KUBECTL: Final = Path(sys.executable).with_name("kubectl")
# As chart-testing names them. Its `ct lint` runs `helm lint` with each.
VALUES: Final = (None, *sorted((CHART / "ci").glob("*-values.yaml")))

Document = dict[str, Any]


def helm_lint(helm: Path) -> list[str]:
    """The findings of `helm lint` with each set of values."""

    def lint(values: Path | None) -> str:
        done = _run([helm, "lint", "--strict", "--quiet", CHART, *_option(values)])
        return "" if done.returncode == 0 else f"{_name(values)}: {done.stdout}"

    with ThreadPoolExecutor(4) as pool:
        return [finding for finding in pool.map(lint, VALUES) if finding]


def render(helm: Path) -> dict[str, list[Document]]:
    """The objects by what they are rendered from.

    Raises:
        subprocess.CalledProcessError: something cannot be rendered; its stderr has the reason.
    """
    folders = [path.parent for path in sorted(ROOT.glob("manifests/**/kustomization.yaml"))]
    builds = [folder for folder in folders if "kind: Component" not in _kustomization(folder)]
    commands = {
        **{
            _name(values): [
                *(helm, "template", "keywright", CHART),
                *("--namespace", "keywright-system", *_option(values)),
            ]
            for values in VALUES
        },
        **{str(path.relative_to(ROOT)): [_KUBECTL, "kustomize", path] for path in builds},
    }
    with ThreadPoolExecutor(4) as pool:
        texts = pool.map(_output, commands.values())
        return dict(zip(commands, map(_objects, texts), strict=True))


def distinct(rendered: dict[str, list[Document]]) -> list[Document]:
    """Each different object once."""
    found = {json.dumps(each, sort_keys=True): each for some in rendered.values() for each in some}
    return list(found.values())


def _objects(text: str) -> list[Document]:
    return [each for each in documents(text) if each]


def _kustomization(folder: Path) -> str:
    return (folder / "kustomization.yaml").read_text(encoding="utf-8")


def _name(values: Path | None) -> str:
    return f"chart with {values.name if values else 'its default values'}"


def _option(values: Path | None) -> list[str | Path]:
    return [] if values is None else ["--values", values]


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _output(command: list[str | Path]) -> str:
    done = _run(command)
    done.check_returncode()
    return done.stdout
