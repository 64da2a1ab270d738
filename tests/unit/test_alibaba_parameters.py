"""The page that maps the parameters of the Alibaba Cloud Credentials tool to ours."""

import inspect
import re
from typing import Any

import pytest
from alibabacloud_credentials import client
from alibabacloud_credentials.models import Config

from tests.unit.api.samples import ROOT, schema

PAGE = (ROOT / "docs" / "alibaba-parameters.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
PARAMETERS = inspect.signature(Config.__init__).parameters.values()


def _rows() -> dict[str, tuple[str, str, str]]:
    return {name: (type_, of, ours) for name, type_, of, ours in ROW.findall(PAGE)}


def test_every_parameter_of_the_tool_is_told() -> None:
    """By name and type, as the library's Config has them, and no other; in its order."""
    expected = [
        (parameter.name, parameter.annotation.__name__)
        for parameter in PARAMETERS
        if parameter.name != "self"
    ]
    assert [(name, type_) for name, (type_, _, _) in _rows().items()] == expected


def test_a_parameter_that_the_tool_does_not_read_is_said_not_to_be_read() -> None:
    """What its Client takes from a Config is taken over, or the page says why not."""
    source = inspect.getsource(client.Client.get_credentials)
    read = set(re.findall(r"config\.(\w+)", source))
    for name, (_, of, ours) in _rows().items():
        assert (name in read) is not of.startswith("none"), name
        assert ("not taken over" in ours) is of.startswith("none"), name


def test_every_type_of_the_tool_is_told() -> None:
    """Those that its Client knows, and the identity of ours that stands for each."""
    source = inspect.getsource(client.Client.get_credentials)
    known = set(source.rpartition("support: ")[2].partition("'")[0].split(", "))
    table = PAGE.partition("## Types")[2].partition("## Parameters")[0]
    reported = dict(re.findall(r"^\| `(\w+)` \| `(\w+)`", table, re.MULTILINE))
    assert reported.keys() == known
    identities = _properties("alibabaCloud")
    assert set(reported.values()) < set(identities)
    for ours in identities.keys() - {
        *("regionId", "stsEndpoint", "connectTimeout", "readTimeout"),
    }:
        assert f"`{ours}`" in table, ours


@pytest.mark.parametrize("name", [parameter.name for parameter in PARAMETERS][1:])
def test_what_is_said_to_be_ours_is_in_the_contract(name: str) -> None:
    """Every path of ours that the page names is in the schema that users apply."""
    fields = [*_leaves("", schema("credentialsources")["properties"]["spec"])]
    for path in re.findall(r"`([a-z]\w+(?:(?:\[\])?\.\w+)*)`", _rows()[name][2]):
        if path == "sts":
            continue
        ours = path.removeprefix("sessionCredentials.")
        if ours != path:
            properties = schema("apikeygrants")["properties"]["spec"]["properties"]
            assert ours in properties["sessionCredentials"]["properties"], path
        else:
            assert any(field.endswith(f".{path}") for field in fields), path


def _properties(name: str) -> dict[str, Any]:
    spec = schema("credentialsources")["properties"]["spec"]["properties"]
    found: dict[str, Any] = spec[name]["properties"]
    return found


def _leaves(at: str, part: dict[str, Any]) -> list[str]:
    found = [at]
    for name, inner in part.get("properties", {}).items():
        found += _leaves(f"{at}.{name}", inner)
    if "items" in part:
        found += _leaves(f"{at}[]", part["items"])
    return found
