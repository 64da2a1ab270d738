"""No code of the clouds opens a connection but the one HTTP edge."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.unit.api.samples import ROOT

CLOUDS = ROOT / "operator" / "keywright" / "clouds"
# Libraries that open connections, and the files that may import them.
ALLOWED = {
    # `answer_values` bounds what a connection of `http` takes in.
    "aiohttp": {"http.py", "addresses.py", "answer_values.py", "aws/transport.py"},
    "socket": {"http.py", "addresses.py"},
    # Clients whose requests leave by `aws.transport`, and the operator's own default chains.
    "boto3": {"aws/client_cache.py"},
    "botocore": {
        *("aws/client_cache.py", "aws/transport.py", "aws/error_codes.py"),
        "aws/identities/ambient.py",
        # These sign, and send nothing.
        *("aws/presigned_keys.py", "aws/roles_anywhere/signing.py"),
    },
    "alibabacloud_credentials": {"alibaba/identities/default_chain.py"},
    "requests": set(),
    "httpx": set(),
    "urllib3": set(),
    "http": set(),
}


def _imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module.partition(".")[0]}
            if node.module == "urllib.request":
                found |= {f"urllib.request.{alias.name}" for alias in node.names}
    return found


def test_connections_are_opened_in_one_place() -> None:
    """So that the guard, the deadline and the byte limits hold for all of them."""
    wrong = [
        (str(file.relative_to(CLOUDS)), library)
        for file in sorted(CLOUDS.rglob("*.py"))
        for library in _imported(file) & (ALLOWED.keys() | {"urllib.request.urlopen"})
        if str(file.relative_to(CLOUDS)) not in ALLOWED.get(library, set())
    ]
    assert wrong == []
