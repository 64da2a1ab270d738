"""Which values of a Secret may be copied out of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.secrets.references import secret_not_labeled, secret_not_text, shareable_keys

KEYS = ("password", "apiKey")


def metadata(
    *,
    labels: dict[str, str] | None = None,
    owner_annotation: str | None = None,
    manager: str = "keywright",
    owned: tuple[str, ...] = ("apiKey",),
) -> dict[str, Any]:
    """The metadata of Secret chat/shared; `owned`: the keys that the manager applied."""
    annotations = {"keywright.dev/owner": owner_annotation} if owner_annotation else {}
    return {
        "namespace": "chat",
        "name": "shared",
        "labels": labels or {},
        "annotations": annotations,
        "managedFields": [
            {
                "manager": manager,
                "operation": "Apply",
                "fieldsV1": {
                    "f:data": {f"f:{key}": {} for key in owned},
                    "f:metadata": {"f:annotations": {f"f:{name}": {} for name in annotations}},
                },
            }
        ],
    }


def test_the_label_releases_every_value() -> None:
    """The author of the Secret has consented."""
    labels = {"keywright.dev/allow-reference": "true"}
    assert shareable_keys(metadata(labels=labels), KEYS) == set(KEYS)


@pytest.mark.parametrize("value", ["True", "yes", "1", "false", ""])
def test_another_value_of_the_label_releases_nothing(value: str) -> None:
    """The consent is the exact value that the documentation names."""
    labels = {"keywright.dev/allow-reference": value}
    assert shareable_keys(metadata(labels=labels), KEYS) == set()


def test_a_grant_releases_what_it_wrote_and_no_more() -> None:
    """An adopted Secret keeps what was in it before."""
    assert shareable_keys(metadata(owner_annotation="chat/key 1"), KEYS) == {"apiKey"}


@pytest.mark.parametrize(
    "forged",
    [
        metadata(),
        metadata(owner_annotation="other/key 1"),
        metadata(owner_annotation="chat/key 1", manager="kubectl"),
        metadata(owner_annotation="chat/key 1", owned=()),
        {**metadata(owner_annotation="chat/key 1"), "managedFields": []},
    ],
    ids=["no owner", "another namespace", "another manager", "no keys", "no managed fields"],
)
def test_imitations_of_a_grant_release_nothing(forged: dict[str, Any]) -> None:
    """Only what server-side apply records as ours counts."""
    assert shareable_keys(forged, KEYS) == set()


@pytest.mark.parametrize(
    ("refuse", "reason", "remedy"),
    [
        (partial(secret_not_text, key="password"), "SecretNotText", "as UTF-8"),
        (
            partial(secret_not_labeled, namespace="chat"),
            "SecretNotLabeled",
            "kubectl label secret --namespace chat shared keywright.dev/allow-reference=true",
        ),
    ],
    ids=["not text", "no label"],
)
def test_a_refusal_names_its_reason_and_remedy(
    refuse: Callable[..., Failure], reason: str, remedy: str
) -> None:
    """The failure waits for an edit of the field that names the Secret, or of the Secret."""
    failure = refuse("shared", field="spec.f")
    assert (failure.reason, failure.kind) == (reason, FailureClass.CONFIGURATION)
    assert failure.field == "spec.f"
    assert "shared" in failure.message
    assert remedy in failure.remedy
