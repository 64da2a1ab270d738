"""The command line."""

from datetime import timedelta
from pathlib import Path

import pytest

from keywright.cli.main import main, parser
from keywright.cli.run import settings
from keywright.controller.settings import KeyTimes, Settings
from keywright.planning.delays import Delays


def _of(*arguments: str) -> Settings:
    return settings(parser("run").parse_args(["run", *arguments]))


def test_the_defaults_are_those_of_the_manifests() -> None:
    """One replica's work, done by a leader, with room for a few thousand grants."""
    found = _of("--identity=me", "--own-namespace=keywright-system")
    assert found == Settings(
        kubeconfig=None,
        context=None,
        namespaces=(),
        own_namespace="keywright-system",
        identity="me",
        leader_election=True,
        lease_name="keywright",
        lease_seconds=15,
        workers=32,
        cloud_threads=8,
        http_host="0.0.0.0",  # noqa: S104  the default is what is tested
        http_port=8080,
        metrics_auth=False,
        metrics_host="127.0.0.1",
        metrics_port=8443,
        metrics_cert_dir=None,
        drain_seconds=20.0,
        sweep_seconds=900.0,
        min_key_lifetime=timedelta(seconds=60),
        key_times=KeyTimes(),
        allow_ambient=False,
        credentials_uris=(),
        secrets_need_consent=True,
    )


def test_every_option_arrives() -> None:
    """Namespaces are sorted, and named once each."""
    found = _of(
        "--kubeconfig=/k",
        "--context=c",
        *("--namespace=b", "--namespace=a", "--namespace=b"),
        "--own-namespace=n",
        "--identity=i",
        "--no-leader-election",
        "--lease-name=l",
        "--lease-seconds=30",
        "--workers=1",
        "--cloud-threads=2",
        "--api-gateway-quota-share=0.5",
        "--traces=otlp",
        "--docs-url=https://docs.example/keywright/",
        "--http-address=[::1]:9",
        "--metrics-auth=kubernetes",
        "--metrics-address=[::]:10",
        "--metrics-cert-dir=/certificates",
        "--drain-seconds=0.5",
        "--sweep-seconds=60",
        "--min-key-lifetime=20s",
        "--verify-interval=1h",
        "--verify-spread=5s",
        "--revoke-timeout=2m",
        "--cloud-delay-scale=0.5",
        "--allow-ambient",
        "--allow-credentials-uri=https://credentials.example.com/team/",
        "--allow-credentials-uri=http://10.0.0.7:8080/x",
        "--secret-references=any",
        "--allow-sts-endpoint=sts.example.com",
        "--allow-sts-endpoint=https://sts.example.com:8443/team/",
        "--allow-probe-url=api.internal.example.com",
    )
    assert found == Settings(
        kubeconfig=Path("/k"),
        context="c",
        namespaces=("a", "b"),
        own_namespace="n",
        identity="i",
        leader_election=False,
        lease_name="l",
        lease_seconds=30,
        workers=1,
        cloud_threads=2,
        http_host="::1",
        http_port=9,
        metrics_auth=True,
        metrics_host="::",
        metrics_port=10,
        metrics_cert_dir=Path("/certificates"),
        drain_seconds=0.5,
        sweep_seconds=60.0,
        min_key_lifetime=timedelta(seconds=20),
        key_times=KeyTimes(
            interval=timedelta(hours=1),
            spread=timedelta(seconds=5),
            revocation=timedelta(minutes=2),
            delays=Delays(intent=timedelta(seconds=30), listing=timedelta(minutes=1)),
        ),
        allow_ambient=True,
        credentials_uris=("https://credentials.example.com/team/", "http://10.0.0.7:8080/x"),
        secrets_need_consent=False,
        sts_endpoints=("sts.example.com", "https://sts.example.com:8443/team/"),
        probe_urls=("api.internal.example.com",),
        gateway_quota_share=0.5,
        traces=True,
        docs_url="https://docs.example/keywright",
    )


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], ("127.0.0.1", 8443)),
        (["--http-address=127.0.0.1:9"], ("127.0.0.1", 9)),
        (["--http-address=[::1]:9"], ("::1", 9)),
        (["--http-address=10.0.0.1:9"], ("127.0.0.1", 8443)),
        (["--metrics-auth=kubernetes", "--http-address=127.0.0.1:9"], ("0.0.0.0", 8443)),  # noqa: S104
        (["--metrics-address=10.0.0.1:9"], ("10.0.0.1", 9)),
    ],
)
def test_metrics_are_open_only_behind_authorization(
    arguments: list[str], address: tuple[str, int]
) -> None:
    """Without it they are on a loopback address, unless another one is named."""
    found = _of(*arguments)
    assert (found.metrics_host, found.metrics_port) == address


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "COMMAND"),
        (["walk"], "invalid choice"),
        (["run", "--workers=0"], "is not a whole number above 0"),
        (["run", "--workers=many"], "is not a whole number above 0"),
        (["run", "--lease-seconds=-1"], "is not a whole number above 0"),
        (["run", "--docs-url=docs.example"], "is not an address: write it like https://"),
        (
            ["run", "--docs-url=https://docs.example/#x"],
            "is not an address: write it like https://",
        ),
        (["run", "--api-gateway-quota-share=0"], "write it like 0.5"),
        (["run", "--api-gateway-quota-share=nan"], "write it like 0.5"),
        (["run", "--api-gateway-quota-share=half"], "write it like 0.5"),
        (["run", "--http-address=8080"], "write it like 0.0.0.0:8080"),
        (["run", "--http-address=host:port"], "write it like 0.0.0.0:8080"),
        (["run", "--http-address=host:70000"], "write it like 0.0.0.0:8080"),
        (["run", "--allow-credentials-uri=credentials"], "e.g. https://"),
        (["run", "--allow-credentials-uri=file:///etc/passwd"], "e.g. https://"),
        (["run", "--min-key-lifetime=soon"], "write it like 60s"),
        (["run", "--allow-sts-endpoint=https://sts.example.com/..%2f"], "write it like"),
        (["run", "--allow-sts-endpoint=two words"], "write it like"),
        (["run", "--allow-probe-url=ftp://api.example.com"], "write it like"),
        (["run", "--log-level=loud"], "invalid choice"),
        (["run", "--unknown"], "unrecognized"),
    ],
)
def test_a_wrong_option_ends_with_a_sentence(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and the option's name, never a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_questions_are_answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a cluster, and with exit code 0."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip()
