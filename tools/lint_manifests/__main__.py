"""`python -m tools.lint_manifests`: return 1 if helm lint, kubeconform or kube-score object.

The programs are built once with Go and cached. Without Go, it fails and says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import yaml

from testbed.go_tools import TOOLS, NoGoError, go_tool
from tools.lint_manifests.rendered import Document, distinct, helm_lint, render
from tools.lint_manifests.schemas import write_schemas
from tools.lint_manifests.scores import ACCEPTED, scores_of

VERSIONS: Final = ("1.32", "1.35", "1.37")
"""The oldest supported Kubernetes version, the newest one, and one between them."""
_WITHOUT_SCHEMA: Final = "PrometheusRule,ServiceMonitor"
"""Kinds of the Prometheus operator, which the Kubernetes schemas lack."""


def conformance(kubeconform: Path, objects: list[Document]) -> list[str]:
    """The objects that a Kubernetes version does not accept, or does not know."""
    kinds = {(each["apiVersion"], each["kind"]) for each in objects}
    text = "---\n".join(json.dumps(each) + "\n" for each in objects)
    found = []
    names = "{{.ResourceKind}}{{.KindSuffix}}.json"
    with tempfile.TemporaryDirectory(prefix="keywright-schemas-") as scratch:
        for version in VERSIONS:
            folder = write_schemas(Path(scratch), version=version, kinds=kinds)
            done = subprocess.run(
                [
                    *(kubeconform, "-strict", "-skip", _WITHOUT_SCHEMA),
                    *("-schema-location", f"{folder}/{names}"),
                ],
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                found.append(f"Kubernetes {version}: {done.stdout}{done.stderr}")
    return found


def scores(kube_score: Path, rendered: dict[str, list[Document]]) -> list[str]:
    """The findings of kube-score, and the accepted ones that no longer occur."""
    found: list[str] = []
    unused = set(ACCEPTED)
    for name, objects in rendered.items():
        done = subprocess.run(
            [
                *(kube_score, "score", "--output-format", "json", "--output-version", "v2"),
                *("--kubernetes-version", f"v{VERSIONS[0]}", "-"),
            ],
            input=yaml.dump_all(objects, Dumper=yaml.CSafeDumper),
            capture_output=True,
            text=True,
            check=False,
        )
        read = scores_of(done.stdout, of=name)
        found += read.findings
        unused -= read.accepted
    found += (f"accepted without need: {check} of {name}" for check, name in sorted(unused))
    return found


def main() -> int:
    """Print the findings; return 1 if there are any."""
    try:
        helm, kubeconform, kube_score = (
            go_tool(name, module=TOOLS / name) for name in ("helm", "kubeconform", "kube-score")
        )
        rendered = render(helm)
    except NoGoError as error:
        print(f"lint: error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"lint: error: {error}: {error.stderr}", file=sys.stderr)
        return 1
    findings = [
        *helm_lint(helm),
        *conformance(kubeconform, distinct(rendered)),
        *scores(kube_score, rendered),
    ]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
