"""Links to the documentation in the statuses that the operator writes."""

from __future__ import annotations

from tests.unit.controller.samples import GRANTS, SOURCES, Scene
from tests.unit.controller.test_grants import DENIED

_URL = "https://docs.example/keywright"


def _messages(made: Scene, path: str) -> dict[str, str]:
    return {
        each["type"]: each["message"] for each in made.api.objects[path]["status"]["conditions"]
    }


def _scene() -> Scene:
    made = Scene(docs_url=_URL)
    made.put_source()
    made.put_grant()
    return made


async def test_a_failure_of_a_grant_ends_with_a_link_and_is_written_once() -> None:
    """Also when the watch shows the status; a ready grant has no link."""
    made = _scene()
    made.cloud_provider.failures.append(DENIED)
    due = await made.settle()
    link = f" See {_URL}/troubleshooting.html#accessdenied"
    messages = _messages(made, f"{GRANTS}/chat-key")
    assert messages["Ready"].endswith(link)
    assert messages["Reconciling"] == messages["Ready"].removesuffix(link)
    made.store.put_grant(made.api.objects[f"{GRANTS}/chat-key"])
    made.api.requested.clear()
    await made.settle()
    assert made.api.writes() == []
    made.clock.now = due
    await made.settle()
    assert _URL not in str(_messages(made, f"{GRANTS}/chat-key"))


async def test_an_operator_with_another_address_writes_nothing_for_it() -> None:
    """A changed flag, or an upgrade that brings links, writes no status."""
    made = _scene()
    made.put_grant(bedrockShortTermKey={"duration": "never"})
    await made.settle()
    assert _messages(made, f"{GRANTS}/chat-key")["Stalled"].endswith("#invalidspec")
    other = Scene(docs_url="", api=made.api, store=made.store, clock=made.clock)
    made.api.requested.clear()
    await other.settle()
    assert made.api.writes() == []


async def test_an_expired_key_has_one_link_at_the_end() -> None:
    """The message contains that of the failed renewal, without its link."""
    made = _scene()
    await made.settle()
    made.clock.advance(hours=11)
    made.cloud_provider.failures += [DENIED, DENIED]
    await made.settle()
    failing = _messages(made, f"{GRANTS}/chat-key")["RenewalFailing"]
    assert failing.endswith("#accessdenied")
    made.clock.advance(hours=2)
    await made.settle()
    ready = _messages(made, f"{GRANTS}/chat-key")["Ready"]
    assert ready.count(_URL) == 1
    assert ready.endswith("#expired")


async def test_a_failure_of_a_source_ends_with_a_link() -> None:
    """The same for sources."""
    made = _scene()
    made.cloud_provider.failures.append(DENIED)
    await made.sources.reconcile(("chat", "bedrock"))
    ready = _messages(made, f"{SOURCES}/bedrock")["Ready"]
    assert ready.endswith(f" See {_URL}/troubleshooting.html#accessdenied")


async def test_events_and_the_log_have_no_link() -> None:
    """An Event is short, and next to the condition."""
    made = _scene()
    made.cloud_provider.failures.append(DENIED)
    await made.settle()
    posted = [
        str(requested.body) for requested in made.api.requested if "/events" in requested.path
    ]
    assert posted
    assert _URL not in "".join(posted)
