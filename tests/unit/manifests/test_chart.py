"""The chart: the same installation as the kustomizations, and values that are checked."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typing_extensions import override

from keywright.api.docs_links import DOCS_URL
from keywright.cli.main import parser
from keywright.cli.run import settings
from keywright.cli.run_options import add_run_options
from tests.cluster.commands import kustomized
from tests.cluster.helm import CHART, Helm
from tests.unit.api.samples import ROOT
from tests.values_table import VALUES, described, with_table

MANIFESTS = ROOT / "manifests"
Document = dict[str, Any]
# All that Helm's way of installing adds to an object.
_LABELS = {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "keywright-{version}"}
_KEEP = {"helm.sh/resource-policy": "keep"}


@dataclass(frozen=True, slots=True)
class Installation:
    """Values of the chart, and the folders that `kubectl apply -k` is given for the same."""

    name: str
    folders: tuple[str, ...]
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


INSTALLATIONS = (
    Installation("default", (".",)),
    Installation(
        "listed namespaces", ("listed-namespaces",), ("--set", "namespaces={team-b,team-a}")
    ),
    Installation(
        "high availability",
        ("high-availability",),
        ("--values", str(CHART / "values-high-availability.yaml")),
    ),
    Installation("monitoring", (".", "monitoring"), ("--set", "monitoring.enabled=true")),
    Installation(
        "monitoring of listed namespaces",
        ("listed-namespaces", "monitoring"),
        ("--set", "namespaces={team-b,team-a}", "--set", "monitoring.enabled=true"),
    ),
    Installation(
        "user roles that are not aggregated",
        ("without-aggregated-roles",),
        ("--set", "aggregateUserRoles=false"),
    ),
    Installation("policies", (".", "policies"), ("--set", "policies.enabled=true")),
    Installation(
        "tokens of any ServiceAccount",
        (".", "tokens-of-any-serviceaccount"),
        ("--set", "tokensOfAnyServiceAccount=true"),
    ),
)


def _version() -> str:
    found: str = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    return found


def _without_helm(document: Document) -> Document:
    """The object without what Helm adds; fails where that is missing or says something else."""
    metadata = document["metadata"]
    for label, value in _LABELS.items():
        assert metadata["labels"].pop(label) == value.format(version=_version()), metadata
    if document["kind"] == "CustomResourceDefinition":
        assert metadata.pop("annotations") == _KEEP
    return document


def _by_name(documents: list[Document]) -> dict[tuple[str, str, str], Document]:
    found = {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
        for each in deepcopy(documents)
    }
    assert len(found) == len(documents)
    return found


@pytest.mark.parametrize("installation", INSTALLATIONS, ids=str)
def test_the_chart_installs_what_the_kustomization_does(
    helm: Helm, installation: Installation
) -> None:
    """Object by object, except for Helm's labels; the user of Helm creates the namespace."""
    rendered = _by_name([_without_helm(each) for each in helm.render(*installation.options)])
    crds = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    applied = _by_name(
        [*crds, *(each for name in installation.folders for each in kustomized(MANIFESTS / name))]
    )
    del applied["Namespace", "", "keywright-system"]
    assert rendered.keys() == applied.keys()
    for key, document in applied.items():
        assert rendered[key] == document, key


def test_the_chart_is_of_the_version_of_the_project() -> None:
    """Chart, operator and the image of the manifests have one version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["version"]}"' in project
    assert chart["appVersion"] == chart["version"]
    deployment = yaml.safe_load((MANIFESTS / "operator" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.keywright.dev/keywright:{chart['version']}"


def _deployment(documents: list[Document]) -> Document:
    (found,) = (each for each in documents if each["kind"] == "Deployment")
    return found


def _pod(helm: Helm, *options: str | Path) -> Document:
    pod: Document = _deployment(helm.render(*options))["spec"]["template"]
    return pod


FLAGS = """
namespaces: [team-a]
operator:
  logLevel: debug
  logFormat: text
  traces: otlp
  workers: 7
  cloudThreads: 3
  apiGatewayQuotaShare: 0.5
  leaseSeconds: 30
  metricsAuth: none
  metricsAddress: "[::]:9443"
  metricsCertDir: /etc/metrics-tls
  httpAddress: "[::]:9090"
  secretReferences: any
  minKeyLifetime: 90s
  verifyInterval: 1h
  verifySpread: 3m
  sweepSeconds: 60
  revokeTimeout: 5m
  allowAmbient: true
  allowCredentialsUris: ["https://credentials.example.com/team/"]
  allowStsEndpoints: ["sts.example.com:8443"]
  allowTokenEndpoints: ["https://sts.example.com/oauth/token"]
  allowProbeUrls: ["https://api.example.com/health/"]
"""


def test_every_option_becomes_a_flag_that_the_operator_takes(helm: Helm, tmp_path: Path) -> None:
    """The operator's own parser reads them, and the ports follow the address."""
    values = tmp_path / "values.yaml"
    values.write_text(FLAGS)
    assert set(yaml.safe_load(FLAGS)["operator"]) == set(
        yaml.safe_load((CHART / "values.yaml").read_text())["operator"]
    )
    rendered = helm.render("--values", values)
    (container,) = _deployment(rendered)["spec"]["template"]["spec"]["containers"]
    options = parser("run").parse_args(container["args"])
    found = settings(options)
    assert found.namespaces == ("team-a",)
    assert (options.log_level, options.log_format) == ("debug", "text")
    assert (found.workers, found.cloud_threads, found.lease_seconds) == (7, 3, 30)
    assert (found.http_host, found.http_port) == ("::", 9090)
    assert not found.metrics_auth
    assert (found.metrics_host, found.metrics_port) == ("::", 9443)
    assert not found.secrets_need_consent
    assert found.min_key_lifetime == timedelta(seconds=90)
    assert options.api_gateway_quota_share == 0.5
    assert (options.verify_spread, options.sweep_seconds) == (180, 60)
    assert options.metrics_cert_dir == Path("/etc/metrics-tls")
    assert found.allow_ambient
    assert found.traces
    assert found.credentials_uris == ("https://credentials.example.com/team/",)
    assert found.sts_endpoints == ("sts.example.com:8443",)
    assert found.token_endpoints == ("https://sts.example.com/oauth/token",)
    assert found.probe_urls == ("https://api.example.com/health/",)
    assert container["ports"] == [
        {"name": "http", "containerPort": 9090},
        {"name": "metrics", "containerPort": 9443},
    ]
    (policy,) = (each for each in rendered if each["kind"] == "NetworkPolicy")
    (ingress,) = policy["spec"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": port} for port in (9090, 9443)]


NO_VALUE = {
    "--kubeconfig": "the pod uses its ServiceAccount",
    "--context": "belongs to --kubeconfig",
    "--own-namespace": "the namespace of the release, in POD_NAMESPACE",
    "--identity": "the name of the pod, in POD_NAME",
    "--leader-election": "two replicas without a leader would both issue keys",
    "--lease-name": "the Role of the chart allows this Lease alone",
    "--drain-seconds": "terminationGracePeriodSeconds of the chart belongs to its default",
    "--cloud-delay-scale": "for tests, and hidden",
}
"""The flags of the operator that no value of the chart sets, with the reason."""


class _Options(argparse.ArgumentParser):
    """Notes the name of each option."""

    def __init__(self) -> None:
        super().__init__(add_help=False)
        self.names: set[str] = set()

    @override
    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        self.names.add(names[0])
        return super().add_argument(*names, **options)


def test_every_flag_has_a_value_or_a_reason_why_not(helm: Helm, tmp_path: Path) -> None:
    """With all values set, the Deployment has every flag but those that follow from the pod."""
    values = tmp_path / "values.yaml"
    values.write_text(f"{FLAGS}docsUrl: https://docs.example.com\n")
    (container,) = _pod(helm, "--values", values)["spec"]["containers"]
    rendered = {word.partition("=")[0] for word in container["args"] if word.startswith("--")}
    assert rendered.isdisjoint(NO_VALUE)
    options = _Options()
    add_run_options(options)
    assert rendered | NO_VALUE.keys() == options.names


def test_metrics_without_authorization_stay_in_the_pod(helm: Helm) -> None:
    """No port, no hole in the policy, no right to review tokens."""
    rendered = helm.render("--set", "operator.metricsAuth=none")
    (container,) = _deployment(rendered)["spec"]["template"]["spec"]["containers"]
    found = settings(parser("run").parse_args(container["args"]))
    assert (found.metrics_host, found.metrics_port) == ("127.0.0.1", 8443)
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    (policy,) = (each for each in rendered if each["kind"] == "NetworkPolicy")
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    assert not any(each["metadata"]["name"].startswith("keywright-metrics") for each in rendered)


POD = """
image: {repository: registry.example/keywright, tag: "1.2", pullPolicy: Always, pullSecrets: [pull]}
podAnnotations: {example.com/a: b}
podLabels: {team: platform}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
resources: {limits: {cpu: 1}}
extraEnv: [{name: AWS_CA_BUNDLE, value: /etc/ca/ca.pem}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca, readOnly: true}]
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/own"}}
"""


def test_what_a_platform_asks_of_pods_can_be_set(helm: Helm, tmp_path: Path) -> None:
    """Image, scheduling, environment and volumes, beside what the chart sets itself."""
    values = tmp_path / "values.yaml"
    values.write_text(POD)
    requested = yaml.safe_load(POD)
    pod = _pod(helm, "--values", values)
    spec, metadata = pod["spec"], pod["metadata"]
    (container,) = spec["containers"]
    assert container["image"] == "registry.example/keywright:1.2"
    assert container["imagePullPolicy"] == "Always"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert metadata["annotations"] == requested["podAnnotations"]
    assert metadata["labels"] == {"app.kubernetes.io/name": "keywright", "team": "platform"}
    for field in ("nodeSelector", "tolerations", "affinity"):
        assert spec[field] == requested[field]
    assert container["resources"]["limits"] == {"cpu": 1, "memory": "512Mi"}
    assert container["env"][2:] == requested["extraEnv"]
    assert [entry["name"] for entry in container["env"][:2]] == ["POD_NAME", "POD_NAMESPACE"]
    assert spec["volumes"] == requested["extraVolumes"]
    assert container["volumeMounts"] == requested["extraVolumeMounts"]
    (account,) = (
        each for each in helm.render("--values", values) if each["kind"] == "ServiceAccount"
    )
    assert account["metadata"]["annotations"] == requested["serviceAccount"]["annotations"]


def test_a_digest_is_what_counts(helm: Helm) -> None:
    """An image by digest has no tag."""
    digest = f"sha256:{'a' * 64}"
    (container,) = _pod(helm, "--set", f"image.digest={digest}")["spec"]["containers"]
    assert container["image"] == f"registry.keywright.dev/keywright@{digest}"


def test_crds_may_be_left_to_others_or_go_with_the_release(helm: Helm) -> None:
    """`crds.install` and `crds.keep`."""
    kinds = [each["kind"] for each in helm.render("--set", "crds.install=false")]
    assert "CustomResourceDefinition" not in kinds
    crds = [
        each
        for each in helm.render("--set", "crds.keep=false")
        if each["kind"] == "CustomResourceDefinition"
    ]
    assert [crd["metadata"].get("annotations") for crd in crds] == [None, None]


def _runbooks(rendered: list[Document]) -> list[tuple[str, str | None]]:
    """The section of docs/alerts.md of each alert, and its address."""
    (rules,) = (each for each in rendered if each["kind"] == "PrometheusRule")
    return [
        (
            rule["annotations"]["runbook"].partition("#")[2],
            rule["annotations"].get("runbook_url"),
        )
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


@pytest.mark.parametrize(
    ("options", "page"),
    [
        ((), f"{DOCS_URL}/alerts.html"),
        (
            ("docsUrl=https://docs.example/keywright/",),
            "https://docs.example/keywright/alerts.html",
        ),
        (("monitoring.runbookUrl=https://wiki.example/alerts",), "https://wiki.example/alerts"),
        (("docsUrl=", "monitoring.runbookUrl=https://wiki.example/a"), "https://wiki.example/a"),
        (("docsUrl=",), None),
    ],
    ids=["default", "docs elsewhere", "runbooks elsewhere", "runbooks only", "none"],
)
def test_alerts_lead_to_where_the_runbooks_are_published(
    helm: Helm, options: tuple[str, ...], page: str | None
) -> None:
    """Each alert has a `runbook_url` below the documentation, or in a page of your choice."""
    settings = [part for option in options for part in ("--set", option)]
    found = _runbooks(helm.render("--set", "monitoring.enabled=true", *settings))
    assert found
    for section, address in found:
        assert address == (None if page is None else f"{page}#{section}")


def test_what_prometheus_selects_by_can_be_set(helm: Helm) -> None:
    """Labels of rules, ServiceMonitor and dashboard."""
    rendered = helm.render(
        *("--set", "monitoring.enabled=true"), *("--set", "monitoring.labels.release=prometheus")
    )
    of_monitoring = [
        each["metadata"]["labels"].get("release")
        for each in rendered
        if each["kind"] in ("PrometheusRule", "ServiceMonitor", "ConfigMap")
    ]
    assert of_monitoring == ["prometheus"] * 3


@pytest.mark.parametrize(
    ("option", "url"),
    [
        ((), DOCS_URL),
        (("docsUrl=https://d.example/x/",), "https://d.example/x"),
        (("docsUrl=",), ""),
    ],
    ids=["default", "elsewhere", "none"],
)
def test_messages_lead_to_where_the_documentation_is_published(
    helm: Helm, option: tuple[str, ...], url: str
) -> None:
    """`docsUrl` is the flag --docs-url; an empty one is no link."""
    set_ = [part for each in option for part in ("--set", each)]
    (container,) = _pod(helm, *set_)["spec"]["containers"]
    assert settings(parser("run").parse_args(container["args"])).docs_url == url


PROXY = """
proxy:
  https: http://proxy.example.com:3128
  http: http://proxy.example.com
  noProxy: 10.0.0.0/8
caBundle: {configMap: trust, key: ca.pem}
extraVolumes: [{name: tls, secret: {secretName: tls}}]
extraVolumeMounts: [{name: tls, mountPath: /etc/tls}]
"""


def test_a_proxy_and_its_certificate_authority_can_be_set(helm: Helm, tmp_path: Path) -> None:
    """The API server is not requested through the proxy, and the policy allows its ports."""
    values = tmp_path / "values.yaml"
    values.write_text(PROXY)
    rendered = helm.render("--values", values)
    spec = _deployment(rendered)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["HTTPS_PROXY"] == "http://proxy.example.com:3128"
    assert variables["HTTP_PROXY"] == "http://proxy.example.com"
    assert variables["NO_PROXY"] == (
        "$(KUBERNETES_SERVICE_HOST),localhost,.svc,.cluster.local,10.0.0.0/8"
    )
    assert variables["AWS_CA_BUNDLE"] == variables["SSL_CERT_FILE"] == "/etc/keywright/ca/ca.pem"
    assert [each["name"] for each in container["volumeMounts"]] == ["ca-bundle", "tls"]
    assert [each["name"] for each in spec["volumes"]] == ["ca-bundle", "tls"]
    assert _egress_ports(rendered) == [53, 53, 443, 6443, 3128, 80]


def _egress_ports(rendered: list[Document]) -> list[int]:
    (policy,) = (each for each in rendered if each["kind"] == "NetworkPolicy")
    return [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_pod_identity_reaches_its_agent_and_no_other_service_of_the_node(helm: Helm) -> None:
    """Port 80 of its two addresses; the instance metadata service stays blocked."""
    rendered = helm.render("--set", "networkPolicy.podIdentity=true")
    (policy,) = (each for each in rendered if each["kind"] == "NetworkPolicy")
    (anywhere, agent) = policy["spec"]["egress"]
    assert "to" not in anywhere
    assert 80 not in [port["port"] for port in anywhere["ports"]]
    assert [peer["ipBlock"]["cidr"] for peer in agent["to"]] == [
        "169.254.170.23/32",
        "fd00:ec2::23/128",
    ]
    assert agent["ports"] == [{"protocol": "TCP", "port": 80}]


def test_policies_can_be_chosen_and_their_lists_set(helm: Helm) -> None:
    """The parameters are read from the namespace of the release."""
    done = helm.run(
        *("template", "keywright", CHART, "--namespace", "platform", "--skip-tests"),
        *("--set", "policies.enabled=true,policies.include={endpoints}"),
        *("--set", "policies.endpoints={sts.example.com,.internal.example.com}"),
    )
    rendered = [each for each in yaml.safe_load_all(done.stdout) if each]
    policies = [each for each in rendered if each["kind"].startswith("ValidatingAdmission")]
    assert {each["metadata"]["name"] for each in policies} == {"keywright-endpoints"}
    (binding,) = (each for each in policies if each["kind"].endswith("Binding"))
    assert binding["spec"]["paramRef"]["namespace"] == "platform"
    (parameters,) = (
        each
        for each in rendered
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "keywright-policies"
    )
    assert parameters["metadata"]["namespace"] == "platform"
    assert parameters["data"]["endpoints"] == "sts.example.com\n.internal.example.com\n"
    assert "keywright-system" not in json.dumps(policies)


def test_the_test_pod_is_no_pod_of_the_operator(helm: Helm) -> None:
    """Services, policies and disruption budgets select the operator's pods by their label."""
    created = helm.render_test("--set", "image.tag=1.2", "--set", "image.pullSecrets={pull}")
    assert [each["kind"] for each in created] == [
        *("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Pod"),
    ]
    pod = created[-1]
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] != "keywright"
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.keywright.dev/keywright:1.2"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    options = parser("check").parse_args(container["args"])
    assert options.wait
    policies = [each["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for each in created]
    # Helm 3 reads the log of the pod after the test has passed.
    assert policies == [*["before-hook-creation,hook-succeeded"] * 3, "before-hook-creation"]


def test_each_set_of_values_for_chart_testing_says_what_it_is_for() -> None:
    """`make check` lints the chart with each of them."""
    found = sorted((CHART / "ci").glob("*-values.yaml"))
    assert len(found) >= 6
    for path in found:
        assert path.read_text().startswith("# "), path
        assert yaml.safe_load(path.read_text()), path


REFUSED = (
    ("proxy.https=proxy:3128", "at '/proxy/https': 'proxy:3128' does not match"),
    ("caBundle.configMap=Trust", "at '/caBundle/configMap': 'Trust' does not match"),
    ("policies.include={all}", "at '/policies/include/0': value must be one of"),
    ("policies.endpoints={https://x}", "at '/policies/endpoints/0': 'https://x' does not match"),
    ("replica=3", "additional properties 'replica' not allowed"),
    ("replicas=0", "at '/replicas': minimum: got 0, want 1"),
    ("replicas=null", "missing property 'replicas'"),
    ("replicas=many", "at '/replicas': got string, want integer"),
    ("image.tag=keywright:1", "at '/image/tag': 'keywright:1' does not match"),
    ("image.digest=sha256:1", "at '/image/digest': 'sha256:1' does not match"),
    ("namespaces={Team_A}", "at '/namespaces/0': 'Team_A' does not match"),
    ("namespaces={a,a}", "at '/namespaces': items at 0 and 1 are equal"),
    ("operator.logLevel=loud", "at '/operator/logLevel': value must be one of"),
    ("operator.traces=jaeger", "at '/operator/traces': value must be one of"),
    ("operator.workers=0", "at '/operator/workers': minimum: got 0, want 1"),
    ("operator.verbose=true", "additional properties 'verbose' not allowed"),
    ("operator.metricsAuth=basic", "at '/operator/metricsAuth': value must be one of"),
    ("operator.metricsAddress=8443", "at '/operator/metricsAddress': got number, want string"),
    ("operator.secretReferences=all", "at '/operator/secretReferences': value must be one of"),
    ("operator.minKeyLifetime=soon", "at '/operator/minKeyLifetime': 'soon' does not match"),
    ("operator.verifySpread=soon", "at '/operator/verifySpread': 'soon' does not match"),
    ("operator.sweepSeconds=0", "at '/operator/sweepSeconds': exclusiveMinimum: got 0, want 0"),
    ("operator.apiGatewayQuotaShare=0", "at '/operator/apiGatewayQuotaShare': exclusiveMinimum"),
    ("operator.metricsCertDir=tls", "at '/operator/metricsCertDir': 'tls' does not match"),
    ("operator.httpAddress=8080", "at '/operator/httpAddress': got number, want string"),
    ("operator.allowCredentialsUris={ftp://x}", "at '/operator/allowCredentialsUris/0'"),
    ("operator.allowStsEndpoints={ftp://x}", "at '/operator/allowStsEndpoints/0'"),
    ("operator.allowTokenEndpoints={http://x}", "at '/operator/allowTokenEndpoints/0'"),
    ("operator.allowProbeUrls={two words}", "at '/operator/allowProbeUrls/0'"),
    ("resources.limit.cpu=1", "at '/resources': additional properties 'limit' not allowed"),
    ("networkPolicy.egressPorts={70000}", "at '/networkPolicy/egressPorts/0': maximum"),
    ("extraEnv[0].value=x", "at '/extraEnv/0': missing property 'name'"),
    ("extraEnv[0].name=POD_NAME", "extraEnv: POD_NAME is set by the chart"),
    (r"podLabels.app\.kubernetes\.io/name=x", "podLabels: app.kubernetes.io/name is what"),
    ("docsUrl=docs.example", "at '/docsUrl': 'docs.example' does not match"),
    ("monitoring.runbookUrl=docs", "at '/monitoring/runbookUrl': 'docs' does not match"),
)


def test_a_variable_is_set_once(helm: Helm) -> None:
    """An entry of extraEnv beside proxy or caBundle would be ambiguous."""
    message = helm.refused(
        *("--set", "proxy.https=http://proxy:3128", "--set", "extraEnv[0].name=NO_PROXY")
    )
    assert "extraEnv: NO_PROXY is set by the chart: use either" in message


@pytest.mark.parametrize(("setting", "words"), REFUSED, ids=[setting for setting, _ in REFUSED])
def test_a_value_that_cannot_work_is_refused_by_name(helm: Helm, setting: str, words: str) -> None:
    """Before anything is installed, with the path of the value and what it may be."""
    assert words in helm.refused("--set", setting)


def test_the_chart_passes_helms_own_lint(helm: Helm) -> None:
    """`helm lint --strict` has nothing against it, and a packaged chart is the same chart."""
    done = helm.run("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout
    done = helm.run("package", CHART, "--destination", helm.home)
    assert done.returncode == 0, done.stderr
    (package,) = helm.home.glob("keywright-*.tgz")
    options = ("--set", "monitoring.enabled=true")
    assert helm.render(*options, chart=package) == helm.render(*options)


def test_the_chart_in_an_archive_of_the_source_is_whole(helm: Helm, tmp_path: Path) -> None:
    """What the chart only links to is in it; a chart without its CRDs says so."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path, filter="data")
    (chart,) = tmp_path.glob("*/manifests/chart")
    options = ("--set", "monitoring.enabled=true")
    assert helm.render(*options, chart=chart) == helm.render(*options)
    shutil.rmtree(chart / "files" / "crds")
    assert "this chart has no CRDs" in helm.refused(chart=chart)


def _paths(values: Document, *, above: str = "") -> set[str]:
    """Every value that is no map of further ones."""
    found = set()
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= _paths(value, above=f"{above}{name}.")
        else:
            found.add(f"{above}{name}")
    return found


def test_every_value_stands_in_the_table_of_the_guide() -> None:
    """`docs/install.md` has them all, with default and meaning, as they are now."""
    document = (ROOT / "docs" / "install.md").read_text()
    assert with_table(document) == document
    text = VALUES.read_text()
    rows = {path for path, _ in described(text)}
    for path in _paths(yaml.safe_load(text)):
        assert any(path == row or path.startswith(f"{row}.") for row in rows), path
        assert f"| `{path}` |" in document or "resources." in path


def test_the_schema_knows_every_value() -> None:
    """What values.yaml has, values.schema.json describes, and nothing else."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(part: Document, *, above: str = "") -> set[str]:
        found = set()
        for name, inner in part["properties"].items():
            deeper = inner.get("properties")
            found |= names(inner, above=f"{above}{name}.") if deeper else {f"{above}{name}"}
        return found

    values = yaml.safe_load(VALUES.read_text())
    del values["resources"]
    assert names(schema) - {"global", "resources.requests", "resources.limits"} == _paths(values)
