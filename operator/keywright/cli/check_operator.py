"""Checks of the installation: CRDs, Deployment, leader, rights, network policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from keywright.api.rights import NEEDED
from keywright.api.times import parse_time
from keywright.cli.cluster_client import ClusterClient
from keywright.cli.errors import ForbiddenError
from keywright.cli.hop import Hop, Result
from keywright.cli.installation import (
    DEFAULT_NAMESPACE,
    OPERATOR_LABEL,
    Operator,
    find_crds,
    find_operators,
    lease_holder,
    operator_may,
)
from keywright.version import product_version

_HTTPS: Final = 443
_LEASE: Final = "keywright"


def operator_checks(client: ClusterClient) -> Iterator[Hop]:
    """Yield the checks of the CRDs and of each Deployment of the operator."""
    yield _crds(client)
    found = find_operators(client)
    if not found:
        yield _without_deployment(client)
        return
    for operator in found:
        yield _deployment(operator)
        yield _version(operator)
        yield _leader(client, operator)
        yield _rights(client, operator)
        yield _egress(client, operator)


def _crds(client: ClusterClient) -> Hop:
    title = "the CRDs are installed and have all fields of this version"
    problems = []
    for crd in find_crds(client):
        if not crd.installed:
            problems.append(f"{crd.name} is not installed.")
        elif crd.missing:
            problems.append(f"{crd.name} lacks {', '.join(crd.missing[:3])}.")
    if not problems:
        return Hop("check-crds", title)
    return Hop(
        "check-crds", title, Result.FAILED, facts=problems, cure="Apply the CRDs of this version."
    )


def _without_deployment(client: ClusterClient) -> Hop:
    """Whether a process outside the cluster, such as that of the demo, is the leader.

    Only the Lease of the default namespace counts: a tenant can create one in any other.
    """
    holder, fact = _holder(client, namespace=DEFAULT_NAMESPACE, lease=_LEASE)
    unchecked = "Its version, its permissions and network policies are not checked."
    if not fact:
        return Hop(
            "check-deployment",
            f"the operator runs without a Deployment, the leader is {holder}",
            facts=(f"It holds the Lease {DEFAULT_NAMESPACE}/{_LEASE}. {unchecked}",),
        )
    return Hop(
        "check-deployment",
        "the operator is installed",
        Result.FAILED,
        facts=(
            f"No Deployment has the label {OPERATOR_LABEL}.",
            f"Lease {DEFAULT_NAMESPACE}/{_LEASE}: {fact}",
        ),
        cure="Install it as docs/install.md describes.",
    )


def _deployment(operator: Operator) -> Hop:
    title = f"{operator.namespace}/{operator.name}: {operator.ready} of {operator.wanted} replicas"
    if operator.wanted and operator.ready >= operator.wanted:
        return Hop("check-deployment", title)
    result = Result.WARNING if operator.ready else Result.FAILED
    return Hop(
        "check-deployment",
        title,
        result,
        facts=() if operator.wanted else ("It is scaled to zero.",),
        cure=(
            f"See why: kubectl describe pods --namespace {operator.namespace}"
            " --selector app.kubernetes.io/name=keywright"
        ),
    )


def _version(operator: Operator) -> Hop:
    own = product_version()
    title = f"the operator has version {operator.version}"
    if own in (operator.version, "unknown") or operator.version == "unknown":
        return Hop("check-version", title)
    return Hop(
        "check-version",
        title,
        Result.WARNING,
        facts=(f"This program has version {own}.",),
        cure="Install the same version of both.",
    )


def _leader(client: ClusterClient, operator: Operator) -> Hop:
    if "--no-leader-election" in operator.arguments:
        return Hop("check-leader", "leader election is switched off", Result.SKIPPED)
    title = "a replica is the leader"
    holder, fact = _holder(client, namespace=operator.namespace, lease=_lease_name(operator))
    if not fact:
        return Hop("check-leader", f"{title}: {holder}")
    return Hop(
        "check-leader",
        title,
        Result.FAILED,
        facts=(fact,),
        cure=f"Read its log: kubectl logs --namespace {operator.namespace} deploy/{operator.name}",
    )


def _holder(client: ClusterClient, *, namespace: str, lease: str) -> tuple[str, str]:
    """The holder of a Lease, and why it does not count as the leader; empty if it does."""
    spec = lease_holder(client, namespace=namespace, name=lease)
    holder = (spec or {}).get("holderIdentity") or ""
    renewed = _time((spec or {}).get("renewTime"))
    seconds = float((spec or {}).get("leaseDurationSeconds") or 0)
    age = None if renewed is None else (client.now() - renewed).total_seconds()
    if not holder:
        return "", "No replica holds the Lease."
    if age is None or age > seconds + 2:
        return holder, f"{holder} has not renewed the Lease for {age or 0:.0f} s."
    return holder, ""


def _lease_name(operator: Operator) -> str:
    pairs = zip(operator.arguments, (*operator.arguments[1:], ""), strict=True)
    for word, after in pairs:
        if word == "--lease-name":
            return after
        if word.startswith("--lease-name="):
            return word.partition("=")[2]
    return _LEASE


def _rights(client: ClusterClient, operator: Operator) -> Hop:
    title = "the operator has the permissions that it needs"
    missing: list[str] = []
    for namespace in operator.namespaces or ("",):
        for right in NEEDED:
            allowed = operator_may(
                client,
                operator,
                right.verb,
                right.resource,
                group=right.group,
                namespace=namespace,
            )
            if allowed is None:
                return Hop(
                    "check-operator-rights",
                    title,
                    Result.SKIPPED,
                    facts=("You may not create subjectaccessreviews.",),
                )
            if not allowed:
                where = f" in namespace {namespace}" if namespace else ""
                missing.append(f"{right}{where}")
    if not missing:
        return Hop("check-operator-rights", title)
    return Hop(
        "check-operator-rights",
        title,
        Result.FAILED,
        facts=(f"It may not: {', '.join(missing)}.",),
        cure="Apply the rbac.yaml of this version, or the Role of each listed namespace.",
    )


def _egress(client: ClusterClient, operator: Operator) -> Hop:
    """Whether the network policies of the operator's pods let it call HTTPS; by ports alone."""
    title = "network policies let the operator reach the clouds (TCP 443)"
    path = f"/apis/networking.k8s.io/v1/namespaces/{operator.namespace}/networkpolicies"
    try:
        policies = [
            body
            for body in client.items(path)
            if "Egress" in (body["spec"].get("policyTypes") or ()) and _selects_operator(body)
        ]
    except ForbiddenError:
        return Hop("check-egress", title, Result.SKIPPED, facts=("You may not list them.",))
    if not policies or any(_lets_https_out(body) for body in policies):
        return Hop("check-egress", title)
    names = ", ".join(body["metadata"]["name"] for body in policies)
    return Hop(
        "check-egress",
        title,
        Result.FAILED,
        facts=(f"No egress rule of {names} allows it.",),
        cure="Allow TCP 443 to the clouds, or to your proxy, as manifests/operator does.",
    )


def _selects_operator(policy: Mapping[str, Any]) -> bool:
    labels = (policy["spec"].get("podSelector") or {}).get("matchLabels") or {}
    return all(
        key == "app.kubernetes.io/name" and value == "keywright" for key, value in labels.items()
    )


def _lets_https_out(policy: Mapping[str, Any]) -> bool:
    for rule in policy["spec"].get("egress") or ():
        ports = rule.get("ports")
        if not ports:
            return True
        for port in ports:
            number = port.get("port")
            if port.get("protocol", "TCP") != "TCP":
                continue
            last = port.get("endPort", number)
            if number is None or (isinstance(number, int) and number <= _HTTPS <= last):
                return True
    return False


def _time(raw: object) -> datetime | None:
    try:
        return parse_time(raw) if isinstance(raw, str) else None
    except ValueError:
        return None
