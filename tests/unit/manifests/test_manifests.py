"""What an installation may do, and what its pods are: held over every manifest that is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from tests.unit.api.samples import ROOT

MANIFESTS = ROOT / "manifests"
LISTED = MANIFESTS / "listed-namespaces"
CHART = MANIFESTS / "chart"
Document = dict[str, Any]


@cache
def documents() -> tuple[tuple[str, Document], ...]:
    """Every object of the shipped manifests, with the path of its file."""
    return tuple(
        (str(path.relative_to(MANIFESTS)), document)
        for path in sorted(MANIFESTS.rglob("*.yaml"))
        if CHART not in path.parents  # templates; rendered, they are held to these
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if isinstance(document, dict)
    )


def _of(*kinds: str) -> list[tuple[str, Document]]:
    return [(path, document) for path, document in documents() if document.get("kind") in kinds]


_USER_ROLES = "operator/user-roles.yaml"


def _rules() -> Iterator[tuple[str, Document]]:
    """The rules of the operator's roles; those for people are not bound to it."""
    for path, role in _of("Role", "ClusterRole"):
        if path == _USER_ROLES:
            continue
        for rule in role["rules"]:
            yield path, rule


def test_no_right_has_a_wildcard() -> None:
    """Neither of groups, nor resources, nor verbs, nor names."""
    for path, rule in _rules():
        assert "*" not in str(rule), path
        assert rule.get("nonResourceURLs") in (None, ["/metrics"]), path


@pytest.mark.parametrize("verb", ["escalate", "bind", "impersonate", "delete", "deletecollection"])
def test_rights_that_nobody_needs_are_not_given(verb: str) -> None:
    """The operator grants no rights, impersonates no one, and deletes nothing in the cluster."""
    assert [path for path, rule in _rules() if verb in rule["verbs"]] == []


def test_the_roles_for_people_are_of_our_resources_alone() -> None:
    """Aggregated, they must add nothing else to the built-in roles; and no status is written."""
    roles = {
        role["metadata"]["name"]: role for path, role in _of("ClusterRole") if path == _USER_ROLES
    }
    assert set(roles) == {"keywright-view", "keywright-edit"}
    for role in roles.values():
        (rule,) = role["rules"]
        assert rule["apiGroups"] == ["keywright.dev"]
        assert rule["resources"] == ["apikeygrants", "credentialsources"]
    assert roles["keywright-view"]["rules"][0]["verbs"] == ["get", "list", "watch"]


def test_tokens_are_not_in_what_is_installed() -> None:
    """Rule 12: a Role for each ServiceAccount; the right on all of them stands by itself."""
    found = {
        path for path, rule in _rules() if "serviceaccounts/token" in rule.get("resources", ())
    }
    assert found == {"tokens-of-any-serviceaccount/rbac.yaml"}


def test_the_operator_changes_nothing_of_our_resources_but_their_status() -> None:
    """And the finalizers of grants: authors of a source decide which identity the operator uses."""
    for path, rule in _rules():
        if "keywright.dev" not in rule.get("apiGroups", ()):
            continue
        if set(rule["verbs"]) - {"get", "list", "watch"}:
            assert rule["verbs"] == ["patch"], path
            assert set(rule["resources"]) <= {
                "apikeygrants",
                "apikeygrants/status",
                "credentialsources/status",
            }, path


def test_a_listed_namespace_has_the_rights_of_all_of_them_and_no_other() -> None:
    """But for namespaces themselves, which are watched by name."""
    (everywhere,) = [
        role
        for path, role in _of("ClusterRole")
        if path == "all-namespaces/rbac.yaml" and role["metadata"]["name"] == "keywright"
    ]
    (here,) = [role for path, role in _of("Role") if path == "listed-namespaces/role/role.yaml"]
    of_cluster = [rule for rule in everywhere["rules"] if rule["resources"] != ["namespaces"]]
    assert here["rules"] == of_cluster
    assert len(everywhere["rules"]) == len(of_cluster) + 1


def test_the_listed_namespaces_are_the_same_everywhere() -> None:
    """Folders, flags and the names that may be watched."""
    named = {path.parent.name for path in LISTED.glob("*/kustomization.yaml")} - {"role"}
    found = dict(documents())
    (flags,) = found["listed-namespaces/arguments.yaml"]["spec"]["template"]["spec"]["containers"]
    assert flags["args"] == [
        "run",
        "--metrics-auth=kubernetes",
        *(f"--namespace={name}" for name in sorted(named)),
    ]
    (watched,) = [
        role for path, role in _of("ClusterRole") if path == "listed-namespaces/namespaces.yaml"
    ]
    assert watched["rules"][0]["resourceNames"] == sorted(named)
    resources = found["listed-namespaces/kustomization.yaml"]["resources"]
    assert {name for name in resources if (LISTED / name).is_dir() and ".." not in name} == named


def test_rights_are_given_to_the_operator_alone() -> None:
    """Every binding has the one subject, by its namespace; a scraper may read metrics alone."""
    subject = {"kind": "ServiceAccount", "name": "keywright", "namespace": "keywright-system"}
    for path, binding in _of("RoleBinding", "ClusterRoleBinding"):
        if binding["roleRef"]["name"] == "keywright-metrics-reader":
            continue
        assert binding["subjects"] == [subject], path
    assert [
        (path, subject["name"])
        for path, binding in _of("ClusterRoleBinding")
        if binding["roleRef"]["name"] == "keywright-metrics-reader"
        for subject in binding["subjects"]
    ] == [("monitoring-without-token-files/token.yaml", "keywright-metrics-reader")]


def test_metrics_are_reviewed_by_the_least_rights() -> None:
    """The operator may make reviews; a reader may GET /metrics; neither may do anything else."""
    roles = {role["metadata"]["name"]: role["rules"] for _, role in _of("ClusterRole")}
    assert [(rule["resources"], rule["verbs"]) for rule in roles["keywright-metrics-auth"]] == [
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
    ]
    assert roles["keywright-metrics-reader"] == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    ]


def test_every_file_is_part_of_an_installation() -> None:
    """What lies in a folder is named by its kustomization, or is a patch of it."""
    for file in MANIFESTS.rglob("kustomization.yaml"):
        kustomization = yaml.safe_load(file.read_text(encoding="utf-8"))
        named = set(kustomization.get("resources", ()))
        patches = kustomization.get("patches", ())
        named |= {patch["path"] for patch in patches if "path" in patch}
        present = {path.name for path in file.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert present <= named, file
        assert all((file.parent / name).exists() for name in named), file


def test_a_network_policy_is_on_every_pod() -> None:
    """Both ways: what is not named is refused."""
    ((_, deployment),) = [
        (path, found) for path, found in _of("Deployment") if path.startswith("operator/")
    ]
    ((_, policy),) = _of("NetworkPolicy")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["ports"] for way in ("ingress", "egress") for rule in policy["spec"][way])
