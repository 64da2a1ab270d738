"""Every recipe, applied to a real API server and read back as its consumer does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from openai import PermissionDeniedError

from testbed.clouds.alibaba.cloud import ACCOUNT as ALIBABA_ACCOUNT
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clusters.api import ApiError
from testbed.documents import documents
from testbed.go_tools import TOOLS, NoGoError, go_tool
from testbed.world import EXAMPLES
from tests.cluster.recipe_chat import chat
from tests.cluster.recipe_clients import (
    CLIENTS,
    LITELLM,
    SDKS,
    NotInstalledError,
    Programs,
    install,
)
from tests.cluster.recipe_readers import READERS
from tests.cluster.recipe_stage import Stage, apply_namespace, apply_strictly, set_up
from tests.cluster.tenants import Document
from tests.cluster.tier import without_tool
from tests.cluster.worlds import MakeWorld
from tools.reference.recipes import FOLDER, Recipe, recipes

_OUTCOMES = (
    "You said: ",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/",
    f"acs:ram::{ALIBABA_ACCOUNT}:assumed-role/",
    '{"',
)
"""An answer of a model, the identity of the caller in a cloud, or the JSON of an API."""


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """All recipes, applied and Ready."""
    with set_up(make_world) as made:
        yield made


@pytest.fixture(scope="module")
def programs(request: pytest.FixtureRequest) -> Programs:
    """The programs that the tests' own environment lacks."""
    try:
        return Programs(
            install(SDKS), install(LITELLM), go_tool("awsfile", module=TOOLS / "awsfile")
        )
    except NotInstalledError as error:
        without_tool(
            request.config, "the programs of locks/recipes.txt and locks/litellm.txt", str(error)
        )
    except NoGoError as error:
        without_tool(request.config, "awsfile", str(error))


def test_every_recipe_has_a_row_and_a_reader() -> None:
    """A folder without a row, or a row without a reader, fails."""
    folders = {folder.name for folder in FOLDER.iterdir() if folder.is_dir()}
    assert folders == {recipe.name for recipe in recipes()}
    assert {recipe.reader for recipe in recipes()} == {*READERS, *CLIENTS}


def _is_read(name: str, response: str) -> None:
    assert response.startswith(_OUTCOMES), name
    if "assumed-role" in response:
        assert f"assumed-role/{name}/" in response


@pytest.mark.parametrize(
    "recipe", [each for each in recipes() if each.reader in READERS], ids=lambda each: each.name
)
def test_a_recipe_is_read_by_code_from_the_source(stage: Stage, recipe: Recipe) -> None:
    """What the consumer reads is a credential that the cloud accepts."""
    _is_read(recipe.name, READERS[recipe.reader](stage, recipe))


@pytest.mark.long
@pytest.mark.parametrize(
    "recipe", [each for each in recipes() if each.reader in CLIENTS], ids=lambda each: each.name
)
def test_a_recipe_is_read_by_a_program(stage: Stage, recipe: Recipe, programs: Programs) -> None:
    """The consumer's program or SDK, or that of its protocol, gets a response of the cloud."""
    _is_read(recipe.name, CLIENTS[recipe.reader](stage, recipe, programs))


_CHOSEN_BY_USERS = {"envoy-ai-gateway", "higress", "librechat", "n8n", "open-webui"}
"""Recipes whose users choose the models: their keys are limited by the policy of the role alone."""
_OTHER_MODEL = "openai.gpt-oss-20b-1:0"


def _bedrock_grants(recipe: Recipe) -> list[Document]:
    return [each for each in recipe.documents() if "bedrockShortTermKey" in each.get("spec", {})]


def test_a_recipe_whose_models_are_known_limits_its_key_to_them() -> None:
    """Least privilege; the other recipes are listed here."""
    unlimited = {
        recipe.name
        for recipe in recipes()
        for grant in _bedrock_grants(recipe)
        if not grant["spec"]["bedrockShortTermKey"].get("allowedModels")
    }
    assert unlimited == _CHOSEN_BY_USERS


@pytest.mark.parametrize(
    "recipe",
    [each for each in recipes() if _bedrock_grants(each) and each.name not in _CHOSEN_BY_USERS],
    ids=lambda each: each.name,
)
def test_the_key_of_a_recipe_is_refused_for_another_model(stage: Stage, recipe: Recipe) -> None:
    """Although the role can invoke it: the key of a recipe without a limit works for it."""
    url = "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1"

    def ask(of: str) -> str:
        (key,) = {
            found[0]
            for value in stage.secret(namespace=of, name=f"{of}-key").values()
            if (found := re.findall(r"bedrock-api-key-[\w=]+", value))
        }
        return chat(stage, base_url=url, api_key=key, model=_OTHER_MODEL)

    with pytest.raises(PermissionDeniedError, match="not authorized"):
        ask(recipe.name)
    assert ask("n8n").startswith("You said: ")


def test_a_created_usage_plan_of_a_recipe_limits_its_requests() -> None:
    """A key without a limit can use up what all callers of the API share."""
    plans = [
        grant["spec"]["apiGatewayKey"]["usagePlan"]["create"]
        for recipe in recipes()
        for grant in recipe.documents()
        if "apiGatewayKey" in grant.get("spec", {})
    ]
    assert len(plans) == 3
    for plan in plans:
        assert plan["throttle"].keys() == {"rateLimit", "burstLimit"}
    assert any("quota" in plan for plan in plans)


def test_the_bridges_are_valid_for_external_secrets(stage: Stage) -> None:
    """Every object of examples/bridges/ passes the schemas of its API group."""
    kinds = set()
    for file in sorted((EXAMPLES / "bridges").rglob("*.yaml")):
        for document in documents(file.read_text()):
            apply_namespace(stage.world, document["metadata"]["namespace"])
            apply_strictly(stage.world, document)
            kinds.add(document["kind"])
    assert {"PushSecret", "SecretStore", "ExternalSecret", "Deployment"} <= kinds


def test_an_invalid_object_of_a_consumer_is_refused(stage: Stage) -> None:
    """The schemas of the consumers are not empty: one field too many, and one rule broken."""
    (push,) = documents((EXAMPLES / "bridges/push-to-a-store/pushsecret.yaml").read_text())
    push["spec"]["refreshintervall"] = "1h"
    with pytest.raises(ApiError, match="refreshintervall"):
        apply_strictly(stage.world, push)
    (policy,) = documents((FOLDER / "envoy-ai-gateway/consumer.yaml").read_text())
    policy["spec"]["type"] = "AWSCredentials"
    with pytest.raises(ApiError, match="only awsCredentials field should be set"):
        apply_strictly(stage.world, policy)
