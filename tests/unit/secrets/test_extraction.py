"""What an apply repeats of a Secret as it is, and what admission has made of an apply."""

import copy
from typing import Any

import pytest

from keywright.secrets.extraction import (
    changed_at_admission,
    shared_marks,
    with_watch_label,
    without_ours,
)
from keywright.secrets.ownership import managed_secret_from
from tests.unit.api.samples import grant
from tests.unit.secrets.samples import manifest_of, metadata_after_apply

_GRANT = grant(secret={"labels": {"team": "chat"}, "annotations": {"a": "b"}})
_WATCH_LABEL = "keywright.dev/managed"


def _old() -> dict[str, Any]:
    """A Secret as versions before the watch label wrote it, with foreign content beside ours."""
    body = copy.deepcopy(manifest_of(_GRANT))
    del body["metadata"]["labels"][_WATCH_LABEL]
    metadata = metadata_after_apply(body) | {"uid": "s", "resourceVersion": "7"}
    metadata["labels"] = metadata["labels"] | {"theirs": "x"}
    metadata["annotations"] = metadata["annotations"] | {"theirs": "x"}
    metadata["ownerReferences"] = [
        *metadata["ownerReferences"],
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "c"},
    ]
    theirs: dict[str, Any] = {"f:labels": {"f:theirs": {}}, "f:annotations": {"f:theirs": {}}}
    fields = {"f:metadata": theirs, "f:data": {"f:theirs": {}}}
    metadata["managedFields"] = [
        *metadata["managedFields"],
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields},
    ]
    return body | {"metadata": metadata, "data": body["data"] | {"theirs": "eA=="}}


def test_the_label_is_added_to_all_that_is_ours() -> None:
    """Bit for bit; what others have is left out, so that it stays theirs."""
    old = _old()
    applied = with_watch_label(old)
    expected = manifest_of(_GRANT)
    expected["metadata"]["resourceVersion"] = "7"
    assert applied == expected


def test_the_type_of_a_secret_is_repeated() -> None:
    """A type is immutable; the API server rejects an apply with another type."""
    assert with_watch_label(_old() | {"type": "example.com/x"})["type"] == "example.com/x"


def test_the_metadata_shows_who_else_owns_a_field() -> None:
    """By manager; what there is room for."""
    state = managed_secret_from(_old()["metadata"])
    assert not state.watched
    paths = {"metadata.labels[theirs]", "metadata.annotations[theirs]", "data[theirs]"}
    assert state.others == (("kubectl-edit", frozenset(paths)),)


def test_what_admission_has_changed_is_found() -> None:
    """Another value and a missing one; labels that do not matter are ignored."""
    applied = manifest_of(_GRANT)["metadata"]
    answer = copy.deepcopy(applied)
    answer["labels"] |= {_WATCH_LABEL: "platform", "added": "x"}
    answer["labels"]["app.kubernetes.io/managed-by"] = "platform"
    del answer["annotations"]["a"]
    ignored = frozenset({"app.kubernetes.io/managed-by"})
    assert changed_at_admission(applied, answer, ignored=ignored) == (
        f"metadata.labels[{_WATCH_LABEL}]",
        "metadata.annotations[a]",
    )
    assert changed_at_admission(applied, applied, ignored=ignored) == ()


def test_an_apply_of_nothing_removes_all_that_is_ours() -> None:
    """Of the very object that was read; a type other than the default is repeated."""
    body = without_ours(_old()["metadata"], type_="Opaque")
    identity = {"name": "chat-key", "namespace": "chat", "uid": "s", "resourceVersion": "7"}
    assert body == {"apiVersion": "v1", "kind": "Secret", "metadata": identity}
    typed = without_ours(_old()["metadata"], type_="example.com/x")
    assert typed == body | {"type": "example.com/x"}


@pytest.mark.parametrize("is_ours", [True, False])
def test_an_entry_that_the_type_requires_stays_without_its_login(*, is_ours: bool) -> None:
    """Of a Secret for registries; that of another manager stays as it is."""
    registry = grant(bedrockShortTermKey=None, ecrToken={})
    manifest = manifest_of(registry if is_ours else _GRANT)
    metadata = metadata_after_apply(manifest) | {"uid": "s", "resourceVersion": "7"}
    body = without_ours(metadata, type_="kubernetes.io/dockerconfigjson")
    assert body["type"] == "kubernetes.io/dockerconfigjson"
    assert body.get("data") == ({".dockerconfigjson": "e30="} if is_ours else None)


def test_marks_that_are_left_are_removed_by_name() -> None:
    """Another manager shares them; what it has beside them stays."""
    answer = _old()["metadata"] | {"resourceVersion": "8"}
    patch = shared_marks(answer, keys=["AWS_REGION"])
    assert patch is not None
    annotations = patch["metadata"].pop("annotations")
    assert annotations.keys() == {n for n in answer["annotations"] if "keywright.dev/" in n}
    theirs = [each for each in answer["ownerReferences"] if each["name"] == "theirs"]
    assert patch == {
        "metadata": {
            "uid": "s",
            "resourceVersion": "8",
            "labels": {"app.kubernetes.io/managed-by": None},
            "ownerReferences": theirs,
        },
        "data": {"AWS_REGION": None},
    }
    clean = {"uid": "s", "resourceVersion": "8", "labels": {"theirs": "x"}}
    assert shared_marks(clean | {"ownerReferences": theirs}, keys=["AWS_REGION"]) is None
