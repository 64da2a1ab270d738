"""A Secret mounted into a pod: its keys as files, each written atomically."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mount:
    """A directory with the Secret's keys, until it is removed."""

    def __init__(self, data: Mapping[str, str]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="keywright-mount-")
        self.folder = Path(self._directory.name)
        self.write(data)

    def write(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet when the Secret changes."""
        for name, text in data.items():
            draft = self.folder / f"{name}.draft"
            draft.touch(mode=0o600)
            draft.write_text(text)
            draft.replace(self.folder / name)

    def remove(self) -> None:
        """Remove the mount."""
        self._directory.cleanup()
