"""A failed token exchange is reported with its field and its cure, and without any token.

Each case plants one fault in the vendor, in the cluster or in the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.cluster.tenants import Document, condition
from tests.cluster.token_exchange import (
    ENDPOINT,
    HOSTS,
    PROVIDER,
    ROOT,
    RULE,
    TRUSTS,
    WORKSPACE,
    Exchanges,
    ExchangeTenant,
    exchange_tenant,
    exchanges,
)

__all__ = ["exchange_tenant", "exchanges"]
pytestmark = [pytest.mark.xdist_group("token-exchange")]

_OTHER_UUID = "00000000-0000-0000-0000-000000000000"
_Plant = Callable[[ExchangeTenant], None]


def _nothing(tenant: ExchangeTenant) -> None:
    del tenant


def _trust(vendor: str, **changed: Any) -> _Plant:
    return lambda tenant: tenant.trust(vendor, **changed)


def _remove(vendor: str) -> _Plant:
    return lambda tenant: tenant.world.vendors.remove_trust(vendor, TRUSTS[vendor])


def _fail(vendor: str, *, status: int, code: str, message: str = "planted") -> _Plant:
    return lambda tenant: tenant.world.vendors.fail_next(
        HOSTS[vendor], "ExchangeToken", code=code, message=message, status=status, count=1000
    )


def _damage(vendor: str) -> _Plant:
    return lambda tenant: tenant.world.vendors.damage_next(
        HOSTS[vendor], "ExchangeToken", count=1000
    )


def _lose(vendor: str) -> _Plant:
    return lambda tenant: tenant.world.vendors.lose_answer(
        HOSTS[vendor], "ExchangeToken", count=1000
    )


def _late(seconds: float) -> _Plant:
    return lambda tenant: tenant.world.vendors.set_clock(offset_seconds=seconds)


def _without_account(vendor: str, tenant: ExchangeTenant) -> None:
    account = tenant.account(vendor)
    tenant.world.api.delete(f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts/{account}")


def _without_right(vendor: str, tenant: ExchangeTenant) -> None:
    role = f"keywright-token-{tenant.account(vendor)}"
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}/roles"
    tenant.world.api.delete(f"{roles}/{role}")


@dataclass(frozen=True)
class Fault:
    """One planted fault; `SUBJECT` in a part is that of the token."""

    name: str
    vendor: str
    reason: str
    place: str
    parts: tuple[str, ...]
    plant: _Plant = _nothing
    exchange: Mapping[str, Any] = field(default_factory=dict)


def _opaque(name: str, plant: _Plant, *parts: str, **exchange: Any) -> Fault:
    """Anthropic does not tell why: the message shows the claims, and all that must match them."""
    return Fault(
        f"anthropic: {name}",
        "anthropic",
        "TokenRefused",
        f"{ROOT}.anthropic.federationRuleId",
        (
            "Anthropic answered 401 authentication_error: Authentication failed.",
            "sub=SUBJECT",
            f"Let rule {RULE} match subject SUBJECT",
            "authentication events in the Claude Console",
            *parts,
        ),
        plant,
        exchange,
    )


def _mapping(name: str, plant: _Plant, **exchange: Any) -> Fault:
    return Fault(
        f"openai: {name}",
        "openai",
        "TokenRefused",
        f"{ROOT}.openai.serviceAccountId",
        ("answered 400 invalid_grant", "match subject SUBJECT", "check identityProviderId"),
        plant,
        exchange,
    )


def _subject_token(name: str, plant: _Plant, *parts: str, **exchange: Any) -> Fault:
    return Fault(
        f"openai: {name}",
        "openai",
        "TokenRefused",
        f"{ROOT}.openai.identityProviderId",
        ("answered 401 invalid_subject_token", f"Let provider {PROVIDER} have issuer", *parts),
        plant,
        exchange,
    )


def _policy(name: str, plant: _Plant, **exchange: Any) -> Fault:
    return Fault(
        f"openrouter: {name}",
        "openrouter",
        "TokenRefused",
        f"{ROOT}.openrouter.federationPolicyId",
        (
            "OpenRouter answered 400 invalid_grant: The subject token was not accepted.",
            "be enabled, with issuer",
            "subject SUBJECT",
        ),
        plant,
        exchange,
    )


def _of_every_preset(vendor: str, title: str) -> list[Fault]:
    place = f"{ROOT}.{vendor}"
    account = "CredentialSource spec: serviceAccountRef.name"
    return [
        Fault(
            f"{vendor}: throttled",
            vendor,
            "TokenEndpointThrottled",
            place,
            (f"{title} answered 429", "use fewer sources"),
            _fail(vendor, status=429, code="rate_limit_error"),
        ),
        Fault(
            f"{vendor}: failing",
            vendor,
            "TokenEndpointFailed",
            place,
            (f"{title} answered 500", "Tried again"),
            _fail(vendor, status=500, code="server_error"),
        ),
        Fault(
            f"{vendor}: no answer",
            vendor,
            "TokenEndpointFailed",
            place,
            (f"{title} gave no answer", "check its network, proxy and CA bundle"),
            _lose(vendor),
        ),
        Fault(
            f"{vendor}: half an answer",
            vendor,
            "InvalidAnswer",
            place,
            ("the answer has no valid JSON object of a token",),
            _damage(vendor),
        ),
        Fault(
            f"{vendor}: no ServiceAccount",
            vendor,
            "ServiceAccountNotFound",
            account,
            ("there is no ServiceAccount", "Create it, or name another one"),
            partial(_without_account, vendor),
        ),
        Fault(
            f"{vendor}: no right to tokens",
            vendor,
            "TokenRequestForbidden",
            account,
            ("Keywright may not create serviceaccounts/token", "kubectl create role"),
            partial(_without_right, vendor),
        ),
    ]


FAULTS = [
    _opaque("no rule", _remove("anthropic")),
    _opaque("a rule that is archived", _trust("anthropic", enabled=False)),
    _opaque("another subject", _trust("anthropic", subject="system:serviceaccount:a:b")),
    _opaque("another audience", _trust("anthropic", audience="b"), "aud=https://api.anthropic.com"),
    _opaque("another issuer", _trust("anthropic", issuer="https://issuer.example.com")),
    _opaque("another claim", _trust("anthropic", claims={"team": "chat"})),
    _opaque(
        "a token that is valid for too long",
        _nothing,
        "a maximum lifetime of 2h or more",
        "was valid for 2h",
        tokenExpiration="2h",
    ),
    _opaque("a clock two hours ahead", _late(7200)),
    _opaque(
        "another service account",
        _nothing,
        "check serviceAccountId",
        anthropic={"serviceAccountId": "svac_Other"},
    ),
    _opaque("another organization", _nothing, anthropic={"organizationId": _OTHER_UUID}),
    _opaque("another workspace", _nothing, anthropic={"workspaceId": "wrkspc_Other"}),
    Fault(
        "anthropic: several workspaces",
        "anthropic",
        "TokenRequestInvalid",
        f"{ROOT}.anthropic.workspaceId",
        (
            "Anthropic answered 400 invalid_request_error: workspace_id_required",
            "Set it to the workspace of the token",
        ),
        _trust("anthropic", workspaces=[WORKSPACE, "wrkspc_Other"]),
        {"anthropic": {"workspaceId": None}},
    ),
    *_of_every_preset("anthropic", "Anthropic"),
    _mapping("no provider", _remove("openai")),
    _mapping("a provider that is disabled", _trust("openai", enabled=False)),
    _mapping("another subject", _trust("openai", subject="system:serviceaccount:a:b")),
    _mapping("another claim", _trust("openai", claims={"team": "chat"})),
    _mapping("another service account", _nothing, openai={"serviceAccountId": "sa_other"}),
    _subject_token(
        "another audience", _trust("openai", audience="b"), "audience https://api.openai.com/v1"
    ),
    _subject_token("another issuer", _trust("openai", issuer="https://issuer.example.com")),
    _subject_token("a clock two hours ahead", _late(7200), "kubectl get --raw /openid/v1/jwks"),
    *_of_every_preset("openai", "OpenAI"),
    _policy("no policy", _remove("openrouter")),
    _policy("a policy that is paused", _trust("openrouter", enabled=False)),
    _policy("another subject", _trust("openrouter", subject="system:serviceaccount:a:b")),
    _policy("another audience", _trust("openrouter", audience="b")),
    _policy("another issuer", _trust("openrouter", issuer="https://issuer.example.com")),
    _policy("another claim", _trust("openrouter", claims={"token_type": "service_account"})),
    _policy("a clock two hours ahead", _late(7200)),
    Fault(
        "openrouter: keys that it cannot read",
        "openrouter",
        "TokenEndpointFailed",
        f"{ROOT}.openrouter",
        ("answered 503 temporarily_unavailable", "they must be public"),
        _fail("openrouter", status=503, code="temporarily_unavailable"),
    ),
    *_of_every_preset("openrouter", "OpenRouter"),
    Fault(
        "generic: an endpoint that no flag allows",
        "generic",
        "TokenEndpointNotAllowed",
        f"{ROOT}.generic.endpoint",
        ("flags do not allow that token endpoint", "--allow-token-endpoint"),
        exchange={"generic": {"endpoint": "https://sts.example.com/oauth/other"}},
    ),
    Fault(
        "generic: another subject",
        "generic",
        "TokenRefused",
        f"{ROOT}.generic",
        (
            "the token endpoint answered 400 invalid_grant: the token is not trusted.",
            f"Let {ENDPOINT} trust issuer",
            "subject SUBJECT",
        ),
        _trust("generic", subject="system:serviceaccount:a:b"),
    ),
    Fault(
        "generic: a parameter that is missing",
        "generic",
        "TokenRequestInvalid",
        f"{ROOT}.generic.parameters",
        ("invalid_request: client_id is missing or wrong", "Add or correct what the endpoint"),
        _trust("generic", parameters={"client_id": "keywright"}),
    ),
    Fault(
        "generic: the other grant",
        "generic",
        "TokenRequestInvalid",
        f"{ROOT}.generic.grantType",
        ("answered 400 unsupported_grant_type", "Set the other one"),
        _trust("generic", grant_type="JwtBearer"),
    ),
    Fault(
        "generic: an audience of the API server",
        "generic",
        "AudienceForbidden",
        "CredentialSource spec: serviceAccountRef.audiences",
        ("would be good for the Kubernetes API itself", "Name the audience that the cloud expects"),
        exchange={"serviceAccountRef": {"audiences": ["https://kubernetes.default.svc"]}},
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_told(exchange_tenant: ExchangeTenant, fault: Fault) -> None:
    """Reason, field, what the vendor said, and what to change; no Secret is written."""
    fault.plant(exchange_tenant)
    message = exchange_tenant.refused(
        fault.vendor, reason=fault.reason, exchange=dict(fault.exchange), probe=None
    )
    account = exchange_tenant.account(fault.vendor)
    subject = f"system:serviceaccount:{exchange_tenant.namespace}:{account}"
    expected = [part.replace("SUBJECT", subject) for part in (fault.place, *fault.parts)]
    assert [part for part in expected if part not in message] == [], message


def test_every_preset_has_at_least_eight_faults() -> None:
    """So that none is left behind."""
    for vendor in ("anthropic", "openai", "openrouter"):
        assert len([fault for fault in FAULTS if fault.vendor == vendor]) >= 8


HOSTILE: Mapping[str, tuple[str, str]] = {
    "a token with a line break": ('{"access_token": "a\\nb", "expires_in": 600}', "access_token"),
    "a token without an end": ('{"access_token": "abc"}', "expires_in"),
    "a token that is a number": ('{"access_token": 5, "expires_in": 600}', "access_token"),
    "a token of a megabyte": (
        f'{{"access_token": "{"a" * 20_000}", "expires_in": 600}}',
        "access_token",
    ),
    "an end in the past": ('{"access_token": "abc", "expires_in": -5}', "expires_in"),
    "an end that is true": ('{"access_token": "abc", "expires_in": true}', "expires_in"),
    "an end in a thousand years": (
        '{"access_token": "abc", "expires_in": 31557600000}',
        "expires_in",
    ),
    "a token for another scheme": (
        '{"access_token": "abc", "expires_in": 600, "token_type": "DPoP"}',
        "token_type",
    ),
    "the sent token itself": (
        '{"access_token": "THE-SENT-TOKEN", "expires_in": 600}',
        "the ServiceAccount token itself",
    ),
    "no JSON": ("<html>THE-SENT-TOKEN</html>", "JSON object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_refused(exchange_tenant: ExchangeTenant, name: str) -> None:
    """With what is wrong in it; nothing of it is quoted, and no Secret is written."""
    body, part = HOSTILE[name]
    exchange_tenant.world.vendors.answer_with(body)
    message = exchange_tenant.refused("generic", reason="InvalidAnswer")
    assert f"{ROOT}.generic.endpoint: the answer has no valid" in message
    assert part in message
    assert "aaaa" not in message
    assert "abc" not in message


def test_no_redirect_is_followed(exchange_tenant: ExchangeTenant) -> None:
    """The token would go to a host that no flag allows."""
    exchange_tenant.world.vendors.answer_with("", location="https://api.anthropic.com/v1/models")
    message = exchange_tenant.refused("generic", reason="TokenEndpointFailed")
    assert "redirects (HTTP 307), and no redirect is followed" in message
    assert f"{ROOT}.generic.endpoint" in message


def test_a_lifetime_below_the_limit_is_refused(exchange_tenant: ExchangeTenant) -> None:
    """A vendor cannot let the operator issue a token every second."""
    exchange_tenant.world.vendors.answer_with('{"access_token": "abc", "expires_in": "0"}')
    assert "expires_in" in exchange_tenant.refused("generic", reason="InvalidAnswer")


def test_a_key_stays_while_the_vendor_refuses_another(exchange_tenant: ExchangeTenant) -> None:
    """Ready with a warning until the end, and well again once the rule is there."""
    vendors = exchange_tenant.world.vendors
    vendors.limit_sessions(seconds=30)
    first = exchange_tenant.become_exchanged("anthropic", probe=None)
    exchange_tenant.trust("anthropic", enabled=False)
    status = exchange_tenant.reported(
        "RenewalFailing", name="anthropic", reason="TokenRefused", seconds=30
    )
    assert condition(status, "Ready")["status"] == "True"
    assert exchange_tenant.ask("anthropic").ok
    exchange_tenant.trust("anthropic")
    exchange_tenant.revision(first["revision"] + 1, name="anthropic", seconds=60)


INVALID_PAIRS: Mapping[str, tuple[str, Document, str]] = {
    "a format of another vendor": (
        "anthropic",
        {"secret": {"formats": ["OpenAIEnv"]}},
        "spec.secret.formats: OpenAIEnv is not for tokens of anthropic: choose from Anthropic",
    ),
    "a probe of an unknown service": (
        "generic",
        {"probe": {"mode": "Service"}},
        "spec.probe.mode: Service cannot try a token of a generic endpoint",
    ),
    "a probe that would prove nothing": (
        "openrouter",
        {"probe": {"mode": "Service"}},
        "spec.probe.modelId: OpenRouter lists its models without a token",
    ),
    "a key of AWS": (
        "openai",
        {"accessToken": None, "bedrockShortTermKey": {}, "secret": None, "probe": None},
        "spec.sourceRef: bedrockShortTermKey cannot come from",
    ),
    "credentials of STS": (
        "openai",
        {"accessToken": None, "sessionCredentials": {}, "secret": None, "probe": None},
        "name a source with an access key or a session",
    ),
    "a bearer token of Alibaba Cloud": (
        "openai",
        {"accessToken": None, "bearerToken": {}, "secret": None, "probe": None},
        "name a source with alibabaCloud.bearer",
    ),
}


@pytest.mark.parametrize("name", INVALID_PAIRS)
def test_a_grant_that_does_not_fit_its_source_is_stalled(
    exchange_tenant: ExchangeTenant, name: str
) -> None:
    """With the field, and what to choose."""
    vendor, spec, part = INVALID_PAIRS[name]
    exchange_tenant.apply_exchange(vendor, **spec)
    status = exchange_tenant.reported("Stalled", reason="InvalidSpec", name=vendor)
    assert part in condition(status, "Stalled")["message"]
    assert not exchange_tenant.has_secret(vendor)


@pytest.mark.parametrize("size", [30, 10_000], ids=["in pieces", "whole"])
def test_no_token_is_told(exchanges: Exchanges, exchange_tenant: ExchangeTenant, size: int) -> None:
    """A vendor that repeats a token in its error does not get it published."""
    exchange_tenant.become_exchanged("openai")
    vendors = exchanges.world.vendors
    vendors.answer_with("THE-SENT-TOKEN", pieces=size)
    message = exchange_tenant.refused("generic", reason="TokenRefused")
    assert "the token endpoint answered 400 invalid_grant. The token had" in message
    api = exchanges.world.api
    base = f"/apis/keywright.dev/v1alpha1/namespaces/{exchange_tenant.namespace}"
    said = [
        api.get(f"{base}/credentialsources"),
        api.get(f"{base}/apikeygrants"),
        api.get(f"/apis/events.k8s.io/v1/namespaces/{exchange_tenant.namespace}/events"),
    ]
    shown = str(said) + exchanges.operator.log.read_text() + exchanges.operator.get("/metrics")
    secrets = vendors.secrets()
    assert len(secrets) >= 2
    parts = {secret[start : start + 24] for secret in secrets for start in range(len(secret) - 24)}
    assert [part for part in parts if part in shown] == []
