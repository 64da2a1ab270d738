"""One emulation of each cloud and one issuer for a session; each test gets a role of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.certificates import Authority
from testbed.clouds.alibaba import AlibabaCloud
from testbed.clouds.aws import AwsCloud
from tests.testbed import alibaba
from tests.testbed.alibaba import Member
from tests.testbed.alibaba_sdk import Sdk
from tests.testbed.issuer import AUDIENCE, Issuer
from tests.testbed.world import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """The cluster's issuer."""
    running = Issuer(Authority(tmp_path_factory.mktemp("issuer"), name="cluster"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[AwsCloud]:
    """The emulator's process, with the issuer registered."""
    with AwsCloud(tmp_path_factory.mktemp("aws")) as cloud:
        cloud.create_identity_provider(
            issuer=issuer.url, client_ids=[AUDIENCE], ca_file=issuer.ca_file
        )
        yield cloud


@pytest.fixture
def cloud(running_cloud: AwsCloud) -> Iterator[AwsCloud]:
    """The emulator, with its clock, limits, faults and journal as they were at first."""
    yield running_cloud
    running_cloud.set_clock(offset_seconds=0)
    running_cloud.limit_sessions(seconds=None)
    running_cloud.clear_faults()
    running_cloud.forget_calls()


@pytest.fixture
def tenant(cloud: AwsCloud, issuer: Issuer) -> Tenant:
    """A role of this test's own that may use Bedrock."""
    return Tenant(cloud, issuer)


@pytest.fixture(scope="session")
def running_alibaba(
    tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[tuple[AlibabaCloud, str]]:
    """The emulator's process, with the issuer registered; the provider's ARN."""
    with AlibabaCloud(tmp_path_factory.mktemp("alibaba")) as cloud:
        provider_arn = cloud.create_identity_provider(
            issuer=issuer.url, client_ids=[alibaba.AUDIENCE], ca_file=issuer.ca_file
        )
        yield cloud, provider_arn


@pytest.fixture
def member(running_alibaba: tuple[AlibabaCloud, str], issuer: Issuer) -> Iterator[Member]:
    """A user and a role of this test's own; clock, limits and faults as they were at first."""
    cloud, provider_arn = running_alibaba
    yield Member(cloud, issuer, provider_arn)
    cloud.set_clock(offset_seconds=0)
    cloud.limit_sessions(seconds=None)
    cloud.clear_faults()
    cloud.forget_calls()


@pytest.fixture(scope="session")
def sdk(running_alibaba: tuple[AlibabaCloud, str]) -> Iterator[Sdk]:
    """The vendor's SDK in a pod that meets the emulator."""
    with Sdk(running_alibaba[0].client_environment()) as running:
        yield running
