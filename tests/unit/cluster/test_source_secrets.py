"""Values of Secrets that sources read."""

import asyncio
import base64
from typing import Any

import pytest

from keywright.api.errors import Failure
from keywright.api.names import REFERENCE_LABEL
from keywright.api.sensitive import Sensitive
from keywright.cluster.objects import ResourceClient
from keywright.cluster.source_secrets import SecretCache
from tests.unit.fakes.kubernetes import KubernetesInMemory

PATH = "/api/v1/namespaces/chat/secrets"
KEY: Any = {"namespace": "chat", "name": "key"}


class Scene:
    """A namespace, and who reads in it."""

    def __init__(self, *, needs_consent: bool = True) -> None:
        self.api = KubernetesInMemory()
        self.values = SecretCache(ResourceClient(self.api), needs_consent=needs_consent)

    def put(self, *, labeled: bool = True, **data: str) -> None:
        """The Secret, new or changed."""
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
        labels = {REFERENCE_LABEL: "true"} if labeled else {}
        self.api.put(PATH, {"metadata": {**KEY, "labels": labels}, "data": encoded})


async def test_what_is_missing_is_named() -> None:
    """The Secret or the entry, with the field that names it."""
    scene = Scene()
    with pytest.raises(Failure, match="no Secret key in namespace chat") as caught:
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert caught.value.field == "spec.x"
    scene.put(b="1")
    with pytest.raises(Failure, match="no key a in Secret key"):
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert (await scene.values.value(**KEY, key="b", field="spec.x")).reveal() == "1"


async def test_only_other_values_are_a_change() -> None:
    """Since it was first read, or last asked about; a new version with the same values is none."""
    scene = Scene()
    scene.put(a="1")
    await scene.values.values(**KEY, field="spec.x")
    scene.put(a="1")
    assert not await scene.values.has_changed(**KEY)
    scene.put(a="2")
    # Read in the meantime: the change since the first value must still be reported.
    await scene.values.values(**KEY, field="spec.x")
    assert await scene.values.has_changed(**KEY)
    assert not await scene.values.has_changed(**KEY)


async def test_coming_and_going_is_a_change() -> None:
    """One that is missing at the first read may have been deleted before."""
    scene = Scene()
    assert await scene.values.has_changed(**KEY)
    assert not await scene.values.has_changed(**KEY)
    scene.put(a="1")
    assert await scene.values.has_changed(**KEY)
    del scene.api.objects[f"{PATH}/key"]
    assert await scene.values.has_changed(**KEY)


async def test_what_nobody_reads_is_forgotten() -> None:
    """A Secret that is read again later starts over."""
    scene = Scene()
    scene.put(a="1")
    await scene.values.values(**KEY, field="spec.x")
    scene.values.retain(frozenset())
    scene.put(a="2")
    assert not await scene.values.has_changed(**KEY)


async def test_a_value_is_copied_only_with_consent() -> None:
    """The message has the command that gives it; a value that only signs needs none."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    with pytest.raises(Failure) as caught:
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert (caught.value.reason, caught.value.field) == ("SecretNotLabeled", "spec.x")
    assert caught.value.remedy.endswith(
        "kubectl label secret --namespace chat key keywright.dev/allow-reference=true"
    )
    found = await scene.values.value(**KEY, key="a", field="spec.x", copied=False)
    assert found.reveal() == "1"


async def test_consent_that_was_missing_is_a_change() -> None:
    """Once, and only for a refused source: other labels requeue nothing."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    await scene.values.values(**KEY, field="spec.x")
    scene.put(a="1")
    assert not await scene.values.has_changed(**KEY)
    scene.put(a="1", labeled=False)
    with pytest.raises(Failure):
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert not await scene.values.has_changed(**KEY)
    scene.put(a="1")
    assert await scene.values.has_changed(**KEY)
    assert not await scene.values.has_changed(**KEY)


async def test_a_label_wakes_nobody_where_nothing_was_copied() -> None:
    """A session whose key only signs is not opened again because its Secret was labelled."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    found = await scene.values.values(**KEY, field="spec.x")
    found.consent("a")
    scene.put(a="1")
    assert not await scene.values.has_changed(**KEY)


async def test_a_consent_is_checked_as_the_secret_is_now() -> None:
    """However long ago its values were read: a label that came or went since then counts."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    consent = (await scene.values.values(**KEY, field="spec.x")).consent("a")
    scene.put(a="1")
    assert not await scene.values.has_changed(**KEY)
    assert consent() is None
    scene.put(a="1", labeled=False)
    assert not await scene.values.has_changed(**KEY)
    refusal = consent()
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("SecretNotLabeled", "spec.x")
    scene.put(a="1")
    assert await scene.values.has_changed(**KEY)


async def test_consent_can_be_switched_off() -> None:
    """`--secret-references=any` copies what it is pointed at."""
    scene = Scene(needs_consent=False)
    scene.put(a="1", labeled=False)
    assert (await scene.values.value(**KEY, key="a", field="spec.x")).reveal() == "1"


class Summaries:
    """A watched Secret, and readers of what is made of its value."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.scene.values.retain(frozenset({("chat", "key")}))
        self.made = 0

    def reads(self) -> int:
        """How often the API server was asked for the Secret."""
        return sum(requested.path == f"{PATH}/key" for requested in self.scene.api.requested)

    async def read(self) -> str:
        """What is made of the value."""

        def of(value: Sensitive) -> tuple[str, ...]:
            self.made += 1
            return (value.reveal()[:3],)

        (found,) = await self.scene.values.summary(**KEY, key="a", field="spec.x", of=of)
        return found


async def test_a_thousand_readers_cost_one_read() -> None:
    """At the same time and one after the other, until the Secret is touched."""
    summaries = Summaries()
    summaries.scene.put(a="one" * 300_000)
    assert set(await asyncio.gather(*(summaries.read() for _ in range(500)))) == {"one"}
    for _ in range(500):
        assert await summaries.read() == "one"
    assert (summaries.reads(), summaries.made) == (1, 1)
    assert "oneone" not in repr(vars(summaries.scene.values))


async def test_a_touched_secret_is_read_again() -> None:
    """Whether its values changed or not."""
    summaries = Summaries()
    summaries.scene.put(a="one")
    assert await summaries.read() == "one"
    summaries.scene.put(a="two")
    assert await summaries.scene.values.has_changed(**KEY)
    assert await summaries.read() == "two"


async def test_a_read_that_was_overtaken_by_a_touch_is_not_kept() -> None:
    """It may have brought the value of before."""
    summaries = Summaries()
    summaries.scene.put(a="one")
    early = asyncio.create_task(summaries.read())
    await asyncio.sleep(0)
    summaries.scene.put(a="two")
    await summaries.scene.values.has_changed(**KEY)
    await early
    assert await summaries.read() == "two"
    assert summaries.made == 2


async def test_consent_that_is_withdrawn_is_honoured() -> None:
    """The label is looked at again when the Secret was touched; a refusal is not kept."""
    summaries = Summaries()
    summaries.scene.put(a="one")
    assert await summaries.read() == "one"
    summaries.scene.put(a="one", labeled=False)
    assert not await summaries.scene.values.has_changed(**KEY)
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            await summaries.read()
        assert caught.value.reason == "SecretNotLabeled"
    summaries.scene.put(a="one")
    assert await summaries.read() == "one"


async def test_of_a_secret_that_is_not_watched_nothing_is_kept() -> None:
    """No caller would report that it was changed."""
    summaries = Summaries()
    summaries.scene.put(a="one")
    assert await summaries.read() == "one"
    summaries.scene.values.retain(frozenset())
    summaries.scene.put(a="two")
    assert await summaries.read() == "two"
    summaries.scene.put(a="six")
    assert await summaries.read() == "six"


async def test_a_value_that_is_no_text_is_told_as_such() -> None:
    """Case 08: it exists; the missing key and the other entries are reported as usual."""
    scene = Scene()
    latin = base64.b64encode("café".encode("latin-1")).decode()
    labels = {REFERENCE_LABEL: "true"}
    data = {"input": latin, "other": base64.b64encode(b"1").decode()}
    scene.api.put(PATH, {"metadata": {**KEY, "labels": labels}, "data": data})
    with pytest.raises(Failure) as caught:
        await scene.values.value(**KEY, key="input", field="spec.x")
    assert (caught.value.reason, caught.value.field) == ("SecretNotText", "spec.x")
    assert caught.value.message_with_remedy().endswith(
        "key input of Secret key is no UTF-8 text. Save it as UTF-8 and put it into the Secret"
        " again."
    )
    assert (await scene.values.value(**KEY, key="other", field="spec.x")).reveal() == "1"
    with pytest.raises(Failure, match="no key absent"):
        await scene.values.value(**KEY, key="absent", field="spec.x")
