"""What Argo CD and Flux make of our objects, by the files that we ship (rule 14)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel
from lupa import LuaRuntime

from keywright.api.names import ANNOTATION_RENEW_REQUESTED_AT
from keywright.api.times import parse_time
from tests.unit.gitops.golden import GOLDEN, KINDS
from tools import gitops

ROOT = Path(__file__).parents[3]
GITOPS = ROOT / "manifests" / "gitops"
_every = pytest.mark.parametrize(
    ("kind", "case"), GOLDEN, ids=[f"{kind}: {case['name']}" for kind, case in GOLDEN]
)


def _body(case: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": case["generation"]}, "status": case["status"]}


def _argocd(kind: str, body: dict[str, Any]) -> tuple[str, str]:
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    path = GITOPS / "argocd" / "keywright.dev" / kind / "health.lua"
    health = lua.execute(path.read_text(encoding="utf-8"))
    return health["status"], health["message"]


def _flux(kind: str, body: dict[str, Any]) -> list[str]:
    """Which of the three expressions hold."""
    text = (GITOPS / "flux" / "health-checks.yaml").read_text(encoding="utf-8")
    (check,) = [check for check in yaml.safe_load(text) if check["kind"] == kind]
    environment = cel.NewEnv(variables=dict.fromkeys(body, cel.Type.DYN))
    return [
        verdict
        for verdict in ("inProgress", "failed", "current")
        if environment.compile(check[verdict]).eval(data=body).value() is True
    ]


@_every
def test_argo_cd_shows_what_is_meant(kind: str, case: dict[str, Any]) -> None:
    """Suspended, Degraded and Healthy are distinguished, with the condition's own message."""
    status, message = _argocd(kind, _body(case))
    assert status == case["argocd"]
    assert message == case.get("message", message)
    assert message


@_every
def test_flux_waits_for_what_is_meant(kind: str, case: dict[str, Any]) -> None:
    """A Kustomization is ready with a living key, and fails early where only a person can help."""
    assert _flux(kind, _body(case)) == [case["flux"]]


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_without_a_status_is_in_progress(kind: str) -> None:
    """Before the API server's default, or with a status that was removed by hand."""
    assert _argocd(kind, {"metadata": {"generation": 1}})[0] == "Progressing"
    body: dict[str, Any] = {"metadata": {"generation": 1}, "status": {"conditions": []}}
    assert _argocd(kind, body)[0] == "Progressing"


def test_both_kinds_have_the_same_script() -> None:
    """Argo CD wants one file for each kind; ours have the same conditions."""
    texts = {
        (GITOPS / "argocd" / "keywright.dev" / kind / "health.lua").read_text(encoding="utf-8")
        for kind in KINDS
    }
    assert len(texts) == 1


def _actions(body: dict[str, Any]) -> dict[str, bool]:
    """The actions that Argo CD offers, and whether each is enabled."""
    found = _lua("discovery.lua", body)
    return {name: not found[name]["disabled"] for name in found}


def _lua(file: str, body: dict[str, Any]) -> Any:
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    path = GITOPS / "argocd" / "keywright.dev" / "ApiKeyGrant" / "actions" / file
    return lua.execute(path.read_text(encoding="utf-8"))


def _grant(**spec: object) -> dict[str, Any]:
    return {"metadata": {"name": "chat-key"}, "spec": {"secret": {"name": "chat"}, **spec}}


def test_argo_cd_offers_the_actions_that_have_an_effect() -> None:
    """A suspended grant is not renewed, so that a request would wait unseen."""
    assert _actions(_grant()) == {"renew": True, "suspend": True, "resume": False}
    assert _actions(_grant(suspend=False)) == _actions(_grant())
    assert _actions(_grant(suspend=True)) == {"renew": False, "suspend": False, "resume": True}


def test_every_offered_action_has_a_script() -> None:
    """A missing one fails only when a person chooses it."""
    folder = GITOPS / "argocd" / "keywright.dev" / "ApiKeyGrant" / "actions"
    assert {path.parent.name for path in folder.glob("*/action.lua")} == set(_actions(_grant()))


@pytest.mark.parametrize("annotations", [{}, {"other": "1"}])
def test_the_action_renew_writes_a_request(annotations: dict[str, str]) -> None:
    """With the time in the form of the documented command, and without touching the rest."""
    body = _grant()
    if annotations:
        body["metadata"]["annotations"] = annotations
    before = datetime.now(UTC).replace(microsecond=0)
    found = dict(_lua("renew/action.lua", body)["metadata"]["annotations"])
    requested = found.pop(ANNOTATION_RENEW_REQUESTED_AT)
    assert found == annotations
    assert before <= parse_time(requested) <= datetime.now(UTC)


@pytest.mark.parametrize(("action", "suspend"), [("suspend", True), ("resume", False)])
def test_an_action_suspends_and_resumes(action: str, *, suspend: bool) -> None:
    """Nothing but the one field changes."""
    result = _lua(f"{action}/action.lua", _grant(suspend=not suspend))
    assert dict(result["spec"]["secret"]) == {"name": "chat"}
    assert result["spec"]["suspend"] is suspend


def test_the_config_map_has_the_scripts() -> None:
    """As `make gitops` writes it from the files."""
    text = (GITOPS / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8")
    assert text == gitops.config_map_patch()
    data = yaml.safe_load(text)["data"]
    for kind in KINDS:
        script = GITOPS / "argocd" / "keywright.dev" / kind / "health.lua"
        health = data[f"resource.customizations.health.keywright.dev_{kind}"]
        assert health == script.read_text(encoding="utf-8")
    actions = yaml.safe_load(data["resource.customizations.actions.keywright.dev_ApiKeyGrant"])
    names = [definition["name"] for definition in actions["definitions"]]
    assert sorted(names) == sorted(_actions(_grant()))
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(_grant(), recursive=True)
    assert set(lua.execute(actions["discovery.lua"])) == set(names)
