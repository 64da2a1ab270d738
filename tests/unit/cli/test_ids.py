"""Each id of doctor, check and audit is explained in docs/troubleshooting.md, and no other."""

from __future__ import annotations

import re

from tests.unit.api.samples import ROOT

_ID = re.compile(r'"((?:doctor|check|audit)-[a-z-]+)"')
_HEADING = re.compile(r"^### ((?:doctor|check|audit)-[a-z-]+)$", re.MULTILINE)


def test_every_id_has_an_anchor_and_every_anchor_an_id() -> None:
    """A person who searches for an id finds its cause and fix."""
    code = "".join(path.read_text() for path in (ROOT / "operator/keywright/cli").rglob("*.py"))
    ids = set(_ID.findall(code))
    anchors = _HEADING.findall((ROOT / "docs/troubleshooting.md").read_text())
    assert sorted(anchors) == sorted(ids)
    assert len(ids) > 10
