"""Keys that were lost while several grants of one IAM user created keys: whose each one is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keywright.api.aws_long_term_key import KEY_SERVICES, AwsService
from keywright.api.times import format_time
from keywright.controller.grants.state import build_state
from keywright.controller.key_records import Finding
from keywright.controller.records import grant_record
from keywright.planning.key_ownership import keys_of_intent
from keywright.planning.state import CloudKey
from keywright.secrets.proofs import Prover
from tests.unit.controller.samples import Scene

_LOGS: dict[str, Any] = {"service": "CloudWatchLogs"}
_TRACES: dict[str, Any] = {"service": "XRay"}
_BEDROCK: dict[str, Any] = {}


def _body(made: Scene, name: str, key: dict[str, Any], *, namespace: str = "chat") -> Any:
    """A grant of an existing user, whose first key is being created: the operator proves it."""
    kind, now = "awsLongTermKey" if key else "bedrockLongTermKey", made.clock()
    prover = Prover(made.context.fingerprint_key(), namespace, name, (f"uid-{name}",))
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "sourceRef": {"name": "bedrock"},
            kind: {**key, "user": {"name": "u", "create": False}, "rotateEvery": "7d"},
        },
        "status": {
            "kind": kind,
            "pending": {
                "startedAt": format_time(now),
                "baseline": [],
                "proof": prover.of_intent(now, holder="u", baseline=()),
            },
        },
    }


async def _lost(made: Scene, name: str) -> tuple[str, ...]:
    """The keys that a grant recognizes as lost; the cloud lists one that was just created."""
    listed = (CloudKey(f"1/u/{name}", created_at=made.clock() + timedelta(seconds=1)),)
    record = made.store.grants[f"uid-{name}"]
    found = await build_state(
        made.context, record, skip_backoff=False, finding=Finding(listed=listed)
    )
    assert found.status.pending is not None
    return keys_of_intent(found.status.pending, found, listed=listed, known=frozenset())


def _scene(first: dict[str, Any], second: dict[str, Any], **of_second: str) -> Scene:
    made = Scene()
    made.put_source()
    made.store.put_grant(_body(made, "first", first))
    made.store.put_grant(_body(made, "second", second, **of_second))
    return made


@pytest.mark.parametrize(
    ("first", "second"), [(_LOGS, _TRACES), (_TRACES, _BEDROCK), (_BEDROCK, _LOGS)]
)
async def test_grants_of_different_services_recognize_their_lost_keys(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Both were creating a key of one user when the operator ended."""
    made = _scene(first, second)
    assert await _lost(made, "first") == ("1/u/first",)
    assert await _lost(made, "second") == ("1/u/second",)


@pytest.mark.parametrize("key", [_LOGS, _BEDROCK])
@pytest.mark.parametrize("namespace", ["chat", "other"])
async def test_a_lost_key_of_the_same_service_can_be_that_of_another_grant(
    key: dict[str, Any], namespace: str
) -> None:
    """Nothing distinguishes the two: neither grant deletes it."""
    made = _scene(key, key, namespace=namespace)
    assert await _lost(made, "first") == ()


@pytest.mark.parametrize("service", [None, 7, ["XRay"], "Unknown"])
async def test_a_grant_whose_service_cannot_be_read_can_create_any_key(service: object) -> None:
    """The CRD of another version may allow such a spec."""
    made = _scene(_TRACES, {"service": service})
    assert await _lost(made, "first") == ()


async def test_keys_of_another_service_still_are_those_of_others() -> None:
    """The service counts for creates in progress only, not for what is proved."""
    made = _scene(_LOGS, _TRACES)
    body = _body(made, "second", _TRACES)
    prover = Prover(made.context.fingerprint_key(), "chat", "second", ("uid-second",))
    key_id = "1/u/first"
    body["status"] |= {"keyId": key_id, "keyProof": prover.of_key(key_id)}
    body["metadata"]["resourceVersion"] = "2"
    made.store.put_grant(body)
    assert await _lost(made, "first") == ()


@pytest.mark.parametrize("service", AwsService)
def test_a_record_names_user_and_service(service: AwsService) -> None:
    """The service by its name in IAM."""
    body = _body(Scene(), "first", {"service": service.value})
    record = grant_record(body, body["metadata"], version=1)
    assert (record.holder, record.service) == ("u", KEY_SERVICES[service].name)


@pytest.mark.parametrize("spec", [{}, {"awsLongTermKey": 7}, {"awsLongTermKey": {"user": []}}])
def test_a_record_of_a_spec_of_any_shape_names_none(spec: dict[str, Any]) -> None:
    """A grant is stored whether or not it can be parsed."""
    body = _body(Scene(), "first", _LOGS) | {"spec": spec}
    record = grant_record(body, body["metadata"], version=1)
    assert (record.holder, record.service) == ("", "")
