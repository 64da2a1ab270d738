"""The vendors that exchange tokens: their own SDKs are answered, and refused if anything is off."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from anthropic import Anthropic, AuthenticationError, WorkloadIdentityCredentials
from anthropic.lib.credentials import WorkloadIdentityError
from joserfc.jwk import RSAKey
from openai import OAuthError, OpenAI

from testbed.clouds.vendors import TokenVendors
from testbed.readers.answers import pod_environment
from tests.testbed.issuer import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.testbed.issuer import Issuer

ORGANIZATION = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
POLICY = "4b2f7d1e-8c3a-4e5f-9a6b-1c2d3e4f5a6b"
IDS = {"anthropic": "fdrl_1", "openai": "idp_1", "openrouter": POLICY}
AUDIENCES = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai",
}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[TokenVendors]:
    """The emulator's process, with the issuer registered."""
    with TokenVendors(tmp_path_factory.mktemp("vendors")) as vendors:
        vendors.trust_issuer(issuer.url, ca_file=issuer.ca_file)
        yield vendors


@pytest.fixture
def vendors(running: TokenVendors, issuer: Issuer) -> TokenVendors:
    """It, with trusts for the issuer's tokens."""
    for vendor, id_ in IDS.items():
        running.put_trust(
            vendor,
            id_,
            issuer=issuer.url,
            subject=SUBJECT,
            audience=AUDIENCES[vendor],
            account="svac_1" if vendor == "anthropic" else "sa_1",
            organization=ORGANIZATION,
            workspaces=["wrkspc_1"],
            claims={},
            enabled=True,
            seconds=3600,
        )
    running.set_clock(offset_seconds=0)
    running.limit_sessions(seconds=None)
    return running


def _token(issuer: Issuer, vendor: str, **claims: Any) -> str:
    return issuer.token(**{"aud": [AUDIENCES[vendor]], "jti": str(uuid.uuid4()), **claims})


def _anthropic(vendors: TokenVendors, token: str, **ids: str) -> str:
    """One message, by the SDK's own federation."""
    given: Any = {
        "federation_rule_id": "fdrl_1",
        "organization_id": ORGANIZATION,
        "service_account_id": "svac_1",
        "workspace_id": "wrkspc_1",
        **ids,
    }
    with pod_environment(vendors.client_environment()):
        credentials = WorkloadIdentityCredentials(identity_token_provider=lambda: token, **given)
        with Anthropic(credentials=credentials, max_retries=0) as client:
            answer = client.messages.create(model="claude-sonnet-5-5", max_tokens=9, messages=HELLO)
    return "".join(block.text for block in answer.content if block.type == "text")


def _openai(vendors: TokenVendors, token: str, **ids: str) -> str:
    given: Any = {
        "identity_provider_id": "idp_1",
        "service_account_id": "sa_1",
        "provider": {"token_type": "jwt", "get_token": lambda: token},
        **ids,
    }
    with (
        pod_environment(vendors.client_environment()),
        OpenAI(workload_identity=given, max_retries=0) as client,
    ):
        answer = client.chat.completions.create(model="gpt-6.1", messages=HELLO)
    return answer.choices[0].message.content or ""


def _openrouter(vendors: TokenVendors, token: str, **fields: str) -> requests.Response:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": token,
        "federation_policy_id": POLICY,
        **fields,
    }
    return requests.post(
        "https://openrouter.ai/api/v1/oauth/token",
        data={name: value for name, value in form.items() if value},
        proxies={"https": f"http://127.0.0.1:{vendors.proxy_port}"},
        verify=str(vendors.ca_file),
        timeout=10,
    )


def test_the_sdks_federate_by_themselves(vendors: TokenVendors, issuer: Issuer) -> None:
    """So that what the operator sends is compared with what the vendors' clients send."""
    assert _anthropic(vendors, _token(issuer, "anthropic")) == "You said: hello"
    assert _openai(vendors, _token(issuer, "openai")) == "You said: hello"
    answer = _openrouter(vendors, _token(issuer, "openrouter"))
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "system:serviceaccount:team-a:other"},
        {"aud": ["https://other"]},
        {"iss": "https://issuer.example.com"},
        {"exp": 1},
        {"iat": 1},
        {"key": RSAKey.generate_key(2048)},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_token_that_does_not_fit_is_refused(
    vendors: TokenVendors, issuer: Issuer, claims: dict[str, Any]
) -> None:
    """By each vendor, in its own words."""
    with pytest.raises(WorkloadIdentityError) as refused:
        _anthropic(vendors, _token(issuer, "anthropic", **claims))
    assert refused.value.status_code == 401
    with pytest.raises(OAuthError) as mismatch:
        _openai(vendors, _token(issuer, "openai", **claims))
    assert mismatch.value.error == ("invalid_grant" if "sub" in claims else "invalid_subject_token")
    answer = _openrouter(vendors, _token(issuer, "openrouter", **claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_anthropic_accepts_a_token_once(vendors: TokenVendors, issuer: Issuer) -> None:
    """By its `jti`; without one, as often as it is sent."""
    token = _token(issuer, "anthropic")
    assert _anthropic(vendors, token)
    with pytest.raises(WorkloadIdentityError):
        _anthropic(vendors, token)
    anonymous = issuer.token(aud=[AUDIENCES["anthropic"]])
    assert _anthropic(vendors, anonymous)
    assert _anthropic(vendors, anonymous)


@pytest.mark.parametrize(
    "ids",
    [
        {"federation_rule_id": "fdrl_2"},
        {"federation_rule_id": "rule"},
        {"organization_id": "00000001-0000-4000-8000-000000000000"},
        {"service_account_id": "svac_2"},
        {"workspace_id": "wrkspc_2"},
    ],
    ids=str,
)
def test_anthropic_refuses_other_ids(
    vendors: TokenVendors, issuer: Issuer, ids: dict[str, str]
) -> None:
    """A malformed one with its name, all others alike."""
    with pytest.raises(WorkloadIdentityError) as refused:
        _anthropic(vendors, _token(issuer, "anthropic"), **ids)
    assert refused.value.status_code == (400 if ids.get("federation_rule_id") == "rule" else 401)


def test_the_claude_api_wants_the_beta_header(vendors: TokenVendors, issuer: Issuer) -> None:
    """A token that is set by hand has none, unless the custom headers have it."""
    with pod_environment(vendors.client_environment()):
        with WorkloadIdentityCredentials(
            identity_token_provider=lambda: _token(issuer, "anthropic"),
            federation_rule_id="fdrl_1",
            organization_id=ORGANIZATION,
            service_account_id="svac_1",
        ) as credentials:
            token = credentials().token
        beta = {"anthropic-beta": "oauth-2025-04-20"}

        def refusal(**given: Any) -> str:
            with (
                Anthropic(max_retries=0, **given) as client,
                pytest.raises(AuthenticationError) as refused,
            ):
                client.models.list()
            return str(refused.value)

        assert "currently not supported" in refusal(auth_token=token)
        with Anthropic(auth_token=token, default_headers=beta, max_retries=0) as client:
            assert client.models.list().data
        vendors.set_clock(offset_seconds=1300)
        assert "expired" in refusal(auth_token=token, default_headers=beta)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"federation_policy_id": ""}, "invalid_request"),
        ({"federation_policy_id": "00000002-0000-4000-8000-000000000000"}, "invalid_grant"),
        ({"scope": "admin"}, "invalid_scope"),
    ],
    ids=str,
)
def test_openrouter_refuses_as_its_guide_says(
    vendors: TokenVendors, issuer: Issuer, fields: dict[str, str], error: str
) -> None:
    """With the codes of RFC 6749."""
    answer = _openrouter(vendors, _token(issuer, "openrouter"), **fields)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_no_token_outlives_what_the_vendor_allows(vendors: TokenVendors, issuer: Issuer) -> None:
    """OpenRouter: 15 minutes, and never longer than the exchanged token, here ten minutes."""
    answer = _openrouter(vendors, _token(issuer, "openrouter"))
    assert 590 <= answer.json()["expires_in"] <= 600
    revoked = answer.json()["access_token"]
    vendors.revoke_all()
    refused = requests.post(
        "https://openrouter.ai/api/v1/chat/completions",
        json={"model": "openai/gpt-6.1", "messages": HELLO},
        headers={"Authorization": f"Bearer {revoked}"},
        proxies={"https": f"http://127.0.0.1:{vendors.proxy_port}"},
        verify=str(vendors.ca_file),
        timeout=10,
    )
    assert refused.status_code == 401
