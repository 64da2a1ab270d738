"""Authorize requests for /metrics: TokenReview for the bearer token, then SubjectAccessReview.

kube-rbac-proxy and controller-runtime send the same two requests (API reference of Kubernetes,
"TokenReview" and "SubjectAccessReview").
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import KubernetesClient

DECISION_SECONDS: Final = 60.0
# A scraper needs a single entry; tokens of unknown clients must not use up the memory.
_CACHE_SIZE: Final = 1024
_REVIEWS_AT_ONCE: Final = 4
_REVIEW_SECONDS: Final = 5.0
# A ServiceAccount token has about 1.3 KB; the API server rejects headers above 1 MB.
_TOKEN_LIMIT: Final = 16 * 1024
# RFC 6750, section 2.1. aiohttp keeps other bytes of a header as surrogates, which UTF-8 lacks.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class Access(enum.Enum):
    """The decision on a request for /metrics."""

    ALLOWED = 200
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class _Decision:
    access: Access
    until: float


class AccessReviews:
    """Decisions about tokens, cached for a minute.

    While the API server is unavailable, a token that was allowed before remains allowed, so that
    monitoring sees the outage. `monotonic` is a clock in seconds.
    """

    def __init__(
        self, client: KubernetesClient, *, path: str, monotonic: Callable[[], float]
    ) -> None:
        self._client = client
        self._path = path
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._decisions: OrderedDict[bytes, _Decision] = OrderedDict()
        self._slots = asyncio.Semaphore(_REVIEWS_AT_ONCE)
        self._running: dict[bytes, asyncio.Future[Access]] = {}

    async def check(self, authorization: str | None) -> Access:
        """Whether the bearer token of an Authorization header may read the path."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token) or len(token) > _TOKEN_LIMIT:
            return Access.UNAUTHENTICATED
        digest = hashlib.blake2b(token.encode(), key=self._key, digest_size=16).digest()
        known = self._decisions.get(digest)
        if known is not None and self._monotonic() < known.until:
            self._decisions.move_to_end(digest)
            return known.access
        running = self._running.get(digest)
        if running is None:
            running = asyncio.ensure_future(self._review(digest, token))
            self._running[digest] = running
            running.add_done_callback(lambda _: self._running.pop(digest, None))
        access = await asyncio.shield(running)
        if access is Access.UNAVAILABLE and known is not None and known.access is Access.ALLOWED:
            return Access.ALLOWED
        return access

    async def _review(self, digest: bytes, token: str) -> Access:
        async with self._slots:
            try:
                access = await self._ask(token)
            except (ApiError, ApiUnreachableError, KeyError, TypeError, AttributeError):
                return Access.UNAVAILABLE
        self._remember(digest, access)
        return access

    async def _ask(self, token: str) -> Access:
        user = await self._user(token)
        if user is None:
            return Access.UNAUTHENTICATED
        review = await self._post(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": user.get("username", ""),
                    "uid": user.get("uid", ""),
                    "groups": user.get("groups") or [],
                    "extra": user.get("extra") or {},
                    "nonResourceAttributes": {"path": self._path, "verb": "get"},
                },
            },
        )
        status = review["status"]
        allowed = status.get("allowed") is True and status.get("denied") is not True
        return Access.ALLOWED if allowed else Access.FORBIDDEN

    async def _user(self, token: str) -> dict[str, Any] | None:
        review = await self._post(
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": token},
            },
        )
        status = review["status"]
        if status.get("authenticated") is not True:
            return None
        user: dict[str, Any] = status["user"]
        return user

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._client.request("POST", path, body=body, seconds=_REVIEW_SECONDS)

    def _remember(self, digest: bytes, access: Access) -> None:
        self._decisions[digest] = _Decision(access, self._monotonic() + DECISION_SECONDS)
        self._decisions.move_to_end(digest)
        while len(self._decisions) > _CACHE_SIZE:
            self._evict()

    def _evict(self) -> None:
        """Drop the oldest refusal, otherwise the oldest entry: strangers only cause refusals."""
        for digest, decision in self._decisions.items():
            if decision.access is not Access.ALLOWED:
                del self._decisions[digest]
                return
        self._decisions.popitem(last=False)
