"""Objects that were found to do harm once: kept as files, and tried again in each run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.bodies import Body, deep

SEEDS = Path(__file__).with_name("seeds")
# In a file, a document of that many levels stands as this.
_DEEP = "levels of nesting: "


@dataclass(frozen=True)
class Finding:
    """An object of that plural, and the metadata of a Secret beside it."""

    plural: str
    body: Body
    secret: Body | None = None

    def keep(self) -> Path:
        """Write it to a file of its own."""
        text = json.dumps(
            {"plural": self.plural, "body": _packed(self.body), "secret": self.secret}, indent=1
        )
        path = SEEDS / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        path.write_text(text + "\n", encoding="utf-8")
        return path


def kept() -> list[tuple[str, Finding]]:
    """All of them, by the names of their files."""
    found = []
    for path in sorted(SEEDS.glob("*.json")):
        read = json.loads(path.read_text(encoding="utf-8"))
        found.append((path.name, Finding(read["plural"], _unpacked(read["body"]), read["secret"])))
    return found


def _packed(value: Any) -> Any:
    """A value that can be encoded: a document of `deep` becomes a text."""
    levels, inner = 0, value
    while isinstance(inner, dict) and list(inner) == ["a"]:
        levels, inner = levels + 1, inner["a"]
    if levels > 3 and inner == 1:
        return f"{_DEEP}{levels}"
    if isinstance(value, dict):
        return {name: _packed(item) for name, item in value.items()}
    return [_packed(item) for item in value] if isinstance(value, list) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_DEEP):
        return deep(int(value.removeprefix(_DEEP)))
    if isinstance(value, dict):
        return {name: _unpacked(item) for name, item in value.items()}
    return [_unpacked(item) for item in value] if isinstance(value, list) else value
