"""Which credentials URIs the operator's flags allow."""

import pytest

from keywright.clouds.endpoints import AllowedUris

LISTED = ("https://credentials.example.com/team/", "http://vault.svc:8080/one?role=a")


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://credentials.example.com/team/", True),
        ("https://credentials.example.com/team/chat?x=1", True),
        ("https://credentials.example.com:443/team/chat", True),
        ("https://credentials.example.com/team", False),
        ("https://credentials.example.com/teams/chat", False),
        ("https://credentials.example.com/team/../other", False),
        ("https://credentials.example.com/team/%2e%2e/other", False),
        ("https://credentials.example.com/team/%2E./other", False),
        ("https://credentials.example.com/team/./a", False),
        ("http://credentials.example.com/team/chat", False),
        ("https://credentials.example.com:8443/team/chat", False),
        ("https://credentials.example.com.evil.example/team/", False),
        ("https://user@credentials.example.com/team/chat", False),
        ("https://credentials.example.com@evil.example/team/", False),
        ("https://credentials.example.com\\@evil.example/team/", False),
        ("https://credentials.example.com/team/chat#part", False),
        ("http://vault.svc:8080/one?role=a", True),
        ("http://vault.svc:8080/one?role=b", False),
        ("http://vault.svc:8080/one?role=a&role=b", False),
        ("http://vault.svc:8080/one", False),
        ("http://vault.svc/one?role=a", False),
        ("file:///etc/passwd", False),
        ("https://credentials.example.com:99999/team/", False),
        ("//credentials.example.com/team/", False),
        ("", False),
    ],
)
def test_a_uri_must_be_in_the_list(uri: str, *, allowed: bool) -> None:
    """Itself, or below an entry that ends with a slash; no spelling gets around it."""
    assert AllowedUris(LISTED).allow(uri) is allowed


def test_nothing_is_allowed_without_the_flag() -> None:
    """The list is empty by default."""
    assert not AllowedUris().allow(LISTED[0])
