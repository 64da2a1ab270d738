"""Four pods with real SDKs that are started once, and whose keys are renewed under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cluster.alibaba import AlibabaTenant
from tests.cluster.tenants import GRANT, Tenant
from tests.kind import readers
from tests.kind.installation import IMAGE
from tests.kind.stage import MARGIN, Stage, prepare_for_pods

_RUNTIME_URL = "https://bedrock-runtime.us-west-2.amazonaws.com"
_OPENAI_URL = f"{_RUNTIME_URL}/openai/v1"
FROZEN = "openai_frozen"
"""The program whose key only the proxy beside it has."""
_SESSION: dict[str, Any] = {"bedrockShortTermKey": None, "sessionCredentials": {"duration": "30m"}}


@dataclass(frozen=True, slots=True)
class NeverRestarted:
    """A pod and the grant whose Secret it has mounted."""

    tenant: Tenant
    pod: str


def start_all(stage: Stage) -> dict[str, NeverRestarted]:
    """The pods by their programs; the keys are there, the containers may still be starting."""
    return {
        "boto3_process": _start(
            stage,
            Tenant(stage.world, name="boto3"),
            program="boto3_process",
            formats=["AwsCredentialProcess"],
            environment={
                "AWS_CONFIG_FILE": "/var/run/keywright/config",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            **_SESSION,
        ),
        "openai_file": _start(
            stage,
            Tenant(stage.world, name="openai"),
            program="openai_file",
            formats=["OpenAIEnv"],
            environment={"OPENAI_BASE_URL": _OPENAI_URL},
        ),
        "alibaba_chain": _start_alibaba(stage),
        FROZEN: _start_frozen(stage),
    }


def _start(
    stage: Stage,
    tenant: Tenant,
    *,
    program: str,
    formats: list[str],
    environment: dict[str, str],
    **spec: Any,
) -> NeverRestarted:
    tenant.prepare()
    tenant.become_ready(secret={"formats": formats}, renewal={"before": MARGIN}, **spec)
    made = readers.pod_spec(
        program, surroundings=stage.surroundings, secret=GRANT, environment=environment
    )
    return _run(stage, tenant, spec=made)


def _start_alibaba(stage: Stage) -> NeverRestarted:
    tenant = AlibabaTenant(stage.world, name="alibaba")
    tenant.prepare()
    role = tenant.create_role()
    stage.world.api.apply(tenant.alibaba_source(oidcRoleArn=tenant.by_token(role)))
    tenant.apply_grant(
        source="alibaba",
        secret={"formats": ["AlibabaCredentialsUri"]},
        renewal={"before": MARGIN},
        **_SESSION,
    )
    tenant.ready()
    spec = readers.pod_spec(
        "alibaba_chain",
        surroundings=stage.surroundings,
        environment={
            "ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:9911/alibaba-cloud",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        },
    )
    # docs/credentials-sidecar.md: the sidecar alone has the Secret.
    spec["volumes"].append({"name": "key", "secret": {"secretName": GRANT}})
    spec["initContainers"] = [_sidecar()]
    return _run(stage, tenant, spec=spec)


def _start_frozen(stage: Stage) -> NeverRestarted:
    """docs/proxy.md: a native sidecar adds the mounted key; the application has a placeholder."""
    tenant = Tenant(stage.world, name="frozen")
    tenant.prepare()
    layout = {"formats": ["BedrockEnv"], "data": {"expiresAt": "${expiresAt}"}}
    tenant.become_ready(secret=layout, renewal={"before": MARGIN})
    spec = readers.pod_spec(
        FROZEN,
        surroundings=stage.surroundings,
        environment={
            "OPENAI_BASE_URL": "http://127.0.0.1:9912/openai/v1",
            "OPENAI_API_KEY": "placeholder",
        },
    )
    spec["volumes"].append({"name": "key", "secret": {"secretName": GRANT}})
    spec["initContainers"] = [_proxy(stage)]
    return _run(stage, tenant, spec=spec)


def _proxy(stage: Stage) -> dict[str, Any]:
    around = stage.surroundings
    mount = {"name": "key", "mountPath": "/var/run/keywright", "readOnly": True}
    return {
        "name": "proxy",
        "image": IMAGE,
        "args": ["serve-credentials", f"--proxy={_RUNTIME_URL}", "--proxy-metrics-port=9913"],
        "env": [{"name": name, "value": value} for name, value in around.variables().items()],
        "restartPolicy": "Always",
        "startupProbe": {
            "httpGet": {"path": "/readyz", "port": 9913},
            "periodSeconds": 1,
            "failureThreshold": 120,
        },
        "securityContext": readers.restricted(),
        "volumeMounts": [mount, *around.mounts()],
    }


def _sidecar() -> dict[str, Any]:
    requested = "import socket; socket.create_connection(('127.0.0.1', 9911), 2)"
    return {
        "name": "credentials",
        "image": IMAGE,
        "args": ["serve-credentials"],
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": ["python3", "-c", requested]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 30,
        },
        "securityContext": readers.restricted(),
        "volumeMounts": [{"name": "key", "mountPath": "/var/run/keywright", "readOnly": True}],
    }


def _run(stage: Stage, tenant: Tenant, *, spec: dict[str, Any]) -> NeverRestarted:
    prepare_for_pods(stage, namespace=tenant.namespace)
    stage.world.api.create(readers.pod("reader", namespace=tenant.namespace, spec=spec))
    return NeverRestarted(tenant, "reader")
