"""Convert an error of the API to an HTTP response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from testbed.clusters.embedded.documents import encode

if TYPE_CHECKING:
    from testbed.clusters.embedded.field_errors import ApiError


def refused(error: ApiError) -> web.Response:
    """The Status object, with Retry-After if the error has one."""
    headers: CIMultiDict[str] = CIMultiDict()
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return web.Response(
        body=encode(error.status()),
        status=error.code,
        content_type="application/json",
        headers=headers,
    )
