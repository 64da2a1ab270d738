"""What a docker engine of the testbed leaves on the machine: nothing."""

from __future__ import annotations

from testbed.clusters.kind.host_state import rules_without_docker

# iptables-save beside a running engine with a kind cluster, and a rule of the machine's owner.
_SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br-f00dcafe0123 ! -o br-f00dcafe0123 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.199.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.200.0.0/24 ! -o br-f00dcafe0123 -j MASQUERADE
-A POSTROUTING -o br-lan -j MASQUERADE
COMMIT
"""
_KEPT = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A POSTROUTING -o br-lan -j MASQUERADE
COMMIT
"""


def test_rules_of_others_stay_when_the_engine_ends() -> None:
    """Docker's chains, jumps and bridges go; the owner's rules and bridges do not."""
    assert rules_without_docker(_SAVED.splitlines()) == _KEPT.splitlines()


def test_what_was_there_before_is_there_again() -> None:
    """Chains that another docker had left, and the policy that the owner gave the forwarding."""
    before = ["*filter", ":FORWARD DROP [7:420]", ":DOCKER-USER - [0:0]", "COMMIT"]
    kept = rules_without_docker(_SAVED.splitlines(), before=before)
    assert ":FORWARD DROP [0:0]" in kept
    assert ":DOCKER-USER - [0:0]" in kept
    assert ":DOCKER - [0:0]" not in kept
