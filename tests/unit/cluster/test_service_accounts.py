"""Tokens of ServiceAccounts, and what is said where there is none."""

from collections.abc import Awaitable

import pytest

from keywright.api.errors import ApiError, Failure, FailureClass
from keywright.cluster.service_accounts import ServiceAccounts, token_forbidden
from testbed.documents import documents
from testbed.world import EXAMPLES
from tests.unit.fakes.kubernetes import KubernetesInMemory

COLLECTION = "/api/v1/namespaces/chat/serviceaccounts"


def test_the_proposed_role_has_the_name_that_the_examples_use() -> None:
    """So that following the message and applying the example later makes one Role, not two."""
    remedy = token_forbidden(namespace="chat", name="chat-bedrock").remedy
    found = [
        document
        for file in EXAMPLES.rglob("*.yaml")
        for document in documents(file.read_text())
        if document.get("kind") == "Role"
        and document["rules"][0]["resources"] == ["serviceaccounts/token"]
    ]
    assert found
    for role in found:
        (account,) = role["rules"][0]["resourceNames"]
        assert role["metadata"]["name"] == f"keywright-token-{account}"
    assert "create role keywright-token-chat-bedrock " in remedy
    assert "--role=keywright-token-chat-bedrock " in remedy


def test_the_two_proposed_roles_of_a_serviceaccount_differ() -> None:
    """`kubectl create role` fails if the Role exists."""
    reads = token_forbidden(namespace="chat", name="a", verb="get").remedy
    assert "create role keywright-serviceaccount-a " in reads


@pytest.fixture
def api() -> KubernetesInMemory:
    """A cluster with two ServiceAccounts."""
    made = KubernetesInMemory()
    annotations = {"eks.amazonaws.com/role-arn": "arn"}
    made.put(COLLECTION, {"metadata": {"name": "marked", "annotations": annotations}})
    made.put(COLLECTION, {"metadata": {"name": "plain"}})
    return made


async def test_a_token_is_for_one_audience_and_ten_minutes(api: KubernetesInMemory) -> None:
    """Rule 10: of the requested namespace, and its repr shows no token."""
    token = await ServiceAccounts(api).token(namespace="chat", name="plain", audience="sts")
    assert token.reveal() == "token for sts"
    assert "token for" not in repr(token)
    (requested,) = api.requested
    assert (requested.method, requested.path) == ("POST", f"{COLLECTION}/plain/token")
    assert requested.body["spec"] == {"audiences": ["sts"], "expirationSeconds": 600}


async def test_a_token_may_be_requested_for_longer(api: KubernetesInMemory) -> None:
    """Some vendors issue no token that outlives the exchanged one for long."""
    accounts = ServiceAccounts(api)
    await accounts.token(namespace="chat", name="plain", audience="sts", seconds=3600)
    (requested,) = api.requested
    assert requested.body["spec"]["expirationSeconds"] == 3600


async def test_annotations_may_be_none(api: KubernetesInMemory) -> None:
    """They are a mapping all the same."""
    accounts = ServiceAccounts(api)
    assert await accounts.annotations(namespace="chat", name="plain") == {}
    found = await accounts.annotations(namespace="chat", name="marked")
    assert found == {"eks.amazonaws.com/role-arn": "arn"}


@pytest.mark.parametrize(
    ("what", "status", "reason", "words"),
    [
        ("token", 404, "ServiceAccountNotFound", ["no ServiceAccount plain", "chat", "Create it"]),
        ("annotations", 404, "ServiceAccountNotFound", ["no ServiceAccount plain"]),
        (
            "token",
            403,
            "TokenRequestForbidden",
            ["kubectl create role", "--resource=serviceaccounts/token", "--resource-name=plain"],
        ),
        (
            "annotations",
            403,
            "TokenRequestForbidden",
            ["get serviceaccounts of plain", "--verb=get"],
        ),
    ],
)
async def test_what_is_missing_is_told_with_its_cure(
    api: KubernetesInMemory, what: str, status: int, *, reason: str, words: list[str]
) -> None:
    """The ServiceAccount, or the Role that lets us ask for its token."""
    api.answers.append(("plain", ApiError(status=status, reason="", message="")))
    accounts = ServiceAccounts(api)
    requested: Awaitable[object] = (
        accounts.token(namespace="chat", name="plain", audience="sts")
        if what == "token"
        else accounts.annotations(namespace="chat", name="plain")
    )
    with pytest.raises(Failure) as raised:
        await requested
    failure = raised.value
    assert failure.reason == reason
    assert "serviceAccountRef.name" in failure.field
    assert [word for word in words if word not in failure.message_with_remedy()] == []


async def test_a_misspelt_service_account_is_no_missing_right(api: KubernetesInMemory) -> None:
    """RBAC refuses the token of what is not there as well."""
    refused = ApiError(status=403, reason="Forbidden", message="")
    api.answers.append((f"POST {COLLECTION}/plane/token", refused))
    with pytest.raises(Failure) as raised:
        await ServiceAccounts(api).token(namespace="chat", name="plane", audience="sts")
    assert raised.value.reason == "ServiceAccountNotFound"


async def test_other_refusals_are_the_api_servers(api: KubernetesInMemory) -> None:
    """They are reported as failures of the token, not the Secret, and retried."""
    api.answers.append(("token", ApiError(status=500, reason="", message="boom")))
    with pytest.raises(Failure) as raised:
        await ServiceAccounts(api).token(namespace="chat", name="plain", audience="sts")
    failure = raised.value
    assert (failure.kind, failure.reason) == (FailureClass.TRANSIENT, "TokenRequestFailed")
    assert "boom" in failure.message_with_remedy()


@pytest.mark.parametrize(
    "audience", ["https://kubernetes.default.svc", "https://api.example.com"], ids=["usual", "ours"]
)
async def test_no_token_is_asked_for_that_the_api_server_would_take(
    api: KubernetesInMemory, audience: str
) -> None:
    """Rule 10: a source says what a ServiceAccount is in a cloud, and never in the cluster."""
    with pytest.raises(Failure) as refused:
        await ServiceAccounts(api).token(namespace="chat", name="plain", audience=audience)
    assert refused.value.kind is FailureClass.CONFIGURATION
    assert audience in refused.value.message
    assert "serviceAccountRef.audiences" in refused.value.field
    assert api.requested == []
