"""What kstatus itself (sigs.k8s.io/cli-utils) makes of the objects; Flux and others read it."""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.unit.gitops.conftest import Kstatus
from tests.unit.gitops.golden import GOLDEN
from tests.unit.planning.kstatus import kstatus

_STATES = (None, "True", "False", "Unknown")


def _object(kind: str, status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "chat-key", "namespace": "chat", "generation": 2, **metadata},
        "status": status,
    }


def test_the_golden_objects_have_the_documented_status(real_kstatus: Kstatus) -> None:
    """The same objects for which Argo CD's and Flux's verdicts are tested."""
    objects = [
        _object(kind, case["status"], generation=case["generation"]) for kind, case in GOLDEN
    ]
    names = [f"{kind}: {case['name']}" for kind, case in GOLDEN]
    expected = [case["kstatus"] for _, case in GOLDEN]
    found = real_kstatus(objects)
    assert dict(zip(names, found, strict=True)) == dict(zip(names, expected, strict=True))


def test_the_rules_of_the_other_tests_are_those_of_kstatus(real_kstatus: Kstatus) -> None:
    """`tests.unit.planning.kstatus` agrees for each combination of what kstatus reads."""
    objects = []
    for ready, reconciling, stalled in product(_STATES, _STATES, _STATES):
        conditions = [
            {"type": type_, "status": state, "reason": "Any", "message": "any"}
            for type_, state in zip(
                ("Ready", "Reconciling", "Stalled"), (ready, reconciling, stalled), strict=True
            )
            if state is not None
        ]
        for observed in ({}, {"observedGeneration": 1}, {"observedGeneration": 2}):
            status = {"conditions": conditions, **observed}
            objects.append(_object("ApiKeyGrant", status))
            objects.append(_object("ApiKeyGrant", status, deletionTimestamp="2026-11-27T00:00:00Z"))
    found = real_kstatus(objects)
    differing = [
        (each["status"], status, kstatus(each))
        for each, status in zip(objects, found, strict=True)
        if status != kstatus(each)
    ]
    assert not differing
    assert set(found) == {"Current", "InProgress", "Failed", "Terminating"}
