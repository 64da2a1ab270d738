"""The partitions of AWS: DNS suffixes of hosts by Region.

The table is that of botocore (data/partitions.json), which a test compares it with; botocore takes
a third of a second to import and is not available to this layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; `dual_stack_suffix` is for hosts that also support IPv6."""

    id: str
    dns_suffix: str
    dual_stack_suffix: str
    regions: re.Pattern[str]

    @property
    def has_mantle(self) -> bool:
        """Whether the host bedrock-mantle.REGION.api.aws exists, which has no other suffix."""
        return self.dual_stack_suffix == _API_AWS


def _partition(id_: str, dns: str, dual_stack: str, regions: str) -> Partition:
    return Partition(id_, dns, dual_stack, re.compile(rf"(?:{regions})-\w+-\d+", re.ASCII))


_API_AWS: Final = "api.aws"
AWS: Final = _partition("aws", "amazonaws.com", _API_AWS, "us|eu|ap|sa|ca|me|af|il|mx")
PARTITIONS: Final = (
    AWS,
    _partition("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn"),
    _partition("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-(?:de)"),
    _partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov", "us-iso"),
    _partition("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", "us-isob"),
    _partition("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe"),
    _partition("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof"),
    _partition("aws-us-gov", "amazonaws.com", _API_AWS, "us-gov"),
)


@lru_cache(maxsize=256)
def partition_of(region: str) -> Partition:
    """The partition of a Region; that of the public Regions if the Region is unknown."""
    found = (each for each in PARTITIONS if each.regions.fullmatch(region))
    return next(found, AWS)


def service_host(service: str, *, region: str) -> str:
    """The host of a service in a Region, such as bedrock.us-east-1.amazonaws.com."""
    return f"{service}.{region}.{partition_of(region).dns_suffix}"
