"""The DNS suffixes of AWS's partitions are those of botocore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest

from keywright.api.partitions import PARTITIONS, partition_of, service_host

_DATA = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())


@pytest.mark.parametrize("data", _DATA["partitions"], ids=lambda data: data["id"])
def test_the_table_is_that_of_botocore(data: dict[str, Any]) -> None:
    """Every Region that botocore lists, with its partition and suffixes."""
    outputs = data["outputs"]
    regions = [region for region in data["regions"] if not region.endswith("-global")]
    assert regions
    for region in regions:
        found = partition_of(region)
        assert (found.id, found.dns_suffix, found.dual_stack_suffix) == (
            data["id"],
            outputs["dnsSuffix"],
            outputs["dualStackDnsSuffix"],
        )


def test_there_are_no_other_partitions() -> None:
    """One row for each of botocore's."""
    assert {each.id for each in PARTITIONS} == {data["id"] for data in _DATA["partitions"]}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-west-2", "bedrock-runtime.us-west-2.amazonaws.com"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "bedrock-runtime.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
        ("zz-new-1", "bedrock-runtime.zz-new-1.amazonaws.com"),
    ],
)
def test_the_host_of_a_service(region: str, host: str) -> None:
    """An unknown Region counts as a public one: AWS adds Regions faster than this table."""
    assert service_host("bedrock-runtime", region=region) == host
