"""Draw the screens of docs/cli.md from a real run: an API server, an emulated AWS, an operator.

`python -m tools.screens` starts them, runs each command, and writes docs/screens/NAME.svg.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.world import CRDS, MANIFESTS, ROOT, World
from tests.cluster.second_cluster import cluster_id
from tests.cluster.tenants import Tenant

_SCREENS = ROOT / "docs" / "screens"
_WIDTH = 110
_BASE = "tests/unit/cli/lint_cases/_base.yaml"
_CREATE = (
    *("source", "bedrock", "--namespace", "chat", "--region", "us-west-2"),
    *("--role-arn", "arn:aws:iam::123456789012:role/chat-bedrock"),
)
_AUDIT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iam:List*", "apigateway:GET"], "Resource": "*"}],
}


def main() -> int:
    """Write all screens."""
    with World(lambda directory: ControlPlaneCluster(directory, crds=CRDS)) as world:
        world.operator().start()
        tenant = _scene(world)
        namespace = ("--namespace", tenant.namespace)
        for name, arguments in {
            "status": ("status", *namespace),
            "story": ("status", "chat-key", *namespace),
            "check": ("check",),
            "doctor": ("doctor", "source", "bedrock", *namespace),
            "doctor-fault": ("doctor", "source", "partner", *namespace),
            "renew": ("renew", "chat-key", *namespace, "--wait"),
            "suspend": ("suspend", "chat-key", *namespace),
            "resume": ("resume", "chat-key", *namespace),
            "version": ("version",),
            "audit": ("audit", *namespace),
            "lint": ("lint", "tests/unit/cli/lint_cases/source-misspelled.yaml", _BASE),
            "render": ("render", "-f", "examples/bedrock-short-term"),
            "explain": ("explain", "-f", "examples/bedrock-short-term", "--as", "terraform"),
            "create": ("create", *_CREATE),
            "help": ("--help",),
        }.items():
            _draw(name, arguments, world)
    return 0


def _scene(world: World) -> Tenant:
    """One good grant, and one whose role refuses the token."""
    for file in ("deployment.yaml", "networkpolicy.yaml"):
        world.api.apply_files([MANIFESTS / "operator" / file])
    world.api.request(
        "PATCH",
        "/apis/apps/v1/namespaces/keywright-system/deployments/keywright/status",
        body={"status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}},
        content_type="application/merge-patch+json",
    )
    tenant = Tenant(world, name="chat")
    tenant.prepare()
    tenant.become_ready()
    tenant.apply_source(name="partner", roleArn=f"{tenant.role_arn}-partner")
    tenant.apply_grant(name="partner-key", source="partner")
    tenant.reported("Ready", status="False", reason="AccessDenied", name="partner-key")
    tenant.source_reported("Ready", name="bedrock")
    _leave_orphans(world, tenant)
    return tenant


def _leave_orphans(world: World, tenant: Tenant) -> None:
    """A user with a key and an API key, whose grants do not exist."""
    world.aws.put_role_policy(role=tenant.role, name="audit", document=_AUDIT)
    tags = {
        "keywright.dev/grant": f"{tenant.namespace}/old-key",
        "keywright.dev/grant-id": "5f6f7c52-1d5c-4f0e-9d4c-2f6a9c1c3b7e",
        "keywright.dev/cluster-id": cluster_id(world),
    }
    iam = world.aws.administrator("iam")
    created = {**tags, "keywright.dev/created": "true"}
    held = [{"Key": name, "Value": value} for name, value in created.items()]
    iam.create_user(UserName="bedrock-chat", Path="/keywright/", Tags=held)
    gateway = world.aws.administrator("apigateway", region="us-west-2")
    gateway.create_api_key(name="partner", tags=tags)


def _draw(name: str, arguments: tuple[str, ...], world: World) -> None:
    shown = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-m", "keywright", *arguments],
        env=_environment(world),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    console = Console(record=True, width=_WIDTH, file=io.StringIO())
    console.print(Text(f"$ keywright {' '.join(arguments)}", style="bold"))
    console.print(Text.from_ansi((shown.stdout + shown.stderr).rstrip()))
    _SCREENS.mkdir(exist_ok=True)
    svg = console.export_svg(title="keywright", unique_id=f"keywright-{name}")
    # Fonts of a content delivery network: a page of the docs loads nothing from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)
    (_SCREENS / f"{name}.svg").write_text("\n".join(map(str.rstrip, svg.splitlines())) + "\n")
    print(f"{name}.svg: exit code {shown.returncode}")


def _environment(world: World) -> Mapping[str, str]:
    return {
        **os.environ,
        **world.client_environment(),
        "PYTHONPATH": str(ROOT / "operator"),
        "KUBECONFIG": str(world.cluster.kubeconfig),
        "FORCE_COLOR": "1",
        "COLUMNS": str(_WIDTH),
        "PYTHONIOENCODING": "utf-8",
    }


if __name__ == "__main__":
    sys.exit(main())
