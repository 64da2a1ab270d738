"""No secret of Model Studio, or of a token exchange, is in anything that the operator says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from testbed.world import Vendor, World
from tests.cluster.canaries import TALKATIVE, leaks, said, traced
from tests.cluster.eventually import eventually
from tests.cluster.model_studio import PARENT, REGION, ModelStudioTenant, renew
from tests.cluster.tenants import Tenant
from tests.cluster.token_exchange import ENDPOINT, HOSTS, TRUSTS, ExchangeTenant
from tests.cluster.worlds import MakeWorld
from tests.otlp_receiver import OtlpReceiver

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@contextmanager
def _talkative(
    make_world: MakeWorld, vendor: Vendor, *arguments: str
) -> Iterator[tuple[World, OperatorProcess, OtlpReceiver]]:
    """A world of one vendor, and an operator at its most talkative, with traces."""
    with OtlpReceiver() as collector, make_world([vendor]) as world:
        operator = world.operator(arguments=(*TALKATIVE, *arguments), environment=traced(collector))
        operator.start()
        yield world, operator, collector


def _renewal_fails(tenant: Tenant, name: str) -> None:
    now = datetime.now(UTC).isoformat()
    tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": now})
    tenant.reported("RenewalFailing", name=name, seconds=60)


def test_no_key_of_model_studio_is_told(make_world: MakeWorld) -> None:
    """Keys that are created, rotated, damaged on the way or refused; temporary ones, and parents.

    The long-lived key that makes temporary ones is in a Secret of its own.
    """
    with _talkative(make_world, Vendor.ALIBABA) as (world, operator, collector):
        tenant, cloud = ModelStudioTenant(world, name="canary"), world.alibaba
        tenant.prepare()
        tenant.key_ready(spec={"secret": {"formats": ["DashScopeEnv", "ApiKey", "DotEnv"]}})
        renew(tenant, revision=2)
        values = set(tenant.data().values())
        cloud.damage_next("modelstudio", "CreateApiKey")
        renew(tenant, revision=3)
        cloud.fail_next(
            "modelstudio", "CreateApiKey", code="NoPermission", message="no", status=403, count=99
        )
        _renewal_fails(tenant, "chat-key")
        cloud.clear_faults()
        values |= _temporary_keys(tenant)
        tenant.world.api.delete(tenant.grant_path())
        eventually(lambda: not world.api.exists(tenant.grant_path()), seconds=60)
        texts = said(world, operator, collector)
        assert all(texts.values())
        assert any(value.startswith("st-") for value in values)
        assert leaks(texts, {*cloud.secrets(), *filter(_is_secret, values)}) == set()
        assert '"action": "Renewed"' in texts["audit"]
        assert collector.named("AlibabaCloud modelstudio:CreateApiKey")


def _is_secret(value: str) -> bool:
    """Not a URL, which everyone may read."""
    return "sk-" in value or "st-" in value


def _temporary_keys(tenant: ModelStudioTenant) -> set[str]:
    """Temporary keys whose parent is refused at last, and the values of the Secrets."""
    cloud = tenant.world.alibaba
    parent = cloud.create_model_studio_key(region=REGION)
    tenant.create_released_secret(name=PARENT, ALIBABA_CLOUD_BEARER_TOKEN=parent)
    tenant.apply_parent()
    cloud.damage_next("dashscope", count=2)
    tenant.apply_temporary(name="brief")
    tenant.ready(name="brief", seconds=60)
    found = {parent, *tenant.data("brief").values()}
    (made,) = {
        each["id"] for each in cloud.model_studio_keys() if each["description"] == "made by hand"
    }
    cloud.enable_model_studio_key(made, enabled=False)
    _renewal_fails(tenant, "brief")
    return found


def test_no_token_of_an_exchange_is_told(make_world: MakeWorld) -> None:
    """Neither the ServiceAccount's nor the vendor's, also when a refusal repeats the first one."""
    endpoint = f"--allow-token-endpoint={ENDPOINT}"
    with _talkative(make_world, Vendor.TOKENS, endpoint) as (world, operator, collector):
        tenant, vendors = ExchangeTenant(world, name="canary"), world.vendors
        tenant.prepare()
        values: set[str] = set()
        for vendor, service in HOSTS.items():
            vendors.damage_next(service, "ExchangeToken", count=2)
            tenant.apply_exchange(vendor)
            tenant.ready(name=vendor, seconds=60)
            values |= set(tenant.data(vendor).values())
        for vendor in TRUSTS:
            tenant.trust(vendor, enabled=False)
        # The generic endpoint repeats the token that it refuses.
        vendors.answer_with("THE-SENT-TOKEN", pieces=40)
        for vendor in TRUSTS:
            _renewal_fails(tenant, vendor)
        texts = said(world, operator, collector)
        assert all(texts.values())
        tokens = set(vendors.secrets())
        assert len(tokens) >= 2 * len(HOSTS)
        held = {value for value in values if any(token in value for token in tokens)}
        assert len(held) >= len(HOSTS)
        assert leaks(texts, tokens | held) == set()
        assert '"action": "Issued"' in texts["audit"]
