"""Alerts and dashboard ask for metrics that the operator has, in PromQL that parses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from keywright.api.docs_links import DOCS_URL
from keywright.api.errors import FailureClass
from tests.unit.api.samples import ROOT
from tools.reference.metrics import scrape

MONITORING = ROOT / "manifests" / "monitoring"
_NAME = re.compile(r"keywright_[a-z_]+")
# Grafana puts these in before Prometheus sees the expression.
_VARIABLES = {"$namespace": ".*", "$__rate_interval": "1m"}


def _yaml(file: str) -> Any:
    return yaml.safe_load((MONITORING / file).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for rule in _all_rules() if "alert" in rule]


def _all_rules() -> list[dict[str, Any]]:
    """Alerts, and recording rules."""
    return [rule for group in _yaml("alerts.yaml")["spec"]["groups"] for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_yaml("dashboard.yaml")["data"]["keywright.json"])
    return found


def _expressions() -> Iterator[str]:
    for rule in _all_rules():
        yield rule["expr"]
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in _VARIABLES.items():
                expression = expression.replace(variable, value)
            yield expression


async def _scrape() -> dict[str, set[str]]:
    """The names of all series of a scrape, and their labels."""
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(await scrape())
        for sample in family.samples
    }


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
async def test_an_expression_parses_and_names_what_the_operator_exposes(expression: str) -> None:
    """Every series and every label in a matcher or grouping is in a scrape."""
    promql_parser.parse(expression)
    exposed = await _scrape()
    names = set(_NAME.findall(expression))
    assert names
    assert names <= exposed.keys()
    labels = set().union(*(exposed[name] for name in names)) | {"instance"}
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    matched = re.findall(r"[{,]\s*(\w+)(?:=~|!~|!=|=)\"", expression)
    requested = {name.strip() for group in grouped for name in group.split(",")} | set(matched)
    assert requested <= labels


def test_results_in_a_rule_are_those_that_are_counted() -> None:
    """`success`, `refused` and the classes of failure; a typing mistake would never fire."""
    known = {"success", "refused", *(each.value for each in FailureClass)}
    named = {
        value
        for rule in rules()
        for values in re.findall(r"result(?:=~|!~|!=|=)\"([^\"]*)\"", rule["expr"])
        for value in values.split("|")
    }
    assert named
    assert named <= known


def test_every_alert_has_its_page_and_says_what_it_is_about() -> None:
    """One section in docs/alerts.md for each, with the same expression, and no other section."""
    page = (ROOT / "docs" / "alerts.md").read_text()
    sections = re.findall(r"^## (Keywright\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _ in sections) == sorted(rule["alert"] for rule in rules())
    written = dict(sections)
    for rule in rules():
        section = f"#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook"] == f"docs/alerts.md{section}"
        assert rule["annotations"]["runbook_url"] == f"{DOCS_URL}/alerts.html{section}"
        assert f"`{rule['expr']}`" in written[rule["alert"]], rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


def test_the_namespace_of_a_grant_is_not_that_of_the_pod() -> None:
    """Without honorLabels Prometheus would rename it, and every rule over grants be wrong."""
    (endpoint,) = _yaml("servicemonitor.yaml")["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True
    service = _yaml("service.yaml")
    (port,) = service["spec"]["ports"]
    assert endpoint["port"] == port["name"]
    deployment = yaml.safe_load(
        (ROOT / "manifests" / "operator" / "deployment.yaml").read_text(encoding="utf-8")
    )
    template = deployment["spec"]["template"]
    assert port["targetPort"] in {p["name"] for p in template["spec"]["containers"][0]["ports"]}
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert service["spec"]["publishNotReadyAddresses"] is True
    selected = _yaml("servicemonitor.yaml")["spec"]["selector"]["matchLabels"]
    assert selected.items() <= service["metadata"]["labels"].items()


def test_both_ways_of_scraping_show_a_token_by_tls() -> None:
    """The token of Prometheus itself, or that of a ServiceAccount that may read metrics alone."""
    (with_file,) = _yaml("servicemonitor.yaml")["spec"]["endpoints"]
    assert (with_file["scheme"], "bearerTokenFile" in with_file) == ("https", True)
    variant = ROOT / "manifests" / "monitoring-without-token-files"
    patch = yaml.safe_load((variant / "servicemonitor.yaml").read_text(encoding="utf-8"))
    (without,) = patch["spec"]["endpoints"]
    assert "bearerTokenFile" not in without
    account, secret, binding = yaml.safe_load_all((variant / "token.yaml").read_text("utf-8"))
    credentials = without["authorization"]["credentials"]
    assert credentials == {"name": secret["metadata"]["name"], "key": "token"}
    assert secret["metadata"]["annotations"] == {
        "kubernetes.io/service-account.name": account["metadata"]["name"]
    }
    assert binding["roleRef"]["name"] == "keywright-metrics-reader"
