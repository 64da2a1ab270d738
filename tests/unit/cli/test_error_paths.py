"""Unusual input and unusual servers end in an error with a remedy, and never in a traceback."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keywright.api.errors import ApiError
from keywright.cli import lint as lint_command
from keywright.cli import status
from keywright.cli.cluster_client import ClusterClient
from keywright.cli.cluster_config import ClusterConfig, load_config
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.kustomizations import place
from keywright.cli.linting.engine import LintResult, lint
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_bytes, read_paths
from keywright.cli.manifests import ProblemKind, ReadResult
from keywright.cli.yaml_documents import MOST_VALUES
from tests.unit.cli.test_cluster_config import kubeconfig

OPERATOR = ("keywright-system", "keywright")
_GRANT = """apiVersion: keywright.dev/v1alpha1
kind: ApiKeyGrant
metadata: {name: key, namespace: chat}
"""
_SOURCE = """apiVersion: keywright.dev/v1alpha1
kind: CredentialSource
metadata: {name: cloud, namespace: chat}
spec:
  alibabaCloud:
    regionId: cn-hangzhou
    accessKey: {secretRef: {name: key-of-ram}}
    assumeRoles: [{roleArn: "acs:ram::1234567890123456:role/chat"}]
"""
_BINDING = """apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r}
subjects: [{kind: Group, name: [a]}]
---
apiVersion: keywright.dev/v1alpha1
kind: CredentialSource
metadata: {name: a}
spec:
  aws:
    region: us-west-2
    webIdentity: {serviceAccountRef: {name: s}, roleArn: "arn:aws:iam::123456789012:role/r"}
"""


def _read(text: str, *, file: str = "x.yaml") -> ReadResult:
    result = ReadResult()
    read_bytes(text.encode(), file=file, into=result)
    return result


def _lint(text: str) -> LintResult:
    return lint(_read(text), operator=OPERATOR)


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b"null", b""])
def test_a_server_that_is_no_api_server_is_named(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A captive portal or a proxy responds with 200 too."""
    monkeypatch.setattr(ClusterClient, "_send", lambda *_, **__: body)
    config = ClusterConfig(
        server="https://portal.example.com",
        namespace="chat",
        context="x",
        authorization=lambda: None,
        ca_file=None,
        cert_file=None,
        key_file=None,
        verify=True,
        server_name=None,
        proxy=None,
    )
    with pytest.raises(CommandError, match="responds, but not as a Kubernetes"):
        ClusterClient(config).get("/version")


def test_a_refused_request_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without control characters that the server may have sent."""

    def refused(_: argparse.Namespace) -> ExitCode:
        raise ApiError(status=422, reason="Invalid", message="no\x1b[31m\nsuch field")

    monkeypatch.setattr(status, "run", refused)
    assert main(["status"]) is ExitCode.UNREACHABLE
    error = capsys.readouterr().err
    assert error.startswith("error: the API server refuses a request")
    assert "\x1b" not in error
    assert error.count("\n") == 1


def test_a_line_break_at_the_end_of_a_token_is_left_out(tmp_path: Path) -> None:
    """An editor adds it; a header cannot have it."""
    path = kubeconfig(tmp_path, "x", token="from-editor\n")
    assert load_config(kubeconfig=path, context=None).authorization() == "Bearer from-editor"


def test_a_path_for_kustomize_is_never_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path such as `--helm-command=...` could start a program."""
    seen: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        seen.append(command)
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(lint_command, "_builder", lambda: ("kustomize", "build"))
    monkeypatch.setattr(subprocess, "run", run)
    main(["lint", "--kustomize", "--", "--enable-exec"])
    assert seen == [["kustomize", "build", "--", "--enable-exec"]]


@pytest.mark.parametrize(
    "text",
    [
        _GRANT + "spec: {sourceRef: {name: x}, bedrockLongTermKey:"
        " {user: {name: a}, expiresAfterDays: 9999999999, rotateEvery: 7d}}\n",
        _GRANT + "spec: {sourceRef: {name: x}, bedrockShortTermKey:"
        " {duration: 1h}, secret: {data: {A: '${nope}'}}}\n",
        _BINDING,
    ],
    ids=["days", "layout", "subject"],
)
def test_lint_survives_values_out_of_any_range(text: str) -> None:
    """They are findings."""
    assert _lint(text).findings


def test_a_kustomization_of_an_odd_kind_is_no_object() -> None:
    """A list is no kind."""
    result = _read("kind: [a]\nresources: [b]\n", file="kustomization.yaml")
    assert (result.manifests, result.kustomizations) == ([], {})


def test_a_long_integer_is_read_at_once() -> None:
    """Python refuses or computes it for long; the API server has no such number."""
    figure = "0x" + "f" * 10_000
    (manifest,) = _read(f"apiVersion: v1\nkind: X\nvalue: {figure}\n").manifests
    assert manifest.body["value"] == figure


def test_a_document_of_too_many_values_is_refused_before_it_is_composed() -> None:
    """Its nodes would need gigabytes."""
    (problem,) = _read("apiVersion: v1\nkind: X\na: [" + "1," * (MOST_VALUES + 1) + "]\n").problems
    assert problem.kind is ProblemKind.UNREADABLE
    assert "aliases" not in problem.message


def test_a_base_may_be_named_kustomization(tmp_path: Path) -> None:
    """The third name that kustomize knows, without a suffix."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Kustomization").write_text("resources: [key.yaml]\n")
    (tmp_path / "base" / "key.yaml").write_text(
        _GRANT.replace(", namespace: chat", "") + "spec: {sourceRef: {name: x}, bearerToken: {}}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("namespace: team\nresources: [base]\n")
    assert [each.namespace for each in place(read_paths([str(tmp_path)]))] == ["team"]


def test_the_default_formats_are_those_of_the_cloud_of_the_source() -> None:
    """A workload may read the environment variables of Alibaba Cloud."""
    grant = _GRANT + "spec: {sourceRef: {name: cloud}, sessionCredentials: {duration: 1h}}\n"
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: chat}\n"
        "spec: {containers: [{name: a, env: [{name: A,"
        " valueFrom: {secretKeyRef: {name: key, key: KEY}}}]}]}\n"
    )
    found = _lint(f"{_SOURCE}---\n{grant}---\n{pod.replace('KEY', 'NONE')}").findings
    (missing,) = (each for each in found if each.rule.id == "KW401")
    key = next(word for word in missing.cure.replace(",", " ").split() if "ALIBABA" in word)
    found = _lint(f"{_SOURCE}---\n{grant}---\n{pod.replace('KEY', key)}").findings
    assert [each.rule.id for each in found if each.rule.id == "KW401"] == []
