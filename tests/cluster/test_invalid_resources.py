"""What `kubectl apply` says to somebody who made a mistake."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from tests.data.invalid.table import Invalid, Refused, rows
from tests.unit.api.samples import contract

KUBECTL = Path(sys.executable).with_name("kubectl")
"""The one of the lock file, from the same environment as the tests."""

pytestmark = pytest.mark.cluster


class Cluster(Protocol):
    """What these tests need of the fixture `cluster`."""

    @property
    def kubeconfig(self) -> Path:
        """Of a user who may do everything."""


def _dry_run(cluster: Cluster, body: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Applies as a user would; a server-side dry run checks all and leaves nothing behind."""
    named = body | {"metadata": {"name": "invalid", "namespace": "default"}}
    flags = ["--dry-run=server", "--namespace=default", f"--kubeconfig={cluster.kubeconfig}"]
    return subprocess.run(
        [KUBECTL, "apply", *flags, "-f", "-"],
        input=yaml.safe_dump(named),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("invalid", rows(Refused.APPLY), ids=str)
def test_a_mistake_is_refused_at_apply(cluster: Cluster, invalid: Invalid) -> None:
    """A mistake that the API server can see never gets in; the message names field and cure."""
    outcome = _dry_run(cluster, invalid.body)
    assert outcome.returncode != 0, "let in"
    assert [part for part in invalid.says if part not in outcome.stderr] == [], outcome.stderr


@pytest.mark.parametrize("invalid", rows(Refused.STALLED), ids=str)
def test_a_mistake_that_the_api_server_cannot_see_gets_in(
    cluster: Cluster, invalid: Invalid
) -> None:
    """What is told in the condition Stalled is told there because apply could not tell it."""
    outcome = _dry_run(cluster, invalid.body)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("body", contract(), ids=lambda body: str(body["metadata"]["name"]))
def test_every_field_of_the_contract_is_let_in(cluster: Cluster, body: dict[str, Any]) -> None:
    """No rule stands in the way of a resource that is right."""
    outcome = _dry_run(cluster, body)
    assert outcome.returncode == 0, outcome.stderr
