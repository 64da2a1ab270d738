"""The credentials URIs that the operator's flags allow. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL


@dataclass(frozen=True, slots=True)
class AllowedUris:
    """A list of URIs: one that ends with `/` stands for all below it, any other for itself."""

    uris: tuple[str, ...] = ()

    def allow(self, uri: str) -> bool:
        """Whether the URI may be fetched; one with dots for steps in its path may not."""
        found = _plain(uri)
        return found is not None and any(
            found == listed or (listed.endswith("/") and found.startswith(listed))
            for listed in filter(None, map(_plain, self.uris))
        )


def _plain(uri: str) -> str | None:
    """Scheme, host, port and path in one spelling; None for what is no plain http(s) URI."""
    try:
        url = URL(uri, encoded=True)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.host or url.user or url.fragment:
        return None
    segments = url.raw_path.lower().replace("%2e", ".").split("/")
    if "\\" in uri or "." in segments or ".." in segments:
        return None
    return f"{url.scheme}://{url.host}:{port}{url.raw_path_qs}"
