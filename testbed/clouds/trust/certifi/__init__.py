"""certifi as Linux distributions ship it: it returns the machine's own file of CAs.

Alibaba Cloud's SDK for Python, behind a proxy, only uses certifi, and neither SSL_CERT_FILE nor
REQUESTS_CA_BUNDLE. With this folder on PYTHONPATH it trusts the file that SSL_CERT_FILE names.
"""

from __future__ import annotations

import os
from pathlib import Path


def where() -> str:
    """The path of the file of CAs."""
    return os.environ["SSL_CERT_FILE"]


def contents() -> str:
    """The CAs, as PEM."""
    return Path(where()).read_text(encoding="ascii")
