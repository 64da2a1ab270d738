"""The flow of a rollout, from a changed Secret to workloads that run with it."""

from collections.abc import Sequence
from typing import Any

from tests.unit.controller.samples import SECRET, Scene, scene
from tests.unit.fakes.workloads import deployment, roll_out

APPS = "/apis/apps/v1/namespaces/chat/deployments"
READY = ["Ready True Succeeded"]
PROGRESSING = "RolloutProgressing True SecretChanged"
_ANNOTATION = "restarted-for.keywright.dev/chat-key"


def named(*names: str, **rollout: Any) -> dict[str, Any]:
    """A rollout of these Deployments."""
    return {"restart": [{"kind": "Deployment", "name": name} for name in names]} | rollout


async def rolling(*names: str, there: Sequence[str] | None = None, **rollout: Any) -> Scene:
    """A grant with a key, and the Deployments that read it."""
    made = scene(rollout=named(*names, **rollout))
    for name in names if there is None else there:
        made.api.put(APPS, deployment(name))
    await to_the_end(made)
    made.api.asked.clear()
    return made


async def renew(made: Scene) -> None:
    """The key is renewed: its Secret has other data."""
    made.clock.now = await made.settle()
    await made.settle()


async def to_the_end(made: Scene) -> None:
    """Look as often as is asked for, until the rollout is over; pods come at once."""
    for _ in range(30):
        due = await made.settle()
        if not any(line.startswith("RolloutProgressing") for line in made.conditions()):
            return
        made.clock.now = max(made.clock.now, due)
        for path, body in made.api.objects.items():
            if path.startswith(APPS):
                body["status"] = roll_out(body["metadata"]["generation"])
    raise AssertionError(made.conditions())


def restarts(made: Scene) -> list[str]:
    """The Deployments that were patched, in order."""
    return [
        asked.path.rpartition("/")[2]
        for asked in made.api.asked
        if asked.method == "PATCH" and asked.path.startswith(APPS)
    ]


def mark(made: Scene, name: str) -> str | None:
    """What the pods of a Deployment began with."""
    template = made.api.objects[f"{APPS}/{name}"]["spec"]["template"]
    found: str | None = template["metadata"].get("annotations", {}).get(_ANNOTATION)
    return found


async def test_a_new_secret_restarts_nothing() -> None:
    """Pods that wait for their Secret begin with it: nobody is restarted for the first key."""
    made = scene(rollout=named("chat"))
    made.api.put(APPS, deployment("chat"))
    await to_the_end(made)
    assert restarts(made) == []
    assert made.conditions() == READY
    assert made.api.events() == []


async def test_a_renewed_key_restarts_its_readers_once() -> None:
    """One patch of each, in the order of the spec; then the grant costs nothing again."""
    made = await rolling("web", "chat")
    await renew(made)
    assert made.conditions() == [*READY, PROGRESSING]
    await to_the_end(made)
    assert restarts(made) == ["web", "chat"]
    assert mark(made, "web") == mark(made, "chat")
    assert mark(made, "web") is not None
    assert made.conditions() == READY
    assert made.api.events() == [("Normal", "RolloutCompleted")]
    made.api.asked.clear()
    await made.settle()
    assert made.api.asked == []


async def test_the_mark_tells_no_more_than_the_secrets_own_annotation() -> None:
    """It is a part of the fingerprint, which is a keyed hash."""
    made = await rolling("chat")
    await renew(made)
    await to_the_end(made)
    fingerprint = made.api.objects[SECRET]["metadata"]["annotations"]["keywright.dev/fingerprint"]
    assert mark(made, "chat") == fingerprint.split(".")[1][:16]
