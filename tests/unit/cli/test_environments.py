"""Folders of environments are clusters of their own: nothing of one counts for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.cli.linting.engine import lint
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_paths

OPERATOR = ("keywright-system", "keywright")
PARTS = {
    "grant": """
apiVersion: keywright.dev/v1alpha1
kind: ApiKeyGrant
metadata: {name: chat-key, namespace: chat}
spec: {sourceRef: {name: bedrock}, bedrockShortTermKey: {}}
""",
    "source": """
apiVersion: keywright.dev/v1alpha1
kind: CredentialSource
metadata: {name: bedrock, namespace: chat}
spec:
  aws:
    region: us-west-2
    webIdentity:
      serviceAccountRef: {name: bedrock}
      roleArn: arn:aws:iam::123456789012:role/chat
      sessionDuration: 12h
""",
    "rights": """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: token, namespace: chat}
rules:
  - apiGroups: [""]
    resources: [serviceaccounts/token]
    resourceNames: [bedrock]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: token, namespace: chat}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: token}
subjects: [{kind: ServiceAccount, name: keywright, namespace: keywright-system}]
""",
    "secret": "apiVersion: v1\nkind: Secret\nmetadata: {name: chat-key, namespace: chat}\n",
}


def _write(root: Path, layout: dict[str, str]) -> None:
    for folder, parts in layout.items():
        (root / folder).mkdir(parents=True)
        for part in parts.split():
            (root / folder / f"{part}.yaml").write_text(PARTS[part])


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        ({"dev": "grant source rights", "prod": "grant source rights"}, []),
        ({"dev": "grant source rights", "prod": "grant source"}, ["prod/source.yaml KW206"]),
        ({"dev": "grant source rights", "prod": "grant"}, ["prod/grant.yaml KW201"]),
        (
            {"dev": "grant source rights secret", "prod": "grant source rights"},
            ["dev/grant.yaml KW205"],
        ),
        ({"dev": "grant", "prod": "grant", "shared": "source rights"}, []),
        ({"apps": "grant", "platform": "source", "rbac": "rights"}, []),
    ],
    ids=["complete", "rights", "source", "secret", "shared", "no environments"],
)
def test_an_environment_uses_its_own_objects(
    layout: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    """And those of folders that are no environment."""
    _write(tmp_path, layout)
    shown = [
        f"{Path(each.position.file).relative_to(tmp_path)} {each.rule.id}"
        for each in lint(read_paths([str(tmp_path)]), operator=OPERATOR).findings
    ]
    assert shown == found


def test_the_message_proposes_no_source_of_another_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the very name that is missing."""
    _write(tmp_path, {"dev": "grant source rights", "prod": "grant"})
    main(["lint", str(tmp_path)])
    assert "add the source (docs" in capsys.readouterr().out
