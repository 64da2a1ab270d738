"""Amazon ECR: boto3 gets a login, crane pulls with it, and mistakes are refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.clouds.aws.ecr import IMAGE
from testbed.readers import container_tools
from testbed.readers.answers import Answer
from testbed.readers.tunnels import RefusedError, Tunnel
from tests.testbed.world import ACCOUNT, REGION, Temporary, Tenant, allow

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
REPOSITORY = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{IMAGE}"
LOGIN, MANIFEST, BLOB = (
    f"ecr:{name}" for name in ("GetAuthorizationToken", "BatchGetImage", "GetDownloadUrlForLayer")
)


def _permit(tenant: Tenant, *lacking: str) -> None:
    parts = {
        LOGIN: allow(LOGIN),
        MANIFEST: allow(MANIFEST, resource=REPOSITORY),
        BLOB: allow(BLOB, resource=REPOSITORY),
    }
    statements = [each["Statement"][0] for name, each in parts.items() if name not in lacking]
    tenant.cloud.put_role_policy(
        role=tenant.role_name,
        name="registry",
        document={"Version": "2012-10-17", "Statement": statements},
    )


@pytest.fixture
def registry(tenant: Tenant) -> Tenant:
    """A role that may pull from one repository."""
    _permit(tenant)
    return tenant


def _data(tenant: Tenant, *, by: Temporary | None = None) -> Any:
    client = tenant.client("ecr", credentials=by or tenant.session())
    (found,) = client.get_authorization_token()["authorizationData"]
    return found


def _pull(tenant: Tenant, token: str, *, host: str = HOST) -> Answer:
    config = json.dumps({"auths": {host: {"auth": token}}})
    return container_tools.call(
        {".dockerconfigjson": config},
        image=f"{host}/{IMAGE}:1.0",
        cloud_environment=tenant.cloud.client_environment(),
    )


def test_an_image_is_pulled(registry: Tenant) -> None:
    """With the login in the answer, at the registry in it."""
    data = _data(registry)
    assert data["proxyEndpoint"] == f"https://{HOST}"
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    answer = _pull(registry, data["authorizationToken"])
    assert answer.error is None
    assert json.loads(answer.text)["os"] == "linux"


def _version_check(tenant: Tenant, authorization: str, *, host: str = HOST) -> Any:
    tunnel = Tunnel(host, cloud_environment=tenant.cloud.client_environment())
    try:
        return tunnel.ask("GET", "/v2/", headers={"Authorization": authorization}, body=None)
    finally:
        tunnel.close()


def test_the_version_check_needs_a_login_and_no_permission(registry: Tenant) -> None:
    """With the user name AWS, in the Region of the login."""
    _permit(registry, MANIFEST, BLOB)
    token = _data(registry)["authorizationToken"]
    assert _version_check(registry, f"Basic {token}") == {}
    password = base64.b64decode(token).decode().partition(":")[2]
    other = base64.b64encode(f"aws:{password}".encode()).decode()
    for wrong in (f"Basic {other}", f"Bearer {token}", "Basic %", ""):
        with pytest.raises(RefusedError, match="401"):
            _version_check(registry, wrong)
    elsewhere = HOST.replace(REGION, "eu-west-1")
    with pytest.raises(RefusedError, match="401"):
        _version_check(registry, f"Basic {token}", host=elsewhere)


@pytest.mark.parametrize("lacking", [MANIFEST, BLOB])
def test_a_pull_needs_each_permission(registry: Tenant, lacking: str) -> None:
    """As they are at the time of the pull; the program shows AWS's words."""
    token = _data(registry)["authorizationToken"]
    _permit(registry, lacking)
    assert f"is not authorized to perform: {lacking}" in (_pull(registry, token).error or "")


def test_the_registry_of_another_account_needs_its_own_permission(registry: Tenant) -> None:
    """The same login is known there."""
    token = _data(registry)["authorizationToken"]
    host = HOST.replace(ACCOUNT, "999999999999")
    refused = _pull(registry, token, host=host).error or ""
    assert "999999999999:repository/team/app" in refused


def test_a_login_needs_its_permission_on_everything(registry: Tenant) -> None:
    """The error names the resource `*`."""
    _permit(registry, LOGIN)
    with pytest.raises(ClientError, match=rf"AccessDeniedException.*{LOGIN} on resource: \*"):
        _data(registry)


def test_a_login_is_valid_for_twelve_hours(registry: Tenant) -> None:
    """Whatever session has requested it; then the registry says that it has expired."""
    session = registry.session(DurationSeconds=900)
    token = _data(registry, by=session)["authorizationToken"]
    registry.cloud.set_clock(offset_seconds=12 * 3600 - 60)
    assert _version_check(registry, f"Basic {token}") == {}
    registry.cloud.set_clock(offset_seconds=12 * 3600 + 1)
    with pytest.raises(RefusedError, match=r"403.*authorization token has expired"):
        _version_check(registry, f"Basic {token}")


def test_a_session_that_has_ended_gets_no_login(registry: Tenant) -> None:
    """And neither does a changed signature."""
    session = registry.session(DurationSeconds=900)
    forged = Temporary(session.access_key_id, "x" * 40, session.token, session.expires_at)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        _data(registry, by=forged)
    registry.cloud.set_clock(offset_seconds=901)
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        _data(registry, by=session)
