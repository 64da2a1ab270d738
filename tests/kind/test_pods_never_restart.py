"""Pods that mount a Secret, whose key is renewed under them time and again."""

from __future__ import annotations

import itertools

import pytest

from testbed.readers.ledger import expired, needless
from tests.cluster.eventually import eventually
from tests.cluster.tier import Record
from tests.kind import readers
from tests.kind.never_restarted import FROZEN, NeverRestarted
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind
_RENEWALS = 10
_FEWEST_KEYS = 3
# A call that takes longer than its second puts the next one off; here the node shares two cores
# with the clouds and the other tests.
_LONGEST_PAUSE_SECONDS = 15.0
_ENOUGH_SECONDS = 330.0


@pytest.mark.run_last
@pytest.mark.timeout(420)
def test_sdks_go_on_through_ten_renewals(
    stage: Stage, never_restarted: dict[str, NeverRestarted], record_property: Record
) -> None:
    """boto3, the OpenAI SDK and Alibaba Cloud's call once a second, and no call ever fails.

    A second OpenAI SDK reads its settings once: a proxy in its pod has the key.

    No pod restarts. The kubelet brings a renewed Secret when it looks after the pod, in its own
    time, which the margin has room for; meanwhile the other tests kill and replace the operator.
    """
    names = [(pod.tenant.namespace, "chat-key") for pod in never_restarted.values()]
    stage.ledger.wait_until(
        lambda revisions: all(revisions.get(name, 0) > _RENEWALS for name in names),
        seconds=_ENOUGH_SECONDS,
    )
    for program, pod in never_restarted.items():
        fewest = 1 if program == FROZEN else _FEWEST_KEYS
        reported = eventually(
            lambda pod=pod, fewest=fewest: _enough(stage, pod, fewest),  # type: ignore[misc]  # bound at once
            seconds=_ENOUGH_SECONDS,
        )
        assert [call for call in reported if not call.ok] == [], program
        pauses = [later.time - call.time for call, later in itertools.pairwise(reported)]
        assert max(pauses) < _LONGEST_PAUSE_SECONDS, program
        entries = stage.ledger.entries()[pod.tenant.namespace, "chat-key"]
        assert expired(entries, until=reported[-1].time) == [], program
        assert needless(entries) == [], program
        keys = {call.key for call in reported}
        if program == FROZEN:
            # Its client has one placeholder: what counts are the renewals while it called.
            keys = {str(each.revision) for each in entries if each.seen > reported[0].time}
            assert len(keys) >= _FEWEST_KEYS, program
        status = stage.world.api.get(f"/api/v1/namespaces/{pod.tenant.namespace}/pods/{pod.pod}")
        found = status["status"]
        containers = found["containerStatuses"] + found.get("initContainerStatuses", [])
        assert {each["restartCount"] for each in containers} == {0}, program
        record_property(program, f"{len(reported)} calls with {len(keys)} of {len(entries)} keys")


def _enough(stage: Stage, pod: NeverRestarted, fewest: int) -> list[readers.Told]:
    """The calls of a pod, once the kubelet has brought it other keys time and again."""
    reported = readers.reported(stage.world.api, namespace=pod.tenant.namespace, name=pod.pod)
    return reported if len({call.key for call in reported}) >= fewest else []
