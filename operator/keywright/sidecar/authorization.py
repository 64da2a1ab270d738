"""The token that an AWS SDK sends to a container credentials endpoint.

The SDK reads it from AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE for each request and sends it as the
Authorization header. Containers of a pod share the loopback address, but not every volume.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from keywright.api.sensitive import Sensitive
from keywright.sidecar.documents import MountedFile

_TOKEN_BYTES = 32
# another container's user must be able to read it; the volume decides which containers see it
_MODE = 0o644


class AuthorizationToken:
    """A token in a file; a missing or empty file gets a new random one."""

    def __init__(self, path: Path) -> None:
        if not path.is_file() or not path.read_text(encoding="ascii").strip():
            path.touch(mode=_MODE)
            path.write_text(secrets.token_urlsafe(_TOKEN_BYTES), encoding="ascii")
        self._file = MountedFile(path, parse=lambda text: Sensitive(text.strip()))

    def accepts(self, header: str | None) -> bool:
        """Whether the header matches the token; raises FileMissingError if the file is missing."""
        token = self._file.read().reveal()
        return bool(token) and hmac.compare_digest(token.encode(), (header or "").encode())
