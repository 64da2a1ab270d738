"""The operator as its manifests have it, in pods: ready, minting, evicted, hung."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from testbed.clusters.api import ApiError
from testbed.operators import NAMESPACE
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.tier import Record, note
from tests.kind import readers
from tests.kind.installation import container_id, is_ready, restarts, seconds_until_ready
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind
# Three failed probes, ten seconds apart, and then the grace period of the pod.
_HUNG_SECONDS = 110.0


def test_both_replicas_are_ready_and_may_do_nothing(stage: Stage, record_property: Record) -> None:
    """In a namespace that enforces the restricted Pod Security Standard, at the first try.

    Who runs the process, and that it can write nowhere, is asked of the process itself.
    """
    namespace = stage.world.api.get(f"/api/v1/namespaces/{NAMESPACE}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = stage.installation.wait_until_ready()
    assert len(pods) == 2
    for pod in pods:
        assert restarts(pod) == 0
        record_property("seconds until ready", seconds_until_ready(pod))
        name = pod["metadata"]["name"]
        asked = (
            "import json, os;"
            "writable = [p for p in ('/', '/app', '/tmp', '/etc/clouds') if os.access(p, os.W_OK)];"
            "status = dict(line.split(':', 1) for line in open('/proc/1/status'));"
            "print(json.dumps([os.getuid(), writable, status['CapEff'].strip(),"
            " status['NoNewPrivs'].strip(), status['Seccomp'].strip()]))"
        )
        text = stage.installation.kubectl(
            "exec", f"--namespace={NAMESPACE}", name, "--", "python3", "-c", asked
        )
        assert json.loads(text) == [65532, [], "0000000000000000", "1", "2"]


def test_a_pod_calls_bedrock_with_its_minted_key(
    stage: Stage, new_tenant: Callable[[], Tenant]
) -> None:
    """The grant of examples/bedrock-short-term becomes Ready, and a pod uses the mounted key."""
    tenant = new_tenant()
    tenant.become_ready()
    spec = readers.pod_spec(
        "openai_file",
        surroundings=stage.surroundings,
        secret=GRANT,
        environment={"OPENAI_BASE_URL": tenant.data()["OPENAI_BASE_URL"]},
    )
    stage.world.api.create(readers.pod("chat", namespace=tenant.namespace, spec=spec))
    told = eventually(
        lambda: readers.told(stage.world.api, namespace=tenant.namespace, name="chat"), seconds=60
    )
    assert told[0].ok, told[0].error


def test_an_eviction_leaves_one_replica(stage: Stage) -> None:
    """A drain takes the second pod only when the first has been replaced."""
    first, second = (pod["metadata"]["name"] for pod in stage.installation.wait_until_ready())
    _evict(stage, first)
    with pytest.raises(ApiError, match="disruption budget"):
        _evict(stage, second)
    assert is_ready(stage.installation.pod(second))
    stage.installation.wait_until_ready()


@pytest.mark.timeout(300)
def test_a_hung_operator_is_not_ready_and_is_started_again(stage: Stage) -> None:
    """The probes ask the process itself: one that is stopped in its tracks fails both of them."""
    stage.installation.wait_until_ready()
    name = stage.installation.standby()
    pod = stage.installation.pod(name)
    before = restarts(pod)
    stage.cluster.signal_container(container_id(pod), "SIGSTOP")
    stage.installation.wait_for_pod(name, lambda found: not is_ready(found))
    stage.installation.wait_for_pod(
        name, lambda found: restarts(found) > before and is_ready(found), seconds=_HUNG_SECONDS
    )


def test_the_network_policy_lets_the_operator_work(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    """It selects the operator's pods, and where the network enforces it, other ports are shut.

    Everything else of this folder runs under it. kind's own network enforces policies, a plain
    bridge does not: the summary says so then.
    """
    path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/keywright"
    policy = stage.world.api.get(path)["spec"]
    pod, *_ = stage.installation.wait_until_ready()
    wanted = policy["podSelector"]["matchLabels"]
    assert wanted.items() <= pod["metadata"]["labels"].items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    # The kubelet's port of the node, which is none of those that the policy lists.
    asked = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], 10250), 3).close()\n"
        "except OSError: print('shut')\n"
        "else: print('open')"
    )
    address = pod["status"]["hostIP"]
    name = pod["metadata"]["name"]
    answer = stage.installation.kubectl(
        *("exec", f"--namespace={NAMESPACE}", name, "--", "python3", "-c", asked, address)
    ).strip()
    if answer == "open":
        note(request.config, "SKIPPED: the network of this cluster enforces no NetworkPolicy")
        pytest.skip("the network of this cluster enforces no NetworkPolicy")
    assert answer == "shut"


def _evict(stage: Stage, name: str) -> None:
    stage.world.api.request(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction",
        body={
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": NAMESPACE},
        },
    )
