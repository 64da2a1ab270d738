"""`keywright audit` of Model Studio: orphans in two regions among many keys of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keywright.api.grant import GrantIdentity
from keywright.cli.exit_codes import ExitCode
from keywright.clouds.alibaba.modelstudio.marks import description
from keywright.clouds.owner_tags import OwnerMark
from testbed.clouds.alibaba.cloud import ACCOUNT
from testbed.operators import NAMESPACE
from testbed.world import Vendor
from tests.cluster.audit_scene import listed_key, settled_grant
from tests.cluster.model_studio import KIND, REGION, SOURCE, ModelStudioTenant, permissions
from tests.cluster.second_cluster import cluster_id
from tests.cluster.test_doctor import run_command
from tests.cluster.worlds import MakeWorld

_FURTHER = "ap-southeast-1"
_LONG = "g" * 120
_LIST = f"/api/v1/namespaces/{NAMESPACE}/configmaps/keywright-orphans"
_INTENT = "20270101T120000Z.1"


class _Scene(ModelStudioTenant):
    """Plants keys as the operator creates them; no operator runs."""

    def key(
        self, text: str = "", *, grant: str = "gone", region: str = REGION, **mark: Any
    ) -> tuple[str, str]:
        """A key with this description, or that of a grant; its region and its ID."""
        before = {each["id"] for each in self.world.alibaba.model_studio_keys()}
        self.world.alibaba.create_model_studio_key(
            region=region, description=text or self.mark(grant, **mark)
        )
        (made,) = {each["id"] for each in self.world.alibaba.model_studio_keys()} - before
        return region, str(made)

    def mark(self, grant: str, *, cluster: str = "", retain: bool = False) -> str:
        """The description of a key of a grant of this namespace."""
        identity = GrantIdentity(grant_id="i", cluster_id=cluster or cluster_id(self.world))
        owner = f"{self.namespace}/{grant}"
        mark = OwnerMark(owner=owner, uid="u", identity=identity, retain=retain)
        return description(mark, intent=_INTENT)

    def settled(self, name: str, key: tuple[str, str], **spec: Any) -> None:
        """A grant that has had this key for an hour."""
        settled_grant(
            self,
            name,
            key_id="/".join((ACCOUNT, *key)),
            source=SOURCE,
            **{KIND: {"rotateEvery": "30d", **spec}},
        )

    def keys_left(self) -> set[tuple[str, str]]:
        """All keys of the account, by region and ID."""
        return {
            (each["region"], str(each["id"])) for each in self.world.alibaba.model_studio_keys()
        }

    def plant_others(self) -> None:
        """As many keys as a region has room for, some of which look like this cluster's."""
        looks_alike = (
            "made by hand",
            self.mark("gone", cluster="another"),
            self.mark("gone", retain=True),
            self.mark("gone") + " and more",
            "keywright chat/gone",
        )
        for number in range(40):
            self.key(looks_alike[number % len(looks_alike)])


@pytest.fixture
def scene(make_world: MakeWorld) -> Iterator[_Scene]:
    """An account without an operator, which would revoke by itself."""
    with make_world([Vendor.ALIBABA]) as world:
        made = _Scene(world, name="audited")
        made.prepare()
        made.apply_source()
        yield made


def _audited(scene: _Scene, *arguments: str, code: int = ExitCode.FINDINGS) -> Any:
    shown = run_command(scene, "audit", "-o", "json", *arguments)
    assert shown.code == code, shown
    return json.loads(shown.out)


def _found(items: Any, *, removable: bool) -> set[tuple[str, str, str]]:
    """The findings as reason, region and name."""
    return {
        (each["reason"], each["region"], each["name"])
        for each in items
        if each["removable"] is removable
    }


def test_each_orphan_is_found_and_only_these_are_removed(scene: _Scene) -> None:
    """Six orphans in two regions, and 43 keys of others on three pages, which stay."""
    scene.plant_others()
    orphans = {("audit-no-grant", *scene.key()), ("audit-no-grant", *scene.key(grant=_LONG))}
    orphans.add(("audit-no-grant", *scene.key(region=_FURTHER)))
    used, away = scene.key(grant="present"), scene.key(grant="away", region=_FURTHER)
    scene.settled("present", used)
    scene.settled("away", away, region=_FURTHER)
    orphans.add(("audit-unknown-key", *scene.key(grant="present")))
    long = scene.key(grant=f"{_LONG}.kept")
    scene.settled(f"{_LONG}.kept", long)
    scene.settled("lost", (REGION, "999"))
    gone = ("audit-missing", REGION, "999")
    entry = listed_key(scene, f"{ACCOUNT}/{REGION}/998", kind=KIND)
    stale = ("audit-stale-entry", REGION, entry)
    before = scene.keys_left()

    found = _audited(scene)
    assert found["notes"] == []
    assert _found(found["items"], removable=True) == {*orphans, stale}
    assert _found(found["items"], removable=False) == {gone}
    (cut,) = {each["grant"] for each in found["items"] if each["grant"].endswith("...")}
    assert f"{scene.namespace}/{_LONG}".startswith(cut.removesuffix("..."))
    assert scene.keys_left() == before

    fixed = run_command(scene, "audit", "--fix", "--yes")
    assert fixed.code == ExitCode.FINDINGS, fixed
    assert fixed.out.count("✓") == len(orphans) + 1, fixed.out
    assert "✗" not in fixed.out
    assert before - scene.keys_left() == {(region, name) for _, region, name in orphans}
    assert entry not in scene.world.api.get(_LIST)["data"]
    assert _found(_audited(scene)["items"], removable=True) == set()


def test_progress_and_sources_without_keys_are_reported(scene: _Scene) -> None:
    """A bearer token creates no key that stays, nor does a source of a region without the service.

    The second one is listed where --region says.
    """
    scene.apply_parent()
    scene.apply(
        scene.alibaba_source(
            name="elsewhere",
            regionId="cn-hangzhou",
            oidcRoleArn=scene.by_token(scene.role_arn),
        )
    )
    scene.key()
    shown = run_command(scene, "audit", "--region", _FURTHER)
    assert shown.code == ExitCode.FINDINGS, shown
    assert f"account {ACCOUNT}, {REGION}: Model Studio keys: 1, 1 with marks" in shown.err
    assert f"account {ACCOUNT}, {_FURTHER}: Model Studio keys: 0, 0 with marks" in shown.err
    assert "Nothing to audit for 1 sources" in shown.out
    assert "in the console of Model Studio, region cn-beijing" in shown.out
    assert "Nothing to audit for 2 sources" in run_command(scene, "audit").out


def test_what_may_not_be_listed_is_a_note(scene: _Scene) -> None:
    """Nothing is found, and the exit code says that not everything was seen."""
    scene.key()
    scene.permit(_without("modelstudio:ListApiKeys"))
    found = _audited(scene, code=ExitCode.UNREACHABLE)
    assert found["items"] == []
    (note,) = found["notes"]
    assert note.endswith(f"cannot list Model Studio in {REGION}: AccessDenied")


def test_a_refused_removal_is_reported(scene: _Scene) -> None:
    """With the service's words, and the key is still there."""
    scene.settled("present", scene.key(grant="present"))
    orphan = scene.key()
    scene.permit(_without("modelstudio:DeleteApiKey"))
    (item,) = _audited(scene, "--fix", "--yes")["items"]
    assert "not authorized to perform this operation: modelstudio:DeleteApiKey" in item["result"]
    assert orphan in scene.keys_left()


def _without(action: str) -> Any:
    policy = permissions()
    for statement in policy["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    return policy
