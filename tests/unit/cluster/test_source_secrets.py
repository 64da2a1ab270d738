"""Values of Secrets that sources read."""

import base64
from typing import Any

import pytest

from keywright.api.names import REFERENCE_LABEL
from keywright.cluster.objects import Objects
from keywright.cluster.source_secrets import SecretValues
from keywright.planning.failures import Failure
from tests.unit.fakes.kubernetes import KubernetesInMemory

PATH = "/api/v1/namespaces/chat/secrets"
KEY: Any = {"namespace": "chat", "name": "key"}


class Scene:
    """A namespace, and who reads in it."""

    def __init__(self, *, needs_consent: bool = True) -> None:
        self.api = KubernetesInMemory()
        self.values = SecretValues(Objects(self.api), needs_consent=needs_consent)

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
    assert not await scene.values.changed(**KEY)
    scene.put(a="2")
    # Read meanwhile: what was made of the first value must still be told of.
    await scene.values.values(**KEY, field="spec.x")
    assert await scene.values.changed(**KEY)
    assert not await scene.values.changed(**KEY)


async def test_coming_and_going_is_a_change() -> None:
    """One that is missing at the first look may have been deleted while nobody looked."""
    scene = Scene()
    assert await scene.values.changed(**KEY)
    assert not await scene.values.changed(**KEY)
    scene.put(a="1")
    assert await scene.values.changed(**KEY)
    del scene.api.objects[f"{PATH}/key"]
    assert await scene.values.changed(**KEY)


async def test_what_nobody_reads_is_forgotten() -> None:
    """A Secret that is read again later begins anew."""
    scene = Scene()
    scene.put(a="1")
    await scene.values.values(**KEY, field="spec.x")
    scene.values.forget_all_but(frozenset())
    scene.put(a="2")
    assert not await scene.values.changed(**KEY)


async def test_a_value_is_copied_only_with_consent() -> None:
    """The message has the command that gives it; a value that only signs needs none."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    with pytest.raises(Failure) as caught:
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert (caught.value.reason, caught.value.field) == ("SecretNotLabeled", "spec.x")
    assert caught.value.cure.endswith(
        "kubectl label secret --namespace chat key keywright.dev/allow-reference=true"
    )
    found = await scene.values.value(**KEY, key="a", field="spec.x", copied=False)
    assert found.reveal() == "1"


async def test_consent_that_was_missing_is_a_change() -> None:
    """Once, and only where somebody was refused: other labels wake nobody."""
    scene = Scene()
    scene.put(a="1", labeled=False)
    await scene.values.values(**KEY, field="spec.x")
    scene.put(a="1")
    assert not await scene.values.changed(**KEY)
    scene.put(a="1", labeled=False)
    with pytest.raises(Failure):
        await scene.values.value(**KEY, key="a", field="spec.x")
    assert not await scene.values.changed(**KEY)
    scene.put(a="1")
    assert await scene.values.changed(**KEY)
    assert not await scene.values.changed(**KEY)


async def test_consent_can_be_switched_off() -> None:
    """`--secret-references=any` copies what it is pointed at."""
    scene = Scene(needs_consent=False)
    scene.put(a="1", labeled=False)
    assert (await scene.values.value(**KEY, key="a", field="spec.x")).reveal() == "1"
