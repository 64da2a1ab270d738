"""What a user installs: the wheel in an empty environment, and the commands of the guides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testbed.client_certificates import ClientAuthority
from testbed.clusters.api import ApiError
from testbed.documents import documents
from testbed.operators import OperatorProcess
from testbed.world import EXAMPLES, ROOT, World
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run
from tests.cluster.tenants import EXAMPLE
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("installation")

_UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`keywright`, from a wheel built of this checkout, with the dependencies of the lock alone."""
    directory = tmp_path_factory.mktemp("installation")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory)
    (wheel,) = directory.glob("*.whl")
    empty = directory / "environment"
    run(_UV, "venv", "--python", sys.executable, empty)
    run(_UV, "pip", "sync", "--python", empty, "--require-hashes", "locks/runtime.txt")
    run(_UV, "pip", "install", "--python", empty, "--no-deps", "--no-index", wheel)
    return empty / "bin" / "keywright"


@pytest.fixture(scope="module")
def installed_world(make_world: MakeWorld) -> Iterator[World]:
    """A world of its own: the guides use the names that a user would."""
    with make_world() as made:
        yield made


@pytest.fixture(scope="module")
def installed(installed_world: World, program: Path) -> OperatorProcess:
    """The operator of the wheel, running."""
    operator = installed_world.operator(program=program)
    operator.start()
    return operator


def test_the_wheel_runs_by_itself(installed: OperatorProcess, program: Path) -> None:
    """The wheel and the lock's dependencies are all that it takes; it knows its version."""
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f'keywright_build_info{{version="{version}"}} 1.0' in installed.get("/metrics")


def test_an_operator_that_comes_before_its_rights_waits_for_them(
    make_world: MakeWorld,
) -> None:
    """If a watch is refused, the process restarts in place until the watch is allowed.

    No restart by hand is needed, and its process ID stays.
    """
    with make_world() as world:
        binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/keywright"
        granted = world.api.get(binding)
        world.api.delete(binding)
        operator = world.operator(arguments=["--log-format=text"])
        operator.spawn()
        eventually(lambda: operator.log.read_text().count("cannot list resource") > 2)
        pid = operator.process.pid
        assert not operator.is_ready()
        del granted["metadata"]["resourceVersion"], granted["metadata"]["uid"]
        del granted["metadata"]["managedFields"]
        world.api.apply(granted)
        eventually(operator.is_ready, seconds=40)
        assert (operator.process.exit_code, operator.process.pid) == (None, pid)


def test_manifests_are_accepted(installed_world: World) -> None:
    """`kubectl apply -f crds/ && kubectl apply -k manifests/`, as the README says it."""
    (command,) = [text for text in commands("docs/install.md") if "apply -f crds/ &&" in text]
    run(command, installed_world)
    deployed = installed_world.api.get(
        "/apis/apps/v1/namespaces/keywright-system/deployments/keywright"
    )
    assert deployed["spec"]["template"]["spec"]["serviceAccountName"] == "keywright"


def _short_term(world: World) -> None:
    world.create_role()


def _role(
    folder: str, *, name: str, namespace: str, account_name: str, part: str = ""
) -> Callable[[World], None]:
    """A role with the policies of an example, for this cluster's issuer."""

    def prepare(world: World) -> None:
        permissions = EXAMPLES / folder / f"{part}permissions-policy.json"
        world.aws.create_role(
            name=name,
            trust_policy=world.trust_policy(namespace=namespace, service_account=account_name),
            policies={"permissions": json.loads(permissions.read_text())},
            max_session_seconds=43200,
        )

    return prepare


def _chain(world: World) -> None:
    hub = _role(
        "chained-roles",
        name="partner-hub",
        namespace="partner",
        account_name="partner-aws",
        part="hub-",
    )
    hub(world)
    trust, permissions = (
        json.loads((EXAMPLES / "chained-roles" / f"partner-{part}-policy.json").read_text())
        for part in ("trust", "permissions")
    )
    world.aws.create_role(
        name="partner",
        trust_policy=trust,
        policies={"permissions": permissions},
        account="210987654321",
    )


def _access_key(world: World) -> dict[str, str]:
    policy = json.loads((EXAMPLES / "access-key" / "permissions-policy.json").read_text())
    key = world.aws.create_user(name="legacy", policies={"permissions": policy})
    return {"ACCESS_KEY_ID": key.access_key_id, "SECRET_ACCESS_KEY": key.secret_key}


def _roles_anywhere(world: World) -> dict[str, str]:
    folder = EXAMPLES / "roles-anywhere"
    (source,) = documents((folder / "credentialsource.yaml").read_text())
    identity = source["spec"]["aws"]["rolesAnywhere"]
    trust, permissions = (
        json.loads((folder / f"{part}-policy.json").read_text())
        for part in ("trust", "permissions")
    )
    world.aws.create_role(
        name="edge-bedrock", trust_policy=trust, policies={"permissions": permissions}
    )
    authority = ClientAuthority()
    world.aws.create_trust_anchor(certificates=authority.pem, arn=identity["trustAnchorArn"])
    world.aws.create_profile(role_arns=[identity["roleArn"]], arn=identity["profileArn"])
    files = world.directory / "certificates"
    files.mkdir()
    certificate, key = files / "ca.crt", files / "ca.key"
    certificate.write_text(authority.pem)
    key.write_text(authority.key_pem)
    return {"CA_CERTIFICATE": str(certificate), "CA_KEY": str(key), "FILES": str(files)}


def _long_term(world: World) -> None:
    boundary = (EXAMPLES / "bedrock-long-term" / "boundary-policy.json").read_text()
    world.aws.create_managed_policy(name="keywright-bedrock", document=json.loads(boundary))
    prepare = _role(
        "bedrock-long-term",
        name="bedrock-key-maker",
        namespace="assistant",
        account_name="assistant-bedrock",
    )
    prepare(world)


def _telemetry(world: World) -> None:
    boundary = (EXAMPLES / "telemetry-keys" / "boundary-policy.json").read_text()
    world.aws.create_managed_policy(name="keywright-telemetry", document=json.loads(boundary))
    prepare = _role(
        "telemetry-keys",
        name="telemetry-key-maker",
        namespace="observability",
        account_name="observability-telemetry",
    )
    prepare(world)


def _registries(world: World) -> None:
    world.aws.create_package_domain("my-domain", repositories=["my-repository"], region="us-west-2")
    prepare = _role(
        "codeartifact",
        name="builder-packages",
        namespace="builder",
        account_name="builder-packages",
    )
    prepare(world)
    prepare = _role(
        "ecr-pull-secret", name="shop-registry", namespace="shop", account_name="shop-registry"
    )
    prepare(world)


def _api_gateway(world: World) -> dict[str, str]:
    folders = {"api-gateway-for-a-partner": "orders", "api-gateway-from-a-file": "marketplace"}
    for folder, name in folders.items():
        prepare = _role(
            folder, name=f"{name}-key-maker", namespace=name, account_name=f"{name}-aws"
        )
        prepare(world)
    world.aws.deploy_api(name="orders", region="us-west-2", api_id="a1b2c3d4e5")
    file = world.directory / "keys.csv"
    shown = (ROOT / "docs/api-gateway.md").read_text()
    rows = re.findall(r"^    (Name,Key.*|partner-.*)$", shown, re.MULTILINE)
    file.write_text("\n".join(rows))
    return {"KEYS_CSV": str(file), "VALUE": "a-value-of-partner-c-42"}


@dataclass(frozen=True)
class Guide:
    """A document whose commands are run, what AWS has before, and the grant that it ends with."""

    document: str
    prepare: Callable[[World], dict[str, str] | None]
    grant: str
    revision: int = 1

    def __str__(self) -> str:
        return self.document


GUIDES = (
    # The first key, and the one that the last command asks for.
    Guide("bedrock-short-term", _short_term, "chat/apikeygrants/chat-key", revision=2),
    Guide(
        "sts-credentials",
        _role("sts-for-an-sdk", name="reports", namespace="reports", account_name="reports-aws"),
        "reports/apikeygrants/reports-credentials",
    ),
    Guide(
        "rollouts",
        _role(
            "restart-on-renewal",
            name="concierge",
            namespace="concierge",
            account_name="concierge-bedrock",
        ),
        "concierge/apikeygrants/concierge-key",
    ),
    Guide(
        "claude-platform",
        _role(
            "claude-platform-short-term",
            name="writer-claude",
            namespace="writer",
            account_name="writer-claude",
        ),
        "writer/apikeygrants/writer-key",
    ),
    Guide("registry-tokens", _registries, "shop/apikeygrants/registry"),
    Guide("aws-long-term", _telemetry, "observability/apikeygrants/traces-key"),
    Guide("role-chains", _chain, "partner/apikeygrants/partner-credentials"),
    Guide("access-keys", _access_key, "legacy/apikeygrants/legacy-key"),
    Guide("roles-anywhere", _roles_anywhere, "edge/apikeygrants/edge-key"),
    Guide(
        "tenancy",
        _role(
            "shared-source",
            name="shared-bedrock",
            namespace="ai-platform",
            account_name="bedrock",
        ),
        "support/apikeygrants/bedrock-key",
    ),
    # The first key, and the one that the last command asks for.
    Guide("bedrock-long-term", _long_term, "assistant/apikeygrants/assistant-key", revision=2),
    Guide("api-gateway", _api_gateway, "orders/apikeygrants/partner-a", revision=2),
)


@pytest.mark.parametrize("guide", GUIDES, ids=str)
def test_the_commands_of_a_guide(
    installed: OperatorProcess, installed_world: World, guide: Guide
) -> None:
    """Every command of the guide does what the guide says, one after the other."""
    assert installed.process.exit_code is None
    variables = guide.prepare(installed_world) or {}
    try:
        for command in commands(f"docs/{guide.document}.md"):
            run(command, installed_world, **variables)
        path = f"/apis/keywright.dev/v1alpha1/namespaces/{guide.grant}"
        eventually(
            lambda: installed_world.api.get(path)["status"].get("revision") == guide.revision
        )
    finally:
        _remove_policies(installed_world)


def _remove_policies(world: World) -> None:
    """Delete admission policies that a guide has applied: other guides name other users."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    applied = [each["metadata"]["name"] for each in world.api.get(path)["items"]]
    for name in applied:
        world.api.delete(f"{path}/{name}")
    if applied:
        eventually(lambda: _accepts_any_user_name(world))


def _accepts_any_user_name(world: World) -> bool:
    """Whether the API server no longer enforces the policy of user names."""
    (grant,) = documents((EXAMPLES / "bedrock-long-term" / "apikeygrant.yaml").read_text())
    grant["metadata"]["namespace"] = "default"
    try:
        world.api.request(
            "POST",
            "/apis/keywright.dev/v1alpha1/namespaces/default/apikeygrants",
            query={"dryRun": "All"},
            body=grant,
        )
    except ApiError:
        return False
    return True


def test_the_resources_of_the_readme_are_those_of_the_example() -> None:
    """What the README shows is what the example applies, field by field."""
    (shown,) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    files = [EXAMPLE / "credentialsource.yaml", EXAMPLE / "apikeygrant.yaml"]
    assert list(yaml.safe_load_all(shown)) == [yaml.safe_load(file.read_text()) for file in files]
