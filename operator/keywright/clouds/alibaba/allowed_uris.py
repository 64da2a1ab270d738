"""The credentials URIs that the operator's flags allow. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.clouds.endpoints import AllowedUrls


@dataclass(frozen=True, slots=True)
class AllowedUris:
    """A list of URIs: one that ends with `/` stands for all below it, any other for itself."""

    uris: tuple[str, ...] = ()

    def allow(self, uri: str) -> bool:
        """Whether the URI may be fetched; a URI whose path has several readings may not."""
        listed = tuple(entry for entry in self.uris if "://" in entry)
        return AllowedUrls(listed).allow(uri)
