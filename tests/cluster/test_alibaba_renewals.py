"""Credentials of Alibaba Cloud are renewed under a reader's hands, and go with their grants."""

from __future__ import annotations

import time

import pytest

from tests.cluster.alibaba_stage import config_of, set_up
from tests.cluster.alibaba_ways import ENDLESS, WAYS
from tests.cluster.eventually import eventually
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

_LIFE_SECONDS = 12
_RENEWALS = 3


@pytest.mark.timeout(180)
def test_three_renewals_of_every_way_under_a_reader(
    make_world: MakeWorld, record_property: Record
) -> None:
    """Sessions of a few seconds: whoever reads a Secret and calls never meets a refusal.

    The reader is a real SDK, which asks who it is with each Secret in turn. Static credentials have
    no renewal, and no revision but their first. Deleted, all grants take their Secrets along.
    """
    with set_up(make_world, session_seconds=_LIFE_SECONDS) as stage:
        tenant = stage.tenant
        for name in WAYS:
            tenant.ready(name=name)
        left = {name: 1 + _RENEWALS for name in WAYS if name not in ENDLESS}
        calls, deadline = 0, time.monotonic() + 90
        while left and time.monotonic() < deadline:
            for name in WAYS:
                arn = stage.sdk.identity(**config_of(tenant.data(name)))
                assert arn.startswith(stage.ways[name].arn), name
                calls += 1
                if name in left and tenant.status(name)["revision"] >= left[name]:
                    del left[name]
        record_property("calls of a reader over three renewals", calls)
        assert left == {}
        assert {tenant.status(name)["revision"] for name in ENDLESS} == {1}
        for name in WAYS:
            tenant.world.api.delete(tenant.grant_path(name))
            tenant.world.api.delete(tenant.source_path(name))
        eventually(lambda: not any(tenant.has_secret(name) for name in WAYS))
