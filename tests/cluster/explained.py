"""Examples with the policies of `keywright explain` alone, as copies that do not share anything.

Each copy has namespaces, roles, users and plans of its own, so that many run at the same time: one
with all policies, and one for each action that is removed from them.
"""

from __future__ import annotations

import base64
import copy
import http
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from keywright.api.source import Provider
from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import place
from keywright.cli.manifest_reader import read_paths
from keywright.cli.policies.holders import CloudFacts, Holders, holders_of
from keywright.cli.policies.model import UNKNOWN_ACCOUNT, Holder, HolderKind
from testbed.clouds.aws.claude_platform import MODELS
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clouds.aws.ecr import IMAGE
from testbed.clusters.api import ApiError
from testbed.readers import http_converse
from testbed.readers.answers import MODEL
from testbed.readers.tunnels import RefusedError, Tunnel
from testbed.world import EXAMPLES, World

Document = dict[str, Any]
_OWN = re.compile(r"(:role/|:policy/keywright-)([\w-]+)")
_REFUSED = re.compile(r"AccessDenied|NoPermission|not authorized|denied", re.IGNORECASE)
_CUSTOM = "/apis/keywright.dev/v1alpha1"
_ROLE_NAME = "pod-identity.alibabacloud.com/role-name"


class StepRefusedError(Exception):
    """A cloud refused a step."""


@dataclass(frozen=True, order=True)
class Removed:
    """An action of a statement; the holder is named by its number among those of the example."""

    holder: int
    part: str
    statement: int
    action: str

    def __str__(self) -> str:
        return f"{self.holder}-{self.part}-{self.statement}-{self.action}"


def holders_of_folder(folder: Path, facts: CloudFacts) -> Holders:
    """The holders of the manifests in a folder."""
    return holders_of(Inventory(tuple(place(read_paths([str(folder)])))), facts)


def actions_of(example: str) -> list[Removed]:
    """Every action of the policies of an example, without wildcards of a boundary."""
    return [
        Removed(number, part, index, action)
        for number, holder in enumerate(
            holders_of_folder(EXAMPLES / example, CloudFacts(account=ACCOUNT)).found.values()
        )
        for part, document in holder.documents.items()
        for index, statement in enumerate(document["Statement"])
        for action in _list(statement["Action"])
        if "*" not in action
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass
class Copy:
    """One copy of an example."""

    world: World
    example: str
    number: int
    removed: Removed | None
    folder: Path
    namespaces: set[str] = field(default_factory=set)
    grant: Document = field(default_factory=dict)
    step: int = 0

    def prepare(self) -> None:
        """Create what the cloud needs, with the explained policies, then apply the manifests."""
        objects = [self._moved(each) for each in self._documents()]
        self.folder.mkdir()
        (self.folder / "all.yaml").write_text(yaml.safe_dump_all(objects))
        alibaba = self.example.startswith("alibaba")
        account = UNKNOWN_ACCOUNT if alibaba else ACCOUNT
        facts = CloudFacts(self.world.cluster.issuer, account, f"user-{self.number}")
        secrets = [
            key
            for number, holder in enumerate(holders_of_folder(self.folder, facts).found.values())
            if (key := self._create(number, holder)) is not None
        ]
        for each in objects:
            if each["kind"] in {"Namespace", "ServiceAccount", "Role", "RoleBinding"}:
                self.world.api.apply(each)
        for each in objects:
            if each["kind"] == "CredentialSource":
                self._store_key(each, secrets)
                self.world.api.apply(each)
        for each in objects:
            if each["kind"] == "ApiKeyGrant":
                self.grant = each
                self._create_domain(each["spec"].get("codeArtifactToken"))
                self.world.api.apply(each)

    def _create_domain(self, token: Document | None) -> None:
        if token is not None:
            self.world.aws.create_package_domain(
                token["domain"], repositories=[token["repository"]], owner=token["domainOwner"]
            )

    def _documents(self) -> list[Document]:
        files = sorted((EXAMPLES / self.example).glob("*.yaml"))
        found = [
            body
            for file in files
            if file.name != "kustomization.yaml"
            for body in yaml.safe_load_all(file.read_text())
            if body["kind"] not in {"Pod", "Deployment"}
        ]
        named = [each["metadata"]["name"] for each in found if each["kind"] == "Namespace"]
        self.namespaces = set(named)
        return found

    def _moved(self, body: Document) -> Document:
        """The object with names of this copy."""
        text = _OWN.sub(rf"\1\2-{self.number}", json.dumps(body))
        moved: Document = json.loads(text)
        metadata, spec = moved["metadata"], moved.get("spec", {})
        if moved["kind"] == "Namespace":
            metadata["name"] = self._namespace(metadata["name"])
        else:
            metadata["namespace"] = self._namespace(metadata["namespace"])
        if _ROLE_NAME in metadata.get("annotations", {}):
            metadata["annotations"][_ROLE_NAME] += f"-{self.number}"
        if "namespace" in spec.get("sourceRef", {}):
            spec["sourceRef"]["namespace"] = self._namespace(spec["sourceRef"]["namespace"])
        spec.pop("rollout", None)
        spec.pop("probe", None)  # the refusals of readers name the action
        if "bedrockLongTermKey" in spec:
            spec["bedrockLongTermKey"]["user"]["name"] += f"-{self.number}"
            spec["bedrockLongTermKey"]["overlap"] = "2s"
        if "modelStudioKey" in spec:
            spec["modelStudioKey"]["overlap"] = "2s"
        if "apiGatewayKey" in spec:
            spec["apiGatewayKey"]["usagePlan"]["create"]["name"] += f"-{self.number}"
        return moved

    def _namespace(self, name: str) -> str:
        return f"{name}-{self.number}" if name in self.namespaces else name

    def _create(self, number: int, holder: Holder) -> Any:
        """Create a holder with its policies, without the removed action; the key of a user."""
        documents = copy.deepcopy(holder.documents)
        removed = self.removed
        if removed is not None and removed.holder == number:
            statement = documents[removed.part]["Statement"][removed.statement]
            left = [each for each in _list(statement["Action"]) if each != removed.action]
            # A statement needs an action: this one exists and is of no use here.
            statement["Action"] = left or ["sts:GetFederationToken"]
        permissions = documents.get("permissions")
        policies = {} if permissions is None else {"permissions": permissions}
        is_aws = holder.provider is Provider.AWS
        cloud: Any = self.world.aws if is_aws else self.world.alibaba
        if holder.kind is HolderKind.BOUNDARY:
            cloud.create_managed_policy(name=holder.name, document=permissions)
            return None
        where = {"account": holder.account} if is_aws else {}
        if holder.kind is HolderKind.USER:
            return cloud.create_user(name=holder.name, policies=policies, **where)
        cloud.create_role(
            name=holder.name,
            trust_policy=documents["trust"],
            policies=policies,
            max_session_seconds=holder.max_session_seconds,
            **where,
        )
        return None

    def _store_key(self, source: Document, keys: list[Any]) -> None:
        """The Secret with the static access key that a source names."""
        text = json.dumps(source["spec"])
        found = re.search(r'"secretRef": \{"name": "([^"]+)"', text)
        if found is None:
            return
        (key,) = keys
        prefix = "AWS_" if "aws" in source["spec"] else "ALIBABA_CLOUD_"
        secret = "SECRET_ACCESS_KEY" if prefix == "AWS_" else "ACCESS_KEY_SECRET"
        namespace = source["metadata"]["namespace"]
        self.world.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": found[1], "namespace": namespace},
                "stringData": {
                    f"{prefix}ACCESS_KEY_ID": key.access_key_id,
                    f"{prefix}{secret}": key.secret_key,
                },
            }
        )

    # ---- what a grant goes through

    @property
    def _path(self) -> str:
        metadata = self.grant["metadata"]
        return f"{_CUSTOM}/namespaces/{metadata['namespace']}/apikeygrants/{metadata['name']}"

    def steps(self) -> Iterator[Callable[[], bool]]:
        """What an example does for its user, each a condition to wait for."""
        yield self._is_settled
        spec = self.grant["spec"]
        if "bedrockShortTermKey" in spec or "bedrockLongTermKey" in spec:
            self._use_bedrock()
        elif "claudePlatformShortTermKey" in spec:
            self._use_claude_platform()
        elif "codeArtifactToken" in spec:
            self._ping_repository()
        elif "ecrToken" in spec:
            self._pull()
        elif spec.get("sessionCredentials", {}).get("policy") and "aws" in self._provider():
            self._list_models()
        if "bedrockLongTermKey" in spec:
            yield from self._edits(self._edits_of_long_term())
            yield from self._renewed_once()
        elif "modelStudioKey" in spec:
            yield from self._edits(iter([{"modelStudioKey": {"accessibleModels": ["qwen-plus"]}}]))
            yield from self._renewed_once()
        elif "apiGatewayKey" in spec:
            yield from self._edits(self._edits_of_gateway())
        else:
            return
        self.world.api.delete(self._path)
        yield self._is_gone

    def _renewed_once(self) -> Iterator[Callable[[], bool]]:
        """Another key, and the end of the old one."""
        metadata = {"annotations": {"keywright.dev/renew-requested-at": _now()}}
        self.world.api.merge(self._path, {"metadata": metadata})
        yield lambda: self._is_settled() and self._status().get("revision") == 2
        yield lambda: self._is_settled() and not self._status().get("retiring")

    def _provider(self) -> str:
        return "alibaba" if self.example.startswith("alibaba") else "aws"

    def _edits(self, edits: Iterator[Document]) -> Iterator[Callable[[], bool]]:
        for edit in edits:
            self.step += 1
            self.world.api.merge(self._path, {"spec": edit})
            yield self._is_settled

    def _edits_of_long_term(self) -> Iterator[Document]:
        """Each call of IAM that an edit can cause."""
        name = self.grant["spec"]["bedrockLongTermKey"]["user"]["name"]
        yield {"bedrockLongTermKey": {"allowedSourceCidrs": ["127.0.0.0/8"]}}
        admin = self.world.aws.administrator("iam")
        admin.delete_user_permissions_boundary(UserName=name)
        yield {"bedrockLongTermKey": {"user": {"tags": None}}}
        yield {"bedrockLongTermKey": {"allowedSourceCidrs": None}}

    def _edits_of_gateway(self) -> Iterator[Document]:
        """Each call of API Gateway that an edit can cause."""
        yield {"apiGatewayKey": {"description": "another", "tags": {"stage": "x"}}}
        yield {"apiGatewayKey": {"tags": None}}
        throttle = {"throttle": {"rateLimit": 10, "burstLimit": 20}}
        yield {"apiGatewayKey": {"usagePlan": {"create": throttle}}}

    def state(self) -> str:
        """The step and the conditions, for a copy that does not go on."""
        return f"step {self.step}: {self._status().get('conditions')}"

    def _status(self) -> Document:
        found: Document = self.world.api.get(self._path).get("status", {})
        return found

    def _is_settled(self) -> bool:
        """Whether the grant is Ready for its present spec; raises if a cloud has refused it."""
        body = self.world.api.get(self._path)
        status = body.get("status", {})
        conditions = {each["type"]: each for each in status.get("conditions", [])}
        _check_refusals(conditions)
        busy = {"Reconciling", "Stalled", "RenewalFailing"} & set(conditions)
        is_ready = conditions.get("Ready", {}).get("status") == "True"
        observed = status.get("observedGeneration") == body["metadata"]["generation"]
        return bool(is_ready and observed and not busy)

    def _is_gone(self) -> bool:
        try:
            status = self._status()
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            return True
        _check_refusals({each["type"]: each for each in status.get("conditions", [])})
        return False

    def _data(self) -> dict[str, str]:
        metadata = self.grant["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
        data = self.world.api.get(path)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def _use_bedrock(self) -> None:
        """Each call that the policies allow the readers of a key."""
        data = self._data()
        environment = self.world.aws.client_environment()
        answer = http_converse.call(data, cloud_environment=environment)
        if not answer.ok:
            raise StepRefusedError(str(answer.error))
        region, key = data["AWS_REGION"], data["AWS_BEARER_TOKEN_BEDROCK"]
        runtime = f"bedrock-runtime.{region}.amazonaws.com"
        mantle = f"bedrock-mantle.{region}.api.aws"
        chat = {"messages": [{"role": "user", "content": "?"}]}
        calls: list[tuple[str, str, str, Document | None]] = [
            (runtime, "POST", "/openai/v1/chat/completions", {"model": MODEL, **chat, "stream": 1}),
            (mantle, "POST", "/v1/chat/completions", {"model": "openai.gpt-oss-20b", **chat}),
        ]
        if "allowedModels" not in self.grant["spec"].get("bedrockShortTermKey", {}):
            calls.append((runtime, "GET", "/openai/v1/models", None))
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for host, method, path, body in calls:
            tunnel = Tunnel(host, cloud_environment=environment)
            try:
                text = None if body is None else json.dumps(body)
                tunnel.ask(method, path, headers=headers, body=text)
            except json.JSONDecodeError:
                pass  # a stream of events: only refusals are JSON
            except RefusedError as error:
                raise StepRefusedError(str(error)) from error
            finally:
                tunnel.close()

    def _ping_repository(self) -> None:
        """What the policies allow the readers of a token."""
        data = self._data()
        login, _, address = data["PIP_INDEX_URL"].partition("@")
        host, _, path = address.partition("/")
        headers = {"Authorization": f"Bearer {login.rpartition(':')[2]}"}
        tunnel = Tunnel(host, cloud_environment=self.world.aws.client_environment())
        try:
            tunnel.ask("GET", f"/npm/{path.split('/')[1]}/-/ping", headers=headers, body=None)
        except RefusedError as error:
            raise StepRefusedError(str(error)) from error
        finally:
            tunnel.close()

    def _pull(self) -> None:
        """What the policies allow the readers of a login: a manifest and a blob."""
        ((host, login),) = json.loads(self._data()[".dockerconfigjson"])["auths"].items()
        headers = {"Authorization": f"Basic {login['auth']}"}
        tunnel = Tunnel(host, cloud_environment=self.world.aws.client_environment())
        try:
            path = f"/v2/{IMAGE}"
            manifest = tunnel.ask("GET", f"{path}/manifests/1.0", headers=headers, body=None)
            blob = f"{path}/blobs/{manifest['config']['digest']}"
            tunnel.ask("GET", blob, headers=headers, body=None)
        except RefusedError as error:
            raise StepRefusedError(str(error)) from error
        finally:
            tunnel.close()

    def _use_claude_platform(self) -> None:
        """Each call that the policies allow the readers of a key."""
        data = self._data()
        host = f"aws-external-anthropic.{data['AWS_REGION']}.api.aws"
        headers = {
            "x-api-key": data["ANTHROPIC_AWS_API_KEY"],
            "anthropic-workspace-id": data["ANTHROPIC_AWS_WORKSPACE_ID"],
            "Content-Type": "application/json",
        }
        body = json.dumps({"model": MODELS[0], "messages": [{"role": "user", "content": "?"}]})
        tunnel = Tunnel(host, cloud_environment=self.world.aws.client_environment())
        try:
            tunnel.ask("POST", "/v1/messages", headers=headers, body=body)
            tunnel.ask("POST", "/v1/messages/count_tokens", headers=headers, body=body)
            tunnel.ask("GET", "/v1/models", headers=headers, body=None)
        except RefusedError as error:
            raise StepRefusedError(str(error)) from error
        finally:
            tunnel.close()

    def _list_models(self) -> None:
        """What the session policy of the example is for."""
        import boto3  # noqa: PLC0415  slow to import
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import ClientError  # noqa: PLC0415

        found = json.loads(self._data()["credential-process.json"])
        client = boto3.client(
            "bedrock",
            region_name="us-west-2",
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
            verify=str(self.world.aws.ca_file),
            config=Config(
                proxies={"https": f"http://127.0.0.1:{self.world.aws.proxy_port}"},
                retries={"total_max_attempts": 1},
            ),
        )
        try:
            client.list_foundation_models()
        except ClientError as error:
            raise StepRefusedError(str(error)) from error


def _check_refusals(conditions: dict[str, Document]) -> None:
    for each in conditions.values():
        text = f"{each['reason']}: {each['message']}"
        if (each["type"] != "Ready" or each["status"] != "True") and _REFUSED.search(text):
            raise StepRefusedError(text)


def _now() -> str:
    return datetime.now(UTC).isoformat()
