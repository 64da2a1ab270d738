"""The operator as its manifests have it, in pods: ready, minting, evicted, hung."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.clusters.api import ApiError
from testbed.operators import NAMESPACE
from testbed.world import MANIFESTS
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.tier import Record, note
from tests.kind import readers
from tests.kind.installation import (
    DEPLOYMENT,
    container_id,
    is_ready,
    restarts,
    seconds_until_ready,
)
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind
# Three failed probes, ten seconds apart, and then the grace period of the probe.
_HUNG_SECONDS = 80.0
_POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
_API_SERVER = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
_DNS = 53
# The kubelet's port of the node, which is none of those that the policy lists.
_TRY_KUBELET = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], 10250), 3).close()\n"
    "except OSError: print('shut')\n"
    "else: print('open')"
)


def test_both_replicas_are_ready_and_may_do_nothing(stage: Stage, record_property: Record) -> None:
    """In a namespace that enforces the restricted Pod Security Standard, at the first try.

    Who runs the process, and that it can write nowhere, is asked of the process itself.
    """
    namespace = stage.world.api.get(f"/api/v1/namespaces/{NAMESPACE}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in stage.first_pods:
        assert restarts(pod) == 0
        record_property("seconds until ready", seconds_until_ready(pod))
    pods = stage.installation.wait_until_ready()
    assert len(pods) == len(stage.first_pods) == 2
    for pod in pods:
        name = pod["metadata"]["name"]
        requested = (
            "import json, os;"
            "writable = [p for p in ('/', '/app', '/tmp', '/etc/clouds') if os.access(p, os.W_OK)];"
            "status = dict(line.split(':', 1) for line in open('/proc/1/status'));"
            "print(json.dumps([os.getuid(), writable, status['CapEff'].strip(),"
            " status['NoNewPrivs'].strip(), status['Seccomp'].strip()]))"
        )
        assert json.loads(_python(stage, name, requested)) == [
            65532,
            [],
            "0000000000000000",
            "1",
            "2",
        ]


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
    reported = eventually(
        lambda: readers.reported(stage.world.api, namespace=tenant.namespace, name="chat"),
        seconds=60,
    )
    assert reported[0].ok, reported[0].error


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


def test_the_network_policy_is_of_the_ports_that_the_operator_uses(
    stage: Stage, new_tenant: Callable[[], Tenant], request: pytest.FixtureRequest
) -> None:
    """What it opens are the ports that a working operator has connections on, and no others.

    The API server takes it without a warning. Where the cluster's network enforces policies,
    another port is seen to be shut; where it does not, the summary says that this much alone was
    checked.
    """
    file = MANIFESTS / "operator" / "networkpolicy.yaml"
    stage.installation.kubectl(
        "apply", "--dry-run=server", "--validate=strict", f"--filename={file}"
    )
    policy = stage.world.api.get(f"{_POLICIES}/keywright")["spec"]
    new_tenant().become_ready()  # a connection to the cloud, just now
    inward, outward = set[int](), set[int]()
    for pod in stage.installation.wait_until_ready():
        labels = pod["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        found = _connections(stage, pod["metadata"]["name"])
        inward |= found.inward
        outward |= found.outward
    [container] = stage.world.api.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert _ports(policy["ingress"]) == {each["containerPort"] for each in container["ports"]}
    assert inward <= _ports(policy["ingress"])
    # A network may look at the Service's port or, behind it, at the API server's own.
    behind = stage.world.api.get(_API_SERVER)["ports"][0]["port"]
    assert {443, behind} == _ports(policy["egress"]) - {_DNS}
    # The emulated clouds are behind a proxy, for which the installation of this folder has a rule.
    proxy = stage.surroundings.proxy_port
    assert {443, proxy} <= outward <= _ports(policy["egress"]) | {proxy}

    pod, *_ = stage.installation.pods()
    answer = _python(stage, pod["metadata"]["name"], _TRY_KUBELET, pod["status"]["hostIP"])
    if answer == "open":
        note(
            request.config,
            "NetworkPolicy: checked by schema and against the operator's connections; this"
            " cluster's network does not enforce it",
        )
    assert answer in ("open", "shut")


@dataclass(frozen=True, slots=True)
class Connections:
    """Ports of a pod's open connections: its own, that others came to; others', that it went to."""

    inward: frozenset[int]
    outward: frozenset[int]


def _connections(stage: Stage, name: str) -> Connections:
    """As the kernel lists them for the pod (proc_net_tcp(5): 01 is ESTABLISHED, 0A is LISTEN)."""
    requested = (
        "for name in ('tcp', 'tcp6'):\n"
        "  for line in open('/proc/net/' + name).readlines()[1:]: print(*line.split()[1:4])"
    )
    rows = [line.split() for line in _python(stage, name, requested).splitlines()]
    ends = [
        (int(own.rpartition(":")[2], 16), int(other.rpartition(":")[2], 16), state)
        for own, other, state in rows
    ]
    listening = {own for own, _, state in ends if state == "0A"}
    open_now = [(own, other) for own, other, state in ends if state == "01"]
    return Connections(
        inward=frozenset(own for own, _ in open_now if own in listening),
        outward=frozenset(other for own, other in open_now if own not in listening),
    )


def _ports(rules: list[dict[str, Any]]) -> set[int]:
    return {each["port"] for rule in rules for each in rule["ports"]}


def _python(stage: Stage, pod: str, program: str, *arguments: str) -> str:
    """What a program prints in a container of the operator."""
    return stage.installation.kubectl(
        *("exec", f"--namespace={NAMESPACE}", pod, "--", "python3", "-c", program, *arguments)
    ).strip()


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
