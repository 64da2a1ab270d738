"""The paths that are not resources: health, version, the token issuer, discovery, OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from testbed.clusters.embedded.discovery import AGGREGATED, Discovery
from testbed.clusters.embedded.documents import Document, encode
from testbed.clusters.embedded.field_errors import UnknownPathError

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Registry
    from testbed.clusters.embedded.tokens import TokenIssuer

VERSION: Final = "v1.37.0-embedded"
_KEYS: Final = "/openid/v1/jwks"
_ISSUER: Final = "/.well-known/openid-configuration"
_HEALTH: Final = frozenset({"/healthz", "/livez", "/readyz"})
PUBLIC: Final = frozenset({*_HEALTH, _KEYS, _ISSUER, "/version"})
"""The paths that need no token."""
_OPENAPI_V2: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


class PlainPaths:
    """Handles these paths."""

    def __init__(self, registry: Registry, tokens: TokenIssuer, *, address: str) -> None:
        self._registry = registry
        self._tokens = tokens
        self._discovery = Discovery(registry, address=address)

    def answer(self, request: web.BaseRequest) -> web.Response:
        """The response to a GET; raises UnknownPathError."""
        path = request.path.rstrip("/")
        if path in _HEALTH:
            return web.Response(text="ok")
        if path == _KEYS:
            return _answer(self._tokens.key_set(), "application/jwk-set+json")
        if path == _ISSUER:
            return _answer(self._tokens.discovery())
        if path == "/version":
            version = {"major": "1", "minor": "37", "gitVersion": VERSION}
            return _answer({**version, "platform": "linux/amd64"})
        parts = path.strip("/").split("/")
        if parts[0] == "openapi":
            return self._openapi(parts[1:])
        aggregated = "as=APIGroupDiscoveryList" in request.headers.get("Accept", "")
        if aggregated and parts in (["api"], ["apis"]):
            return _answer(self._discovery.aggregated(core=parts == ["api"]), AGGREGATED)
        found = self._discover(parts)
        if found is None:
            raise UnknownPathError
        return _answer(found)

    def _discover(self, parts: list[str]) -> Document | None:
        match parts:
            case ["api"]:
                return self._discovery.api_versions()
            case ["apis"]:
                return self._discovery.groups()
            case ["apis", group]:
                return self._discovery.group(group)
            case ["api", version] if self._registry.serves_group_version("", version):
                return self._discovery.resources("", version)
            case ["apis", group, version] if self._registry.serves_group_version(group, version):
                return self._discovery.resources(group, version)
            case _:
                return None

    def _openapi(self, parts: list[str]) -> web.Response:
        if parts == ["v2"]:
            # An empty document: kubectl then leaves the validation of `kind: List` to the server.
            return web.Response(body=b"", content_type=_OPENAPI_V2)
        if parts == ["v3"]:
            return _answer(self._discovery.openapi_index())
        found = self._discovery.openapi("/".join(parts[1:])) if parts[:1] == ["v3"] else None
        if found is None:
            raise UnknownPathError
        return _answer(found)


def _answer(document: Document, content_type: str = "application/json") -> web.Response:
    return web.Response(body=encode(document), headers={"Content-Type": content_type})
