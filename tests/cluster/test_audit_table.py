"""`keywright audit` on an account with orphans of all kinds among 300 resources of others."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from keywright.cli.exit_codes import ExitCode
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.operators import NAMESPACE
from testbed.world import ROOT, Vendor
from tests.cluster.audit_scene import FURTHER, GONE, LIMITED, REGION, AuditScene
from tests.cluster.test_doctor import run_command
from tests.cluster.worlds import MakeWorld

_LIST = f"/api/v1/namespaces/{NAMESPACE}/configmaps/keywright-orphans"
Found = set[tuple[str, str, str]]


class Planted:
    """The findings to be expected, as reason, kind and name, and what `--fix` removes."""

    def __init__(self) -> None:
        self.removable: Found = set()
        self.others: Found = set()
        self.removed: set[tuple[str, ...]] = set()

    def user(self, reason: str, name: str) -> None:
        """A user that is removed, with its tags."""
        self.removable.add((reason, "IAM user", name))
        self.removed.add(("user", name))

    def credential(self, reason: str, user: str, name: str) -> None:
        """A key of a user that is removed."""
        self.removable.add((reason, "user key", name))
        self.removed.add(("credential", user, name))

    def api_key(self, reason: str, name: str, *, region: str = REGION, plan: str = "") -> None:
        """An API key that is removed, from its plan as well."""
        self.removable.add((reason, "API key", name))
        self.removed.add(("API key", region, name))
        if plan:
            self.removed.add(("member", region, plan, name))

    def plan(self, reason: str, name: str) -> None:
        """A plan that is removed."""
        self.removable.add((reason, "usage plan", name))
        self.removed.add(("usage plan", REGION, name))


@pytest.fixture
def scene(make_world: MakeWorld) -> Iterator[AuditScene]:
    """An account without an operator, which would repair and revoke by itself."""
    with make_world((Vendor.AWS, Vendor.ALIBABA)) as world:
        made = AuditScene(world, name="audited")
        made.prepare()
        yield made


def plant_users(scene: AuditScene, planted: Planted) -> None:
    """Users and keys of grants that do not exist, or do not use them."""
    created = {"created": "true", "key_ids": ""}
    planted.user("audit-no-grant", scene.user("empty", scene.tags(GONE, **created)))
    for name in ("with-policies", "with-keys"):
        planted.user("audit-no-grant", scene.user(name, scene.tags(GONE, **created)))
    scene.iam.attach_user_policy(UserName="with-policies", PolicyArn=LIMITED)
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    scene.iam.put_user_policy(UserName="with-policies", PolicyName="own", PolicyDocument=document)
    for _ in range(2):
        planted.credential("audit-no-grant", "with-keys", scene.credential("with-keys"))
    existing = scene.user("existing", scene.tags(GONE, created="false", key_ids=""))
    planted.credential("audit-no-grant", existing, scene.credential(existing))
    scene.credential(existing, issued=False)  # its own, which Keywright knows nothing of
    planted.removable.add(("audit-no-grant", "IAM user", existing))
    for tag in ("grant", "grant-id", "cluster-id", "created", "key-ids"):
        planted.removed.add(("tag", existing, f"keywright.dev/{tag}"))
    # A user of a former grant with keys that Keywright did not issue stays.
    used = scene.user("used", scene.tags(GONE, **created))
    planted.others |= {
        ("audit-no-grant", "IAM user", used),
        ("audit-foreign-key", "user key", scene.credential(used, issued=False)),
    }
    access_key = scene.iam.create_access_key(UserName=used)["AccessKey"]["AccessKeyId"]
    planted.others.add(("audit-foreign-key", "access key", access_key))


def plant_long_term_grants(scene: AuditScene, planted: Planted) -> None:
    """Grants that exist, and keys of their users that they do not know, or that are gone."""

    def grant(name: str, user: str, key: str, **more: Any) -> None:
        spec = {"user": {"name": user}, "rotateEvery": "30d", **more}
        scene.settled_grant(name, key_id=f"{ACCOUNT}/{user}/{key}", bedrockLongTermKey=spec)

    present = scene.user("present", scene.tags("present", created="true", key_ids=""))
    grant("present", present, scene.credential(present))
    planted.credential("audit-unknown-key", present, scene.credential(present))
    owned = scene.user("owned", scene.tags("exclusive", created="false", key_ids=""))
    grant("exclusive", owned, scene.credential(owned), exclusive=True)
    planted.credential("audit-unknown-key", owned, scene.credential(owned, issued=False))
    planted.user("audit-unused", scene.user("former", scene.tags("present", created="true")))
    strange = scene.user("strange", scene.tags("strange", created="true", key_ids=""))
    grant("strange", strange, scene.credential(strange))
    foreign = scene.credential(strange, issued=False)
    planted.others.add(("audit-foreign-key", "user key", foreign))
    # An existing user that is not exclusive has keys of its own.
    shared = scene.user("shared", {})
    grant("shared", shared, scene.credential(shared, issued=False))
    scene.credential(shared, issued=False)
    grant("lost-key", present, "ACCALOSTLOSTLOSTLOST")
    grant("lost-user", "absent", "ACCAABSENTABSENTABSE")
    planted.others |= {
        ("audit-missing", "user key", "ACCALOSTLOSTLOSTLOST"),
        ("audit-missing", "user key", "ACCAABSENTABSENTABSE"),
    }
    entry = scene.listed_key(f"{ACCOUNT}/absent/ACCALISTEDLISTEDLIST")
    planted.removable.add(("audit-stale-entry", "list entry", entry))


def plant_api_keys(scene: AuditScene, planted: Planted) -> None:
    """API keys and plans of grants that do not exist."""
    gone = scene.tags(GONE)
    foreign = scene.plan("foreign", {"team": "x"})
    planted.api_key("audit-no-grant", scene.api_key(gone))
    planted.api_key("audit-no-grant", scene.api_key(gone, plan=foreign), plan=foreign)
    planted.api_key("audit-no-grant", scene.api_key(gone, enabled=False))
    imported = scene.tags(GONE, **{"import": "import-x"})
    planted.api_key("audit-no-grant", scene.api_key(imported))
    planted.api_key("audit-no-grant", scene.api_key(gone, region=FURTHER), region=FURTHER)
    planted.plan("audit-no-grant", scene.plan("without-keys", gone))
    last = scene.plan("with-last-key", gone)
    planted.plan("audit-no-grant", last)
    planted.api_key("audit-no-grant", scene.api_key(gone, plan=last), plan=last)
    used = scene.plan("with-others-key", gone)
    scene.api_key({"team": "x"}, plan=used)
    planted.others.add(("audit-no-grant", "usage plan", used))


def plant_gateway_grants(scene: AuditScene, planted: Planted) -> None:
    """Grants that exist, and keys and plans that they do not know, or that are gone."""

    def grant(name: str, key: str, *, region: str = REGION, **spec: Any) -> None:
        scene.settled_grant(name, key_id=f"{ACCOUNT}/{region}/{key}", apiGatewayKey=spec)

    made = scene.plan("gold", scene.tags("partner"))
    key = scene.api_key(scene.tags("partner"), plan=made)
    grant("partner", key, usagePlan={"create": {"name": "gold"}})
    planted.api_key("audit-unknown-key", scene.api_key(scene.tags("partner")))
    planted.plan("audit-unused", scene.plan("silver", scene.tags("partner")))
    disabled = scene.api_key(scene.tags("disabled"), enabled=False)
    grant("disabled", disabled, usagePlan={"id": made}, enabled=False)
    outside = scene.api_key(scene.tags("outside"))
    plan = scene.plan("bronze", scene.tags("outside"))
    grant("outside", outside, usagePlan={"create": {"name": "bronze"}})
    grant("lost", "abcdefghij", usagePlan={"id": "klmnop"})
    planted.others |= {
        ("audit-not-in-plan", "API key", outside),
        ("audit-plan-without-keys", "usage plan", plan),
        ("audit-missing", "API key", "abcdefghij"),
        ("audit-missing", "usage plan", "klmnop"),
    }
    # The key of a Region other than that of the source, which has to be listed for it.
    away = scene.api_key(scene.tags("away"), region=FURTHER)
    grant("away", away, region=FURTHER, enabled=False, usagePlan={"id": "there"})
    planted.others.add(("audit-missing", "usage plan", "there"))


def audited(scene: AuditScene, *arguments: str, code: int = ExitCode.FINDINGS) -> Any:
    """The items of an audit."""
    shown = run_command(scene, "audit", "-o", "json", *arguments)
    assert shown.code == code, shown
    return json.loads(shown.out)["items"]


def names(items: Any, *, removable: bool) -> Found:
    """The findings as reason, kind and name."""
    return {
        (item["reason"], item["kind"], item["name"])
        for item in items
        if item["removable"] is removable
    }


@pytest.mark.long
def test_each_orphan_is_found_and_only_these_are_removed(scene: AuditScene) -> None:
    """25 kinds of orphans among 300 resources of others; the account is compared afterwards."""
    planted = Planted()
    scene.plant_others()
    for plant in (plant_users, plant_long_term_grants, plant_api_keys, plant_gateway_grants):
        plant(scene, planted)
    before, listed = scene.snapshot(), scene.world.api.get(_LIST)["data"]
    found = audited(scene)
    assert names(found, removable=True) == planted.removable
    assert names(found, removable=False) == planted.others
    assert len(planted.removable) >= 16
    assert scene.snapshot() == before

    fixed = run_command(scene, "audit", "--fix", "--yes")
    assert fixed.code == ExitCode.FINDINGS, fixed
    assert fixed.out.count("✓") == len(planted.removable), fixed.out
    assert "✗" not in fixed.out
    after = scene.snapshot()
    gone = {key for key in before if key not in after}
    with_users = {key for key in gone if key[0] == "tag" and ("user", key[1]) in planted.removed}
    assert gone - with_users == planted.removed
    assert {key: after[key] for key in after} == {key: before[key] for key in after}
    (entry,) = {name for _, kind, name in planted.removable if kind == "list entry"}
    rest = {name: text for name, text in listed.items() if name != entry}
    assert scene.world.api.get(_LIST)["data"] == rest
    assert names(audited(scene), removable=True) == set()
    assert names(audited(scene), removable=False) == planted.others


def test_pages_and_progress_are_reported(scene: AuditScene) -> None:
    """250 users are more than two pages; a source of a region without keys is not listed."""
    for number in range(250):
        scene.user(f"other-{number:03}", {})
    last = scene.user("zz-last", scene.tags(GONE, created="true"))
    shown = run_command(scene, "audit")
    assert shown.code == ExitCode.FINDINGS, shown
    pages = scene.iam.get_paginator("list_users").paginate()
    users = sum(len(page["Users"]) for page in pages)
    assert users > 250
    assert f"account {ACCOUNT}: IAM users: {users}, 1 with tags" in shown.err
    assert f"{REGION}: API keys and usage plans: 0, 0 with tags" in shown.err
    assert last in shown.out
    assert "Nothing to audit for 1 sources" in shown.out


def test_a_removal_is_confirmed_first(scene: AuditScene) -> None:
    """Without a terminal and without --yes nothing is asked or removed; nor after a no."""
    name = scene.user("empty", scene.tags(GONE, created="true"))
    refused = run_command(scene, "audit", "--fix")
    assert refused.code == ExitCode.USAGE
    assert "--yes" in refused.err
    shown = on_terminal(scene, "audit", "--fix", typed="n\n")
    assert f"delete IAM user {name} and its policies (account {ACCOUNT}" in shown
    assert "Nothing was removed." in shown
    assert ("user", name) in scene.snapshot()
    assert "✓" in on_terminal(scene, "audit", "--fix", typed="y\n")
    assert ("user", name) not in scene.snapshot()


def test_a_refused_removal_is_reported(scene: AuditScene) -> None:
    """The rest is removed, and the exit code says that something is left."""
    # Without any grant in the cluster, nothing is removed without a question.
    kept = scene.user("kept", scene.tags("kept", created="true", key_ids=""))
    key_id = f"{ACCOUNT}/{kept}/{scene.credential(kept)}"
    spec = {"user": {"name": kept}, "rotateEvery": "30d"}
    scene.settled_grant("kept", key_id=key_id, bedrockLongTermKey=spec)
    role = scene.world.aws
    deny = {"Effect": "Deny", "Action": "iam:DeleteUser", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [deny]}
    role.put_role_policy(role=scene.role, name="deny", document=document)
    scene.user("empty", scene.tags(GONE, created="true"))
    key = scene.api_key(scene.tags(GONE))
    items = audited(scene, "--fix", "--yes")
    results = {item["name"]: item["result"] for item in items}
    assert results[key] == "removed"
    assert "not authorized to perform: iam:DeleteUser" in results["empty"]
    assert ("user", "empty") in scene.snapshot()


def on_terminal(scene: AuditScene, *arguments: str, typed: str) -> str:
    """What a command writes whose stdin is a terminal, on which a person types."""
    person, terminal = pty.openpty()
    os.write(person, typed.encode())
    try:
        completed = subprocess.run(
            [sys.executable, "-m", "keywright", *arguments, "-n", scene.namespace],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(scene.world.directory),
                "PYTHONIOENCODING": "utf-8",
                **scene.world.client_environment(),
                "PYTHONPATH": str(ROOT / "operator"),
                "KUBECONFIG": str(scene.world.cluster.kubeconfig),
            },
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(person)
        os.close(terminal)
    return completed.stdout + completed.stderr
