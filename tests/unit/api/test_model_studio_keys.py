"""What follows from the spec of a key of Model Studio."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from keywright.api.formats import Variable
from keywright.api.model_studio_keys import ModelStudioKey, ModelStudioTemporaryKey
from keywright.api.source import Provider, SourceTraits


def _key(**spec: Any) -> ModelStudioKey:
    return msgspec.convert({"rotateEvery": "7d"} | spec, ModelStudioKey)


def test_a_key_is_rotated_and_has_no_expiry() -> None:
    """By the interval of the spec, with an overlap of an hour by default."""
    policy = _key(rotateEvery="30d").managed
    assert (policy.rotate_seconds, policy.overlap_seconds) == (30 * 86400, 3600)
    assert _key(overlap="2d").managed.overlap_seconds == 2 * 86400
    assert not _key().expires
    assert ModelStudioTemporaryKey().expires


@pytest.mark.parametrize(
    ("region", "workspace", "host"),
    [
        ("cn-beijing", None, "dashscope.aliyuncs.com"),
        ("ap-southeast-1", None, "dashscope-intl.aliyuncs.com"),
        ("us-east-1", None, "dashscope-us.aliyuncs.com"),
        ("cn-hongkong", None, "cn-hongkong.dashscope.aliyuncs.com"),
        ("eu-central-1", "llm-1", "llm-1.eu-central-1.maas.aliyuncs.com"),
        ("cn-beijing", "llm-1", "llm-1.cn-beijing.maas.aliyuncs.com"),
    ],
)
def test_urls_follow_from_region_and_workspace(
    region: str, workspace: str | None, host: str
) -> None:
    """As Model Studio documents its base URLs."""
    key = _key(workspaceId=workspace)
    assert list(key.region_errors(region)) == []
    assert key.own_values(region, SourceTraits(Provider.ALIBABA_CLOUD)) == {
        Variable.DASHSCOPE_URL: f"https://{host}/api/v1",
        Variable.OPENAI_BASE_URL: f"https://{host}/compatible-mode/v1",
    }


def test_a_region_without_a_shared_host_needs_a_workspace() -> None:
    """And there is no URL for it."""
    assert [each.field for each in _key().region_errors("cn-hangzhou")] == [
        "spec.modelStudioKey.region"
    ]
    assert _key().own_values("cn-hangzhou", SourceTraits(Provider.ALIBABA_CLOUD)) == {}


def test_permissions_are_no_part_of_the_identity() -> None:
    """They are changed in place; another workspace is another key."""
    limited = _key(accessibleModels=["qwen-plus"], accessIps=["203.0.113.7"])
    assert limited.key_identity() == _key().key_identity()
    assert _key(workspaceId="llm-1").key_identity() != _key().key_identity()
