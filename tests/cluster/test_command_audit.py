"""`keywright audit` finds what this cluster created for grants that do not exist, and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keywright.cli.exit_codes import ExitCode
from tests.cluster.command_line import Result
from tests.cluster.tenants import Tenant
from tests.cluster.test_doctor import run_command

_USERS = 250
_READ = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iam:ListUsers", "iam:ListUserTags"], "Resource": "*"},
        {"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"},
    ],
}


def audit(tenant: Tenant, *arguments: str) -> Result:
    """Run the command with the emulated clouds."""
    return run_command(tenant, "audit", *arguments)


def marks(tenant: Tenant, grant: str, **others: str) -> dict[str, str]:
    """The tags of a resource for a grant of the tenant's namespace, created by this cluster."""
    uid = tenant.world.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return {
        "keywright.dev/grant": f"{tenant.namespace}/{grant}",
        "keywright.dev/grant-id": "some-id",
        "keywright.dev/cluster-id": uid,
        **others,
    }


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """As IAM wants them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def auditor(tenant: Tenant) -> Tenant:
    """A tenant with a grant, whose role may list users, keys and plans."""
    tenant.world.aws.put_role_policy(role=tenant.role, name="audit", document=_READ)
    tenant.become_ready()
    return tenant


@pytest.mark.long
def test_orphans_among_resources_of_others_are_found(auditor: Tenant) -> None:
    """Users, keys and plans, beyond the first page; other clusters' and retained ones are not."""
    iam: Any = auditor.world.aws.administrator("iam")
    gateway: Any = auditor.world.aws.administrator("apigateway", region="us-west-2")
    space = auditor.namespace
    for number in range(_USERS):
        iam.create_user(UserName=f"{space}-{number:03}")
    orphans = {f"{space}-gone-{number}" for number in range(3)}
    created = {"keywright.dev/created": "true"}
    for name in orphans:
        iam.create_user(UserName=name, Tags=tag_list(marks(auditor, "gone", **created)))
    others = {
        "present": marks(auditor, "chat-key"),
        "elsewhere": marks(auditor, "gone") | {"keywright.dev/cluster-id": "another"},
        "kept": marks(auditor, "gone") | {"keywright.dev/retain": "true"},
        "foreign": {"keywright.dev/other": "x"},
    }
    for name, tags in others.items():
        iam.create_user(UserName=f"{space}-{name}", Tags=tag_list(tags))
    key = gateway.create_api_key(name=space, tags=marks(auditor, "gone"))["id"]
    plan = gateway.create_usage_plan(name=space, tags=marks(auditor, "gone"))["id"]
    # The grant exists, but its key is of another kind.
    unused = gateway.create_api_key(name=f"{space}-own", tags=marks(auditor, "chat-key"))["id"]
    gateway.create_api_key(name=f"{space}-foreign", tags={"team": "x"})
    shown = audit(auditor, "-o", "json")
    assert shown.code == ExitCode.FINDINGS, shown
    found = {
        item["name"]
        for item in json.loads(shown.out)["items"]
        if item["grant"].startswith(f"{space}/")
    }
    assert found == {*orphans, key, plan, unused, f"{space}-present"}
    screen = audit(auditor)
    assert f"aws iam delete-user --user-name {space}-gone-0" in screen.out
    notes = [line for line in screen.err.splitlines() if line.startswith("note:")]
    assert notes == [
        f"note: source {space}/bedrock cannot list {what} of IAM users: AccessDenied"
        for what in ("the keys", "the access keys")
    ]
    for name in orphans:
        iam.delete_user(UserName=name)
    gateway.delete_api_key(apiKey=key)
    gateway.delete_usage_plan(usagePlanId=plan)
    assert f"{space}/gone" not in audit(auditor).out


def test_what_may_not_be_listed_is_noted(tenant: Tenant) -> None:
    """The rest is still audited."""
    tenant.become_ready()
    shown = audit(tenant)
    assert f"source {tenant.namespace}/bedrock cannot list iam: AccessDenied" in shown.err
    assert "Traceback" not in shown.err
