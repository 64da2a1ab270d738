"""What is fuzzed: strategies of findings, each a bad object and perhaps a Secret beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz.bodies import GRANTS, SOURCES, Body, bodies, marks
from tests.fuzz.findings import Finding

_GOING: Final = {
    "deletionTimestamp": "2026-11-22T12:00:00Z",
    "finalizers": ["keywright.dev/revoke"],
}


def _marked(
    body: Body, written: Mapping[str, str], requested: Mapping[str, str], *, deleting: bool
) -> Finding:
    metadata = body["metadata"] | {"annotations": dict(requested)} | (_GOING if deleting else {})
    secret = {
        "namespace": "evil",
        "name": "bad",
        "uid": "bad-secret",
        "resourceVersion": "8",
        "labels": {"keywright.dev/managed": "true"},
        "annotations": {"keywright.dev/owner": "evil/bad bad-uid"} | dict(written),
    }
    return Finding(GRANTS, {**body, "metadata": metadata}, {"metadata": secret})


TARGETS: Final[Mapping[str, SearchStrategy[Finding]]] = {
    "grants": bodies(GRANTS).map(lambda body: Finding(GRANTS, body)),
    "sources": bodies(SOURCES).map(lambda body: Finding(SOURCES, body)),
    "annotations": st.builds(_marked, bodies(GRANTS), marks(), marks(), deleting=st.booleans()),
}
