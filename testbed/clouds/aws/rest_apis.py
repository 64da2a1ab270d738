"""The REST APIs of API Gateway: resources, methods, deployments, stages."""

from __future__ import annotations

import copy
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import apigateway_refusals as refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.clock import Clock

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id(length: int = 10) -> str:
    """Generate an ID in the format of API Gateway."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


@dataclass(slots=True)
class Resource:
    """One path; `methods` has for each method whether it needs a key."""

    id: str
    parent_id: str | None
    path: str
    methods: dict[str, bool] = field(default_factory=dict)

    def to_api(self) -> dict[str, Any]:
        """The resource in the format of GetResources."""
        content: dict[str, Any] = {"id": self.id, "path": self.path}
        if self.parent_id is not None:
            content |= {"parentId": self.parent_id, "pathPart": self.path.rpartition("/")[2]}
        if self.methods:
            content["resourceMethods"] = {name: {} for name in self.methods}
        return content


@dataclass(slots=True)
class RestApi:
    """An API. A deployment is a copy of its resources, a stage the name of a deployment."""

    id: str
    name: str
    created: float
    tags: dict[str, str]
    resources: dict[str, Resource] = field(default_factory=dict)
    deployments: dict[str, list[Resource]] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)

    def to_api(self) -> dict[str, Any]:
        """The API in the format of GetRestApi."""
        root = next(item.id for item in self.resources.values() if item.path == "/")
        return {
            "id": self.id,
            "name": self.name,
            "createdDate": int(self.created),
            "rootResourceId": root,
            "apiKeySource": "HEADER",
            "tags": self.tags,
        }

    def stage_to_api(self, name: str) -> dict[str, Any]:
        """The stage in the format of GetStage."""
        if name not in self.stages:
            raise refusals.not_found("Invalid stage identifier specified")
        return {"stageName": name, "deploymentId": self.stages[name]}

    def deployed(self, stage: str) -> list[Resource] | None:
        """The resources at a stage, None if there is no such stage."""
        deployment = self.stages.get(stage)
        return None if deployment is None else self.deployments[deployment]


class RestApis:
    """The APIs of one account and region."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.apis: dict[str, RestApi] = {}

    def find(self, api_id: str) -> RestApi:
        """The API; raises CloudError NotFoundException."""
        if api_id not in self.apis:
            raise refusals.not_found("Invalid API identifier specified")
        return self.apis[api_id]

    def has_stage(self, api_id: str, stage: str) -> bool:
        """Whether the API is deployed there."""
        return api_id in self.apis and stage in self.apis[api_id].stages

    def create(self, body: Mapping[str, Any], *, api_id: str | None = None) -> dict[str, Any]:
        """CreateRestApi, with its root resource; with an ID that a test chooses, if any."""
        if not body.get("name"):
            raise refusals.bad_request("Invalid API name specified")  # [U] the message
        api = RestApi(
            id=api_id or new_id(),
            name=body["name"],
            created=self._clock.now(),
            tags=body.get("tags") or {},
        )
        root = Resource(id=new_id(), parent_id=None, path="/")
        api.resources[root.id] = root
        self.apis[api.id] = api
        return api.to_api()

    def create_resource(
        self, body: Mapping[str, Any], *, api: str, resource: str
    ) -> dict[str, Any]:
        """CreateResource below another one."""
        found = self.find(api)
        parent = _resource(found, resource)
        path = f"{parent.path.rstrip('/')}/{body.get('pathPart', '')}"
        if path in {item.path for item in found.resources.values()}:
            raise refusals.conflict(
                "Another resource with the same parent already has this name: "
                f"{body.get('pathPart')}"
            )
        made = Resource(id=new_id(6), parent_id=parent.id, path=path)
        found.resources[made.id] = made
        return made.to_api()

    def put_method(
        self, body: Mapping[str, Any], *, api: str, resource: str, method: str
    ) -> dict[str, Any]:
        """PutMethod; only apiKeyRequired is used."""
        required = bool(body.get("apiKeyRequired"))
        _resource(self.find(api), resource).methods[method] = required
        return {
            "httpMethod": method,
            "authorizationType": body.get("authorizationType", "NONE"),
            "apiKeyRequired": required,
        }

    def put_integration(
        self, body: Mapping[str, Any], *, api: str, resource: str, method: str
    ) -> dict[str, Any]:
        """PutIntegration: accepted, and every method behaves like a mock."""
        if method not in _resource(self.find(api), resource).methods:
            raise refusals.not_found("Invalid Method identifier specified")
        return {"type": body.get("type", "MOCK"), "httpMethod": method}

    def create_deployment(self, body: Mapping[str, Any], *, api: str) -> dict[str, Any]:
        """CreateDeployment, and the stage if it is named."""
        found = self.find(api)
        if not any(item.methods for item in found.resources.values()):
            raise refusals.bad_request("The REST API doesn't contain any methods")
        deployment = new_id(6)
        found.deployments[deployment] = copy.deepcopy(list(found.resources.values()))
        if body.get("stageName"):
            found.stages[body["stageName"]] = deployment
        return {"id": deployment, "createdDate": int(self._clock.now())}

    def create_stage(self, body: Mapping[str, Any], *, api: str) -> dict[str, Any]:
        """CreateStage for a deployment."""
        found, name = self.find(api), body.get("stageName", "")
        if body.get("deploymentId") not in found.deployments:
            raise refusals.not_found("Invalid deployment identifier specified")
        if name in found.stages:
            raise refusals.conflict("Stage already exists")
        found.stages[name] = body["deploymentId"]
        return found.stage_to_api(name)


def _resource(api: RestApi, resource_id: str) -> Resource:
    if resource_id not in api.resources:
        raise refusals.not_found("Invalid Resource identifier specified")
    return api.resources[resource_id]
