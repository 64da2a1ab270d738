"""Lists of IAM in pages: MaxItems, Marker, IsTruncated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DEFAULT, _MOST = 100, 1000


def page(items: Sequence[Any], parameters: Mapping[str, str], *, field: str) -> dict[str, Any]:
    """The requested page; the marker is the position of its first item."""
    most = parameters.get("MaxItems", str(_DEFAULT))
    if not most.isdigit() or not 1 <= int(most) <= _MOST:
        raise refusals.constraint("maxItems", most, "have value greater than or equal to 1")
    marker = parameters.get("Marker", "0")
    if not marker.isdigit():
        raise refusals.validation("Invalid Marker.")  # [U] the message
    end = int(marker) + int(most)
    content: dict[str, Any] = {
        field: list(items[int(marker) : end]),
        "IsTruncated": end < len(items),
    }
    if content["IsTruncated"]:
        content["Marker"] = str(end)
    return content
