"""A request for a renewal that was handled is not handled again when it is put back."""

from __future__ import annotations

import pytest

from keywright.api.grant import MAX_REQUESTS, format_requests, is_handled, parse_requests
from keywright.api.names import ANNOTATION_RECONCILE_REQUESTED_AT, ANNOTATION_RENEW_REQUESTED_AT
from tests.unit.controller.samples import GRANTS, Scene
from tests.unit.fakes.managed_keys import SmallIam

_LONG_TERM = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
# By two means: any text, and times, one of which is in the future.
_VALUES = [("first", "second"), ("2026-11-30T12:00:00Z", "a word"), ("now", "2026-11-22T20:00:00Z")]


async def scene() -> tuple[Scene, SmallIam]:
    """A grant that is Ready on its first key."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_LONG_TERM)
    iam = made.cloud_provider.kept = SmallIam(made.clock, tagged=True)
    await live(made)
    return made, iam


async def live(made: Scene) -> None:
    """Look at the grant until the next look is not at once, two hours later."""
    made.clock.advance(hours=2)
    for _ in range(30):
        due = await made.settle()
        if due is None or due > made.clock.now:
            return
    raise AssertionError("it never settles")


def annotate(made: Scene, **annotations: str | None) -> None:
    """All annotations are set."""
    body = made.api.objects[f"{GRANTS}/chat-key"]
    names = {"renew": ANNOTATION_RENEW_REQUESTED_AT, "flux": ANNOTATION_RECONCILE_REQUESTED_AT}
    found = {names[name]: value for name, value in annotations.items() if value is not None}
    body["metadata"]["annotations"] = found
    made.store.put_grant(made.api.put(GRANTS, body))


@pytest.mark.parametrize(("older", "newer"), _VALUES)
async def test_a_value_that_is_put_back_costs_no_key(older: str, newer: str) -> None:
    """Nor does one that was removed meanwhile; a new value does."""
    made, iam = await scene()
    for value in (older, newer, older, None, newer, None, older):
        annotate(made, renew=value)
        await live(made)
    assert iam.made == 3
    annotate(made, renew="a third")
    await live(made)
    assert iam.made == 4


async def test_the_other_annotation_leaves_an_older_value_behind() -> None:
    """That of Flux is newer, and is removed again."""
    made, iam = await scene()
    annotate(made, renew="first")
    await live(made)
    annotate(made, renew="first", flux="2026-11-22T18:00:00Z")
    await live(made)
    assert iam.made == 3
    annotate(made, renew="first")
    await live(made)
    assert iam.made == 3


def test_the_newest_requests_are_recorded() -> None:
    """A bounded number of them, each cut, without line breaks, once."""
    text = ""
    for number in range(MAX_REQUESTS + 3):
        text = format_requests(f"{number}\n{'x' * 999}", parse_requests(text))
    recorded = parse_requests(text)
    assert len(recorded) == MAX_REQUESTS
    assert is_handled(f"{MAX_REQUESTS + 2}\n{'x' * 999}", recorded)
    assert not is_handled(f"0\n{'x' * 999}", recorded)
    assert format_requests(None, recorded) == format_requests(recorded[0], recorded) == text
    assert parse_requests(None) == ()
