"""Reads the Secret of each recipe as its consumer does, and uses the credentials.

Each function follows the source that tools/reference/recipes.yaml names: which object it reads,
which key of the Secret, and what becomes of the value. It returns the response of the cloud.
"""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Callable, Mapping
from typing import Final

import yaml

from testbed.readers import aws_env, boto3_converse, http_api, http_converse
from testbed.readers.answers import Answer
from tests.cluster.recipe_chat import chat
from tests.cluster.recipe_pods import environment_of, running
from tests.cluster.recipe_stage import Stage
from tests.cluster.tenants import Document
from tests.testbed.alibaba_sdk import Sdk
from tools.reference.recipes import Recipe

REGION = "us-west-2"
Reader = Callable[[Stage, Recipe], str]


def _text(answer: Answer) -> str:
    assert answer.ok, answer.error
    return answer.text


# ---- what a consumer does with what it has read


def _bearer(stage: Stage, token: str, *, region: str = REGION) -> str:
    """A call of Bedrock's runtime with this header: Authorization: Bearer TOKEN."""
    data = {"AWS_BEARER_TOKEN_BEDROCK": token, "AWS_REGION": region}
    return _text(http_converse.call(data, cloud_environment=stage.client_environment()))


def _x_api_key(stage: Stage, key: str) -> str:
    environment = stage.client_environment()
    return _text(http_api.call({"X_API_KEY": key}, cloud_environment=environment))


def _aws(stage: Stage, key_id: str, secret: str, token: str) -> str:
    """The ARN of the caller, with exactly these credentials."""
    data = {
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
        "AWS_REGION": REGION,
    }
    return _text(aws_env.call_identity(data, cloud_environment=stage.client_environment()))


def _alibaba(stage: Stage, key_id: str, secret: str, token: str) -> str:
    with Sdk(stage.world.client_environment()) as sdk:
        return sdk.identity(
            type="sts", access_key_id=key_id, access_key_secret=secret, security_token=token
        )


# ---- agents on Kubernetes


def kagent(stage: Stage, recipe: Recipe) -> str:
    """The bearer token if its key is there; the region is in the object."""
    config = stage.consumer(recipe, "ModelConfig")
    spec = config["spec"]
    assert spec["provider"] == "Bedrock"
    secret = stage.secret(namespace=config["metadata"]["namespace"], name=spec["apiKeySecret"])
    environment = {
        "AWS_REGION": spec["bedrock"]["region"],
        "AWS_BEARER_TOKEN_BEDROCK": secret["AWS_BEARER_TOKEN_BEDROCK"],
    }
    return _text(boto3_converse.call(environment, cloud_environment=stage.client_environment()))


def ark(stage: Stage, recipe: Recipe) -> str:
    """Two value sources: a literal value, or a key of a Secret in the namespace of the Model."""
    model = stage.consumer(recipe, "Model")

    def resolved(source: Document) -> str:
        if source.get("value"):
            return str(source["value"])
        reference = source["valueFrom"]["secretKeyRef"]
        return stage.secret(namespace=model["metadata"]["namespace"], name=reference["name"])[
            reference["key"]
        ]

    config = model["spec"]["config"]["openai"]
    return chat(
        stage,
        base_url=resolved(config["baseUrl"]),
        api_key=resolved(config["apiKey"]),
        model=model["spec"]["model"]["value"],
    )


def k8sgpt(stage: Stage, recipe: Recipe) -> str:
    """The key of the Secret becomes K8SGPT_PASSWORD, the key of its OpenAI client."""
    found = stage.consumer(recipe, "K8sGPT")
    ai = found["spec"]["ai"]
    assert ai["backend"] == "openai"
    secret = stage.secret(namespace=found["metadata"]["namespace"], name=ai["secret"]["name"])
    key = secret[ai["secret"]["key"]]
    return chat(stage, base_url=ai["baseUrl"], api_key=key, model=ai["model"])


# ---- gateways


def envoy_ai_gateway(stage: Stage, recipe: Recipe) -> str:
    """The key `apiKey`, after `Bearer ` in the Authorization header."""
    policy = stage.consumer(recipe, "BackendSecurityPolicy")
    assert policy["spec"]["type"] == "APIKey"
    reference = policy["spec"]["apiKey"]["secretRef"]
    namespace = reference.get("namespace", policy["metadata"]["namespace"])
    return _bearer(stage, stage.secret(namespace=namespace, name=reference["name"])["apiKey"])


def agentgateway(stage: Stage, recipe: Recipe) -> str:
    """The key `Authorization` by default; a prefix `Bearer ` is removed, and added again."""
    backend = stage.consumer(recipe, "AgentgatewayBackend")
    reference = backend["spec"]["policies"]["auth"]["secretRef"]
    secret = stage.secret(namespace=backend["metadata"]["namespace"], name=reference["name"])
    token = secret[reference.get("key", "Authorization")].strip().removeprefix("Bearer ").strip()
    region = backend["spec"]["ai"]["provider"]["bedrock"]["region"]
    return _bearer(stage, token, region=region)


def kgateway(stage: Stage, recipe: Recipe) -> str:
    """Three keys with fixed names, for signatures."""
    backend = stage.consumer(recipe, "Backend")
    reference = backend["spec"]["aws"]["auth"]["secretRef"]
    secret = stage.secret(namespace=backend["metadata"]["namespace"], name=reference["name"])
    return _aws(stage, secret["accessKey"], secret["secretKey"], secret["sessionToken"])


_HIGRESS = re.compile(r"\$\{([^.}/]+)\.(?:([^/}]+)/)?([^.}/]+)\.([^}]+)\}")


def higress(stage: Stage, recipe: Recipe) -> str:
    """References in the configuration of the plugin: ${secret.NAMESPACE/NAME.KEY}."""
    plugin = stage.consumer(recipe, "WasmPlugin")

    def resolved(match: re.Match[str]) -> str:
        kind, namespace, name, key = match.groups()
        assert kind == "secret"
        where = namespace or plugin["metadata"]["namespace"]
        return stage.secret(namespace=where, name=name)[key]

    config = json.loads(_HIGRESS.sub(resolved, json.dumps(plugin["spec"]["defaultConfig"])))
    provider = config["provider"]
    assert provider["type"] == "bedrock"
    (token,) = provider["apiTokens"]
    return _bearer(stage, token, region=provider["awsRegion"])


def envoy_gateway(stage: Stage, recipe: Recipe) -> str:
    """The key `credential` is the whole value of the header."""
    found = stage.consumer(recipe, "HTTPRouteFilter")
    injection = found["spec"]["credentialInjection"]
    assert injection["header"] == "x-api-key"
    reference = injection["credential"]["valueRef"]
    namespace = reference.get("namespace", found["metadata"]["namespace"])
    return _x_api_key(
        stage, stage.secret(namespace=namespace, name=reference["name"])["credential"]
    )


def kong(stage: Stage, recipe: Recipe) -> str:
    """The key is the whole configuration of the plugin, as JSON or else as YAML."""
    plugin = stage.consumer(recipe, "KongPlugin")
    assert plugin["plugin"] == "request-transformer"
    reference = plugin["configFrom"]["secretKeyRef"]
    secret = stage.secret(namespace=plugin["metadata"]["namespace"], name=reference["name"])
    config = yaml.safe_load(secret[reference["key"]])
    # Kong's plugin removes first, and adds only headers that the request lacks.
    assert config["remove"]["headers"] == ["x-api-key"]
    headers = dict(header.split(":", 1) for header in config["add"]["headers"])
    return _x_api_key(stage, headers["x-api-key"])


# ---- chat


def librechat(stage: Stage, recipe: Recipe) -> str:
    """Its own variables, which become the token and the region of a BedrockRuntimeClient."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        return _bearer(
            stage,
            pod.environment["BEDROCK_AWS_BEARER_TOKEN"],
            region=pod.environment["BEDROCK_AWS_DEFAULT_REGION"],
        )


# ---- storage


def argo_workflows(stage: Stage, recipe: Recipe) -> str:
    """Each selector names a key of a Secret in the namespace of the workflow."""
    template = stage.consumer(recipe, "WorkflowTemplate")
    (artifact,) = template["spec"]["templates"][0]["inputs"]["artifacts"]

    def selected(field: str) -> str:
        selector = artifact["s3"][field]
        namespace = template["metadata"]["namespace"]
        return stage.secret(namespace=namespace, name=selector["name"])[selector["key"]]

    fields = ("accessKeySecret", "secretKeySecret", "sessionTokenSecret")
    return _aws(stage, *map(selected, fields))


_MOUNTPOINT: Final = {"keyId": "key_id", "accessKey": "access_key", "sessionToken": "session_token"}


def mountpoint_s3(stage: Stage, recipe: Recipe) -> str:
    """The chart turns its values into variables of the node pods, by keys with default names."""
    values = yaml.safe_load((recipe.folder / "values.yaml").read_text())["awsAccessSecret"]
    names = _MOUNTPOINT | values
    secret = stage.secret(namespace="kube-system", name=values["name"])
    return _aws(stage, *(secret[names[field]] for field in _MOUNTPOINT))


def oss_csi(stage: Stage, recipe: Recipe) -> str:
    """Four keys as files; the fuse pods do not start if one is missing."""
    volume = stage.consumer(recipe, "PersistentVolume")
    name = volume["spec"]["csi"]["volumeAttributes"]["secretRef"]
    secret = stage.secret(namespace="ack-csi-fuse", name=name)
    keys = ("AccessKeyId", "AccessKeySecret", "Expiration", "SecurityToken")
    key_id, key_secret, expiration, token = (secret[key] for key in keys)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", expiration)
    return _alibaba(stage, key_id, key_secret, token)


# ---- infrastructure


def _provider_credentials(stage: Stage, recipe: Recipe) -> str:
    credentials = stage.consumer(recipe, "ProviderConfig")["spec"]["credentials"]
    assert credentials["source"] == "Secret"
    reference = credentials["secretRef"]
    secret = stage.secret(namespace=reference["namespace"], name=reference["name"])
    return secret[reference["key"]]


def crossplane_aws(stage: Stage, recipe: Recipe) -> str:
    """The section `default` of an INI file."""
    sections = configparser.ConfigParser(interpolation=None)
    sections.read_string(_provider_credentials(stage, recipe))
    values = sections["default"]
    fields = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return _aws(stage, *(values[field] for field in fields))


def crossplane_alibaba(stage: Stage, recipe: Recipe) -> str:
    """A JSON object with strings only."""
    values: dict[str, str] = json.loads(_provider_credentials(stage, recipe))
    assert all(isinstance(value, str) for value in values.values())
    assert values["region"] == "cn-hangzhou"
    return _alibaba(stage, values["access_key"], values["secret_key"], values["security_token"])


def _job_environment(stage: Stage, recipe: Recipe) -> Mapping[str, str]:
    job = stage.consumer(recipe, "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return environment_of(stage, job["metadata"]["namespace"], container)


def terraform_aws(stage: Stage, recipe: Recipe) -> str:
    """The variables of every AWS SDK."""
    environment = _job_environment(stage, recipe)
    return _text(aws_env.call_identity(environment, cloud_environment=stage.client_environment()))


def terraform_alibaba(stage: Stage, recipe: Recipe) -> str:
    """The variables of the provider block."""
    environment = _job_environment(stage, recipe)
    names = ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN")
    return _alibaba(stage, *(environment[name] for name in names))


def _named(*functions: Reader) -> dict[str, Reader]:
    return {function.__name__.replace("_", "-"): function for function in functions}


READERS: Final[dict[str, Reader]] = _named(
    kagent,
    ark,
    k8sgpt,
    envoy_ai_gateway,
    agentgateway,
    kgateway,
    higress,
    envoy_gateway,
    kong,
    librechat,
    argo_workflows,
    mountpoint_s3,
    oss_csi,
    crossplane_aws,
    crossplane_alibaba,
    terraform_aws,
    terraform_alibaba,
)
"""The readers that are written from a source, by name."""
