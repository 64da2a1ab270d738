"""Parts of `keywright check` that need no cluster."""

from __future__ import annotations

import pytest

from keywright.cli.check_cluster import OLDEST, is_public
from tests.unit.api.samples import ROOT


@pytest.mark.parametrize(
    ("issuer", "public"),
    [
        ("https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", True),
        ("https://8.8.8.8", True),
        ("https://kubernetes.default.svc", False),
        ("https://kubernetes.default.svc.cluster.local", False),
        ("https://10.0.0.1:6443", False),
        ("https://127.0.0.1", False),
        ("https://kubernetes", False),
        ("http://issuer.example.com", False),
        ("", False),
    ],
)
def test_an_issuer_is_public_by_its_name(issuer: str, public: bool) -> None:  # noqa: FBT001  a value
    """Clouds cannot read the keys of a name or address inside the cluster."""
    assert is_public(issuer) is public


def test_the_oldest_version_is_that_of_the_docs() -> None:
    """The check and the installation guide name the same version."""
    text = (ROOT / "docs/install.md").read_text()
    assert f"You need Kubernetes {'.'.join(map(str, OLDEST))} or newer" in text
