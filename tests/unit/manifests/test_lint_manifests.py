"""`python -m tools.lint_manifests` finds faults, for each Kubernetes version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.go_tools import TOOLS, NoGoError, go_tool
from tests.cluster.tier import without_tool
from tools.lint_manifests.__main__ import VERSIONS, conformance
from tools.lint_manifests.scores import ACCEPTED, scores_of

_ACCOUNT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "keywright"},
}


@pytest.fixture(scope="module")
def kubeconform(request: pytest.FixtureRequest) -> Path:
    """Built once; skips loudly where there is no Go."""
    try:
        return go_tool("kubeconform", module=TOOLS / "kubeconform")
    except NoGoError as error:
        without_tool(request.config, "kubeconform", str(error))


def test_a_field_that_kubernetes_does_not_know_is_found(kubeconform: Path) -> None:
    """With each version, in a nested object of a shared definition too."""
    assert conformance(kubeconform, [_ACCOUNT]) == []
    for wrong in (
        {**_ACCOUNT, "automount": True},
        {**_ACCOUNT, "metadata": {"name": "keywright", "label": {}}},
    ):
        found = conformance(kubeconform, [wrong])
        assert [text.split(":")[0] for text in found] == [f"Kubernetes {v}" for v in VERSIONS]


def test_a_kind_of_a_later_version_is_found(kubeconform: Path) -> None:
    """A kind without a schema is no kind of that version."""
    found = conformance(kubeconform, [{**_ACCOUNT, "apiVersion": "v2"}])
    assert len(found) == len(VERSIONS)
    assert all("could not find schema for ServiceAccount" in text for text in found)


def _report(check: str, *, grade: int, skipped: bool = False) -> str:
    return json.dumps(
        [
            {
                "type_meta": {"kind": "Deployment"},
                "object_meta": {"name": "keywright"},
                "checks": [
                    {
                        "check": {"id": check},
                        "grade": grade,
                        "skipped": skipped,
                        "comments": [{"summary": "no limit"}],
                    }
                ],
            }
        ]
    )


def test_only_findings_with_a_reason_are_accepted() -> None:
    """An accepted finding is noted, so that one that no longer occurs is found."""
    found = scores_of(_report("pod-probes", grade=1), of="chart")
    assert found.findings == ["chart: Deployment/keywright: pod-probes: no limit"]
    assert scores_of(_report("pod-probes", grade=10), of="chart").findings == []
    assert scores_of(_report("pod-probes", grade=1, skipped=True), of="chart").findings == []
    accepted = scores_of(_report("container-resources", grade=1), of="chart")
    assert (accepted.findings, accepted.accepted) == (
        [],
        {("container-resources", "Deployment/keywright")},
    )
    assert all(reason for reason in ACCEPTED.values())
