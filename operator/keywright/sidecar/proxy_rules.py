"""Which requests the proxy forwards, and with which headers; pure functions.

A path is compared as it was sent, segment by segment: what the upstream decodes must not be another
path than the one that was allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_LONGEST_PATH: Final = 4096
# Clients repeat a few paths; at most a megabyte, as longer paths are refused.
_REMEMBERED_TARGETS: Final = 256
# RFC 3986, pchar.
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_REST: Final = "**"
_ONE: Final = "*"
# RFC 9110, section 7.6.1, and those that name the connection or the proxy.
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What clients send as their key or as their signature.
_CREDENTIALS: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "x-amz-security-token",
        "x-amz-date",
        "x-amz-content-sha256",
    }
)
_FORWARDED: Final = frozenset({"forwarded", "via"})
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class KeyHeader(StrEnum):
    """The header that the upstream expects the key in."""

    BEARER = "Authorization"
    API_KEY = "x-api-key"

    def with_key(self, key: str) -> tuple[str, str]:
        """The header for that key."""
        return self.value, f"Bearer {key}" if self is KeyHeader.BEARER else key


class RefusedError(Exception):
    """The request is not forwarded; `status` and the message are the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UpstreamError(ValueError):
    """The upstream cannot be used; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The one server that requests are forwarded to: its origin, and the allowed paths."""

    origin: str
    paths: tuple[tuple[str, ...], ...]
    header: KeyHeader

    @property
    def host(self) -> str:
        """Host and port, as in the header Host."""
        return urlsplit(self.origin).netloc

    @property
    def is_plain(self) -> bool:
        """Whether the requests are sent without TLS, to this machine."""
        return self.origin.startswith("http:")


# Amazon Bedrock User Guide, "API keys" and "Inference endpoints". The operations are those of
# botocore's model `bedrock-runtime`, but for the bidirectional stream, which needs HTTP/2.
_BEDROCK_RUNTIME: Final = (
    "/model/*/converse",
    "/model/*/converse-stream",
    "/model/*/count-tokens",
    "/model/*/invoke",
    "/model/*/invoke-with-response-stream",
    "/async-invoke",
    "/async-invoke/*",
    "/guardrail/*/version/*/apply",
    "/guardrail-checks/invoke",
    "/openai/v1/**",
    "/anthropic/**",
)
_BEDROCK_MANTLE: Final = ("/v1/**", "/openai/v1/**", "/anthropic/**")
# Claude Platform on AWS User Guide, "Authentication": the paths of Anthropic's API.
_CLAUDE_PLATFORM: Final = ("/v1/**",)
# Model Studio, "Base URL overview", without the path that makes temporary keys (/api/v1/tokens).
_MODEL_STUDIO: Final = (
    "/compatible-mode/v1/**",
    "/api/v1/services/**",
    "/api/v1/tasks/**",
    "/apps/anthropic/**",
)
_KNOWN_HOSTS: Final = (
    (re.compile(r"bedrock-runtime(-fips)?\.[a-z0-9-]+\.amazonaws\.com"), _BEDROCK_RUNTIME),
    (re.compile(r"bedrock-runtime\.[a-z0-9-]+\.(api\.aws|amazonaws\.com\.cn)"), _BEDROCK_RUNTIME),
    (re.compile(r"bedrock-mantle\.[a-z0-9-]+\.api\.aws"), _BEDROCK_MANTLE),
    (re.compile(r"aws-external-anthropic\.[a-z0-9-]+\.api\.aws"), _CLAUDE_PLATFORM),
    (re.compile(r"dashscope(-[a-z]+)?\.aliyuncs\.com"), _MODEL_STUDIO),
    (re.compile(r"[a-z]{2}-[a-z0-9-]+\.dashscope\.aliyuncs\.com"), _MODEL_STUDIO),
    (re.compile(r"[a-z0-9_-]+\.[a-z]{2}-[a-z0-9-]+\.maas\.aliyuncs\.com"), _MODEL_STUDIO),
)


def upstream_from(url: str, *, paths: Iterable[str] = (), header: KeyHeader) -> Upstream:
    """The upstream of a URL without a path; `paths` has a default for known hosts.

    Raises:
        UpstreamError: the URL or a path is not usable.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UpstreamError(f"{url!r} is no URL: {error}") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK_HOSTS):
        raise UpstreamError(f"{url!r} must begin with https://: the key is sent there")
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise UpstreamError(f"{url!r} must be a scheme, a host and at most a port")
    if parts.path not in {"", "/"}:
        raise UpstreamError(f"{url!r} must have no path: name allowed paths instead")
    chosen = tuple(paths) or _default_paths(host)
    if not chosen:
        raise UpstreamError(f"the paths of {host} are not known: name those that are allowed")
    name = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")
    return Upstream(origin, tuple(_pattern(path) for path in chosen), header)


def _default_paths(host: str) -> tuple[str, ...]:
    return next((paths for pattern, paths in _KNOWN_HOSTS if pattern.fullmatch(host)), ())


def _pattern(path: str) -> tuple[str, ...]:
    segments = tuple(path.split("/")[1:])
    wild = [number for number, segment in enumerate(segments) if segment == _REST]
    if not path.startswith("/") or any(number != len(segments) - 1 for number in wild):
        raise UpstreamError(f"{path!r} must begin with / and have ** at its end only")
    return segments


@lru_cache(maxsize=_REMEMBERED_TARGETS)
def forwarded_target(target: str, upstream: Upstream) -> str:
    """The path and query to forward, exactly as received.

    Raises:
        RefusedError: another form than a path, one that is not allowed, or an ambiguous one.
    """
    if not target.startswith("/") or target.startswith("//"):
        raise RefusedError(400, "the request target must be a path")
    if len(target) > _LONGEST_PATH:
        raise RefusedError(414, f"the path is longer than {_LONGEST_PATH} characters")
    path, mark, query = target.partition("?")
    segments = path.split("/")[1:]
    if not all(_is_plain(segment) for segment in segments) or not _QUERY.fullmatch(query):
        raise RefusedError(400, "the path has characters or segments that servers read differently")
    if not any(_matches(segments, pattern) for pattern in upstream.paths):
        raise RefusedError(403, "this path is not allowed: see the option for allowed paths")
    return f"{path}{mark}{query}"


def _is_plain(segment: str) -> bool:
    """Whether a server reads the segment as one; IDs of models may have an encoded slash."""
    if not _SEGMENT.fullmatch(segment):
        return False
    decoded = unquote(segment, errors="replace")
    if "%" in decoded or "\\" in decoded or not decoded.isprintable() or "\ufffd" in decoded:
        return False
    parts = decoded.split("/")
    return not any(part in {".", ".."} or ";" in part for part in parts) and (
        len(parts) == 1 or all(parts)
    )


def _matches(segments: list[str], pattern: tuple[str, ...]) -> bool:
    if pattern and pattern[-1] == _REST:
        fixed = pattern[:-1]
        return len(segments) > len(fixed) and _matches(segments[: len(fixed)], fixed)
    return len(segments) == len(pattern) and all(
        (bool(segment) if wanted == _ONE else segment == wanted)
        for segment, wanted in zip(segments, pattern, strict=True)
    )


def check_origin(origin: str | None, fetch_site: str | None) -> None:
    """Refuse requests that a page of another site lets a browser send.

    Browsers send them without asking, and only hide the response from the page. Fetch Metadata
    (w3.org/TR/fetch-metadata) says where they come from; other clients send neither header.

    Raises:
        RefusedError: a page of another site sent the request.
    """
    foreign = origin is not None and _hostname(origin) not in _LOOPBACK_HOSTS
    if foreign or (fetch_site or "none") not in {"none", "same-origin"}:
        raise RefusedError(403, "requests of web pages are not forwarded")


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def check_host(host: str | None) -> None:
    """Refuse names of other hosts that resolve to this address, as pages in a browser use them.

    Raises:
        RefusedError: the header Host names another host, or is missing.
    """
    name = (host or "").rpartition(":")[0] if re.fullmatch(r".*:[0-9]+", host or "") else host
    if name not in _LOOPBACK_NAMES:
        raise RefusedError(421, "the Host header must be 127.0.0.1 or localhost")


def request_headers(
    received: Iterable[tuple[str, str]], *, upstream: Upstream
) -> list[tuple[str, str]]:
    """The headers of the forwarded request: end-to-end ones, without any credentials.

    Raises:
        RefusedError: the length of the body is ambiguous.
    """
    pairs = list(received)
    _check_length(pairs)
    dropped = _connection_headers(pairs) | _CREDENTIALS | _FORWARDED | {"host", "expect"}
    kept = ((name, value) for name, value in pairs if name.lower() not in dropped)
    return [*kept, ("Host", upstream.host)]


def response_headers(received: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The end-to-end headers of a response."""
    pairs = list(received)
    dropped = _connection_headers(pairs) | {"set-cookie"}
    return ((name, value) for name, value in pairs if name.lower() not in dropped)


def _connection_headers(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Hop-by-hop headers, and those that the header Connection names."""
    named = (
        each.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for each in value.split(",")
    )
    return _HOP_BY_HOP | frozenset(named)


def _check_length(pairs: list[tuple[str, str]]) -> None:
    lengths = [value for name, value in pairs if name.lower() == "content-length"]
    codings = [value for name, value in pairs if name.lower() == "transfer-encoding"]
    ambiguous = len(lengths) > 1 or len(codings) > 1 or (lengths and codings)
    malformed = any(not _LENGTH.fullmatch(value) for value in lengths)
    if ambiguous or malformed or any(value.strip().lower() != "chunked" for value in codings):
        raise RefusedError(400, "the length of the body is ambiguous")
