"""The line about the operator's rights after its start."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from keywright.api.rights import NEEDED
from keywright.cli.main import parser
from keywright.cli.run import settings
from keywright.cluster.client import KubernetesClient
from keywright.controller.rights_report import needed_rights, report_rights
from keywright.controller.settings import Settings
from tests.unit.api.samples import ROOT
from tests.unit.cluster.test_client import client_of

_INSTALLED = ROOT / "manifests"


def _settings(*arguments: str) -> Settings:
    given = ("run", "--own-namespace=keywright-system", "--metrics-auth=kubernetes", *arguments)
    return settings(parser("run").parse_args(given))


def _rules(*files: str) -> list[dict[str, Any]]:
    documents = [each for file in files for each in yaml.safe_load_all(Path(file).read_text())]
    return [rule for each in documents for rule in each.get("rules") or ()]


def _allows(rules: list[dict[str, Any]], requested: Mapping[str, str]) -> bool:
    subresource = requested.get("subresource")
    resource = requested["resource"] + (f"/{subresource}" if subresource else "")
    return any(
        requested["verb"] in rule["verbs"]
        and requested.get("group", "") in rule.get("apiGroups", ())
        and resource in rule.get("resources", ())
        and (not rule.get("resourceNames") or requested.get("name") in rule["resourceNames"])
        for rule in rules
    )


async def _line(
    caplog: pytest.LogCaptureFixture,
    found: Settings,
    allows: Callable[[Mapping[str, str]], bool],
) -> logging.LogRecord:
    """The line that the operator logs on an API server that answers like this."""

    async def answer(request: web.Request) -> web.Response:
        review = json.loads(await request.text())
        allowed = allows(review["spec"]["resourceAttributes"])
        return web.json_response({"status": {"allowed": allowed}}, status=201)

    caplog.set_level("INFO")
    async with client_of(answer) as client:
        await report_rights(client, found)
    (record,) = caplog.records
    return record


async def test_the_shipped_roles_have_all_that_are_needed(caplog: pytest.LogCaptureFixture) -> None:
    """And neither the tokens of any ServiceAccount nor workloads."""
    files = ("all-namespaces/rbac", *(f"operator/{name}" for name in _OPERATOR))
    rules = _rules(*(f"{_INSTALLED}/{file}.yaml" for file in files))
    record = await _line(caplog, _settings(), lambda requested: _allows(rules, requested))
    assert (record.levelname, record.getMessage()) == ("INFO", "rights: all that are needed")
    assert vars(record)["rights"] == {
        "missing": [],
        "tokensOfAnyServiceAccount": False,
        "rolloutsInAllNamespaces": False,
    }


_OPERATOR = ("leaderelection", "orphans", "clusterid", "metrics")


async def test_each_missing_right_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """With its namespace, and what to do; of many, the first ten."""
    found = _settings("--namespace=team-a", "--namespace=team-b")

    def allows(requested: Mapping[str, str]) -> bool:
        denied = requested.get("namespace") == "team-b" and requested["verb"] == "patch"
        return not denied or requested["resource"] != "secrets"

    record = await _line(caplog, found, allows)
    assert record.levelname == "WARNING"
    assert "refused: patch secrets in namespace team-b; apply the Roles" in record.getMessage()
    assert vars(record)["rights"]["missing"] == ["patch secrets in namespace team-b"]
    caplog.clear()
    record = await _line(caplog, found, lambda _: False)
    assert len(vars(record)["rights"]["missing"]) == len(needed_rights(found))
    assert f", and {len(needed_rights(found)) - 10} more; apply" in record.getMessage()


def test_what_is_needed_follows_the_settings() -> None:
    """Leader election, metrics and the listed namespaces; of many namespaces the first twenty."""
    found = {str(right) for right in needed_rights(_settings())}
    assert {"update leases keywright in namespace keywright-system", "create tokenreviews"} <= found
    assert {"list namespaces", "watch namespaces"} <= found
    less = replace(_settings("--namespace=a"), metrics_auth=False, leader_election=False)
    listed = {str(right) for right in needed_rights(less)}
    assert not any("leases" in right or "reviews" in right for right in listed)
    assert {"list namespaces a", "watch namespaces a"} <= listed
    assert "list namespaces" not in listed
    many = _settings(*(f"--namespace=n{number}" for number in range(300)))
    assert len(needed_rights(many)) < 20 * (len(NEEDED) + 2) + 10


class _Broken(KubernetesClient):
    """A client whose requests fail as the test says."""

    def __init__(self, error: Exception) -> None:
        self._raised = error

    async def request(self, *_: Any, **__: Any) -> Any:
        """Fail."""
        await asyncio.sleep(0)
        raise self._raised


async def test_an_api_server_that_does_not_answer_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rights are unknown; nothing else depends on the answer."""
    caplog.set_level("INFO")
    await report_rights(_Broken(ValueError("planted")), _settings())
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage() == "rights: unknown (ValueError)"
    assert "planted" not in caplog.text
