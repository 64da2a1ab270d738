"""Which hosts belong to the clouds, and which URLs the operator's flags list. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from yarl import URL

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.addresses import Reach

_DEFAULT_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}
# As in RFC 3986, without `;`: some servers end a path segment there.
_PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")

# The DNS suffixes of botocore's partitions, IPv4 and dual stack (data/partitions.json).
_AWS_SUFFIXES: Final = (
    *("amazonaws.com", "api.aws", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    *("amazonaws.eu", "api.amazonwebservices.eu", "c2s.ic.gov", "api.aws.ic.gov"),
    *("sc2s.sgov.gov", "api.aws.scloud", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    *("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
)
_SUFFIX: Final = "(?:" + "|".join(map(re.escape, _AWS_SUFFIXES)) + ")"
_SERVICES: Final = "(?:sts|iam|apigateway|bedrock|bedrock-runtime|bedrock-mantle)"
_LABEL: Final = "[a-z0-9-]+"
# Not any label: `sts.s3.amazonaws.com` and `sts.oss-cn-hangzhou.aliyuncs.com` are buckets, and
# anyone may name a bucket "sts".
_AWS_REGION: Final = r"(?:[a-z]{2,4}(?:-[a-z]+)+-\d{1,2})"
# For services without regions, as named in botocore's endpoint data.
_AWS_GLOBAL: Final = "(?:global|us-gov|iam|iam-govcloud)"
_ALIBABA_REGION: Final = r"(?:[a-z]{2}(?:-[a-z0-9]+){1,3})"
# Only hosts of the services that the operator calls: the same suffixes also have tenants' hosts,
# such as buckets, load balancers and endpoint services (vpce-svc-).
_STS: Final = re.compile(
    rf"sts(-fips)?(\.{_AWS_REGION})?\.{_SUFFIX}"
    rf"|vpce-{_LABEL}\.sts(-fips)?\.{_AWS_REGION}\.vpce\.{_SUFFIX}"
    rf"|sts(-vpc)?(\.{_ALIBABA_REGION})?\.aliyuncs\.com"
)
_OTHERS: Final = re.compile(
    rf"{_SERVICES}(-fips)?(\.{_AWS_REGION}|\.{_AWS_GLOBAL})?\.{_SUFFIX}"
    rf"|vpce-{_LABEL}\.{_SERVICES}(-fips)?\.{_AWS_REGION}\.vpce\.{_SUFFIX}"
    rf"|{_LABEL}\.execute-api\.{_AWS_REGION}(\.vpce)?\.{_SUFFIX}"
)


def is_vendor_sts(host: str) -> bool:
    """Whether a host is an STS endpoint of AWS or Alibaba Cloud, or of a private link to it."""
    return _STS.fullmatch(host) is not None


def is_vendor_host(host: str) -> bool:
    """Whether a host is one of the services that the operator or a probe calls."""
    return is_vendor_sts(host) or _OTHERS.fullmatch(host) is not None


@dataclass(frozen=True, slots=True)
class AllowedUrls:
    """A list of hosts and URL prefixes from the operator's flags.

    A host, with or without a port, matches every HTTPS URL of that host; a URL that ends with `/`
    every URL below it; any other URL only itself.
    """

    entries: tuple[str, ...] = ()

    def allow(self, url: str) -> bool:
        """Whether an entry of the list matches the URL."""
        found = plain_url(url)
        return found is not None and any(
            found == entry or (entry.endswith("/") and found.startswith(entry))
            for entry in filter(None, map(_entry, self.entries))
        )


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The STS endpoints and probe URLs that sources and grants may name."""

    sts: AllowedUrls = field(default_factory=AllowedUrls)
    probes: AllowedUrls = field(default_factory=AllowedUrls)

    def sts_reach(self, url: str) -> Reach | None:
        """The reach of STS at a URL in a source; None if it is not allowed."""
        if is_default_https(url) and is_vendor_sts(host_of(url)):
            return Reach.VENDOR
        return Reach.LISTED if self.sts.allow(url) else None

    def probe_reach(self, url: str) -> Reach:
        """The reach of a URL in a probe."""
        if is_default_https(url) and is_vendor_host(host_of(url)):
            return Reach.VENDOR
        return Reach.LISTED if self.probes.allow(url) else Reach.PUBLIC


def not_allowed(field: str) -> Failure:
    """The failure for an STS endpoint that the operator does not allow; nothing was sent."""
    return Failure(
        "this operator's flags do not allow that STS endpoint.",
        kind=FailureClass.CONFIGURATION,
        reason="EndpointNotAllowed",
        field=f"CredentialSource {field}",
        remedy=(
            "Leave it out, name a host of the cloud or its private link,"
            " or start the operator with --allow-sts-endpoint for it."
        ),
        no_side_effect=True,
    )


def is_default_https(url: str) -> bool:
    """Whether a URL is HTTPS on port 443, without a user."""
    found = plain_url(url)
    return found is not None and found.startswith(f"https://{host_of(url)}:443/")


def plain_url(url: str) -> str | None:
    """The URL in a normalized form; None for an ambiguous one.

    Servers and proxies disagree on encoded separators, dot segments, `;` and backslashes: a URL
    with any of them is not compared.
    """
    try:
        found = URL(url, encoded=True)
        port = found.port
    except ValueError:
        return None
    host = (found.raw_host or "").lower()
    plain = (
        found.scheme in _DEFAULT_PORTS
        and not found.raw_user
        and not found.raw_password
        and not found.raw_fragment
        and not found.raw_authority.endswith("@")
        and url.isascii()
        and url.isprintable()
        and "\\" not in url
        and _HOST.fullmatch(host)
        and _is_plain_path(found.raw_path)
        and _QUERY.fullmatch(found.raw_query_string)
    )
    if not plain:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{found.scheme}://{shown}:{port}{found.raw_path_qs}"


def _is_plain_path(path: str) -> bool:
    if not _PATH.fullmatch(path):
        return False
    for segment in path.split("/"):
        decoded = unquote(segment, errors="replace")
        if decoded in (".", "..") or not decoded.isprintable() or not decoded.isascii():
            return False
        if set(decoded) & set("/\\%;?#"):
            return False
    return True


def is_entry(text: str) -> bool:
    """Whether a text is a valid entry of such a list."""
    return _entry(text) is not None


def _entry(entry: str) -> str | None:
    return plain_url(entry if "://" in entry else f"https://{entry}/")


def host_of(url: str) -> str:
    """The host of a URL, in lower case; empty if it is not a URL."""
    try:
        return (URL(url, encoded=True).raw_host or "").lower()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class AllowedUris:
    """The credentials URIs that flags allow; one that ends with `/` allows all below it."""

    uris: tuple[str, ...] = ()

    def allow(self, uri: str) -> bool:
        """Whether the URI may be requested; an ambiguous path is not allowed."""
        listed = tuple(entry for entry in self.uris if "://" in entry)
        return AllowedUrls(listed).allow(uri)
