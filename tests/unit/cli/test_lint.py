"""The command `keywright lint`: outputs, exit codes, layouts of repositories, no network."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import fastjsonschema
import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from keywright.cli.linting.engine import LintResult, lint
from keywright.cli.linting.reports import FORMATS
from keywright.cli.linting.rules import RULES
from keywright.cli.linting.schema_checks import deprecated_fields
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_paths
from testbed.world import EXAMPLES, ROOT
from tests.cluster.commands import KUBECTL

HERE = Path(__file__).parent
CASES = HERE / "lint_cases"
LAYOUTS = HERE / "layouts"
OPERATOR = ("keywright-system", "keywright")
# Published under the MIT licence in the npm package @microsoft/jest-sarif 1.0.0-beta.0.
SARIF_SCHEMA = ROOT / "tests" / "data" / "sarif" / "sarif-2.1.0-rtm.5.json"


def _lint(*paths: Path) -> LintResult:
    return lint(read_paths(map(str, paths)), operator=OPERATOR)


def _shown(result: LintResult) -> list[str]:
    return [f"{each.position} {each.rule.id} {each.message}" for each in result.findings]


@pytest.mark.parametrize("folder", sorted(LAYOUTS.iterdir()), ids=lambda path: path.name)
def test_usual_repositories_have_no_findings(folder: Path) -> None:
    """A Flux monorepo with overlays, an Argo CD app of apps with environments, Helm's output."""
    result = _lint(folder)
    assert _shown(result) == []
    assert result.checked >= 5


def test_the_examples_have_no_findings() -> None:
    """Each alone, as a user copies it, and all together."""
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        assert _shown(_lint(folder)) == []
    assert _shown(_lint(EXAMPLES)) == []


def test_copies_of_one_environment_still_conflict() -> None:
    """What may differ between environments must not hide a mistake within one."""
    folder = LAYOUTS / "argocd"
    case = CASES / "one-secret-of-two-grants.yaml"
    found = _shown(_lint(folder, CASES / "_base.yaml", case))
    assert [line.split()[1] for line in found] == ["KW204"]


def test_a_grant_outside_of_a_kustomization_conflicts_with_one_inside(tmp_path: Path) -> None:
    """They may be in one cluster, since neither is a copy of the other's environment."""
    shared = EXAMPLES / "shared-source"
    inside = tmp_path / "inside"
    shutil.copytree(shared, inside)
    grant = next(yaml.safe_load_all((inside / "apikeygrants.yaml").read_text()))
    secret = grant["spec"].setdefault("secret", {})
    secret.setdefault("name", grant["metadata"]["name"])
    grant["metadata"]["name"] += "-again"
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(grant))
    found = _shown(_lint(inside, tmp_path / "again.yaml"))
    assert [line.split()[1] for line in found] == ["KW204"]


def test_the_cure_of_a_namespace_names_the_labels_of_the_selector(tmp_path: Path) -> None:
    """The cure names what to add, not only that something is missing."""
    shared = tmp_path / "shared"
    shutil.copytree(EXAMPLES / "shared-source", shared)
    source = yaml.safe_load((shared / "credentialsource.yaml").read_text())
    labels = {"keywright.example/tier": "gold"}
    source["spec"]["allowedNamespaces"] = {"selector": {"matchLabels": labels}}
    (shared / "credentialsource.yaml").write_text(yaml.safe_dump(source))
    cures = [each.cure for each in _lint(shared).findings if each.rule.id == "KW202"]
    assert cures
    assert all("(keywright.example/tier=gold)" in cure for cure in cures)


@pytest.mark.parametrize("output", FORMATS)
def test_the_exit_code_says_whether_there_are_findings(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 without findings, 1 with errors or warnings."""
    warning = str(CASES / "api-key-without-rotation.yaml")
    base = str(CASES / "_base.yaml")
    assert main(["lint", "-o", output, base]) is ExitCode.OK
    assert main(["lint", "-o", output, base, warning]) is ExitCode.FINDINGS
    assert "KW303" in capsys.readouterr().out


def test_a_path_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the path is named."""
    assert main(["lint", "absent.yaml"]) is ExitCode.USAGE
    assert "absent.yaml" in capsys.readouterr().err


def test_the_operator_can_have_another_name() -> None:
    """Rights are those of its ServiceAccount."""
    read = read_paths([str(CASES / "_base.yaml")])
    assert {each.rule.id for each in lint(read, operator=("other", "keywright")).findings} == {
        "KW206"
    }


def test_a_suppression_with_a_reason_applies_to_its_object(tmp_path: Path) -> None:
    """And to that rule alone."""
    text = (CASES / "api-key-without-rotation.yaml").read_text()
    annotated = text.replace(
        "  namespace: chat\n",
        "  namespace: chat\n  annotations:\n    lint.keywright.dev/ignore-KW303: no other way\n",
    )
    file = tmp_path / "grant.yaml"
    file.write_text(annotated + "---\n" + text.replace("chat-key", "other-key"))
    result = _lint(CASES / "_base.yaml", file)
    assert [each.subject for each in result.findings] == ["ApiKeyGrant chat/other-key"]
    assert result.suppressed == 1


def test_sarif_is_valid_and_points_at_the_places() -> None:
    """Against the schema of SARIF 2.1.0."""
    result = _lint(CASES)
    log = json.loads(FORMATS["sarif"](result))
    schema = json.loads(SARIF_SCHEMA.read_text())
    fastjsonschema.compile(schema, formats={"uri": r".+", "uri-reference": r".+"})(log)
    (run,) = log["runs"]
    assert len(run["results"]) == len(result.findings) > 50
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    for shown, each in zip(run["results"], result.findings, strict=True):
        assert run["tool"]["driver"]["rules"][shown["ruleIndex"]]["id"] == each.rule.id
        place = shown["locations"][0]["physicalLocation"]
        assert place["region"]["startLine"] == each.position.line
        assert not place["artifactLocation"]["uri"].startswith("/")


def test_workflow_commands_cannot_be_forged(tmp_path: Path) -> None:
    """A name with line breaks stays on one line."""
    file = tmp_path / "a,b.yaml"
    file.write_text('kind: "X\\n::error::forged"\napiVersion: keywright.dev/v1alpha1\n')
    text = FORMATS["github"](_lint(file))
    assert len(text.splitlines()) == 1
    assert re.match(r"::error file=[^,]*a%2Cb\.yaml,line=1,col=1,title=KW105 UnknownKind::", text)


def test_json_has_a_stable_form() -> None:
    """Programs depend on it."""
    base, case = CASES / "_base.yaml", CASES / "source-misspelled.yaml"
    (found,) = json.loads(FORMATS["json"](_lint(base, case)))["findings"]
    assert found == {
        "rule": "KW201",
        "name": "SourceNotFound",
        "severity": "error",
        "file": str(case),
        "line": 9,
        "column": 5,
        "object": "ApiKeyGrant chat/chat-key",
        "field": "spec.sourceRef.name",
        "message": "there is no CredentialSource bedrok in namespace chat",
        "cure": "use one of bedrock, shared",
        "link": "docs/lint.md#kw201",
    }


def test_the_documentation_has_each_rule_and_no_other() -> None:
    """Name and severity are those of the table."""
    text = (ROOT / "docs" / "lint.md").read_text()
    sections = re.findall(r"^### (KW[0-9]{3})\n\n\*\*(\w+)\*\*, (\w+)\. \S", text, re.MULTILINE)
    assert sections == [(rule.id, rule.name, rule.severity) for rule in RULES.values()]
    assert [rule.link for rule in RULES.values()] == [
        f"docs/lint.md#{id_.lower()}" for id_, _, _ in sections
    ]


def test_fields_that_the_schema_calls_deprecated_are_found() -> None:
    """No version of the CRDs has one yet."""
    schema = {
        "properties": {
            "old": {"description": "Deprecated: use new."},
            "list": {"items": {"properties": {"old": {"description": "deprecated: drop it"}}}},
        }
    }
    value = {"old": 1, "new": 2, "list": [{"old": 1}]}
    assert list(deprecated_fields(value, schema, ())) == [
        (("old",), "use new."),
        (("list", 0, "old"), "drop it"),
    ]


_WITHOUT_NETWORK = textwrap.dedent("""
    import sys

    def refuse(event, arguments):
        if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn")):
            raise RuntimeError(event)

    from keywright.cli.main import main
    sys.addaudithook(refuse)
    sys.exit(main(["lint", *sys.argv[1:]]))
""")


def test_no_network_is_used() -> None:
    """Any socket, and any other program, ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_NETWORK, str(LAYOUTS), str(EXAMPLES), str(CASES)],
        env={"PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.FINDINGS, done.stderr
    assert "KW407" in done.stdout


def test_an_unknown_extra_is_named() -> None:
    """A plain installation of the operator has no PyYAML."""
    program = (
        "import sys; sys.modules['yaml'] = None\n"
        "from keywright.cli.main import main; sys.exit(main(['lint', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(EXAMPLES)],
        env={"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert "keywright[cli]" in done.stderr


def test_kustomize_output_is_checked(tmp_path: Path) -> None:
    """With the patches and names that kustomize applies."""
    overlay = LAYOUTS / "flux" / "apps" / "production"
    environment = os.environ | {
        "PATH": f"{KUBECTL.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "operator"),
    }
    (tmp_path / "kustomization.yaml").write_text("resources: [grant.yaml]\nnamePrefix: x-\n")
    (tmp_path / "grant.yaml").write_text((CASES / "source-misspelled.yaml").read_text())
    for folder, code, said in ((overlay, 0, "0 findings"), (tmp_path, 1, "ApiKeyGrant chat/x-")):
        done = subprocess.run(
            [sys.executable, "-m", "keywright", "lint", "--kustomize", str(folder)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr


def test_standard_input_is_checked() -> None:
    """As in `helm template . | keywright lint -`."""
    stream = io.BytesIO(b"---\n# Source: x\nkind: Grant\napiVersion: keywright.dev/v1alpha1\n")
    result = lint(read_paths(["-"], stdin=stream), operator=OPERATOR)
    assert [str(each.position) for each in result.findings] == ["<stdin>:3:1"]


def test_the_hook_and_the_workflow_run_the_command() -> None:
    """What ships for pre-commit and GitHub Actions has valid arguments."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "keywright lint"
    assert hook["pass_filenames"] is False
    workflow = yaml.safe_load((EXAMPLES / "lint-in-ci" / "github-workflow.yaml").read_text())
    assert set(workflow[True]) == {"push", "pull_request"}  # `on` is a boolean to YAML 1.1
    commands = [step["run"] for step in workflow["jobs"]["lint"]["steps"] if "run" in step]
    outputs = {found for line in commands for found in re.findall(r"lint -o (\w+)", line)}
    assert outputs == {"github", "sarif"} <= set(FORMATS)
