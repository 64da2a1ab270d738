"""What `kubectl apply` reports for invalid resources."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.cluster.applied import Told, dry_runs
from tests.data.invalid.table import Invalid, Refused, rows
from tests.unit.api.samples import contract

pytestmark = pytest.mark.cluster


class Cluster(Protocol):
    """What these tests need of the fixture `cluster`."""

    @property
    def kubeconfig(self) -> Path:
        """Of a user who may do everything."""


class Apply(Protocol):
    """The fixture `apply`."""

    def __call__(self, bodies: Sequence[dict[str, Any]]) -> list[Told]:
        """What is said of each body of a table."""


@pytest.fixture(scope="module")
def apply(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Apply:
    """Applies a table as a user would who has a folder of files."""

    def applied(bodies: Sequence[dict[str, Any]]) -> list[Told]:
        directory = tmp_path_factory.mktemp("applied")
        return dry_runs(bodies, kubeconfig=cluster.kubeconfig, directory=directory)

    return applied


@pytest.fixture(scope="module")
def mistakes(apply: Apply) -> dict[str, Told]:
    """What is said of each row that the API server refuses."""
    table = rows(Refused.APPLY)
    return dict(zip(map(str, table), apply([row.body for row in table]), strict=True))


@pytest.fixture(scope="module")
def unseen(apply: Apply) -> dict[str, Told]:
    """What is said of each row that it cannot refuse."""
    table = rows(Refused.STALLED)
    return dict(zip(map(str, table), apply([row.body for row in table]), strict=True))


@pytest.fixture(scope="module")
def right(apply: Apply) -> dict[str, Told]:
    """What is said of the contract, by the name of the resource."""
    names = [str(body["metadata"]["name"]) for body in contract()]
    return dict(zip(names, apply(contract()), strict=True))


def test_no_two_rows_have_the_same_name() -> None:
    """What is said of a row is found by its name."""
    names = [str(row) for refused in Refused for row in rows(refused)]
    names += [str(body["metadata"]["name"]) for body in contract()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("invalid", rows(Refused.APPLY), ids=str)
def test_a_mistake_is_refused_at_apply(mistakes: dict[str, Told], invalid: Invalid) -> None:
    """A mistake that the API server can see never gets in; the message names field and remedy."""
    reported = mistakes[str(invalid)]
    assert not reported.let_in
    assert [part for part in invalid.says if part not in reported.words] == [], reported.words


@pytest.mark.parametrize("invalid", rows(Refused.STALLED), ids=str)
def test_a_mistake_that_the_api_server_cannot_see_gets_in(
    unseen: dict[str, Told], invalid: Invalid
) -> None:
    """The condition Stalled reports only what apply cannot check."""
    reported = unseen[str(invalid)]
    assert reported.let_in, reported.words


@pytest.mark.parametrize("body", contract(), ids=lambda body: str(body["metadata"]["name"]))
def test_every_field_of_the_contract_is_let_in(
    right: dict[str, Told], body: dict[str, Any]
) -> None:
    """No rule refuses a valid resource."""
    reported = right[str(body["metadata"]["name"])]
    assert reported.let_in, reported.words
