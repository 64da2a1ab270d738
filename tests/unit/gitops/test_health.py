"""What Argo CD and Flux make of our objects, by the files that we ship (rule 14)."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel
from lupa import LuaRuntime

from tests.unit.planning.kstatus import kstatus

ROOT = Path(__file__).parents[3]
GITOPS = ROOT / "manifests" / "gitops"
KINDS = {"ApiKeyGrant": "grants", "CredentialSource": "sources"}


def _golden() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for kind, file in KINDS.items():
        text = (ROOT / "tests" / "data" / "health" / f"{file}.yaml").read_text(encoding="utf-8")
        found += [(kind, case) for case in yaml.safe_load_all(text)]
    return found


GOLDEN = _golden()
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


@_every
def test_kstatus_agrees_where_it_can(kind: str, case: dict[str, Any]) -> None:
    """Tools without our expressions read the conditions alone."""
    assert kstatus(_body(case)) == case["kstatus"], kind


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
