"""Tokens of AWS CodeArtifact, used by pip and npm."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.operators import OperatorProcess
from testbed.readers import PollingReader, package_managers
from testbed.readers.answers import Answer
from testbed.readers.package_managers import NPM, PIP, PIP_FILE
from testbed.world import World
from tests.cluster.code_artifact import (
    DOMAIN,
    HOST,
    KIND,
    REGION,
    REPOSITORY,
    CodeArtifactTenant,
    permissions,
)
from tests.cluster.eventually import eventually
from tests.cluster.long_term import short
from tests.cluster.tenants import GRANT, condition
from tests.cluster.tier import Record

_RENEWALS = 20
# pip takes seconds for a download, and the next token is there after two thirds of this.
_TOKEN_SECONDS = 24
_TEXT = "the sample package"
_PROBE = {"mode": "Service", "timeout": "1s"}
_SERVICE = "codeartifact"


@pytest.fixture
def packages(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[CodeArtifactTenant]:
    """A namespace whose role may read the repository."""
    assert operator.process.exit_code is None
    tenant = CodeArtifactTenant(world, name=short(request))
    tenant.prepare()
    yield tenant
    world.aws.limit_registry_tokens(_SERVICE, seconds=None)
    world.aws.limit_sessions(seconds=None)
    world.aws.clear_faults()


def _download(tenant: CodeArtifactTenant, name: str = PIP, **changed: str) -> Answer:
    """One download, in a pod with the Secret."""
    data = {**tenant.data(), **changed}
    return package_managers.call(
        name, data, cloud_environment=tenant.world.aws.client_environment()
    )


@pytest.mark.parametrize("program", [PIP, PIP_FILE, NPM])
def test_a_package_is_downloaded(packages: CodeArtifactTenant, program: str) -> None:
    """By the programs themselves, with what the Secret holds."""
    if program == NPM and not package_managers.has_npm():
        pytest.skip("npm is not installed")
    packages.become_ready(**packages.spec())
    answer = _download(packages, program)
    assert answer.error is None
    assert _TEXT in answer.text


def test_the_files_are_those_of_the_guide(packages: CodeArtifactTenant) -> None:
    """Of CodeArtifact's user guide, for pip, npm and Maven; and templates of users."""
    spec = packages.spec(duration="1h")
    spec["secret"]["data"] = {"login": "aws:${apiKey}"}
    spec["secret"]["formats"] = [*spec["secret"]["formats"], "ApiKey", "DotEnv"]
    status = packages.become_ready(**spec)
    data = packages.data()
    token = data["CODEARTIFACT_AUTH_TOKEN"]
    index = f"https://aws:{token}@{HOST}/pypi/{REPOSITORY}/simple/"
    registry = f"//{HOST}/npm/{REPOSITORY}/"
    settings = data.pop("settings.xml")
    assert data == {
        "CODEARTIFACT_AUTH_TOKEN": token,
        "PIP_INDEX_URL": index,
        "pip.conf": f"[global]\nindex-url = {index}\n",
        ".npmrc": f"registry=https:{registry}\n{registry}:_authToken={token}\n",
        "apiKey": token,
        ".env": f"CODEARTIFACT_AUTH_TOKEN={token}\n",
        "login": f"aws:{token}",
    }
    found = ET.fromstring(settings)  # noqa: S314  what the operator has written
    names = {"m": "http://maven.apache.org/SETTINGS/1.2.0"}
    assert found.findtext("m:servers/m:server/m:password", namespaces=names) == token
    path = "m:profiles/m:profile/m:repositories/m:repository/m:url"
    assert found.findtext(path, namespaces=names) == f"https://{HOST}/maven/{REPOSITORY}/"
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert abs(ends - issued - timedelta(hours=1)) <= timedelta(seconds=2)
    assert packages.secret()["type"] == "Opaque"


def test_another_layout_needs_no_other_token(packages: CodeArtifactTenant) -> None:
    """The token is read back from any of the files."""
    issued_at = packages.become_ready(**packages.spec())["issuedAt"]
    token = packages.data()["CODEARTIFACT_AUTH_TOKEN"]
    for formats in (["PipConf"], ["Npmrc"], ["MavenSettings"], ["CodeArtifactEnv"], ["ApiKey"]):
        packages.edit_grant(secret={"formats": formats})
        packages.ready()
        assert "keywright.json" not in packages.data()
    assert packages.data() == {"apiKey": token}
    assert packages.status()["issuedAt"] == issued_at


def test_the_token_outlives_its_session_unless_it_is_bound(packages: CodeArtifactTenant) -> None:
    """By the API's own rule: a duration counts from the call, 0 means the end of the session."""
    packages.world.aws.limit_sessions(seconds=600)
    status = packages.become_ready(**packages.spec(duration="15m"))
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert ends - issued > timedelta(minutes=14)
    packages.edit_grant(codeArtifactToken={"duration": None, "boundToSession": True})
    bound = packages.revision(status["revision"] + 1)
    (session,) = {
        each.expires_at
        for each in packages.world.aws.sessions()
        if each.role_arn == packages.role_arn
    }
    assert abs(datetime.fromisoformat(bound["expiresAt"]).timestamp() - session) <= 1


def test_the_region_of_the_token_is_that_of_its_domain(packages: CodeArtifactTenant) -> None:
    """Another Region has a host of its own, and other domains."""
    packages.permit_everything()
    packages.world.aws.create_package_domain(DOMAIN, repositories=["other"], region="eu-west-1")
    packages.become_ready(**packages.spec(region="eu-west-1", repository="other"))
    index = packages.data()["PIP_INDEX_URL"]
    assert index.partition("@")[2] == (
        f"{DOMAIN}-{ACCOUNT}.d.codeartifact.eu-west-1.amazonaws.com/pypi/other/simple/"
    )
    assert _download(packages).ok
    elsewhere = _download(packages, PIP_INDEX_URL=index.replace("eu-west-1", REGION))
    assert not elsewhere.ok


def test_another_repository_is_probed_first(packages: CodeArtifactTenant) -> None:
    """One that the role may not read is not published."""
    spec = {**packages.spec(), "probe": _PROBE}
    first = packages.become_ready(**spec)
    assert packages.world.aws.calls(service="codeartifact-repositories", action="GET npm")
    packages.edit_grant(codeArtifactToken={"repository": "other"})
    status = packages.reported("RenewalFailing", status="True", reason="ProbeFailed")
    message = condition(status, "RenewalFailing")["message"]
    assert "AWS CodeArtifact answered 403 AccessDeniedException" in message
    assert "codeartifact:ReadFromRepository on repository other" in message
    assert f"/pypi/{REPOSITORY}/simple/" in packages.data()["PIP_INDEX_URL"]
    packages.permit_everything()
    packages.world.aws.create_package_domain(
        DOMAIN, repositories=[REPOSITORY, "other"], region=REGION
    )
    eventually(lambda: "/pypi/other/simple/" in packages.data()["PIP_INDEX_URL"], seconds=60)
    assert packages.ready()["revision"] > first["revision"]


def _without(action: str) -> Mapping[str, Any]:
    """The permissions of the example without one action."""
    policy = permissions()
    policy["Statement"] = [each for each in policy["Statement"] if action not in each["Action"]]
    return policy


def _refused(tenant: CodeArtifactTenant, reason: str, **key: Any) -> str:
    """The message of the refusal; no Secret is published."""
    tenant.apply_source()
    tenant.apply_grant(**tenant.spec(**key))
    tenant.reported("Ready", status="False", reason=reason)
    assert not tenant.has_secret()
    return str(condition(tenant.status(), "Ready")["message"])


@pytest.mark.parametrize(
    "action", ["codeartifact:GetAuthorizationToken", "sts:GetServiceBearerToken"]
)
def test_a_missing_permission_is_told(packages: CodeArtifactTenant, action: str) -> None:
    """In AWS's words, with both actions to allow."""
    packages.permit(dict(_without(action)))
    message = _refused(packages, "AccessDenied")
    assert message.startswith("CredentialSource spec.aws: AWS CodeArtifact: AccessDeniedException")
    assert f"is not authorized to perform: {action}" in message
    assert "Allow codeartifact:GetAuthorizationToken on the domain" in message
    packages.permit(permissions())
    packages.ready(seconds=60)


def test_the_condition_on_the_bearer_token_is_met(packages: CodeArtifactTenant) -> None:
    """A policy for another service refuses it."""
    policy = permissions()
    for statement in policy["Statement"]:
        if "Condition" in statement:
            names = {"sts:AWSServiceName": "ecr-public.amazonaws.com"}
            statement["Condition"] = {"StringEquals": names}
    packages.permit(policy)
    assert "sts:GetServiceBearerToken" in _refused(packages, "AccessDenied")


def test_a_missing_domain_is_told(packages: CodeArtifactTenant) -> None:
    """With the three fields that name it."""
    packages.permit_everything()
    message = _refused(packages, "DomainNotFound", domain="no-such-domain")
    assert message.startswith(f"spec.{KIND}.domain: ")
    assert "Domain 'no-such-domain' owned by account '123456789012' does not exist" in message
    assert "Correct domain, domainOwner and region" in message


def test_a_domain_of_another_owner_is_told(packages: CodeArtifactTenant) -> None:
    """The role may use its own domain alone."""
    message = _refused(packages, "AccessDenied", domainOwner="999999999999")
    assert "999999999999:domain/my-domain" in message
    assert "a domain of another account must allow the first action in its own policy" in message


def test_an_invalid_request_is_told(packages: CodeArtifactTenant) -> None:
    """In AWS's words, with the field."""
    packages.world.aws.fail_next(
        _SERVICE, code="ValidationException", message="1 validation error", status=400, count=99
    )
    message = _refused(packages, "ValidationException")
    assert message.startswith(f"spec.{KIND}: AWS CodeArtifact: ValidationException")
    assert "Correct the value to what CodeArtifact says of it" in message


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("ThrottlingException", 429, "Throttled"),
        ("InternalServerException", 500, "InternalServerException"),
        ("ExpiredTokenException", 403, "ExpiredToken"),
    ],
)
def test_a_passing_fault_heals(
    packages: CodeArtifactTenant, code: str, status: int, reason: str
) -> None:
    """It is reported, and tried again by itself."""
    packages.world.aws.fail_next(_SERVICE, code=code, message="planted", status=status, count=99)
    _refused(packages, reason)
    packages.world.aws.clear_faults()
    packages.ready(seconds=60)


def test_a_revoked_session_is_replaced(packages: CodeArtifactTenant) -> None:
    """The one in memory would be valid for an hour: one more is opened, and issues the token."""
    before = packages.become_ready(**packages.spec())
    packages.world.aws.revoke_session(before["keyId"])
    packages.edit_grant(codeArtifactToken={"duration": "11h"})
    after = packages.revision(before["revision"] + 1, seconds=60)
    assert after["keyId"] != before["keyId"]


def test_a_damaged_answer_says_nothing_of_its_content(packages: CodeArtifactTenant) -> None:
    """A token that is cut off is not quoted, and not published."""
    packages.world.aws.damage_next(_SERVICE, "GetAuthorizationToken", count=99)
    message = _refused(packages, "InvalidAnswer")
    assert "eyJ" not in message
    packages.world.aws.clear_faults()
    packages.ready(seconds=60)


def test_a_failing_renewal_leaves_the_token(packages: CodeArtifactTenant) -> None:
    """Ready stays True, and the Secret as it was, until the permission is there again."""
    before = packages.become_ready(**packages.spec())
    data = packages.data()
    packages.permit(dict(_without("codeartifact:GetAuthorizationToken")))
    now = datetime.now(UTC).isoformat()
    packages.annotate_grant(**{"keywright.dev/renew-requested-at": now})
    status = packages.reported("RenewalFailing", status="True", reason="AccessDenied")
    assert condition(status, "Ready")["status"] == "True"
    assert packages.data() == data
    packages.permit(permissions())
    packages.revision(before["revision"] + 1, seconds=60)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_download_ever_fails(
    packages: CodeArtifactTenant, tmp_path: Path, record_property: Record
) -> None:
    """Over twenty renewals with tokens of seconds, pip downloads the package each time."""
    packages.world.aws.limit_registry_tokens(_SERVICE, seconds=_TOKEN_SECONDS)
    packages.become_ready(**packages.spec())
    reader = PollingReader(
        tmp_path,
        kubeconfig=packages.world.cluster.kubeconfig,
        namespace=packages.namespace,
        secret=GRANT,
        cloud_environment=packages.world.aws.client_environment(),
        clients=[PIP_FILE],
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _TOKEN_SECONDS + 120,
        )
    readings = reader.readings()
    record_property("downloads", len(readings))
    assert reader.failures() == []
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert len(seen) > _RENEWALS
