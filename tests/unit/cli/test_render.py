"""The command `keywright render` prints what the operator would write, with placeholders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.api.grant import ApiKeyGrant
from keywright.api.parsing import parse_grant
from keywright.api.source import Provider, SourceTraits
from keywright.cli.exit_codes import ExitCode
from keywright.cli.main import main
from keywright.cli.placeholders import PREFIX
from keywright.secrets.rendering import data_keys
from testbed.world import EXAMPLES

CASES = Path(__file__).parent / "lint_cases"


def _render(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, int]:
    code = main(["render", *arguments])
    shown = capsys.readouterr()
    return shown.out, shown.err, code


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in EXAMPLES.glob("*/kustomization.yaml")), ids=str
)
def test_the_secrets_of_the_examples_have_their_keys(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the operator counts them, and no secret is there that could be a real one."""
    out, err, code = _render("-f", str(folder), "-o", "json", capsys=capsys)
    assert (err, code) == ("", ExitCode.OK)
    grants = _grants(folder)
    for shown in json.loads(out):
        metadata = shown["secret"]["metadata"]
        (grant,) = (
            each
            for each in grants
            if (each.namespace, each.secret_name) == (metadata["namespace"], metadata["name"])
        )
        assert set(shown["secret"]["stringData"]) == data_keys(grant)
        # The keys of a Secret that a file fills are in the file.
        assert grant.key.is_bulk_import or PREFIX in json.dumps(shown["secret"]["stringData"])


def _grants(folder: Path) -> list[ApiKeyGrant]:
    bodies = [
        body
        for file in folder.glob("*.yaml")
        for body in yaml.safe_load_all(file.read_text())
        if body
    ]
    alibaba = any("alibabaCloud" in body.get("spec", {}) for body in bodies)
    grants = [parse_grant(body) for body in bodies if body["kind"] == "ApiKeyGrant"]
    traits = SourceTraits(Provider.ALIBABA_CLOUD if alibaba else Provider.AWS)
    return [each.with_formats_for(traits) for each in grants if isinstance(each, ApiKeyGrant)]


def test_the_output_is_yaml_that_names_the_readers(capsys: pytest.CaptureFixture[str]) -> None:
    """Comments for people, and one Secret per document."""
    out, _, code = _render("-f", str(EXAMPLES / "restart-on-renewal"), capsys=capsys)
    assert code == ExitCode.OK
    assert "#   Deployment concierge/concierge: all keys, as environment" in out
    secret: Any = yaml.safe_load(out)
    assert secret["metadata"]["name"] == "concierge-key"
    assert secret["stringData"] == {
        "AWS_BEARER_TOKEN_BEDROCK": "placeholder-apiKey",
        "AWS_REGION": "us-west-2",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    }


def test_files_are_shown_as_blocks_with_account_and_region(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account is that of the role."""
    text = (CASES / "key-of-a-projected-volume.yaml").read_text()
    text = text.replace("${apiKey}", "|\n        key = ${apiKey}\n        account = ${accountId}\n")
    (tmp_path / "grant.yaml").write_text(text)
    out, _, _ = _render("-f", str(tmp_path), "-f", str(CASES / "_base.yaml"), capsys=capsys)
    assert "  app.ini: |\n    key = placeholder-apiKey\n    account = 123456789012\n" in out


def test_a_grant_that_cannot_be_rendered_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1; the others are rendered."""
    bad = str(CASES / "data-key-of-a-format.yaml")
    good = str(EXAMPLES / "access-key")
    out, err, code = _render("-f", bad, "-f", good, capsys=capsys)
    assert code == ExitCode.FINDINGS
    assert "data-key-of-a-format.yaml:2:1: spec.secret.data[AWS_REGION]" in err
    assert "legacy-key" in out


def test_names_cannot_write_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters of a manifest are left out, also by `lint`."""
    text = (CASES / "source-misspelled.yaml").read_text()
    (tmp_path / "grant.yaml").write_text(text.replace("chat-key", '"chat\\e[2Jkey"'))
    main(["lint", str(tmp_path)])
    main(["render", "-f", str(tmp_path)])
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


def test_the_previous_value_has_a_placeholder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As during an overlap; between overlaps, it is empty."""
    file = tmp_path / "grant.yaml"
    grant: dict[str, Any] = {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant",
        "metadata": {"name": "partner", "namespace": "orders"},
        "spec": {
            "sourceRef": {"name": "orders"},
            "apiGatewayKey": {"usagePlan": {"id": "abc123"}},
            "secret": {"includePrevious": True},
        },
    }
    file.write_text(yaml.safe_dump(grant))
    out, _, code = _render("-f", str(file), "-o", "json", capsys=capsys)
    data = json.loads(out)[0]["secret"]["stringData"]
    assert code == ExitCode.OK
    assert data["X_API_KEY"] == f"{PREFIX}apiKey"
    assert data["previousApiKey"] == f"{PREFIX}previous.apiKey"
