"""The host names of the vendors."""

from __future__ import annotations

# The domains of the proxy; openrouter.ai is a host of "ai".
DOMAINS = ("anthropic.com", "openai.com", "ai", "example.com")
_SERVICES = {
    "api.anthropic.com": "anthropic",
    "auth.openai.com": "openai-auth",
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "sts.example.com": "generic",
}


def service_of(host: str) -> str | None:
    """The name of the service of a host, None if there is none."""
    return _SERVICES.get(host)
