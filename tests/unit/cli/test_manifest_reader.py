"""Manifests are read with the position of each field; hostile input is refused within bounds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from keywright.cli.manifest_reader import MOST_BYTES, read_bytes, read_paths
from keywright.cli.manifests import Manifest, Position, ProblemKind, ReadResult

_HEAD = "apiVersion: v1\nkind: X\n"


def _read(text: str | bytes) -> ReadResult:
    result = ReadResult()
    read_bytes(text if isinstance(text, bytes) else text.encode(), file="x.yaml", into=result)
    return result


def _only(text: str) -> Manifest:
    (manifest,) = _read(text).manifests
    return manifest


def _spec(text: str) -> Any:
    return _only(f"{_HEAD}spec:\n  value: {text}\n").body["spec"]["value"]


def test_each_document_of_a_file_is_an_object_with_positions() -> None:
    """Lines count from the start of the file, columns from 1."""
    first, second = _read(
        "# a comment\n---\nkind: A\napiVersion: v1\nspec:\n  list:\n    - name: x\n"
        "--- {kind: B, apiVersion: v1, spec: {a: 1}}\n---\n# nothing\n"
    ).manifests
    assert first.position("spec", "list", 0, "name") == Position("x.yaml", 7, 7)
    assert second.position("spec", "a") == Position("x.yaml", 8, 38)


def test_the_position_of_an_absent_field_is_the_field_above_it() -> None:
    """An editor jumps to the object that the field belongs into."""
    manifest = _only(f"{_HEAD}spec:\n  secret: {{}}\n")
    assert manifest.position("spec", "secret", "data", "KEY") == Position("x.yaml", 4, 3)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("spec.data[app.ini]", 5),
        ("spec.windows[1].schedule", 8),
        ("spec.data", 4),
        ("spec.absent.field", 3),
    ],
)
def test_paths_of_messages_are_found(path: str, line: int) -> None:
    """Keys of maps and indexes of lists are in brackets."""
    manifest = _only(
        f"{_HEAD}spec:\n  data:\n    app.ini: x\n  windows:\n    - schedule: a\n    - schedule: b\n"
    )
    assert manifest.position_of(path).line == line


def test_lists_are_read_as_their_items() -> None:
    """As `kubectl get -o yaml` and Helm print several objects."""
    found = _read(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n"
        "  kind: BList\n  items:\n  - {apiVersion: v1, kind: B}\n"
    ).manifests
    assert [(each.kind, each.position().line) for each in found] == [("A", 4), ("B", 9)]


def test_aliases_and_merges_are_followed() -> None:
    """Also by positions."""
    manifest = _only(f"{_HEAD}a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2\nc: *a\n")
    assert manifest.body["b"] == {"x": 1, "y": 2}
    assert manifest.body["c"] == {"x": 1}
    assert manifest.position("b", "x").line == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("yes", True),
        ("0755", 0o755),
        ("1e3", 1000.0),
        ("'1e3'", "1e3"),
        ("0x1F", 31),
        ("0x", "0x"),
        (".inf", ".inf"),
        ("~", None),
        ("1_000", 1000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_values_are_those_that_the_api_server_would_store(text: str, value: Any) -> None:
    """YAML 1.1 as kubectl reads it; what JSON has no form for stays text."""
    assert _spec(text) == value


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("kind: A\napiVersion: v1\nkind: B\n", ProblemKind.DUPLICATE, 3),
        (f"{_HEAD}a: b\n  c: d\n", ProblemKind.SYNTAX, 4),
        (f"{_HEAD}a: *unknown\n", ProblemKind.SYNTAX, 3),
        (f"{_HEAD}a: \x00\n", ProblemKind.SYNTAX, 1),
        (f"{_HEAD}? [a]\n: b\n", ProblemKind.UNREADABLE, 3),
        (b"\xff\xfea: b", ProblemKind.UNREADABLE, 1),
        (b"a: b\n" * (MOST_BYTES // 4), ProblemKind.UNREADABLE, 1),
        (f"{_HEAD}a: &a [*a]\n", ProblemKind.UNREADABLE, 3),
        (f"{_HEAD}a: {'[' * 100_000}\n", ProblemKind.UNREADABLE, 3),
        (f"{_HEAD}a: {'{b: ' * 5_000}\n", ProblemKind.UNREADABLE, 3),
        (f"{_HEAD}a:\n{'- ' * 5_000}x\n", ProblemKind.UNREADABLE, 4),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_a_problem_with_its_place(
    text: str | bytes, kind: ProblemKind, line: int
) -> None:
    """No input ends the program or takes long."""
    problem = _read(text).problems[0]
    assert (problem.kind, problem.position.line) == (kind, line)


def test_aliases_that_multiply_are_refused() -> None:
    """Ten to the tenth values in a few hundred bytes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    result = _read(_HEAD + "\n".join(lines))
    assert [each.kind for each in result.problems] == [ProblemKind.UNREADABLE]
    assert result.manifests == []


def test_an_error_leaves_the_other_documents_readable() -> None:
    """A document ends at the next separator."""
    result = _read(f"{_HEAD}---\na: b: c\n---\n{_HEAD}")
    assert len(result.manifests) == 2
    assert [each.position.line for each in result.problems] == [4]


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .Values.enabled }}\nkind: A\napiVersion: v1\n{{- end }}\n",
        f"{_HEAD}metadata:\n  name: {{{{ .Release.Name }}}}\n",
        f'{_HEAD}metadata:\n  name: "{{{{ .Release.Name }}}}-key"\n',
        'apiVersion: keywright.dev/v1alpha1\nkind: X\nspec: {sourceRef: {name: "{{ .V }}"}}\n',
    ],
    ids=str,
)
def test_templates_are_left_out_with_a_note(text: str) -> None:
    """They are no manifests yet."""
    result = _read(text)
    assert (result.manifests, result.problems) == ([], [])
    assert "template" in result.notes[0].message


def test_braces_in_the_layout_of_a_secret_are_no_template() -> None:
    """They may be meant for the program that reads the Secret; `lint` has a rule about them."""
    manifest = _only(
        "apiVersion: keywright.dev/v1alpha1\nkind: ApiKeyGrant\nspec:\n  secret:\n    data:\n"
        '      KEY: "{{ .apiKey }}"\n'
    )
    assert manifest.kind == "ApiKeyGrant"


def test_folders_are_read_without_charts_and_hidden_folders(tmp_path: Path) -> None:
    """Templates of a chart get one note; values and JSON without objects are ignored."""
    files = {
        "app/a.yaml": _HEAD,
        "app/b.yml": _HEAD,
        "app/c.json": '{"apiVersion": "v1", "kind": "X"}',
        "app/policy.json": '{"Version": "1"}',
        "app/readme.md": "kind: X",
        ".git/x.yaml": _HEAD,
        "chart/Chart.yaml": "name: c\napiVersion: v2\n",
        "chart/values.yaml": "a: 1\n",
        "chart/templates/x.yaml": "{{ x }}\n",
        "kustomization.yaml": "resources: [app]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "app" / "loop").symlink_to(tmp_path)
    result = read_paths([str(tmp_path)])
    assert [Path(each.file).name for each in result.manifests] == ["a.yaml", "b.yml", "c.json"]
    assert [Path(file).name for file in result.kustomizations] == ["kustomization.yaml"]
    assert "helm template" in result.notes[0].message
    assert result.problems == []


def test_standard_input_is_read_for_a_dash() -> None:
    """Such as the output of kustomize or Helm."""
    result = read_paths(["-"], stdin=io.BytesIO(_HEAD.encode()))
    assert str(result.manifests[0].position("kind")) == "<stdin>:2:1"


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    """Otherwise a typo in a pipeline would find nothing, for good."""
    with pytest.raises(FileNotFoundError):
        read_paths([str(tmp_path / "absent")])
