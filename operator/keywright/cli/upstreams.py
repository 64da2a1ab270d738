"""How the commands with a proxy reach their server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from keywright.clouds.connections import environment_proxy

if TYPE_CHECKING:
    from keywright.sidecar.proxy_rules import Upstream


def way_to(upstream: Upstream) -> str | None:
    """The HTTP proxy in the environment; None without TLS, as it would see the key."""
    return None if upstream.is_plain else environment_proxy(URL(upstream.origin))
