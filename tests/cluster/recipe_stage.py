"""One world in which every recipe is applied: identities, grants, and consumers' objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from keywright.cli.policies.holders import CloudFacts
from keywright.cli.policies.model import UNKNOWN_ACCOUNT, Holder, HolderKind
from testbed.clouds.aws.cloud import ACCOUNT, DeployedApi
from testbed.readers.http_api import URL
from testbed.world import ROOT, Vendor, World
from tests.cluster.eventually import eventually
from tests.cluster.explained import holders_of_folder
from tests.cluster.tenants import Document, Tenant
from tests.cluster.worlds import MakeWorld
from tools.reference.recipes import Recipe, recipes

CONSUMER_CRDS = tuple(sorted((ROOT / "tests" / "data" / "consumers").glob("*.yaml")))
_CUSTOM = "/apis/keywright.dev/v1alpha1"
_READY_SECONDS = 60


@dataclass(frozen=True)
class Stage:
    """The world, the API that gateways call, and the Secrets as the consumers see them."""

    world: World
    api: DeployedApi

    def objects(self, recipe: Recipe) -> list[Document]:
        """The objects of a recipe as the API server returns them."""
        path_of = self.world.api.path_of
        return [self.world.api.get(path_of(document)) for document in recipe.documents()]

    def consumer(self, recipe: Recipe, kind: str) -> Document:
        """The consumer's object of this kind."""
        (found,) = (body for body in self.objects(recipe) if body["kind"] == kind)
        return found

    def secret(self, *, namespace: str, name: str) -> dict[str, str]:
        """The values of a Secret."""
        tenant = Tenant(self.world)
        tenant.namespace = namespace
        return tenant.data(name)

    def client_environment(self) -> dict[str, str]:
        """What an SDK needs to reach the clouds, and the address of the API."""
        return {**self.world.client_environment(), URL: f"{self.api.url}/orders"}


@contextmanager
def set_up(make_world: MakeWorld) -> Iterator[Stage]:
    """Apply every recipe with the policies of `keywright explain`, and wait until all are Ready."""
    with make_world(providers=[Vendor.AWS, Vendor.ALIBABA]) as world:
        api = world.aws.deploy_api(name="orders", region="us-west-2", api_id="a1b2c3d4e5")
        world.operator().start()
        world.api.apply_files(CONSUMER_CRDS)
        eventually(lambda: _are_served(world), seconds=_READY_SECONDS)
        for recipe in recipes():
            _create_holders(world, recipe)
        for recipe in recipes():
            for document in recipe.documents():
                apply_strictly(world, document)
        eventually(lambda: _not_ready(world) == [], seconds=_READY_SECONDS)
        yield Stage(world, api)


def apply_strictly(world: World, document: Document) -> None:
    """A server-side apply that refuses unknown fields, as `kubectl apply` does."""
    world.api.request(
        "PATCH",
        world.api.path_of(document),
        body=document,
        content_type="application/apply-patch+yaml",
        query={"fieldManager": "recipes", "force": "true", "fieldValidation": "Strict"},
    )


def apply_namespace(world: World, name: str) -> None:
    """A namespace."""
    world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _are_served(world: World) -> bool:
    for file in CONSUMER_CRDS:
        name = _definition_name(file.read_text())
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        conditions = world.api.get(path).get("status", {}).get("conditions", [])
        if not any(
            each["type"] == "Established" and each["status"] == "True" for each in conditions
        ):
            return False
    return True


def _definition_name(text: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith("  name: "))
    return line.removeprefix("  name: ")


def _not_ready(world: World) -> list[str]:
    found = []
    for recipe in recipes():
        for document in recipe.documents():
            if document["kind"] == "ApiKeyGrant":
                grant = world.api.get(world.api.path_of(document))
                conditions = grant.get("status", {}).get("conditions", [])
                if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                    found.append(recipe.name)
    return found


def _create_holders(world: World, recipe: Recipe) -> None:
    """The roles of a recipe, with the policies that `keywright explain` prints and no others."""
    is_aws = not any("alibabaCloud" in json.dumps(body) for body in recipe.documents())
    facts = CloudFacts(world.cluster.issuer, ACCOUNT if is_aws else UNKNOWN_ACCOUNT)
    for holder in holders_of_folder(recipe.folder, facts).found.values():
        assert holder.kind is HolderKind.ROLE, recipe.name
        _create_role(world, holder, is_aws=is_aws)


def _create_role(world: World, holder: Holder, *, is_aws: bool) -> None:
    documents = holder.documents
    permissions = documents.get("permissions")
    cloud: Any = world.aws if is_aws else world.alibaba
    cloud.create_role(
        name=holder.name,
        trust_policy=documents["trust"],
        policies={} if permissions is None else {"permissions": permissions},
        max_session_seconds=holder.max_session_seconds,
    )
