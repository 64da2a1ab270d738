"""The flow of a rollout, from a changed Secret to workloads that run with it."""

from base64 import b64decode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    Failure,
    FailureClass,
    LostLeaseError,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.secrets.fingerprint import data_hash, key_identity
from tests.unit.api.samples import parsed_grant
from tests.unit.controller.samples import GRANTS, SECRET, SECRETS, UID, Scene, scene
from tests.unit.fakes.workloads import deployment, roll_out
from tests.unit.secrets.samples import earlier_fingerprint

APPS = "/apis/apps/v1/namespaces/chat/deployments"
READY = ["Ready True Succeeded"]
PROGRESSING = "RolloutProgressing True SecretChanged"
DENIED = ApiError(status=403, reason="Forbidden", message="the webhook denied the request")
FAILURE = Failure("STS says no.", kind=FailureClass.DENIED, reason="AccessDenied")
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
    made.api.requested.clear()
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
        requested.path.rpartition("/")[2]
        for requested in made.api.requested
        if requested.method == "PATCH" and requested.path.startswith(APPS)
    ]


def mark(made: Scene, name: str) -> str | None:
    """What the pods of a Deployment began with."""
    template = made.api.objects[f"{APPS}/{name}"]["spec"]["template"]
    found: str | None = template["metadata"].get("annotations", {}).get(_ANNOTATION)
    return found


async def test_a_new_secret_restarts_nothing() -> None:
    """Pods that wait for their Secret start with it: the first key restarts nothing."""
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
    made.api.requested.clear()
    await made.settle()
    assert made.api.requested == []


async def test_the_mark_tells_no_more_than_the_secrets_own_annotation() -> None:
    """It is a part of the fingerprint, which is a keyed hash."""
    made = await rolling("chat")
    await renew(made)
    await to_the_end(made)
    fingerprint = made.api.objects[SECRET]["metadata"]["annotations"]["keywright.dev/fingerprint"]
    assert mark(made, "chat") == fingerprint.split(".")[1][:16]


async def test_a_batch_follows_the_one_before() -> None:
    """The next batch is restarted when the one before is available, and after the interval."""
    made = await rolling("a", "b", "c", batchSize=2, minInterval="10s")
    await renew(made)
    began = made.clock.now
    due = await made.settle()
    assert restarts(made) == ["a", "b"]
    made.clock.now = due
    due = await made.settle()
    assert restarts(made) == ["a", "b"]
    for name in ("a", "b"):
        made.api.objects[f"{APPS}/{name}"]["status"] = roll_out(2)
    made.clock.now = due
    assert await made.settle() == began + timedelta(seconds=10)
    made.clock.now = began + timedelta(seconds=10)
    await made.settle()
    assert restarts(made) == ["a", "b", "c"]


async def test_one_that_is_refused_holds_nobody_up() -> None:
    """A refusal of a policy is reported and retried; the others are restarted in the meantime."""
    made = await rolling("a", "b", "c", batchSize=1)
    for _ in range(2):
        made.api.answers.append((f"PATCH {APPS}/a", DENIED))
    await renew(made)
    await made.settle()
    assert made.conditions()[-1] == "RolloutFailing True RestartRefused"
    message = made.status()["conditions"][-1]["message"]
    assert "Deployment a" in message
    assert "denied the request" in message
    await to_the_end(made)
    assert restarts(made) == ["a", "b", "c", "a", "a"]
    assert made.conditions() == READY


async def test_without_the_right_one_refusal_is_enough() -> None:
    """What RBAC refuses of one workload it refuses of all: a try each back-off, not one each."""
    made = await rolling("a", "b")
    forbidden = 'deployments.apps "a" is forbidden: cannot patch resource "deployments" in API'
    error = ApiError(status=403, reason="Forbidden", message=forbidden)
    made.api.answers.append((f"PATCH {APPS}", error))
    await renew(made)
    due = await made.settle()
    assert restarts(made) == ["a"]
    assert made.conditions() == [*READY, PROGRESSING, "RolloutFailing True RolloutForbidden"]
    assert due - made.clock.now < timedelta(seconds=2)
    made.api.requested.clear()
    assert await made.settle() == due
    assert made.api.requested == []
    await to_the_end(made)
    assert restarts(made) == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiUnreachableError("GET"), "ApiUnreachable"),
        (ApiError(status=500, reason="", message="boom"), "RolloutRefused"),
    ],
)
async def test_an_api_server_in_trouble_is_asked_again(error: Exception, reason: str) -> None:
    """By a back-off; what was restarted before is not restarted again."""
    made = await rolling("a", "b", batchSize=1)
    await renew(made)
    await made.settle()
    made.api.answers.append((f"GET {APPS}", error))
    made.clock.advance(seconds=1)
    await made.settle()
    assert made.conditions()[-1] == f"RolloutFailing True {reason}"
    await to_the_end(made)
    assert restarts(made) == ["a", "b"]


async def test_a_process_that_begins_anew_goes_on() -> None:
    """What it remembered is lost; the state in the cluster is sufficient."""
    made = await rolling("a", "b", batchSize=1)
    await renew(made)
    await made.settle()
    made.store.grants[UID].rollout_state = None
    await to_the_end(made)
    assert restarts(made) == ["a", "b"]


async def test_a_mark_that_is_taken_away_is_not_fought_over() -> None:
    """A tool that removes it has thereby restarted the pods: it is reported, not repeated."""
    made = await rolling("a", "b", batchSize=1)
    await renew(made)
    due = await made.settle()
    del made.api.objects[f"{APPS}/a"]["spec"]["template"]["metadata"]["annotations"]
    made.api.objects[f"{APPS}/a"]["status"] = roll_out(2)
    made.clock.now = due
    await made.settle()
    assert made.conditions()[-1] == "RolloutFailing True MarkRemoved"
    await to_the_end(made)
    assert restarts(made) == ["a", "b"]


async def test_a_name_that_is_not_there_is_told_and_stays_told() -> None:
    """The others are restarted; the mistake is said until the grant is edited."""
    made = await rolling("a", "b", there=["b"])
    await renew(made)
    await to_the_end(made)
    assert restarts(made) == ["b"]
    assert made.conditions() == [*READY, "RolloutFailing True WorkloadNotFound"]
    assert "spec.rollout.restart[0].name" in made.status()["conditions"][-1]["message"]
    assert made.api.events() == [("Warning", "RolloutFailing")]
    made.put_grant(rollout=named("b"))
    await made.settle()
    assert made.conditions() == READY


async def test_a_renewal_that_fails_holds_no_rollout_up() -> None:
    """The key that was published lives, and its readers get it."""
    made = await rolling("a", "b", batchSize=1)
    await renew(made)
    made.cloud_provider.failures += [FAILURE] * 20
    made.put_grant(rollout=named("a", "b", batchSize=1), bedrockShortTermKey={"duration": "6h"})
    for _ in range(3):
        await made.settle()
        made.clock.advance(seconds=1)
        for name in ("a", "b"):
            made.api.objects[f"{APPS}/{name}"]["status"] = roll_out(2)
    assert restarts(made) == ["a", "b"]
    assert "RenewalFailing True AccessDenied" in made.conditions()


async def test_a_suspended_grant_restarts_nobody() -> None:
    """Until it is let go on."""
    made = await rolling("a")
    await renew(made)
    made.put_grant(rollout=named("a"), suspend=True)
    await made.settle()
    assert restarts(made) == []
    assert PROGRESSING in made.conditions()
    made.put_grant(rollout=named("a"))
    await to_the_end(made)
    assert restarts(made) == ["a"]


async def test_a_rollout_can_be_called_off() -> None:
    """Without `rollout` in the spec it is over, and not reported as completed."""
    made = await rolling("a", "b", batchSize=1)
    await renew(made)
    await made.settle()
    made.put_grant()
    await made.settle()
    assert made.conditions() == READY
    assert made.store.grants[UID].rollout_state is None
    assert made.api.events() == []


async def test_a_grant_made_anew_restarts_whom_it_knows() -> None:
    """A workload that was restarted for other data of this Secret runs with it; others may not."""
    made = scene(rollout=named("known", "unknown"))
    for name in ("known", "unknown"):
        made.api.put(APPS, deployment(name))
    template = made.api.objects[f"{APPS}/known"]["spec"]["template"]["metadata"]
    template["annotations"] = {_ANNOTATION: "of the grant before"}
    await to_the_end(made)
    assert restarts(made) == ["known"]


async def test_a_secret_that_is_taken_over_has_readers() -> None:
    """Who reads the data that it had before is restarted, marked or not."""
    made = scene(rollout=named("a"), secret={"adopt": True})
    made.api.put(APPS, deployment("a"))
    made.put_secret()
    await to_the_end(made)
    assert restarts(made) == ["a"]


async def test_nothing_is_restarted_after_the_lease_is_lost() -> None:
    """The next leader goes on; this one writes nothing more."""
    made = await rolling("a")
    await renew(made)
    made.gate.shut = True
    with pytest.raises(LostLeaseError):
        await made.settle()
    assert restarts(made) == []


async def test_nobody_is_restarted_for_data_of_before() -> None:
    """A process that begins with an old view reads the Secret first, and then sees the newest."""
    made = await rolling("a")
    await renew(made)
    body = made.api.objects[SECRET]
    annotations = body["metadata"]["annotations"]
    parts = annotations["keywright.dev/fingerprint"].split(".")
    annotations["keywright.dev/fingerprint"] = f"{parts[0]}.{'f' * 32}.{parts[2]}"
    made.api.put(SECRETS, body)
    await to_the_end(made)
    assert restarts(made) == ["a"]
    assert mark(made, "a") == "f" * 16


async def test_nobody_is_restarted_into_a_missing_secret() -> None:
    """Pods would wait for it: the Secret comes first, and brings a rollout of its own."""
    made = await rolling("a")
    await renew(made)
    del made.api.objects[SECRET]
    assert await made.settle() < made.clock.now + timedelta(seconds=1)
    assert restarts(made) == []
    del made.store.secrets["chat", "chat-key"]
    await to_the_end(made)
    assert restarts(made) == ["a"]


async def test_an_upgrade_to_salted_hashes_restarts_nothing() -> None:
    """A Secret of an earlier version is written again; no pod has other data."""
    made = await rolling("chat")
    body = made.api.objects[SECRET]
    data = {name: b64decode(text).decode() for name, text in body["data"].items()}
    annotations = body["metadata"]["annotations"]
    values = {"apiKey": Sensitive(data["AWS_BEARER_TOKEN_BEDROCK"])}
    grant, source = parsed(made)
    old = earlier_fingerprint(key_identity(grant, source=source), data=data, values=values)
    assert old != annotations["keywright.dev/fingerprint"]
    annotations["keywright.dev/fingerprint"] = old
    made.see_secret()
    path = f"{GRANTS}/chat-key"
    status = made.api.objects[path]["status"] | {"fingerprint": old}
    made.store.put_grant(made.api.put(GRANTS, made.api.objects[path] | {"status": status}))
    made.put_grant(rollout=named("chat"), secret={"labels": {"team": "chat"}})
    await to_the_end(made)
    assert f"PATCH {SECRET}" in made.api.writes()
    assert restarts(made) == []
    assert made.conditions() == READY
    await renew(made)
    await to_the_end(made)
    assert restarts(made) == ["chat"]
    assert mark(made, "chat") not in (None, data_hash(old))


def parsed(made: Scene) -> tuple[ApiKeyGrant, CredentialSource]:
    """The grant and the source as the operator sees them."""
    source = made.store.sources["chat", "bedrock"].value
    assert isinstance(source, CredentialSource)
    return parsed_grant(made.api.objects[f"{GRANTS}/chat-key"]), source
