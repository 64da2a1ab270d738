"""What is shipped is what the tests run: two replicas, a Lease, and one of them always there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from keywright.cli.main import parser
from keywright.cli.run import settings

_MANIFESTS = Path(__file__).resolve().parents[3] / "manifests" / "operator"


def _shipped(file: str) -> dict[str, Any]:
    assert file in yaml.safe_load((_MANIFESTS / "kustomization.yaml").read_text())["resources"]
    document: dict[str, Any] = yaml.safe_load((_MANIFESTS / file).read_text())
    return document


def _pod() -> dict[str, Any]:
    pod: dict[str, Any] = _shipped("deployment.yaml")["spec"]["template"]
    return pod


def test_two_replicas_elect_a_leader() -> None:
    """Each holds the Lease under the name of its pod, so that a new container takes it up again."""
    assert _shipped("deployment.yaml")["spec"]["replicas"] == 2
    (container,) = _pod()["spec"]["containers"]
    found = settings(parser("run").parse_args(container["args"]))
    assert found.leader_election
    names = {entry["name"]: entry["valueFrom"]["fieldRef"] for entry in container["env"]}
    assert names["POD_NAME"] == {"fieldPath": "metadata.name"}
    assert names["POD_NAMESPACE"] == {"fieldPath": "metadata.namespace"}


def test_a_stop_has_the_time_that_it_needs() -> None:
    """The kubelet waits longer than the operator waits for work in progress and for its Lease."""
    (container,) = _pod()["spec"]["containers"]
    found = settings(parser("run").parse_args(container["args"]))
    assert _pod()["spec"]["terminationGracePeriodSeconds"] > found.drain_seconds + 10


def test_a_drained_node_and_an_update_leave_one_replica() -> None:
    """The PodDisruptionBudget is of the Deployment's pods, and both let go of one at a time."""
    deployment, budget = _shipped("deployment.yaml"), _shipped("poddisruptionbudget.yaml")
    labels = _pod()["metadata"]["labels"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert budget["spec"]["maxUnavailable"] == 1
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 1
    (spread,) = _pod()["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
