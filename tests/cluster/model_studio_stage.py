"""One world with Alibaba Cloud and an operator that looks its keys up often, for each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import Vendor, World
from tests.cluster.conftest import DEBUG
from tests.cluster.long_term import short
from tests.cluster.model_studio import ModelStudioTenant
from tests.cluster.worlds import MakeWorld


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> Iterator[World]:
    """A world with Alibaba Cloud."""
    with make_world(providers=[Vendor.ALIBABA]) as made:
        yield made


@pytest.fixture(scope="module")
def session_operator(world: World) -> Iterator[OperatorProcess]:
    """An operator that looks its keys up every few seconds; its log has no secret."""
    operator = world.operator(arguments=(*DEBUG, "--verify-interval=3s", "--verify-spread=1s"))
    operator.start()
    yield operator
    log = operator.log.read_text()
    assert [secret for secret in world.alibaba.secrets() if secret in log] == []


@pytest.fixture
def studio(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[ModelStudioTenant]:
    """A namespace whose role may manage keys of Model Studio."""
    assert operator.process.exit_code is None
    tenant = ModelStudioTenant(world, name=short(request))
    tenant.prepare()
    yield tenant
    world.alibaba.clear_faults()
    world.alibaba.limit_temporary_keys(seconds=None)
