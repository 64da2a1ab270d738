"""Golden grants and sources, with the verdicts of Argo CD, Flux and kstatus."""

from pathlib import Path
from typing import Any, Final

import yaml

_FOLDER: Final = Path(__file__).parents[2] / "data" / "health"
KINDS: Final = {"ApiKeyGrant": "grants", "CredentialSource": "sources"}


def _golden() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for kind, file in KINDS.items():
        text = (_FOLDER / f"{file}.yaml").read_text(encoding="utf-8")
        found += [(kind, case) for case in yaml.safe_load_all(text)]
    return found


GOLDEN: Final = _golden()
"""Kind and case of each."""
