"""The page of the recipes, from their table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from keywright.api.keys import KEY_TYPES
from tools.reference.markdown import code, page, table

ROOT: Final = Path(__file__).resolve().parents[2]
TABLE: Final = Path(__file__).with_name("recipes.yaml")
FOLDER: Final = ROOT / "examples" / "recipes"

RENEWALS: Final[Mapping[str, str]] = {
    "watch": "the consumer watches the Secret",
    "use": "the consumer reads the Secret at each use",
    "self": "the consumer restarts its own pods",
    "file": "the consumer reads a mounted file again",
    "restart": "Keywright [restarts the workload](../rollouts.md)",
    "proxy": "[the proxy](../proxy.md) adds the key that is valid at that moment",
    "unknown": "not known: restart the consumer if its calls fail after a renewal",
}
"""What lets a renewed key take effect."""

PAGES: Final[Mapping[str, str]] = {
    "coding-agents": "Coding agents",
    "kubernetes-agents": "Agents on Kubernetes",
    "gateways": "Gateways",
    "chat": "Chat front ends and workflow builders",
    "programs": "Programs with an SDK",
    "storage": "Storage and backup",
    "infrastructure": "Infrastructure as code",
    "partners": "Partners",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One row of the table."""

    name: str
    title: str
    page: str
    renewal: str
    reader: str
    source: str

    @property
    def folder(self) -> Path:
        """Its folder in examples/."""
        return FOLDER / self.name

    def documents(self) -> list[dict[str, Any]]:
        """The objects to apply."""
        files = yaml.safe_load((self.folder / "kustomization.yaml").read_text())["resources"]
        return [
            body for file in files for body in yaml.safe_load_all((self.folder / file).read_text())
        ]

    def grant(self) -> dict[str, Any]:
        """The `spec` of the grant."""
        (found,) = (body for body in self.documents() if body["kind"] == "ApiKeyGrant")
        spec: dict[str, Any] = found["spec"]
        return spec

    def formats(self) -> list[str]:
        """The formats of the Secret."""
        return list(self.grant()["secret"].get("formats", []))

    @property
    def anchor(self) -> str:
        """The anchor of its section."""
        kept = (each for each in self.title.lower() if each.isalnum() or each in " -")
        return "".join(kept).replace(" ", "-")


def recipes() -> list[Recipe]:
    """Every recipe, in the order of the table."""
    return [Recipe(**row) for row in yaml.safe_load(TABLE.read_text(encoding="utf-8"))]


def recipes_page() -> str:
    """The index: what each consumer reads, and how a renewed key takes effect."""
    rows = recipes()
    lines = [
        "# Recipes",
        "",
        (
            "A recipe is a folder with manifests that you can apply: the identity, the grant, and"
            " the consumer's own object, with as few changes as possible. Replace the role and the"
            " Region with yours, and the models in `allowedModels` if you use other ones. To print"
            " the policies that the role needs, run `keywright explain -f examples/recipes/NAME`."
        ),
        "",
        (
            "If your software is not in the table, look for the names that it reads in the"
            " [formats](../reference/formats.md). If it reads its key only once, use"
            " [the proxy](../proxy.md)."
            " Some software [cannot use a key that changes](does-not-work.md)."
        ),
        "",
    ]
    for name, title in PAGES.items():
        lines += [f"## {title}", ""]
        lines += table(
            ("consumer", "key", "format", "a renewed key takes effect because"),
            (_row(row) for row in rows if row.page == name),
        )
    lines += [
        "## Versions",
        "",
        (
            "The recipes follow these versions. Each one is applied to an API server and read back"
            " by a test: with the consumer's program, with the SDK that it uses or whose protocol"
            " it speaks, or else with code that follows the named source. That a consumer notices"
            " a renewal follows from its source; it was run for those that read a file or use the"
            " proxy. On 27 November 2026, the objects of the recipes and bridges were also applied"
            " with the consumers' own definitions of these versions, except for kgateway, Kong and"
            " Velero."
        ),
        "",
        *table(
            ("consumer", "source", "read back by"),
            ((row.title, row.source, _reader(row)) for row in rows),
        ),
    ]
    return page(lines)


def _reader(row: Recipe) -> str:
    return "program or SDK" if row.reader.startswith("program-") else "code from the source"


def _row(row: Recipe) -> tuple[str, str, str, str]:
    spec = row.grant()
    kinds = [key for key in spec if key in KEY_TYPES]
    shown = ", ".join(map(code, row.formats())) or "`spec.secret.data`"
    title = f"[{row.title}]({row.page}.md#{row.anchor})"
    return title, ", ".join(map(code, kinds)), shown, RENEWALS[row.renewal]
