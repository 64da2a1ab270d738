"""The policies of `keywright explain`: they make every example work, and each action is needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.world import Vendor, World
from tests.cluster.eventually import eventually
from tests.cluster.explained import Copy, Removed, StepRefusedError, actions_of
from tests.cluster.worlds import MakeWorld

EXAMPLES = (
    "bedrock-short-term",
    "bedrock-allowed-models",
    "claude-platform-short-term",
    "codeartifact",
    "ecr-pull-secret",
    "restart-on-renewal",
    "shared-source",
    "access-key",
    "sts-for-an-sdk",
    "chained-roles",
    "alibaba-rrsa",
    "alibaba-ram-role",
    "alibaba-model-studio",
    "api-gateway-for-a-partner",
    "bedrock-long-term",
)
_WORKS = "works"
_SECONDS = 60
_numbers = itertools.count(1)
Outcomes = dict[Removed | None, str]


@pytest.fixture(scope="module")
def explained_world(make_world: MakeWorld) -> Iterator[World]:
    """Both clouds and an operator."""
    with make_world(providers=[Vendor.AWS, Vendor.ALIBABA]) as world:
        world.aws.deploy_api(name="orders", region="us-west-2", api_id="a1b2c3d4e5")
        world.operator(arguments=["--log-level=debug"]).start()
        yield world


@pytest.fixture(scope="module")
def outcome_of(
    explained_world: World, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Outcomes]:
    """What becomes of an example with all policies, and without each action; run once."""
    known: dict[str, Outcomes] = {}

    def find(example: str) -> Outcomes:
        if example not in known:
            folder = tmp_path_factory.mktemp(example)
            known[example] = _run(explained_world, example, folder)
        return known[example]

    return find


def _run(world: World, example: str, folder: Path) -> Outcomes:
    """Run all copies of an example at the same time."""
    copies = []
    for removed in (None, *actions_of(example)):
        number = next(_numbers)
        made = Copy(world, example, number, removed, folder / str(number))
        made.prepare()
        copies.append(made)
    outcomes: Outcomes = {}
    running = {number: each.steps() for number, each in enumerate(copies)}
    waiting = {number: next(steps) for number, steps in running.items()}

    def all_ended() -> bool:
        for number, is_done in list(waiting.items()):
            try:
                if is_done():
                    waiting[number] = next(running[number])
            except StopIteration:
                outcomes[copies[number].removed] = _WORKS
                del waiting[number]
            except StepRefusedError as error:
                outcomes[copies[number].removed] = f"refused: {error}"
                del waiting[number]
        return not waiting

    try:
        eventually(all_ended, seconds=_SECONDS)
    except AssertionError:
        # Reported by the test of each copy; the others have an outcome.
        outcomes |= {copies[number].removed: copies[number].state() for number in waiting}
    return outcomes


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works_with_the_explained_policies_alone(
    outcome_of: Callable[[str], Outcomes], example: str
) -> None:
    """From the first key through edits and rotation to the deletion."""
    assert outcome_of(example)[None] == _WORKS


@pytest.mark.parametrize(
    ("example", "removed"),
    [(example, removed) for example in EXAMPLES for removed in actions_of(example)],
    ids=str,
)
def test_without_one_action_it_is_refused(
    outcome_of: Callable[[str], Outcomes], example: str, removed: Removed
) -> None:
    """No action of an explained policy is superfluous."""
    assert outcome_of(example)[removed].startswith("refused: ")
