"""Checks of the cluster itself, and of the rights that an installation needs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from keywright.api.errors import ApiError
from keywright.cli.cluster_client import ClusterClient
from keywright.cli.errors import ForbiddenError
from keywright.cli.hop import Hop, Result

OLDEST: Final = (1, 32)
"""The oldest version of Kubernetes that docs/install.md names."""
_CLOCKS: Final = timedelta(seconds=30)
_NEEDED: Final = (
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("", "namespaces"),
    ("apps", "deployments"),
)


def cluster_checks(client: ClusterClient) -> Iterator[Hop]:
    """Yield the checks of version, clock and issuer."""
    yield _version(client)
    yield _clock(client)
    yield _issuer(client)


def install_checks(client: ClusterClient) -> Iterator[Hop]:
    """Yield the check of the rights that an installation needs."""
    missing = [
        f"create {resource}"
        for group, resource in _NEEDED
        if not client.may("create", resource, group=group)
    ]
    title = "you may install Keywright"
    if not missing:
        yield Hop("check-install-rights", title)
        return
    yield Hop(
        "check-install-rights",
        title,
        Result.FAILED,
        facts=(f"You may not: {', '.join(missing)}.",),
        cure="Let an administrator of the cluster install the CRDs and the operator.",
    )


def _version(client: ClusterClient) -> Hop:
    found = client.get("/version")
    text = str(found.get("gitVersion", "unknown"))
    title = f"Kubernetes {text}"
    numbers = text.removeprefix("v").split(".")[:2]
    if len(numbers) == 2 and all(part.isdecimal() for part in numbers):
        known = (int(numbers[0]), int(numbers[1]))
        if known >= OLDEST:
            return Hop("check-kubernetes", title)
    oldest = ".".join(map(str, OLDEST))
    return Hop(
        "check-kubernetes",
        title,
        Result.FAILED,
        facts=(f"Keywright needs {oldest} or newer.",),
        cure="Upgrade the cluster.",
    )


def _clock(client: ClusterClient) -> Hop:
    difference = client.clock_difference()
    title = "the clocks of this machine and the API server agree"
    if difference is None or abs(difference) < _CLOCKS:
        return Hop("check-clock", title)
    seconds = difference.total_seconds()
    side = "ahead" if seconds > 0 else "behind"
    return Hop(
        "check-clock",
        title,
        Result.WARNING,
        facts=(f"The API server is {abs(seconds):.0f} s {side}.",),
        cure="Set both clocks by NTP: clouds refuse signatures and tokens with a wrong time.",
    )


def _issuer(client: ClusterClient) -> Hop:
    """Whether clouds can find the issuer of ServiceAccount tokens."""
    try:
        found = client.get("/.well-known/openid-configuration")
    except (ForbiddenError, ApiError):
        return Hop(
            "check-issuer",
            "the issuer of ServiceAccount tokens",
            Result.SKIPPED,
            facts=("You may not read its discovery document.",),
        )
    issuer = str(found.get("issuer", ""))
    title = f"the issuer of ServiceAccount tokens is public: {issuer}"
    if is_public(issuer):
        return Hop("check-issuer", title)
    return Hop(
        "check-issuer",
        title,
        Result.WARNING,
        facts=("Clouds cannot read its keys from there.",),
        cure=(
            "To use tokens of ServiceAccounts (webIdentity, oidcRoleArn), set the API server's"
            " --service-account-issuer to a public URL, and publish the discovery documents there."
        ),
    )


def is_public(issuer: str) -> bool:
    """Whether the URL can be that of a public issuer, by its name alone."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if parts.scheme != "https" or "." not in host or host.endswith((".svc", ".local", ".internal")):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True
