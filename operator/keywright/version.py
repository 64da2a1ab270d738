"""The version of the product."""

from __future__ import annotations


def product_version() -> str:
    """Return the installed version, or "unknown" in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to import

    try:
        return version("keywright")
    except PackageNotFoundError:
        return "unknown"
