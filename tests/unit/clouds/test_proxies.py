"""NO_PROXY as Go's net/http and requests read it."""

from __future__ import annotations

import pytest
from yarl import URL

from keywright.clouds.connections import is_excluded, proxy_in


@pytest.mark.parametrize(
    ("no_proxy", "url", "excluded"),
    [
        ("", "https://sts.amazonaws.com/", False),
        ("*", "https://sts.amazonaws.com/", True),
        ("example.com, *", "https://sts.amazonaws.com/", True),
        ("amazonaws.com", "https://sts.amazonaws.com/", True),
        ("amazonaws.com", "https://amazonaws.com/", True),
        ("amazonaws.com", "https://notamazonaws.com/", False),
        ("AmazonAWS.com", "https://STS.amazonaws.COM/", True),
        (".amazonaws.com", "https://sts.amazonaws.com/", True),
        (".amazonaws.com", "https://amazonaws.com/", False),
        ("*.amazonaws.com", "https://sts.amazonaws.com/", True),
        ("*.amazonaws.com", "https://amazonaws.com/", False),
        ("amazonaws.com:443", "https://sts.amazonaws.com/", True),
        ("amazonaws.com:443", "https://sts.amazonaws.com:8443/", False),
        ("amazonaws.com:80", "https://sts.amazonaws.com/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.5/8", "https://10.1.2.3/", True),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.3", "https://10.1.2.33/", False),
        ("1.2.3", "https://10.1.2.3/", False),
        ("10.1.2.3:8443", "https://10.1.2.3:8443/", True),
        ("10.1.2.3:8443", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("fd00::1", "https://[fd00::1]/", True),
        ("[fd00::1]:443", "https://[fd00::1]/", True),
        ("[fd00::1]:444", "https://[fd00::1]/", False),
        ("100.100.100.200", "http://100.100.100.200/latest/", True),
        ("no/such/network", "https://10.1.2.3/", False),
        (" , ,", "https://sts.amazonaws.com/", False),
        ("", "http://localhost:8080/", True),
        ("", "http://127.0.0.1:8080/", True),
        ("", "http://[::1]:8080/", True),
    ],
)
def test_hosts_that_are_asked_directly(no_proxy: str, url: str, *, excluded: bool) -> None:
    """Names with subdomains, leading dots, addresses, networks, ports and the asterisk."""
    assert is_excluded(URL(url), no_proxy=no_proxy) is excluded


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"https": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http": "http://proxy:3128"}, None),
        ({"https": "http://proxy:3128", "no": "amazonaws.com"}, None),
        ({}, None),
    ],
)
def test_the_proxy_is_that_of_the_scheme(variables: dict[str, str], proxy: str | None) -> None:
    """HTTPS_PROXY for https; none for an excluded host."""
    assert proxy_in(variables, URL("https://sts.amazonaws.com/")) == proxy
