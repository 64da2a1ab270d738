"""Which tagged resources are orphans."""

from __future__ import annotations

import pytest

from keywright.cli.audit import is_orphan, owners_of
from keywright.clouds.aws.marked_resources import MarkedResource

_OWN = {
    "keywright.dev/grant": "chat/gone",
    "keywright.dev/grant-id": "g",
    "keywright.dev/cluster-id": "here",
}


@pytest.mark.parametrize(
    ("change", "orphan"),
    [
        ({}, True),
        ({"keywright.dev/grant": "chat/present"}, False),
        ({"keywright.dev/cluster-id": "elsewhere"}, False),
        ({"keywright.dev/cluster-id": None}, False),
        ({"keywright.dev/retain": "true"}, False),
    ],
)
def test_only_this_clusters_resources_without_a_grant(
    change: dict[str, str | None],
    orphan: bool,  # noqa: FBT001  a value
) -> None:
    """Tags from before cluster IDs prove nothing, so that no other cluster's are reported."""
    tags = {name: value for name, value in {**_OWN, **change}.items() if value is not None}
    resource = MarkedResource(kind="API key", name="k", region="r", tags=tags, command="c")
    owners = owners_of([{"metadata": {"namespace": "chat", "name": "present"}}])
    assert is_orphan(resource, owners=owners, cluster_id="here") is orphan
