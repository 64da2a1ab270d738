"""The requests to token endpoints are those of the vendors' own SDKs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from anthropic.lib.credentials import exchange_federation_assertion
from openai.auth import WorkloadIdentityAuth

from keywright.api.sensitive import Sensitive
from keywright.api.token_exchange_source import (
    AnthropicExchange,
    GenericExchange,
    GrantType,
    OpenAiExchange,
    OpenRouterExchange,
)
from keywright.clouds.addresses import Reach
from keywright.clouds.token_exchange.requests import TokenRequest, token_request

_JWT = Sensitive("header.claims.signature")
_ANSWER = {"access_token": "token", "token_type": "Bearer", "expires_in": 600}


class Endpoint:
    """A token endpoint on the loopback address that keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.requests.append((self.path, headers, body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(_ANSWER).encode())

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """It, closed after the test."""
    made = Endpoint()
    yield made
    made.close()


def _is_as(request: TokenRequest, endpoint: Endpoint) -> None:
    """Compare path, body and the headers that an SDK sets on purpose."""
    ((path, headers, body),) = endpoint.requests
    assert request.url.endswith(path)
    assert json.loads(request.body) == json.loads(body)
    assert request.content_type == headers["content-type"]
    betas = headers.get("anthropic-beta")
    assert request.headers.get("anthropic-beta") == betas


def test_the_request_to_anthropic_is_that_of_its_sdk(endpoint: Endpoint) -> None:
    """With the IDs, the grant and the beta headers."""
    service = AnthropicExchange(
        federation_rule_id="fdrl_1",
        organization_id="0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        service_account_id="svac_1",
        workspace_id="wrkspc_1",
    )
    exchange_federation_assertion(
        assertion=_JWT.reveal(),
        federation_rule_id=service.federation_rule_id,
        organization_id=service.organization_id,
        service_account_id=service.service_account_id,
        workspace_id=service.workspace_id,
        base_url=endpoint.url,
    )
    _is_as(token_request(service, _JWT), endpoint)


def test_the_request_to_openai_is_that_of_its_sdk(endpoint: Endpoint) -> None:
    """With the provider and the service account."""
    service = OpenAiExchange(identity_provider_id="idp_1", service_account_id="sa_1")
    auth = WorkloadIdentityAuth(
        workload_identity={
            "identity_provider_id": service.identity_provider_id,
            "service_account_id": service.service_account_id,
            "provider": {"token_type": "jwt", "get_token": _JWT.reveal},
        },
        token_exchange_url=f"{endpoint.url}/oauth/token",
    )
    assert auth.get_token() == "token"
    _is_as(token_request(service, _JWT), endpoint)


def test_the_endpoints_of_the_vendors_are_fixed() -> None:
    """No field of a source changes them; a generic one is the operator's list."""
    policy = "4b2f7d1e-8c3a-4e5f-9a6b-1c2d3e4f5a6b"
    request = token_request(OpenRouterExchange(federation_policy_id=policy), _JWT)
    assert request.url == "https://openrouter.ai/api/v1/oauth/token"
    assert request.reach is Reach.VENDOR
    assert parse_qs(request.body)["federation_policy_id"] == [policy]
    generic = token_request(GenericExchange(endpoint="https://sts.example.com/t"), _JWT)
    assert (generic.url, generic.reach) == ("https://sts.example.com/t", Reach.LISTED)


@pytest.mark.parametrize(
    ("grant", "token"),
    [(GrantType.TOKEN_EXCHANGE, "subject_token"), (GrantType.JWT_BEARER, "assertion")],
)
def test_parameters_replace_nothing_of_the_request(grant: GrantType, token: str) -> None:
    """Even if an object without the CRD's rules sets them."""
    service = GenericExchange(
        endpoint="https://sts.example.com/t",
        grant_type=grant,
        parameters={token: "other", "grant_type": "password", "scope": "a b&c=d"},
    )
    sent = parse_qs(token_request(service, _JWT).body)
    assert sent[token] == [_JWT.reveal()]
    assert sent["grant_type"] != ["password"]
    assert sent["scope"] == ["a b&c=d"]


def test_a_request_shows_no_token() -> None:
    """In its repr, as in a traceback with values."""
    service = GenericExchange(endpoint="https://sts.example.com/t")
    assert _JWT.reveal() not in repr(token_request(service, _JWT))
