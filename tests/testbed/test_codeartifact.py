"""CodeArtifact: boto3 gets a token, pip and npm download with it, and mistakes are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.readers import package_managers
from testbed.readers.package_managers import NPM, PIP, PIP_FILE
from testbed.readers.tunnels import RefusedError, Tunnel
from tests.testbed.world import ACCOUNT, REGION, Temporary, Tenant, allow

DOMAIN, REPOSITORY = "my-domain", "my-repository"
HOST = f"{DOMAIN}-{ACCOUNT}.d.codeartifact.{REGION}.amazonaws.com"
DOMAIN_ARN = f"arn:aws:codeartifact:{REGION}:{ACCOUNT}:domain/{DOMAIN}"
REPOSITORY_ARN = f"arn:aws:codeartifact:{REGION}:{ACCOUNT}:repository/{DOMAIN}/{REPOSITORY}"
SERVICE_NAME = {"sts:AWSServiceName": "codeartifact.amazonaws.com"}


def _statements(*lacking: str) -> list[Any]:
    parts = (
        allow("codeartifact:GetAuthorizationToken", resource=DOMAIN_ARN),
        allow("sts:GetServiceBearerToken", StringEquals=SERVICE_NAME),
        allow("codeartifact:ReadFromRepository", resource=REPOSITORY_ARN),
    )
    statements = [statement for each in parts for statement in each["Statement"]]
    return [each for each in statements if each["Action"][0] not in lacking]


def _permit(tenant: Tenant, *lacking: str) -> None:
    tenant.cloud.put_role_policy(
        role=tenant.role_name,
        name="packages",
        document={"Version": "2012-10-17", "Statement": _statements(*lacking)},
    )


@pytest.fixture
def packages(tenant: Tenant) -> Tenant:
    """A role that may read one repository."""
    _permit(tenant)
    tenant.cloud.create_package_domain(DOMAIN, repositories=[REPOSITORY], region=REGION)
    return tenant


def _token(tenant: Tenant, *, by: Temporary | None = None, **changed: Any) -> Any:
    request = {"domain": DOMAIN, "domainOwner": ACCOUNT, "durationSeconds": 900, **changed}
    client = tenant.client("codeartifact", credentials=by or tenant.session())
    return client.get_authorization_token(**request)


def _data(token: str) -> dict[str, str]:
    index = f"https://aws:{token}@{HOST}/pypi/{REPOSITORY}/simple/"
    registry = f"//{HOST}/npm/{REPOSITORY}/"
    return {
        "PIP_INDEX_URL": index,
        "pip.conf": f"[global]\nindex-url = {index}\n",
        ".npmrc": f"registry=https:{registry}\n{registry}:_authToken={token}\n",
    }


@pytest.mark.parametrize("program", [PIP, PIP_FILE, NPM])
def test_a_package_is_downloaded(packages: Tenant, program: str) -> None:
    """By pip with the login in the URL, and by npm with a bearer token."""
    if program == NPM and not package_managers.has_npm():
        pytest.skip("npm is not installed")
    answer = package_managers.call(
        program,
        _data(_token(packages)["authorizationToken"]),
        cloud_environment=packages.cloud.client_environment(),
    )
    assert answer.error is None
    assert "the sample package" in answer.text


def test_pip_is_refused_in_words(packages: Tenant) -> None:
    """A token that was changed is not valid, and pip does not show it."""
    token = _token(packages)["authorizationToken"]
    answer = package_managers.call(
        PIP, _data(token[:-4]), cloud_environment=packages.cloud.client_environment()
    )
    assert "401 Error, Credentials not correct" in (answer.error or "")


def _ping(
    tenant: Tenant, authorization: str, *, host: str = HOST, repository: str = REPOSITORY
) -> Any:
    tunnel = Tunnel(host, cloud_environment=tenant.cloud.client_environment())
    try:
        path = f"/npm/{repository}/-/ping"
        return tunnel.ask("GET", path, headers={"Authorization": authorization}, body=None)
    finally:
        tunnel.close()


def _basic(user: str, token: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"


def test_a_ping_needs_a_token_and_permission(packages: Tenant) -> None:
    """With the user name aws, or as a bearer token, for this domain and repository."""
    token = _token(packages)["authorizationToken"]
    assert _ping(packages, f"Bearer {token}") == {}
    assert _ping(packages, _basic("aws", token)) == {}
    for wrong in (_basic("AWS", token), "Basic %", "", f"Bearer {token}x"):
        with pytest.raises(RefusedError, match="401"):
            _ping(packages, wrong)
    other = HOST.replace(DOMAIN, "other")
    with pytest.raises(RefusedError, match="401"):
        _ping(packages, f"Bearer {token}", host=other)
    with pytest.raises(RefusedError, match="ReadFromRepository"):
        _ping(packages, f"Bearer {token}", repository="other")


def test_a_token_has_the_permissions_of_the_role_as_they_are(packages: Tenant) -> None:
    """They are evaluated at each use."""
    token = _token(packages)["authorizationToken"]
    _permit(packages, "codeartifact:ReadFromRepository")
    with pytest.raises(RefusedError, match="ReadFromRepository"):
        _ping(packages, f"Bearer {token}")


def test_a_token_outlives_its_session_unless_it_is_bound(packages: Tenant) -> None:
    """A duration counts from the call; 0 is the end of the session."""
    session = packages.session(DurationSeconds=900)
    long = _token(packages, by=session, durationSeconds=3600)
    bound = _token(packages, by=session, durationSeconds=0)
    assert abs((bound["expiration"] - session.expires_at).total_seconds()) <= 1
    packages.cloud.set_clock(offset_seconds=901)
    assert _ping(packages, f"Bearer {long['authorizationToken']}") == {}
    with pytest.raises(RefusedError, match="expired"):
        _ping(packages, f"Bearer {bound['authorizationToken']}")
    packages.cloud.set_clock(offset_seconds=3601)
    with pytest.raises(RefusedError, match="expired"):
        _ping(packages, f"Bearer {long['authorizationToken']}")


@pytest.mark.parametrize("seconds", [1, 899, 43_201])
def test_a_lifetime_out_of_bounds_is_refused(packages: Tenant, seconds: int) -> None:
    """0, or 15 minutes to 12 hours."""
    with pytest.raises(ClientError, match="ValidationException"):
        _token(packages, durationSeconds=seconds)


@pytest.mark.parametrize(
    "lacking", ["codeartifact:GetAuthorizationToken", "sts:GetServiceBearerToken"]
)
def test_each_permission_is_needed(packages: Tenant, lacking: str) -> None:
    """The error names the action."""
    _permit(packages, lacking)
    with pytest.raises(ClientError, match=f"AccessDeniedException.*{lacking}"):
        _token(packages)


def test_a_domain_belongs_to_one_account_and_region(packages: Tenant) -> None:
    """Another owner needs another permission; a domain that is missing is reported."""
    with pytest.raises(ClientError, match="999999999999:domain/my-domain"):
        _token(packages, domainOwner="999999999999")
    packages.cloud.put_role_policy(
        role=packages.role_name, name="all", document=allow("codeartifact:*")
    )
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*does not exist"):
        _token(packages, domain="no-such-domain")


def test_a_session_that_has_ended_gets_no_token(packages: Tenant) -> None:
    """And neither does a changed signature."""
    session = packages.session(DurationSeconds=900)
    forged = Temporary(session.access_key_id, "x" * 40, session.token, session.expires_at)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        _token(packages, by=forged)
    packages.cloud.set_clock(offset_seconds=901)
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        _token(packages, by=session)
