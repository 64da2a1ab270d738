"""Each alert fires and resolves, and the recording rules compute what they say: by promtool."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testbed.go_tools import TOOLS, NoGoError, go_tool
from tests.cluster.tier import without_tool
from tests.unit.api.samples import ROOT

_CASES: Final = sorted((ROOT / "tests" / "data" / "alerts").glob("*.yaml"))
_RULES: Final = ROOT / "manifests" / "monitoring" / "alerts.yaml"


@pytest.fixture(scope="session")
def promtool(request: pytest.FixtureRequest) -> Path:
    """Prometheus' own program, built once; skips loudly without Go."""
    try:
        return go_tool("promtool", module=TOOLS / "promtool")
    except NoGoError as error:
        without_tool(request.config, "promtool", str(error))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rules as Prometheus reads them, beside their tests; without the links to runbooks."""
    spec = yaml.safe_load(_RULES.read_text(encoding="utf-8"))["spec"]
    for group in spec["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    for case in _CASES:
        shutil.copyfile(case, tmp_path / case.name)
    return tmp_path


def _run(promtool: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def _rules() -> list[dict[str, Any]]:
    spec = yaml.safe_load(_RULES.read_text(encoding="utf-8"))["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"]]


def _tests() -> list[dict[str, Any]]:
    texts = [case.read_text(encoding="utf-8") for case in _CASES]
    return [test for text in texts for test in yaml.safe_load(text)["tests"]]


def test_the_rules_are_valid(promtool: Path, folder: Path) -> None:
    """Also their templates, which promql-parser does not read."""
    done = _run(promtool, folder, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", [case.name for case in _CASES])
def test_alerts_fire_and_resolve(promtool: Path, folder: Path, case: str) -> None:
    """With the labels and the text of each, and only for the series that it is about."""
    done = _run(promtool, folder, "test", "rules", case)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_is_found(promtool: Path, folder: Path) -> None:
    """All cases fail for rules whose expressions match nothing."""
    rules = yaml.safe_load((folder / "rules.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = "absent(vector(1))"
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    for case in _CASES:
        assert _run(promtool, folder, "test", "rules", case.name).returncode != 0, case.name


def test_every_alert_is_seen_quiet_firing_and_resolved() -> None:
    """In this order in one test; and each recording rule is evaluated."""
    seen: dict[str, list[list[bool]]] = defaultdict(list)
    for test in _tests():
        course: dict[str, list[bool]] = defaultdict(list)
        for each in test.get("alert_rule_test", []):
            course[each["alertname"]].append(bool(each["exp_alerts"]))
        for name, firing in course.items():
            seen[name].append(firing)
    alerts = {rule["alert"] for rule in _rules() if "alert" in rule}
    assert seen.keys() == alerts
    for name, courses in seen.items():
        assert all(firing == [False, True, False] for firing in courses), name
    evaluated = " ".join(
        each["expr"] for test in _tests() for each in test.get("promql_expr_test", [])
    )
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    assert recorded
    assert all(name in evaluated for name in recorded)
