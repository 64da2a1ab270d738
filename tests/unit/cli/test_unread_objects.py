"""Nothing that a reader expects to be checked is left out in silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keywright.cli.exit_codes import ExitCode
from keywright.cli.linting.engine import LintResult, lint
from keywright.cli.linting.reports import FORMATS
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_bytes, read_paths
from keywright.cli.manifests import ReadResult
from tests.unit.api.samples import ROOT

_LINE_OF_TEMPLATE = (
    "import sys; from keywright.cli.template_syntax import template_line;"
    " print(template_line(sys.stdin.read()))"
)
OPERATOR = ("keywright-system", "keywright")
_HEAD = "apiVersion: keywright.dev/v1alpha1\nkind: ApiKeyGrant\nmetadata: {name: a, namespace: b}\n"
_SPEC = "spec: {sourceRef: {name: x, namespace: other}, bedrockShortTermKey: {}}\n"


def _lint(text: str | bytes, *, file: str = "x.yaml") -> LintResult:
    read = ReadResult()
    read_bytes(text if isinstance(text, bytes) else text.encode(), file=file, into=read)
    return lint(read, operator=OPERATOR)


def _shown(result: LintResult) -> list[tuple[str, int, str]]:
    return [(each.rule.id, each.position.line, each.message) for each in result.findings]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ApiKeyGrant\nmetadata: {name: a}\n", "an object of Keywright has no apiVersion"),
        ("apiVersion: keywright.dev/v1alpha1\nKind: X\n", "an object of Keywright has no kind"),
        (f"- {_HEAD}".replace("\n", "\n  "), "the document is a list of objects, which kubectl"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: ApiKeyGrant}]\n", "has no apiVersion"),
    ],
    ids=["version", "kind", "list", "item"],
)
def test_an_object_without_kind_or_version_is_a_finding(text: str, message: str) -> None:
    """The API server refuses it."""
    ((rule, _, found),) = _shown(_lint(text))
    assert rule == "KW101"
    assert message in found


@pytest.mark.parametrize(
    "text",
    ["kind: Values\na: 1\n", "- op: replace\n  path: /spec\n", "apiVersion: v2\nname: chart\n"],
)
def test_other_documents_are_no_manifests(text: str) -> None:
    """Such as values of Helm and patches of kustomize."""
    assert _shown(_lint(text)) == []


def test_items_of_a_typed_list_inherit_kind_and_version() -> None:
    """As the API server returns them."""
    text = (
        "apiVersion: keywright.dev/v1alpha1\nkind: ApiKeyGrantList\nitems:\n"
        "- metadata: {name: a, namespace: b}\n  spec: {bogus: 1}\n"
        "- kind: ApiKeyGrant\n  metadata: {name: c, namespace: b}\n  spec: {bogus: 1}\n"
    )
    result = _lint(text)
    assert result.checked == 2
    assert {("KW102", 5), ("KW102", 8)} <= {(rule, line) for rule, line, _ in _shown(result)}


def test_a_folder_that_cannot_be_listed_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the root of a path is a usage error, as a file is."""
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (finding,) = lint(read_paths([str(tmp_path)]), operator=OPERATOR).findings
    assert finding.rule.id == "KW003"
    assert finding.message.endswith("closed cannot be opened (Permission denied)")
    assert main(["lint", str(tmp_path / "closed")]) is ExitCode.USAGE


@pytest.mark.parametrize("name", ["empty", "empty/notes.yaml"])
def test_a_path_without_objects_is_noted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a wrong path in a pipeline would look like success."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.yaml").write_text("a: b\n")
    path = str(tmp_path / name)
    assert main(["lint", path]) is ExitCode.OK
    assert f"note: no object was found in {path}\n" in capsys.readouterr().out
    main(["lint", "-o", "github", path])
    assert f"::No object was found in {path}.\n" in capsys.readouterr().out


def test_braces_in_quotes_do_not_hide_an_error() -> None:
    """The document is YAML with a mistake, and no template."""
    text = (
        f'{_HEAD}spec:\n  secret:\n    data:\n      A: "{{{{ .apiKey }}}}"\n   bad: indentation\n'
    )
    assert [(rule, line) for rule, line, _ in _shown(_lint(text))] == [("KW001", 8)]


@pytest.mark.parametrize(
    "line", ["  A: {{ .apiKey }}", "{{- if .x }}", '  "a b": {{ .x }}', "  - {{ .x }}"]
)
def test_braces_without_quotes_are_a_template(line: str) -> None:
    """Whatever else is wrong in the document."""
    result = _lint(f"{_HEAD}data:\n{line}\n bad: : indentation\n")
    assert _shown(result) == []
    (note,) = result.notes
    assert (note.position.line, "is a template" in note.message) == (5, True)


def test_a_file_name_that_is_not_utf8_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each output, with its bytes in the URI."""
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text("a: b: c\n")
    for output in FORMATS:
        assert main(["lint", "-o", output, str(tmp_path)]) is ExitCode.FINDINGS
        shown = capsys.readouterr().out
        assert output != "sarif" or "%FF.yaml" in shown


def test_text_contains_no_workflow_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pull request chooses the names of its folders and objects."""
    folder = tmp_path / "::warning file=x,line=1::pwned"
    folder.mkdir()
    (folder / "a.yaml").write_text("a: b: c\n")
    kind = 'kind: "::error::##[add-mask]x"\napiVersion: keywright.dev/v1alpha1\n'
    (folder / "b.yaml").write_text(kind)
    monkeypatch.chdir(tmp_path)
    main(["lint", folder.name])
    main(["render", "-f", folder.name])
    shown = capsys.readouterr()
    lines = (shown.out + shown.err).splitlines()
    assert [line for line in lines if line.lstrip().startswith("::") or "##[" in line] == []
    assert ": :warning file=x" in shown.out


def test_surrogates_of_json_are_characters() -> None:
    """YAML has no such escapes; a backslash before is text."""
    read = ReadResult()
    text = r'{"apiVersion": "v1", "kind": "X", "a": "\ud83d\ude00", "b": "\\ud83d", "c": "\uD83D"}'
    read_bytes(text.encode(), file="x.json", into=read)
    assert read.problems == []
    body = read.manifests[0].body
    assert (body["a"], body["b"], body["c"]) == ("\U0001f600", "\\ud83d", "\ufffd")
    assert body["a"] == json.loads(text)["a"]


def test_messages_name_what_they_are_about() -> None:
    """A file, a document, or a field."""
    (encoding,) = _lint(b"\xff\xfea: b").findings
    assert (encoding.message, encoding.cure) == (
        "the file is no UTF-8 text (byte 0)",
        "save it as UTF-8",
    )
    twice = _lint(f"{_HEAD}{_SPEC}kind: ApiKeyGrant\n").findings[0]
    assert twice.message == "kind occurs twice in this object"


@pytest.mark.parametrize("repeated", ["- ", "a: ", "- a: ", "'\" "])
def test_a_hostile_line_takes_linear_time(repeated: str) -> None:
    """A pattern that tries every way to divide a line takes hours for this one."""
    text = "a: b: c\n" + repeated * 200_000 + "x"
    done = subprocess.run(
        [sys.executable, "-c", _LINE_OF_TEMPLATE],
        input=text,
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
    )
    assert done.stdout.strip() == "None"
