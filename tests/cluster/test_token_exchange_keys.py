"""Access tokens of Anthropic, OpenAI and OpenRouter, used by their SDKs; and of any endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keywright.cli.exit_codes import ExitCode
from testbed.readers import PollingReader
from testbed.readers.clients import ANTHROPIC_API, OPENAI_API
from testbed.readers.vendor_sdks import ANTHROPIC_MODEL
from testbed.world import ROOT
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run
from tests.cluster.tenants import condition
from tests.cluster.test_doctor import run_command
from tests.cluster.tier import Record
from tests.cluster.token_exchange import (
    HOSTS,
    OPENAI_ACCOUNT,
    ORGANIZATION,
    POLICY,
    PROVIDER,
    RULE,
    SERVICE_ACCOUNT,
    WORKSPACE,
    Exchanges,
    ExchangeTenant,
    exchange_tenant,
    exchanges,
)

__all__ = ["exchange_tenant", "exchanges"]
pytestmark = [pytest.mark.xdist_group("token-exchange")]

_RENEWALS = 20
_TOKEN_SECONDS = 10
_EXPECTED = {
    "anthropic": ("ANTHROPIC_AUTH_TOKEN", timedelta(hours=1)),
    "openai": ("OPENAI_API_KEY", timedelta(hours=1)),
    "openrouter": ("OPENAI_API_KEY", timedelta(minutes=15)),
}


@pytest.mark.parametrize("vendor", _EXPECTED)
def test_a_token_is_used_by_the_sdk_of_its_vendor(
    exchange_tenant: ExchangeTenant, vendor: str
) -> None:
    """With what the Secret holds, and for as long as the vendor's answer says."""
    status = exchange_tenant.become_exchanged(vendor)
    answer = exchange_tenant.ask(vendor)
    assert answer.error is None
    assert answer.text.startswith("You said: ")
    name, life = _EXPECTED[vendor]
    assert exchange_tenant.ask(vendor, **{name: "wrong"}).error is not None
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    # OpenAI and OpenRouter end the token with the exchanged one, which is seconds older.
    assert timedelta(0) <= life - (ends - issued) < timedelta(seconds=10)
    assert status["keyId"].startswith("sha256:")


def test_the_layout_follows_the_vendor(exchange_tenant: ExchangeTenant) -> None:
    """Without formats, the Secret has the variables of the vendor's SDK."""
    for vendor in ("anthropic", "openai", "openrouter", "generic"):
        exchange_tenant.become_exchanged(vendor, secret={"formats": None, "data": None})
    anthropic = exchange_tenant.data("anthropic")
    assert anthropic.pop("ANTHROPIC_AUTH_TOKEN").startswith("sk-ant-oat01-")
    assert anthropic == {"ANTHROPIC_CUSTOM_HEADERS": "anthropic-beta: oauth-2025-04-20"}
    assert exchange_tenant.data("openai")["OPENAI_BASE_URL"] == "https://api.openai.com/v1"
    assert exchange_tenant.data("openrouter")["OPENAI_BASE_URL"] == "https://openrouter.ai/api/v1"
    assert [*exchange_tenant.data("generic")] == ["Authorization"]


def test_the_request_is_as_the_source_says(exchange_tenant: ExchangeTenant) -> None:
    """The IDs of each vendor, and the parameters of a generic endpoint."""
    vendors = exchange_tenant.world.vendors
    for vendor in HOSTS:
        exchange_tenant.become_exchanged(vendor)
    sent = {
        vendor: vendors.calls(service=service, action="ExchangeToken")[-1].parameters
        for vendor, service in HOSTS.items()
    }
    assert sent["anthropic"] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "federation_rule_id": RULE,
        "organization_id": ORGANIZATION,
        "service_account_id": SERVICE_ACCOUNT,
        "workspace_id": WORKSPACE,
    }
    exchange = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    ids = {"identity_provider_id": PROVIDER, "service_account_id": OPENAI_ACCOUNT}
    assert sent["openai"] == exchange | ids
    assert sent["openrouter"] == exchange | {"federation_policy_id": POLICY}
    assert sent["generic"] == exchange | {"audience": "ledger-api", "scope": "ledger.read"}


def test_a_generic_endpoint_may_expect_an_assertion(exchange_tenant: ExchangeTenant) -> None:
    """RFC 7523, with the ServiceAccount and the audience that the source names."""
    exchange_tenant.trust("generic", grant_type="JwtBearer", audience="own", seconds=600)
    status = exchange_tenant.become_exchanged(
        "generic",
        exchange={
            "serviceAccountRef": {"audiences": ["own"]},
            "generic": {"grantType": "JwtBearer", "parameters": None},
        },
    )
    bearer = exchange_tenant.data("generic")["credential"]
    said = exchange_tenant.whoami(bearer)
    subject = f"system:serviceaccount:{exchange_tenant.namespace}:ledger-exchange"
    assert said == {"subject": subject}
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert ends - issued == timedelta(minutes=10)


def test_the_lifetime_of_the_exchanged_token_limits_the_key(
    exchange_tenant: ExchangeTenant,
) -> None:
    """Ten minutes make twenty at Anthropic, and ten at OpenAI; an hour makes an hour."""
    lives = {}
    for vendor in ("anthropic", "openai"):
        status = exchange_tenant.become_exchanged(vendor, exchange={"tokenExpiration": "10m"})
        issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
        lives[vendor] = round((ends - issued) / timedelta(minutes=1))
    assert lives == {"anthropic": 20, "openai": 10}


@pytest.mark.parametrize(
    ("vendor", "model", "service", "action"),
    [
        ("anthropic", None, "anthropic", "ListModels"),
        ("anthropic", ANTHROPIC_MODEL, "anthropic", "CreateMessage"),
        ("openai", None, "openai", "GET /v1/models"),
        ("openai", "gpt-6.1", "openai", "POST /v1/chat/completions"),
        ("openrouter", "openai/gpt-6.1", "openrouter", "POST /api/v1/chat/completions"),
    ],
)
def test_a_token_is_probed(
    exchange_tenant: ExchangeTenant, vendor: str, model: str | None, service: str, action: str
) -> None:
    """By the list of models, or by one token of a model, before it is published."""
    vendors = exchange_tenant.world.vendors
    vendors.forget_calls()
    probe = {"mode": "Service", "modelId": model}
    exchange_tenant.become_exchanged(vendor, probe=probe)
    assert [call.status for call in vendors.calls(service=service, action=action)] == [200]


def test_a_token_that_the_api_refuses_is_not_published(exchange_tenant: ExchangeTenant) -> None:
    """With the status, the field and what to allow."""
    exchange_tenant.world.vendors.fail_next(
        "openai", code="insufficient_permissions", message="no", status=403, count=1000
    )
    probe = {"mode": "Service", "timeout": "1s"}
    exchange_tenant.apply_exchange("openai", probe=probe)
    status = exchange_tenant.reported("Ready", status="False", reason="ProbeFailed", name="openai")
    message = condition(status, "Ready")["message"]
    assert "spec.probe" in message
    assert "OpenAI answered 403" in message
    assert "mapping of the vendor allow inference" in message
    assert not exchange_tenant.has_secret("openai")


def test_grants_of_a_source_share_one_exchange(exchange_tenant: ExchangeTenant) -> None:
    """One token for all, and one request; another workspace is another token."""
    vendors = exchange_tenant.world.vendors
    vendors.forget_calls()
    exchange_tenant.become_exchanged("anthropic")
    body = exchange_tenant.token_grant("anthropic")
    body["metadata"]["name"] = "second"
    exchange_tenant.world.api.apply(body)
    exchange_tenant.ready(name="second")
    assert len(vendors.calls(service="anthropic", action="ExchangeToken")) == 1
    assert exchange_tenant.data("second") == exchange_tenant.data("anthropic")
    before = exchange_tenant.status("anthropic")["revision"]
    exchange_tenant.trust("anthropic", workspaces=[WORKSPACE, "wrkspc_Other"])
    exchange_tenant.world.api.apply(
        exchange_tenant.exchange_source("anthropic", anthropic={"workspaceId": "wrkspc_Other"})
    )
    eventually(lambda: exchange_tenant.status("anthropic")["revision"] > before)
    source = exchange_tenant.source_reported("Ready", name="anthropic")
    assert source["identity"] == (
        f"Anthropic service account {SERVICE_ACCOUNT} in workspace wrkspc_Other"
    )
    assert source["provider"] == "TokenExchange"


def test_another_layout_keeps_the_token(exchange_tenant: ExchangeTenant) -> None:
    """It is read back from the Secret."""
    issued_at = exchange_tenant.become_exchanged("openai")["issuedAt"]
    token = exchange_tenant.data("openai")["OPENAI_API_KEY"]
    exchange_tenant.edit_grant(
        name="openai",
        secret={"formats": ["Authorization"], "data": {"url": "${openAiBaseUrl}"}},
    )
    eventually(lambda: "Authorization" in exchange_tenant.data("openai"))
    assert exchange_tenant.data("openai") == {
        "Authorization": token,
        "url": "https://api.openai.com/v1",
    }
    assert exchange_tenant.ready(name="openai")["issuedAt"] == issued_at


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("vendor", "client"),
    [("anthropic", ANTHROPIC_API), ("openai", OPENAI_API), ("openrouter", OPENAI_API)],
)
def test_no_reader_ever_sees_an_expired_or_missing_token(
    exchange_tenant: ExchangeTenant,
    tmp_path: Path,
    record_property: Record,
    vendor: str,
    client: str,
) -> None:
    """Over twenty renewals with tokens of ten seconds, not one call of the SDK is refused."""
    vendors = exchange_tenant.world.vendors
    vendors.limit_sessions(seconds=_TOKEN_SECONDS)
    exchange_tenant.become_exchanged(vendor, probe=None)
    reader = PollingReader(
        tmp_path,
        kubeconfig=exchange_tenant.world.cluster.kubeconfig,
        namespace=exchange_tenant.namespace,
        secret=vendor,
        cloud_environment=vendors.client_environment(),
        clients=[client],
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _TOKEN_SECONDS + 60,
        )
    readings = reader.readings()
    record_property("calls of the SDK", len(readings))
    assert reader.failures() == []
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + _RENEWALS + 1))
    left = [
        datetime.fromisoformat(reading.expires_at).timestamp() - reading.time
        for reading in readings
        if reading.expires_at
    ]
    record_property("least life left at a call, seconds", round(min(left), 2))
    assert min(left) > 0


def test_a_restart_exchanges_nothing(exchanges: Exchanges, exchange_tenant: ExchangeTenant) -> None:
    """While the token in the Secret is good, no other one is issued for the grant."""
    first = exchange_tenant.become_exchanged("openai")
    exchanges.operator.stop()
    exchanges.operator.start()
    exchange_tenant.source_reported("Ready", name="openai")
    assert exchange_tenant.ready(name="openai")["revision"] == first["revision"]


def test_the_commands_of_the_guide(exchange_tenant: ExchangeTenant) -> None:
    """Every command does what the guide says, one after the other."""
    world = exchange_tenant.world
    exchange_tenant.trust("anthropic", subject="system:serviceaccount:editor:editor-claude")
    try:
        for command in commands("docs/token-exchange.md"):
            program = command.replace("keywright explain", "python -m keywright explain")
            run(program, world, PYTHONPATH=str(ROOT / "operator"))
        path = "/apis/keywright.dev/v1alpha1/namespaces/editor/apikeygrants/editor-key"
        eventually(lambda: world.api.get(path)["status"].get("revision") == 1)
    finally:
        world.api.delete("/api/v1/namespaces/editor")


def test_doctor_tries_each_hop(exchange_tenant: ExchangeTenant) -> None:
    """The token, its issuer and the exchange; a refusal has the message of the operator."""
    exchange_tenant.become_exchanged("openai")
    world = exchange_tenant.world
    found = run_command(exchange_tenant, "doctor", "source", "openai")
    assert "a session of the identity" in found.out, found
    assert f"OpenAI service account {OPENAI_ACCOUNT}" in found.out
    assert "valid for 3600 s" in found.out
    exchange_tenant.trust("openai", enabled=False)
    found = run_command(exchange_tenant, "doctor", "source", "openai")
    assert found.code == ExitCode.FINDINGS
    assert "Let an enabled mapping of provider" in found.out
    assert [token for token in world.vendors.secrets() if token in found.out + found.err] == []
