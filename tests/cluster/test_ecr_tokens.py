"""Logins to Amazon ECR, used by a container tool to pull an image."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clouds.aws.ecr import IMAGE
from testbed.operators import OperatorProcess
from testbed.readers import PollingReader, container_tools
from testbed.world import World
from tests.cluster.ecr import ENTRY, KIND, REGISTRY, TYPE, EcrTenant, permissions
from tests.cluster.eventually import eventually
from tests.cluster.long_term import short
from tests.cluster.tenants import GRANT, Document, condition
from tests.cluster.tier import Record

_RENEWALS = 20
_TOKEN_SECONDS = 15
_SERVICE, _REGISTRIES = "ecr", "ecr-registries"
_PROBE = {"mode": "Service", "timeout": "1s"}


@pytest.fixture
def registry(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[EcrTenant]:
    """A namespace whose role may pull."""
    assert operator.process.exit_code is None
    tenant = EcrTenant(world, name=short(request))
    tenant.prepare()
    yield tenant
    world.aws.limit_registry_tokens(_SERVICE, seconds=None)
    world.aws.limit_sessions(seconds=None)
    world.aws.clear_faults()


def _lifetime(status: Document) -> timedelta:
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    return ends - issued


def test_an_image_is_pulled(registry: EcrTenant) -> None:
    """With a Secret of the type that imagePullSecrets need, for twelve hours."""
    status = registry.become_ready(**registry.spec())
    secret = registry.secret()
    assert (secret["type"], set(secret["data"])) == (TYPE, {ENTRY})
    ((host, login),) = registry.logins().items()
    assert (host, login["username"]) == (REGISTRY, "AWS")
    assert base64.b64decode(login["auth"]).decode() == f"AWS:{login['password']}"
    assert abs(_lifetime(status) - timedelta(hours=12)) <= timedelta(seconds=2)
    answer = registry.pull()
    assert answer.error is None
    assert json.loads(answer.text)["architecture"] == "amd64"


def test_the_login_outlives_its_session(registry: EcrTenant) -> None:
    """The expiry is the one in the answer, whatever session requested it."""
    registry.world.aws.limit_sessions(seconds=600)
    assert _lifetime(registry.become_ready(**registry.spec())) > timedelta(hours=11)


def test_the_region_and_other_accounts_have_hosts_of_their_own(registry: EcrTenant) -> None:
    """Each with the same login; another list needs no new one."""
    other = "999999999999"
    hosts = [f"{each}.dkr.ecr.eu-west-1.amazonaws.com" for each in (ACCOUNT, other)]
    registry.become_ready(**registry.spec(region="eu-west-1", accounts=[other]))
    logins = registry.logins()
    assert list(logins) == hosts
    for host in hosts:
        assert "is not authorized to perform: ecr:BatchGetImage" in (
            registry.pull(host).error or ""
        )
    statement = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    registry.permit({"Version": "2012-10-17", "Statement": [statement]})
    for host in hosts:
        assert registry.pull(host).error is None
    elsewhere = registry.pull(REGISTRY)
    assert not elsewhere.ok
    issued_at = registry.status()["issuedAt"]
    registry.edit_grant(ecrToken={"accounts": None})
    eventually(lambda: list(registry.logins()) == hosts[:1], seconds=60)
    assert registry.logins()[hosts[0]] == logins[hosts[0]]
    assert registry.status()["issuedAt"] == issued_at


def test_another_layout_needs_no_other_login(registry: EcrTenant) -> None:
    """The password is read back from the file of container tools, and written into it again."""
    spec = {**registry.spec(), "secret": {"type": "Opaque", "formats": None}}
    issued_at = registry.become_ready(**spec)["issuedAt"]
    (login,) = registry.logins().values()
    password = login["password"]
    registry.edit_grant(secret={"formats": ["ApiKey"], "data": {"login": "AWS:${apiKey}"}})
    as_words = {"apiKey": password, "login": f"AWS:{password}"}
    eventually(lambda: registry.data() == as_words, seconds=60)
    registry.edit_grant(secret={"formats": ["DockerConfigJson"], "data": None})
    eventually(lambda: registry.data().keys() == {ENTRY}, seconds=60)
    assert registry.logins() == {REGISTRY: login}
    assert registry.secret()["type"] == "Opaque"
    assert registry.status()["issuedAt"] == issued_at


def test_a_format_that_needs_another_type_is_told(registry: EcrTenant) -> None:
    """The Secret stays as it is, until the type is set to its own, or it is deleted."""
    spec = {**registry.spec(), "secret": {"formats": ["ApiKey"]}}
    registry.become_ready(**spec)
    assert registry.secret()["type"] == "Opaque"
    before = registry.data()
    registry.edit_grant(secret={"formats": None})
    reported = eventually(
        lambda: (
            condition(registry.status(), "RenewalFailing")
            or condition(registry.status(), "Stalled")
        ),
        seconds=60,
    )
    assert reported["reason"] == "SecretTypeImmutable"
    assert f"exists with another type than {TYPE}" in reported["message"]
    assert "spec.secret.type" in reported["message"]
    assert (registry.secret()["type"], registry.data()) == ("Opaque", before)
    assert condition(registry.status(), "Ready")["status"] == "True"
    registry.edit_grant(secret={"type": "Opaque"})
    eventually(lambda: set(registry.data()) == {ENTRY}, seconds=60)
    registry.ready(seconds=60)
    assert registry.secret()["type"] == "Opaque"
    registry.edit_grant(secret={"type": None})
    registry.world.api.delete(registry.secret_path())
    eventually(lambda: registry.has_secret() and registry.secret()["type"] == TYPE, seconds=60)
    assert registry.pull().error is None


def test_a_former_secret_keeps_no_login(registry: EcrTenant) -> None:
    """Its type requires the entry, which stays without content; the name can be used again."""
    registry.become_ready(**registry.spec())
    registry.edit_grant(secret={"name": "renamed"})
    eventually(lambda: registry.data() == {ENTRY: "{}"}, seconds=60)
    eventually(lambda: not condition(registry.status(), "FormerSecretLeft"), seconds=60)
    assert REGISTRY in registry.data("renamed")[ENTRY]
    registry.edit_grant(secret={"name": None})
    eventually(lambda: REGISTRY in registry.data()[ENTRY], seconds=60)
    assert registry.pull().error is None


def test_a_login_is_probed(registry: EcrTenant) -> None:
    """By the version check of the registry, before it is published."""
    registry.become_ready(**{**registry.spec(), "probe": _PROBE})
    calls = registry.world.aws.calls(service=_REGISTRIES, action="GET /v2/")
    assert any(registry.role in (call.principal or "") for call in calls)
    before = registry.data()
    registry.world.aws.fail_next(
        _REGISTRIES, code="DENIED", message="planted", status=403, count=99
    )
    _renew(registry)
    status = registry.reported("RenewalFailing", status="True", reason="ProbeFailed")
    message = condition(status, "RenewalFailing")["message"]
    assert "Amazon ECR answered 403" in message
    assert f"The probe logs in to {REGISTRY}" in message
    assert registry.data() == before


def _renew(tenant: EcrTenant) -> None:
    now = datetime.now(UTC).isoformat()
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": now})


def _refused(tenant: EcrTenant, reason: str, **key: Any) -> str:
    """The message of the refusal; no Secret is published."""
    tenant.apply_source()
    tenant.apply_grant(**tenant.spec(**key))
    tenant.reported("Ready", status="False", reason=reason)
    assert not tenant.has_secret()
    return str(condition(tenant.status(), "Ready")["message"])


@pytest.mark.parametrize("mistake", ["no statement", "one repository"])
def test_a_missing_permission_is_told(registry: EcrTenant, mistake: str) -> None:
    """A policy that names a repository is the usual mistake."""
    policy = permissions()
    if mistake == "no statement":
        policy["Statement"] = policy["Statement"][1:]
    else:
        policy["Statement"][0]["Resource"] = policy["Statement"][1]["Resource"]
    registry.permit(policy)
    message = _refused(registry, "AccessDenied")
    assert message.startswith("CredentialSource spec.aws: Amazon ECR: AccessDeniedException")
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: *" in message
    assert "Allow ecr:GetAuthorizationToken on * in the policies of the role" in message
    registry.permit(permissions())
    registry.ready(seconds=60)


def test_a_session_policy_of_the_source_counts(registry: EcrTenant) -> None:
    """AWS's words name it."""
    statement = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}
    registry.apply_source(policy={"Version": "2012-10-17", "Statement": [statement]})
    registry.apply_grant(**registry.spec())
    registry.reported("Ready", status="False", reason="AccessDenied")
    message = condition(registry.status(), "Ready")["message"]
    assert "no session policy allows the ecr:GetAuthorizationToken action" in message


@pytest.mark.parametrize(
    ("code", "status", "reason", "says"),
    [
        ("ServerException", 500, "CloudError", "Amazon ECR: ServerException"),
        ("ThrottlingException", 400, "Throttled", "more slowly"),
        ("ExpiredTokenException", 400, "ExpiredToken", "new session"),
        ("UnrecognizedClientException", 400, "UnrecognizedClientException", "known everywhere"),
    ],
)
def test_a_passing_fault_heals(
    registry: EcrTenant, code: str, status: int, reason: str, says: str
) -> None:
    """It is reported, and tried again by itself."""
    registry.world.aws.fail_next(_SERVICE, code=code, message="planted", status=status, count=99)
    assert says in _refused(registry, reason)
    registry.world.aws.clear_faults()
    registry.ready(seconds=60)


def test_an_invalid_request_is_told(registry: EcrTenant) -> None:
    """In AWS's words, with the field."""
    registry.world.aws.fail_next(
        _SERVICE, code="InvalidParameterException", message="planted", status=400, count=99
    )
    message = _refused(registry, "InvalidParameterException")
    assert message.startswith(f"spec.{KIND}: Amazon ECR: InvalidParameterException")
    assert "Correct the value to what ECR says of it" in message


def test_a_damaged_answer_says_nothing_of_its_content(registry: EcrTenant) -> None:
    """A login that is cut off is not quoted, and not published."""
    registry.world.aws.damage_next(_SERVICE, "GetAuthorizationToken", count=99)
    message = _refused(registry, "InvalidAnswer")
    assert "QVdTO" not in message
    registry.world.aws.clear_faults()
    registry.ready(seconds=60)


def test_a_failing_renewal_leaves_the_login(registry: EcrTenant) -> None:
    """Ready stays True, and the Secret as it was, until the permission is there again."""
    before = registry.become_ready(**registry.spec())
    data = registry.data()
    registry.permit({**permissions(), "Statement": permissions()["Statement"][1:]})
    _renew(registry)
    status = registry.reported("RenewalFailing", status="True", reason="AccessDenied")
    assert condition(status, "Ready")["status"] == "True"
    assert registry.data() == data
    registry.permit(permissions())
    registry.revision(before["revision"] + 1, seconds=60)
    assert registry.pull().error is None


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_pull_ever_fails(registry: EcrTenant, tmp_path: Path, record_property: Record) -> None:
    """Over twenty renewals with logins of seconds, not one pull is refused."""
    registry.world.aws.limit_registry_tokens(_SERVICE, seconds=_TOKEN_SECONDS)
    registry.become_ready(**registry.spec())
    image = {container_tools.IMAGE_VARIABLE: f"{REGISTRY}/{IMAGE}:1.0"}
    reader = PollingReader(
        tmp_path,
        kubeconfig=registry.world.cluster.kubeconfig,
        namespace=registry.namespace,
        secret=GRANT,
        cloud_environment={**registry.world.aws.client_environment(), **image},
        clients=[container_tools.NAME],
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _TOKEN_SECONDS + 300,
        )
    readings = reader.readings()
    record_property("pulls", len(readings))
    assert reader.failures() == []
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert len(seen) > _RENEWALS
