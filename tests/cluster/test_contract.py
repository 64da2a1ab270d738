"""The embedded cluster answers as the real API server does.

Every case is a table of requests with what is expected of the answers. It runs against both
servers; then the whole answers are compared, save for what differs from run to run.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import KeySet

from testbed.clusters.embedded import EmbeddedCluster
from tests.cluster.contract_cases import (
    accounts,
    ownership,
    reading,
    removal,
    validation,
    widgets,
    writes,
)
from tests.cluster.contract_cases.client import Client, disagreements, normalised, until
from tests.cluster.contract_cases.steps import MERGE, Answer, Case, Step
from tests.data.invalid.table import Invalid, Refused, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clusters import Cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        os.environ.get("KUBERNETES") == "oldest",
        reason="the embedded server answers in the words of the newest version",
    ),
]

_ROOT = Path(__file__).resolve().parents[2]
_KUBECTL = _ROOT / ".venv" / "bin" / "kubectl"
_PRODUCT_CRDS = sorted((_ROOT / "crds").glob("*.yaml"))
CASES: tuple[Case, ...] = (
    *validation.CASES,
    *writes.CASES,
    *ownership.CASES,
    *removal.CASES,
    *reading.CASES,
    *accounts.CASES,
)


@dataclass(slots=True)
class Contestant:
    """A running cluster, and what it has answered so far."""

    cluster: Cluster
    client: Client
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def ask(self, case: Case) -> list[Answer]:
        """The answers to a case, which runs once."""
        if case.name not in self.answers:
            body = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": case.namespace},
            }
            self.one(Step(method="POST", path="/api/v1/namespaces", body=body))
            answers: list[Answer] = []
            for step in case.steps:
                answers.append(self.one(step, namespace=case.namespace, answers=answers))
            self.answers[case.name] = answers
        return self.answers[case.name]

    def one(
        self, step: Step, *, namespace: str = "default", answers: list[Answer] | None = None
    ) -> Answer:
        """The answer to one request."""
        return self.client.send(step, namespace=namespace, answers=answers or [])

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """What kubectl prints, errors included, with ages replaced."""
        done = subprocess.run(
            [_KUBECTL, "--kubeconfig", self.cluster.kubeconfig, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "KUBECACHEDIR": str(self.cluster.kubeconfig.parent / "cache")},
        )
        output = done.stdout + done.stderr
        output = re.sub(r"\b\d+(ms|s|m\d*s?)(\s+)", r"<age>\2", output)
        return re.sub(r"(uid|UID|resourceVersion|Resource Version): .*", r"\1: *", output)


def _prepared(cluster: Cluster) -> Contestant:
    contestant = Contestant(cluster, Client(cluster.kubeconfig, cluster.ca_file))
    documents = [widgets.DEFINITION, *(yaml.safe_load(path.read_text()) for path in _PRODUCT_CRDS)]
    for document in documents:
        name = document["metadata"]["name"]
        contestant.one(Step(method="POST", path=widgets.DEFINITIONS, body=document))
        served = Step(
            method="GET",
            path=f"{widgets.DEFINITIONS}/{name}",
            fields={
                "status.conditions.1.type": "Established",
                "status.conditions.1.status": "True",
            },
            eventually=True,
        )
        assert not disagreements(served, contestant.one(served))
        spec = document["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        listed = Step(method="GET", path=path, eventually=True)
        assert not disagreements(listed, contestant.one(listed))
    return contestant


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contestant]:
    """The embedded cluster."""
    with EmbeddedCluster(tmp_path_factory.mktemp("embedded")) as cluster:
        yield _prepared(cluster)


@pytest.fixture(scope="session")
def controlplane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contestant]:
    """The real API server; tests are skipped where it cannot be had."""
    from testbed.clusters import NoClusterError  # noqa: PLC0415  needs no cluster to collect
    from testbed.clusters.controlplane import ControlPlaneCluster  # noqa: PLC0415

    cluster = ControlPlaneCluster(tmp_path_factory.mktemp("controlplane"))
    try:
        cluster.start()
    except NoClusterError as error:
        pytest.skip(f"no real API server: {error}")
    try:
        yield _prepared(cluster)
    finally:
        cluster.stop()


@pytest.fixture(params=["embedded", "controlplane"])
def contestant(request: pytest.FixtureRequest) -> Contestant:
    """Each cluster in turn."""
    found: Contestant = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answers_are_as_written(contestant: Contestant, case: Case) -> None:
    """Either server answers each request with the status, words and fields that the case names."""
    answers = contestant.ask(case)
    for index, (step, answer) in enumerate(zip(case.steps, answers, strict=True)):
        assert not disagreements(step, answer), f"step {index}: {step.method} {step.path}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_servers_agree(embedded: Contestant, controlplane: Contestant, case: Case) -> None:
    """Whole answers are the same, `managedFields` included; only ids, versions and times differ."""
    pairs = zip(case.steps, controlplane.ask(case), embedded.ask(case), strict=True)
    for index, (step, real, ours) in enumerate(pairs):
        assert ours.status == real.status, f"step {index}: {step.method} {step.path}"
        if step.compare:
            assert _lines(ours) == _lines(real), _difference(index, step, real, ours)


def _lines(answer: Answer) -> list[str]:
    shown = normalised(answer.document)
    text = json.dumps([shown, answer.warning], indent=1, sort_keys=True, ensure_ascii=False)
    return text.splitlines()


def _difference(index: int, step: Step, real: Answer, ours: Answer) -> str:
    lines = difflib.unified_diff(_lines(real), _lines(ours), "real", "embedded", lineterm="", n=2)
    return f"step {index}: {step.method} {step.path}\n" + "\n".join(lines)


_MANIFEST = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            widgets.widget("toy", size=5, color="blue"),
            widgets.secret("toy", data={"a": "aGk="}, type="Opaque"),
        ],
    }
)
_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("apply", "-f", "-"),
    ("apply", "-f", "-"),
    ("apply", "--server-side", "--force-conflicts", "-f", "-"),
    ("get", "wd"),
    ("get", "toys", "-o", "wide"),
    ("get", "secret", "toy"),
    ("get", "widget", "toy", "-o", "jsonpath={.spec}"),
    ("annotate", "wd", "toy", "note=x"),
    ("label", "wd", "toy", "shelf=top"),
    ("get", "wd", "-l", "shelf in (top)", "-o", "name"),
    ("patch", "wd", "toy", "--type=merge", "-p", '{"spec":{"size":0}}'),
    (
        "patch",
        "wd",
        "toy",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"observedGeneration":9,"conditions":[{"type":"Ready","status":"True"}]}}',
    ),
    ("wait", "--for=condition=Ready", "wd/toy", "--timeout=10s"),
    ("get", "wd"),
    ("get", "wd", "nothing"),
    ("create", "secret", "generic", "typed", "--from-literal=a=b"),
    ("create", "configmap", "typed", "--from-literal=a=b"),
    ("get", "secret", "typed", "-o", "jsonpath={.data.a} {.type}"),
    ("delete", "secret/toy", "secret/typed", "configmap/typed"),
    ("delete", "wd", "--all"),
    ("get", "wd"),
)


def test_kubectl_prints_the_same(embedded: Contestant, controlplane: Contestant) -> None:
    """Commands of kubectl, from apply to delete, print the same with both servers."""
    for command in _COMMANDS:
        given = _MANIFEST if "-" in command else ""
        real = controlplane.kubectl(*command, given=given)
        assert embedded.kubectl(*command, given=given) == real, " ".join(command)


@pytest.mark.parametrize("wrong", ["unknown", "rule", "missing"])
def test_kubectl_explains_what_is_wrong(
    embedded: Contestant, controlplane: Contestant, wrong: str
) -> None:
    """An object that is refused is refused by both in the same words, without --validate=false."""
    spec = {"unknown": {"size": 5, "zip": 1}, "rule": {"size": 150}, "missing": {}}[wrong]
    given = json.dumps(widgets.widget("wrong", **spec))
    real = controlplane.kubectl("apply", "-f", "-", given=given)
    assert "wrong" in real or "zip" in real
    assert embedded.kubectl("apply", "-f", "-", given=given) == real


def test_tokens_verify_against_the_published_keys(contestant: Contestant) -> None:
    """A ServiceAccount's token verifies with what the issuer publishes, anonymously readable."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    contestant.one(Step(method="GET", path=account, eventually=True))
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600},
    }
    answer = contestant.one(Step(method="POST", path=f"{account}/token", body=request))
    accept = "application/jwk-set+json, application/json"
    public = {"accept": accept, "token": lambda _: ""}
    discovery = contestant.one(
        Step(method="GET", path="/.well-known/openid-configuration", **public)  # type: ignore[arg-type]  # the values fit
    ).document
    keys = contestant.one(Step(method="GET", path="/openid/v1/jwks", **public)).document  # type: ignore[arg-type]  # the values fit
    token = jwt.decode(answer.document["status"]["token"], KeySet.import_key_set(keys))
    assert token.header["alg"] == "RS256"
    assert discovery["issuer"] == token.claims["iss"] == contestant.cluster.issuer
    assert token.claims["aud"] == ["sts.amazonaws.com"]
    assert token.claims["sub"] == "system:serviceaccount:default:default"
    assert token.claims["exp"] - token.claims["iat"] == 600
    assert set(token.claims) == {"aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"}
    assert set(token.claims["kubernetes.io"]) == {"namespace", "serviceaccount"}


def test_writes_can_be_counted_in_the_audit_log(contestant: Contestant) -> None:
    """Each request leaves one audit event of stage ResponseComplete with the same members."""
    name = "contract-audited"
    path = "/api/v1/namespaces/default/configmaps"
    contestant.one(Step(method="POST", path=path, body=widgets.config_map(name)))
    contestant.one(
        Step(method="PATCH", path=f"{path}/{name}", body={"data": {"a": "b"}}, content_type=MERGE)
    )
    contestant.one(Step(method="DELETE", path=f"{path}/{name}"))
    log = contestant.cluster.audit_log
    assert log is not None

    def events() -> list[tuple[str, int]]:
        found = [json.loads(line) for line in log.read_text().splitlines()]
        return [
            (event["verb"], event["responseStatus"]["code"])
            for event in found
            if event["stage"] == "ResponseComplete"
            and event.get("objectRef", {}).get("resource") == "configmaps"
            and (event["objectRef"].get("name") == name or event["verb"] == "create")
            and event["objectRef"].get("namespace") == "default"
            and "kubectl" not in event.get("userAgent", "")
            and event["user"]["username"]
            and event["requestReceivedTimestamp"]
        ]

    expected = [("create", 201), ("patch", 200), ("delete", 200)]
    answer = until(
        lambda: Answer(200, [one for one in events() if one in expected][-3:]),
        lambda found: found.document == expected,
        seconds=5,
    )
    assert answer.document == expected


_ROWS = [row for refused in Refused for row in rows(refused)]


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_the_products_own_rules_hold_alike(
    embedded: Contestant, controlplane: Contestant, row: Invalid
) -> None:
    """Both servers take the product's CRDs, and judge objects by them with the same words."""
    body = {**row.body, "metadata": {"name": "invalid"}}
    plural = {"ApiKeyGrant": "apikeygrants", "CredentialSource": "credentialsources"}[row.kind]
    path = f"/apis/keywright.dev/v1alpha1/namespaces/default/{plural}?dryRun=All"
    step = Step(method="POST", path=path, body=body)
    real, ours = controlplane.one(step), embedded.one(step)
    assert ours.status == real.status, (real.document, ours.document)
    if real.status >= 400:
        assert _lines(ours) == _lines(real), _difference(0, step, real, ours)
