"""Values are copied out of a Secret only where the Secret allows it."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.chains import apply_chain, roles, trusting
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant
from tests.cluster.tenants import Document, Tenant, condition
from tests.cluster.test_sts_credentials import credentials_of

_LABEL = "keywright.dev/allow-reference"
_REFERENCE = {"externalIdFrom": {"secretKeyRef": {"name": "partner", "key": "id"}}}
_HEALED_SECONDS = 5


def label(tenant: Tenant, name: str, value: str | None) -> None:
    """Set or remove the label of a Secret."""
    tenant.patch(tenant.secret_path(name), {"metadata": {"labels": {_LABEL: value}}})


def calls_for(tenant: Tenant) -> int:
    """How often STS was asked for the role that wants an external id, whatever it answered."""
    calls = tenant.world.aws.calls(service="sts", action="AssumeRole")
    return sum(f"{tenant.namespace}-hop-1" in call.parameters.get("RoleArn", "") for call in calls)


def chain_with_external_id(tenant: Tenant, *, external_id: str) -> None:
    """A source whose last role wants the external id of Secret `partner`."""
    (far,) = roles(tenant, count=1)
    tenant.world.aws.put_trust_policy(
        name=f"{tenant.namespace}-hop-1",
        trust_policy=trusting(tenant.role_arn, StringEquals={"sts:ExternalId": external_id}),
        account="210987654321",
    )
    apply_chain(tenant, [{"roleArn": far, **_REFERENCE}])


def test_a_label_gives_consent_and_heals_at_once(tenant: Tenant) -> None:
    """The message has the command; source and grant become Ready when it was run."""
    tenant.create_secret(name="partner", id="open-sesame")
    chain_with_external_id(tenant, external_id="open-sesame")
    tenant.world.api.apply(credentials_of(tenant))
    status = tenant.reported("Ready", status="False", reason="SecretNotLabeled")
    message = condition(status, "Ready")["message"]
    command = f"kubectl label secret --namespace {tenant.namespace} partner {_LABEL}=true"
    assert message.endswith(command)
    (written,) = (each["message"] for each in status["conditions"] if each["type"] == "Ready")
    page = "https://docs.keywright.dev/troubleshooting.html"
    assert written == f"{message} - see {page}#secretnotlabeled"
    assert calls_for(tenant) == 0
    label(tenant, "partner", "true")
    tenant.ready(seconds=_HEALED_SECONDS)


def test_a_secret_that_a_grant_wrote_needs_no_label(tenant: Tenant) -> None:
    """What a grant of the namespace wrote is known to its tenant already."""
    tenant.become_ready(name="first", secret={"formats": ["BedrockEnv"]})
    (far,) = roles(tenant, count=1)
    reference = {"secretKeyRef": {"name": "first", "key": "AWS_REGION"}}
    tenant.world.aws.put_trust_policy(
        name=f"{tenant.namespace}-hop-1",
        trust_policy=trusting(tenant.role_arn, StringEquals={"sts:ExternalId": "us-west-2"}),
        account="210987654321",
    )
    apply_chain(tenant, [{"roleArn": far, "externalIdFrom": reference}], name="chained")
    body = credentials_of(tenant)
    body["spec"]["sourceRef"] = {"name": "chained"}
    tenant.world.api.apply(body)
    tenant.ready()
    assert calls_for(tenant) > 0


def test_an_unlabeled_import_keeps_its_key(new_gateway_tenant: Callable[[], GatewayTenant]) -> None:
    """As after an upgrade: Ready stays True, and RenewalFailing has the command."""
    tenant = new_gateway_tenant()
    tenant.put_input("value", tenant.value("kept"))
    before = tenant.key_ready(usagePlan={"id": tenant.plan()}, **tenant.value_from("value"))
    data = tenant.data()
    label(tenant, "value-input", None)
    tenant.ask_for_renewal()

    def failing(status: Document) -> bool:
        found = condition(status, "RenewalFailing")
        return bool(found) and found["reason"] == "SecretNotLabeled"

    status = tenant.reported("Ready", and_=failing)
    assert f"{_LABEL}=true" in condition(status, "RenewalFailing")["message"]
    assert (status["keyId"], tenant.data()) == (before["keyId"], data)
    label(tenant, "value-input", "true")
    eventually(
        lambda: all(c["type"] != "RenewalFailing" for c in tenant.status()["conditions"]),
        seconds=30,
    )
