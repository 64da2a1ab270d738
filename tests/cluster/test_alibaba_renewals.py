"""Credentials of Alibaba Cloud are renewed under a reader's hands, and go with their grants."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.readers import PollingReader, alibaba, sidecars
from tests.cluster.alibaba_stage import config_of, set_up
from tests.cluster.alibaba_ways import ENDLESS, WAYS
from tests.cluster.eventually import eventually
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

_LIFE_SECONDS = 12
_RENEWALS = 3
_PODS = (alibaba.ENV, alibaba.FILES, alibaba.CLI_CONFIG, alibaba.SECTION, sidecars.ALIBABA)


@pytest.mark.long
@pytest.mark.timeout(180)
def test_three_renewals_of_every_way_under_a_reader(
    make_world: MakeWorld, record_property: Record, tmp_path: Path
) -> None:
    """With sessions of a few seconds, calls with the key of the Secret are never refused.

    One reader is a real SDK, which asks who it is with each Secret in turn; another is a pod for
    each format of one Secret, with the SDK's own ways to read it. Static credentials have no
    renewal, and no revision but their first. Deleted, all grants take their Secrets along.
    """
    with set_up(make_world, session_seconds=_LIFE_SECONDS) as stage:
        tenant = stage.tenant
        for name in WAYS:
            tenant.ready(name=name)
        left = {name: 1 + _RENEWALS for name in WAYS if name not in ENDLESS}
        pods = PollingReader(
            tmp_path,
            kubeconfig=tenant.world.cluster.kubeconfig,
            namespace=tenant.namespace,
            secret="oidc",
            cloud_environment=tenant.world.client_environment(),
            clients=_PODS,
        )
        calls = 0

        def all_are_renewed() -> bool:
            nonlocal calls
            for name in WAYS:
                arn = stage.sdk.identity(**config_of(tenant.data(name)))
                assert arn.startswith(stage.ways[name].arn), name
                calls += 1
                if name in left and tenant.status(name)["revision"] >= left[name]:
                    del left[name]
            return not left

        with pods:
            eventually(all_are_renewed, seconds=90, reported=lambda: left)
        record_property("calls of a reader over three renewals", calls)
        record_property("calls of pods over three renewals", len(pods.readings()))
        assert pods.failures() == []
        assert {reading.client for reading in pods.readings()} == set(_PODS)
        assert {tenant.status(name)["revision"] for name in ENDLESS} == {1}
        for name in WAYS:
            tenant.world.api.delete(tenant.grant_path(name))
            tenant.world.api.delete(tenant.source_path(name))
        eventually(lambda: not any(tenant.has_secret(name) for name in WAYS))
