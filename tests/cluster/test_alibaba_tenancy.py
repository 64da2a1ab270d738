"""What a tenant of Alibaba Cloud may not borrow: commands, files, the operator, its network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.clouds.alibaba.credentials_uris import UriAnswer
from tests.cluster.alibaba import PROVIDER, AlibabaTenant, cli_config
from tests.cluster.alibaba_scene import ROOT, Scene, reported
from tests.cluster.tenants import Document, condition


@pytest.mark.parametrize(
    ("profiles", "says"),
    [
        (
            [
                {"name": "a", "mode": "ChainableRamRoleArn", "source_profile": "b"},
                {"name": "b", "mode": "ChainableRamRoleArn", "source_profile": "a"},
            ],
            "in a cycle",
        ),
        ([{"name": "a", "mode": "External", "process_command": "id"}], "External, which runs a"),
        ([{"name": "a", "mode": "CloudSSO"}], "CloudSSO, which needs a person and a browser"),
        ([{"name": "a", "mode": "OAuth"}], "OAuth, which needs a person and a browser"),
        ([{"name": "a", "mode": "AK"}], "the profile has no access_key_id"),
        ([{"name": "b", "mode": "AK"}], "there is no profile of the name"),
        (
            [
                {
                    "name": "a",
                    "mode": "OIDC",
                    "oidc_provider_arn": PROVIDER,
                    "ram_role_arn": "acs:ram::1234567890123456:role/a",
                    "oidc_token_file": "/var/run/secrets/kubernetes.io/serviceaccount/token",
                }
            ],
            "spec.alibabaCloud.profile.serviceAccountRef: ",
        ),
        ([{"name": "a", "mode": "EcsRamRole"}], "start the operator with --allow-ambient"),
    ],
    ids=["cycle", "external", "sso", "oauth", "no key", "no profile", "token file", "node"],
)
def test_a_profile_that_cannot_be_used_is_stalled(
    alibaba_tenant: AlibabaTenant, profiles: list[Document], says: str
) -> None:
    """The profile, and what is wrong with it; nothing was run, read or asked for it."""
    role = {"ram_role_arn": "acs:ram::1234567890123456:role/a"}
    full = [{**role, **profile} for profile in profiles]
    alibaba_tenant.create_secret(name="files", **{"config.json": cli_config(*full, current="a")})
    alibaba_tenant.apply(
        alibaba_tenant.alibaba_source(profile={"secretRef": {"name": "files"}}),
        alibaba_tenant.credentials(),
    )
    for status in (
        alibaba_tenant.source_reported("Stalled", name="alibaba"),
        alibaba_tenant.reported("Stalled", name="credentials"),
    ):
        message = condition(status, "Stalled")["message"]
        assert says in message
        assert f"{ROOT}.profile" in message


@pytest.mark.parametrize("way", ["defaultChain", "ecsRamRole"])
def test_the_operator_lends_nothing_of_its_own(alibaba_tenant: AlibabaTenant, way: str) -> None:
    """Neither its environment nor its node's role; the flag is named."""
    spec: Document = {way: {}}
    alibaba_tenant.apply(alibaba_tenant.alibaba_source(**spec), alibaba_tenant.credentials())
    status = alibaba_tenant.reported("Stalled", reason="AmbientNotAllowed", name="credentials")
    message = condition(status, "Stalled")["message"]
    assert message.startswith(f"{ROOT}.{way}: ")
    assert "--allow-ambient" in message


def test_a_uri_outside_the_list_is_never_asked(alibaba_tenant: AlibabaTenant, scene: Scene) -> None:
    """Not even the one of the operator's own environment."""
    alibaba_tenant.apply(
        alibaba_tenant.alibaba_source(credentialsUri={"uri": scene.unlisted}),
        alibaba_tenant.credentials(),
    )
    status = alibaba_tenant.reported("Stalled", reason="UriNotAllowed", name="credentials")
    message = condition(status, "Stalled")["message"]
    assert message.startswith(f"{ROOT}.credentialsUri.uri: ")
    assert "--allow-credentials-uri" in message
    path = scene.unlisted[scene.unlisted.index("/credentials/") :]
    calls = scene.world.alibaba.calls(service="credentials-uri")
    assert path not in {call.parameters["path"] for call in calls}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (UriAnswer.REDIRECT, "redirects (HTTP 302), and no redirect is followed"),
        (UriAnswer.LARGE, "the answer has more than 64 KiB"),
        (UriAnswer.NOT_JSON, "answers with something else than credentials"),
        (UriAnswer.NO_OBJECT, "answers with something else than credentials"),
        (UriAnswer.NO_TOKEN, "answers with something else than credentials"),
        (UriAnswer.FAILED, "answers with something else than credentials"),
        (UriAnswer.ENDED, "are over since"),
    ],
    ids=str,
)
def test_a_uri_that_answers_wrongly_is_told_and_heals(
    alibaba_tenant: AlibabaTenant, scene: Scene, answer: UriAnswer, says: str
) -> None:
    """No redirect is followed and no long answer read; what was answered is not quoted."""
    with _answering(scene, answer):
        alibaba_tenant.apply(
            alibaba_tenant.alibaba_source(credentialsUri={"uri": scene.listed}),
            alibaba_tenant.credentials(),
        )
        status = alibaba_tenant.reported("Ready", status="False", name="credentials")
        message = condition(status, "Ready")["message"]
        assert message.startswith(f"{ROOT}.credentialsUri.uri: ")
        assert says in message
    alibaba_tenant.ready(name="credentials", seconds=60)


def test_a_uri_that_never_answers_holds_nothing_up(
    alibaba_tenant: AlibabaTenant, scene: Scene
) -> None:
    """The source's readTimeout is real."""
    scene.world.alibaba.delay("credentials-uri", "GetCredentials", seconds=30)
    spec = {"credentialsUri": {"uri": scene.listed}, "readTimeout": "500ms"}
    message = reported(alibaba_tenant, spec, reason="CredentialsUriFailed")
    assert "did not answer in time" in message


@contextmanager
def _answering(scene: Scene, answer: UriAnswer) -> Iterator[None]:
    scene.world.alibaba.change_credentials_uri(scene.listed, answer=answer)
    try:
        yield
    finally:
        scene.world.alibaba.change_credentials_uri(scene.listed, answer=UriAnswer.GOOD)
