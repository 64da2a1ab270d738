"""Every identity, kind of key and format has an example that a page shows or links to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.api.alibaba_source import AlibabaSource
from keywright.api.aws_source import AwsSource
from keywright.api.formats import Format
from keywright.api.keys import KEY_TYPES
from keywright.api.token_exchange_source import TokenExchangeSource
from testbed.world import EXAMPLES, ROOT

_LINK = re.compile(r"\(([^)#\s]+)\)")
_IMPORTS = ("csvFrom", "valueFrom")


def _linked_folders() -> set[Path]:
    """The folders of examples/ that a page of docs/ links to."""
    found: set[Path] = set()
    for page in (ROOT / "docs").rglob("*.md"):
        for target in _LINK.findall(page.read_text()):
            path = (page.parent / target).resolve()
            if EXAMPLES in path.parents:
                found.add(path if path.is_dir() else path.parent)
    return found


def _documents(kind: str) -> Iterator[dict[str, Any]]:
    for folder in sorted(_linked_folders()):
        for file in sorted(folder.glob("*.yaml")):
            for body in yaml.safe_load_all(file.read_text()):
                if isinstance(body, dict) and body.get("kind") == kind:
                    yield body["spec"]


def _shown_identities(provider: str) -> set[str]:
    return {name for spec in _documents("CredentialSource") for name in spec.get(provider, {})}


def test_every_identity_has_an_example() -> None:
    """Of both clouds, and the vendors of a token exchange."""
    assert set(AwsSource.identity_fields()) - _shown_identities("aws") == set()
    assert set(AlibabaSource.identity_fields()) - _shown_identities("alibabaCloud") == set()
    assert set(TokenExchangeSource.identity_fields()) - _shown_identities("tokenExchange") == set()


def test_every_kind_of_key_has_an_example() -> None:
    """And both ways to import values of API Gateway keys."""
    shown = {name for spec in _documents("ApiKeyGrant") for name in spec}
    assert set(KEY_TYPES) - shown == set()
    imports = {name for spec in _documents("ApiKeyGrant") for name in spec.get("apiGatewayKey", {})}
    assert set(_IMPORTS) - imports == set()


@pytest.mark.parametrize("form", Format)
def test_every_format_has_an_example(form: Format) -> None:
    """Named by a grant, not only by default."""
    shown = {
        name
        for spec in _documents("ApiKeyGrant")
        for name in spec.get("secret", {}).get("formats", [])
    }
    assert form in shown
