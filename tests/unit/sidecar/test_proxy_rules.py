"""Which requests the proxy forwards: paths, hosts and headers."""

from __future__ import annotations

import re

import botocore.session
import pytest

from keywright.sidecar.proxy_rules import (
    KeyHeader,
    RefusedError,
    Upstream,
    UpstreamError,
    check_host,
    check_origin,
    forwarded_target,
    request_headers,
    response_headers,
    upstream_from,
)

_RUNTIME = "https://bedrock-runtime.us-west-2.amazonaws.com"
_PROFILE = "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A1234%3Ainference-profile%2Fus.x/converse"


def _bedrock() -> Upstream:
    return upstream_from(_RUNTIME, header=KeyHeader.BEARER)


@pytest.mark.parametrize(
    "target",
    [
        "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse",
        "/model/anthropic.claude-3-5-sonnet-20240620-v1:0/invoke-with-response-stream",
        _PROFILE,
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
        "/async-invoke/arn%3Aaws%3Abedrock%3Aus-west-2%3A1234%3Aasync-invoke%2Fabc",
        "/guardrail/gr-1/version/DRAFT/apply",
        "/openai/v1/chat/completions",
        "/openai/v1/models?limit=2&after=a%20b",
        "/anthropic/v1/messages?beta=true",
    ],
)
def test_paths_of_bedrock_are_forwarded_as_they_are(target: str) -> None:
    """Encoded colons and slashes of model IDs stay encoded."""
    assert forwarded_target(target, _bedrock()) == target


_NEEDS_HTTP_2 = {"InvokeModelWithBidirectionalStream"}


def test_every_operation_of_the_runtime_is_forwarded() -> None:
    """Those of botocore's model that accept a bearer token: a new one fails until it is decided."""
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    assert "smithy.api#httpBearerAuth" in model.metadata["auth"]
    refused = set()
    for name in model.operation_names:
        path = re.sub(r"\{\w+\}", "x", model.operation_model(name).http["requestUri"])
        try:
            forwarded_target(path, _bedrock())
        except RefusedError:
            refused.add(name)
    assert refused == _NEEDS_HTTP_2
    assert model.operation_model(*_NEEDS_HTTP_2).has_event_stream_input


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://169.254.169.254/latest/meta-data", 400),
        ("https://example.com/openai/v1/models", 400),
        ("//example.com/openai/v1/models", 400),
        ("*", 400),
        ("example.com:443", 400),
        ("", 400),
        ("/", 403),
        ("/model/x/apply-guardrail", 403),
        ("/model//converse", 403),
        ("/model/a/b/converse", 403),
        ("/model/x/converse/", 403),
        ("/openai/v1", 403),
        ("/openai/v2/models", 403),
        ("/OPENAI/v1/models", 403),
        ("/openai/v1/../../admin", 400),
        ("/openai/v1/%2e%2e/%2e%2e/admin", 400),
        ("/openai/v1/..%2f..%2fadmin", 400),
        ("/openai/v1/%252e%252e/admin", 400),
        ("/openai/v1/..%5cadmin", 400),
        ("/openai/v1/a\\b", 400),
        ("/openai/v1/..;/admin", 400),
        ("/openai/v1/.", 400),
        ("/openai/v1/a%00b", 400),
        ("/openai/v1/a%0d%0aX:%20y", 400),
        ("/openai/v1/a b", 400),
        ("/openai/v1/a%zz", 400),
        ("/openai/v1/a%ff", 400),
        ("/openai/v1/models#fragment", 400),
        ("/openai/v1/models?a=b\r\nHost: x", 400),
        ("/model/a%2f%2fb/converse", 400),
        ("/model/%2fb/converse", 400),
        ("/openai/v1/" + "a" * 5000, 414),
    ],
)
def test_other_targets_are_refused(target: str, status: int) -> None:
    """Other forms, other paths, and what two servers may decode differently."""
    with pytest.raises(RefusedError) as refused:
        forwarded_target(target, _bedrock())
    assert refused.value.status == status


@pytest.mark.parametrize("host", ["127.0.0.1:9912", "localhost:9912", "localhost", "[::1]:80"])
def test_names_of_the_loopback_address(host: str) -> None:
    """They are accepted with any port."""
    check_host(host)


@pytest.mark.parametrize(
    "host", [None, "", "example.com", "localhost.example.com:9912", "127.0.0.1@x", "10.0.0.1:9912"]
)
def test_other_hosts_are_refused(host: str | None) -> None:
    """A name that resolves to the loopback address may be a page in a browser."""
    with pytest.raises(RefusedError) as refused:
        check_host(host)
    assert refused.value.status == 421


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (None, None),
        (None, "none"),
        ("http://127.0.0.1:9912", "same-origin"),
        ("http://localhost:3000", None),
        ("http://[::1]:3000", None),
    ],
)
def test_programs_and_pages_of_this_machine_may_ask(origin: str | None, site: str | None) -> None:
    """SDKs send neither header."""
    check_origin(origin, site)


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("https://example.com", "cross-site"),
        ("https://example.com", None),
        ("null", None),
        ("http://localhost.example.com", None),
        ("http://[", None),
        (None, "cross-site"),
        (None, "same-site"),
    ],
)
def test_pages_of_other_sites_are_refused(origin: str | None, site: str | None) -> None:
    """A browser sends their requests with the loopback address as Host."""
    with pytest.raises(RefusedError) as refused:
        check_origin(origin, site)
    assert refused.value.status == 403


def test_only_end_to_end_headers_are_forwarded() -> None:
    """What the client sends as its key is discarded, and so is what Connection names."""
    received = [
        ("Host", "localhost:9912"),
        ("Authorization", "Bearer dummy"),
        ("X-Api-Key", "dummy"),
        ("X-Amz-Security-Token", "dummy"),
        ("Cookie", "a=b"),
        ("Connection", "keep-alive, X-Private"),
        ("Keep-Alive", "timeout=5"),
        ("X-Private", "1"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Content-Length", "2"),
        ("anthropic-version", "2023-06-01"),
        ("Accept", "a"),
        ("Accept", "b"),
    ]
    assert request_headers(received, upstream=_bedrock()) == [
        ("Content-Length", "2"),
        ("anthropic-version", "2023-06-01"),
        ("Accept", "a"),
        ("Accept", "b"),
        ("Host", "bedrock-runtime.us-west-2.amazonaws.com"),
    ]


def test_each_header_has_its_own_form() -> None:
    """Keys of API Gateway have no prefix."""
    assert KeyHeader.BEARER.with_key("k") == ("Authorization", "Bearer k")
    assert KeyHeader.API_KEY.with_key("k") == ("x-api-key", "k")


@pytest.mark.parametrize(
    "received",
    [
        [("Content-Length", "1"), ("Content-Length", "2")],
        [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        [("Content-Length", "+1")],
        [("Content-Length", "-1")],
        [("Content-Length", "0x1")],
    ],
)
def test_an_ambiguous_length_is_refused(received: list[tuple[str, str]]) -> None:
    """Two servers that read it differently would split the stream at different places."""
    with pytest.raises(RefusedError):
        request_headers(received, upstream=_bedrock())


def test_responses_lose_their_connection_headers() -> None:
    """And cookies, which a later request would not get back."""
    received = [("Transfer-Encoding", "chunked"), ("Set-Cookie", "a=b"), ("x-amzn-requestid", "1")]
    assert list(response_headers(received)) == [("x-amzn-requestid", "1")]


@pytest.mark.parametrize(
    ("url", "paths", "says"),
    [
        ("http://example.com", ["/**"], "must begin with https://"),
        ("ftp://127.0.0.1", ["/**"], "must begin with https://"),
        ("bedrock-runtime.us-west-2.amazonaws.com", [], "must begin with https://"),
        ("https://", ["/**"], "a host"),
        ("https://user:pass@example.com", ["/**"], "a host"),
        ("https://example.com?a=b", ["/**"], "a host"),
        ("https://example.com/base", ["/**"], "no path"),
        ("https://example.com:x", ["/**"], "no URL"),
        ("https://example.com", [], "are not known"),
        ("https://bedrock-runtime.us-west-2.amazonaws.com.example.com", [], "are not known"),
        ("https://example.com", ["v1/**"], "begin with /"),
        ("https://example.com", ["/**/v1"], "at its end only"),
    ],
)
def test_unusable_upstreams(url: str, paths: list[str], says: str) -> None:
    """The key is only sent over TLS, to the host that was named."""
    with pytest.raises(UpstreamError, match=says):
        upstream_from(url, paths=paths, header=KeyHeader.BEARER)


def test_claude_platform_has_the_paths_of_anthropics_api() -> None:
    """And nothing else of the host."""
    upstream = upstream_from(
        "https://aws-external-anthropic.us-west-2.api.aws", header=KeyHeader.BEARER
    )
    assert forwarded_target("/v1/messages", upstream) == "/v1/messages"
    with pytest.raises(RefusedError):
        forwarded_target("/admin", upstream)


@pytest.mark.parametrize(
    "host",
    [
        "dashscope.aliyuncs.com",
        "dashscope-intl.aliyuncs.com",
        "cn-hongkong.dashscope.aliyuncs.com",
        "llm-1a2b3c4d5e6f.ap-southeast-1.maas.aliyuncs.com",
    ],
)
def test_model_studio_has_the_paths_of_its_models(host: str) -> None:
    """But not the one that makes temporary keys."""
    upstream = upstream_from(f"https://{host}", header=KeyHeader.BEARER)
    for path in (
        "/compatible-mode/v1/chat/completions",
        "/api/v1/services/aigc/text-generation/generation",
        "/apps/anthropic/v1/messages",
    ):
        assert forwarded_target(path, upstream) == path
    with pytest.raises(RefusedError):
        forwarded_target("/api/v1/tokens?expire_in_seconds=1800", upstream)


def test_an_upstream_on_this_machine_needs_no_tls() -> None:
    """An emulator, or a tunnel that is secured otherwise."""
    upstream = upstream_from("http://127.0.0.1:4566/", paths=["/**"], header=KeyHeader.BEARER)
    assert (upstream.origin, upstream.host) == ("http://127.0.0.1:4566", "127.0.0.1:4566")
