"""Whether the versions of this program, the operator and the CRDs fit together."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from keywright.cli.crd_fields import CRDS, missing_fields
from keywright.cli.installation import InstalledCrd, Operator
from keywright.cli.version_command import skew_of
from tests.unit.api.samples import ROOT


def operator(image: str) -> Operator:
    """An operator with that image."""
    return Operator(
        namespace="keywright-system",
        name="keywright",
        image=image,
        arguments=("run",),
        service_account="keywright",
        wanted=2,
        ready=2,
    )


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("keywright:0.1.0", "0.1.0"),
        ("registry.example.com:5000/team/keywright:1.2.3@sha256:00", "1.2.3"),
        ("registry.example.com:5000/keywright", "unknown"),
        ("keywright@sha256:00", "unknown"),
    ],
)
def test_the_version_of_an_operator_is_the_tag_of_its_image(image: str, version: str) -> None:
    """A registry's port is no tag."""
    assert operator(image).version == version


def test_another_version_of_the_operator_is_skew() -> None:
    """An image without a tag, or a checkout without a version, is not compared."""
    (sentence,) = skew_of([operator("keywright:0.1.0")], [], own="0.2.0")
    assert "has version 0.1.0, and this program 0.2.0" in sentence
    assert skew_of([operator("keywright:0.2.0")], [], own="0.2.0") == []
    assert skew_of([operator("keywright")], [], own="0.2.0") == []
    assert skew_of([operator("keywright:0.1.0")], [], own="unknown") == []


def test_absent_crds_are_skew_and_unreadable_ones_are_not() -> None:
    """With the first field that an older one lacks."""
    found = skew_of(
        None,
        [
            InstalledCrd("a", installed=False, missing=()),
            InstalledCrd("b", installed=True, missing=("spec.x", "spec.y")),
            InstalledCrd("c", installed=True, missing=None),
        ],
        own="1",
    )
    assert found == [
        "the CRD a is not installed: apply the CRDs of this version",
        (
            "the CRD b is older than this program and lacks spec.x and 1 more fields:"
            " apply the CRDs of this version"
        ),
    ]


def crds() -> dict[str, dict[str, Any]]:
    """The CRDs of this version."""
    bodies = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    return {body["metadata"]["name"]: body for body in bodies}


def test_the_crds_of_this_version_lack_nothing() -> None:
    """Every field that the program reads or writes."""
    found = crds()
    assert set(found) == set(CRDS)
    assert {name: missing_fields(body) for name, body in found.items()} == {key: [] for key in CRDS}


def test_each_removed_field_is_noticed() -> None:
    """In lists, in maps, and in the status; also a version that is not served."""
    body = crds()["apikeygrants.keywright.dev"]
    for path in (
        "spec.renewal.windows.items.schedule",
        (
            "spec.apiGatewayKey.usagePlan.create.apiStages.items.methodThrottles"
            ".additionalProperties.rateLimit"
        ),
        "status.retiring",
    ):
        older = copy.deepcopy(body)
        at = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        *parents, last = path.split(".")
        for part in parents:
            at = at[part] if part in ("items", "additionalProperties") else at["properties"][part]
        del at["properties"][last]
        plain = path.replace(".items", "").replace(".additionalProperties", "")
        assert missing_fields(older) == [plain]
    body["spec"]["versions"][0]["served"] = False
    assert "spec.sourceRef" in missing_fields(body)
