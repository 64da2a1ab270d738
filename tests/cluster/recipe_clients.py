"""Reads the recipes with programs and SDKs: LiteLLM, LangChain, Strands, curl and others.

Those that the tests' own environment lacks are in locks/recipes.txt and locks/litellm.txt, each
installed once into a virtual environment of its own, which is cached.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import yaml
from openai import OpenAIError

from testbed.clusters.go_builds import cache_root, locked
from testbed.processes import ChildProcess, accepts_connections, free_port
from testbed.readers.answers import MODEL
from testbed.readers.http_api import URL
from testbed.world import ROOT
from tests.cluster.recipe_chat import chat
from tests.cluster.recipe_pods import Pod, environment_of, run_program, running
from tests.cluster.recipe_stage import Stage
from tools.reference.recipes import Recipe

SDKS, LITELLM = (ROOT / "locks" / name for name in ("recipes.txt", "litellm.txt"))
_PROGRAMS = Path(__file__).with_name("recipe_programs")
_MOUNT = "/var/run/keywright"
_MASTER_KEY = "sk-0d1c7a5f93b84e62a8"
_LITELLM_SECONDS = 90
_OFFLINE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


class NotInstalledError(RuntimeError):
    """The programs could not be installed; the message is the installer's."""


def install(lock: Path) -> Path:
    """The Python that has the packages of a lock; installed once.

    Raises:
        NotInstalledError: uv has failed, for example without a network.
    """
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    made = cache_root() / f"{lock.stem}-{key}"
    uv = Path(sys.executable).with_name("uv")
    with locked(made.with_suffix(".lock")):
        if not (made / "complete").is_file():
            shutil.rmtree(made, ignore_errors=True)
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(made))
            python = str(made / "bin" / "python")
            options = ("--quiet", "--require-hashes", "--python", python)
            _run(uv, "pip", "install", *options, "-r", lock)
            (made / "complete").touch()
    return made / "bin" / "python"


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode != 0:
        raise NotInstalledError(done.stderr.strip()[-500:])


@dataclass(frozen=True)
class Programs:
    """A Python with the packages of each lock, and the program testbed/tools/awsfile."""

    python: Path
    litellm_python: Path
    aws_file: Path

    def run(self, script: Path, stage: Stage, *, environment: Mapping[str, str]) -> str:
        """What a script prints."""
        variables = {**stage.client_environment(), **environment}
        return run_program(self.python, script, environment=variables, requested={}).strip()

    def litellm(
        self,
        stage: Stage,
        *,
        arguments: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """A completion of LiteLLM."""
        return run_program(
            self.litellm_python,
            _PROGRAMS / "litellm_completion.py",
            environment={**stage.client_environment(), **_OFFLINE, **(environment or {})},
            requested={"arguments": arguments},
        ).strip()


Client = Callable[[Stage, Recipe, Programs], str]


# ---- coding agents


def anthropic(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """Claude Code calls InvokeModel at ANTHROPIC_BEDROCK_BASE_URL, as Anthropic's SDK does."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        assert pod.environment["CLAUDE_CODE_SKIP_BEDROCK_AUTH"] == "1"
        script = _PROGRAMS / "anthropic_message.py"
        return programs.run(script, stage, environment=pod.environment)


def opencode_config(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The provider of the default model, with its options."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        config = json.loads(pod.file(pod.environment["OPENCODE_CONFIG"]))
        provider, _, model = config["model"].partition("/")
        assert model in config["provider"][provider]["models"]
        options = config["provider"][provider]["options"]
        return chat(stage, base_url=options["baseURL"], api_key=options["apiKey"], model=model)


def litellm_openhands(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """LLM_* become arguments of LiteLLM."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        arguments = {
            "model": pod.environment["LLM_MODEL"],
            "api_base": pod.environment["LLM_BASE_URL"],
            "api_key": pod.environment["LLM_API_KEY"],
        }
        return programs.litellm(stage, arguments=arguments)


def continue_config(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The first model of config.yaml."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        (model,) = yaml.safe_load(pod.file("/home/dev/.continue/config.yaml"))["models"]
        assert model["provider"] == "openai"
        return chat(stage, base_url=model["apiBase"], api_key=model["apiKey"], model=model["model"])


# ---- LiteLLM, and what uses it


def litellm_holmesgpt(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The chart copies additionalEnvVars to the container; the model list is LiteLLM's."""
    values = yaml.safe_load((recipe.folder / "values.yaml").read_text())
    environment = environment_of(stage, "holmesgpt", {"env": values["additionalEnvVars"]})
    return programs.litellm(
        stage, environment=environment, arguments=values["modelList"]["bedrock"]
    )


def litellm(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The chart loads environmentSecrets with envFrom."""
    values = yaml.safe_load((recipe.folder / "values.yaml").read_text())
    sources = [{"secretRef": {"name": name}} for name in values["environmentSecrets"]]
    environment = environment_of(stage, "litellm", {"envFrom": sources})
    (model,) = values["proxy_config"]["model_list"]
    return programs.litellm(stage, environment=environment, arguments=model["litellm_params"])


def litellm_secret_manager(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The module reads the mounted file for each call: a changed file is used at once."""
    with _litellm_proxy(stage, recipe, programs) as (ask, pod):
        answer = ask()
        (pod.folders[_MOUNT] / "AWS_BEARER_TOKEN_BEDROCK").write_text("bedrock-api-key-of-none")
        with pytest.raises(OpenAIError, match="Authentication failed"):
            ask()
        return answer


def litellm_behind_proxy(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The model list names the address of the proxy."""
    with _litellm_proxy(stage, recipe, programs) as (ask, _):
        return ask()


@contextlib.contextmanager
def _litellm_proxy(
    stage: Stage, recipe: Recipe, programs: Programs
) -> Iterator[tuple[Callable[[], str], Pod]]:
    """LiteLLM's proxy with the command and the files of the pod, and a question to its model."""
    namespace = recipe.name
    master = {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": _MASTER_KEY}}
    names = {"name": "litellm-master-key", "namespace": namespace}
    stage.world.api.apply({**master, "metadata": names})
    workload = stage.consumer(recipe, "Deployment")
    with running(stage, workload) as pod:
        command, option, path = workload["spec"]["template"]["spec"]["containers"][0]["command"]
        folder = pod.folders[path.rpartition("/")[0]]
        for module in folder.glob("*.py"):
            module.write_text(module.read_text().replace(_MOUNT, str(pod.folders[_MOUNT])))
        port = free_port()
        config = str(folder / path.rpartition("/")[2])
        server = ChildProcess(
            "litellm",
            [
                *(str(programs.litellm_python.with_name(command)), option, config),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            log=stage.world.directory / f"{recipe.name}.log",
            environment={
                "PATH": "/usr/bin:/bin",
                "HOME": str(stage.world.directory),
                **stage.client_environment(),
                **_OFFLINE,
                **pod.environment,
            },
        )
        try:
            server.wait_until(lambda: accepts_connections(port), seconds=_LITELLM_SECONDS)
            (model,) = yaml.safe_load((folder / "config.yaml").read_text())["model_list"]
            url = f"http://127.0.0.1:{port}/v1"
            yield partial(_ask_litellm, stage, url, model["model_name"]), pod
        finally:
            server.stop()


def _ask_litellm(stage: Stage, url: str, model: str) -> str:
    return chat(stage, base_url=url, api_key=_MASTER_KEY, model=model)


# ---- chat front ends and workflow builders


def open_webui(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """Lists, separated by semicolons, of addresses and keys."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        (url,) = pod.environment["OPENAI_API_BASE_URLS"].split(";")
        (key,) = pod.environment["OPENAI_API_KEYS"].split(";")
        return chat(stage, base_url=url, api_key=key, model=MODEL)


def dify(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The fields of the model provider, from inside of the pod of the plugin daemon."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        fields = pod.located((recipe.folder / "model-provider.json").read_text())
        credentials = json.loads(fields)
        return chat(
            stage,
            base_url=credentials["endpoint_url"],
            api_key=credentials["api_key"],
            model=credentials["endpoint_model_name"],
        )


def n8n(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """Overwrites fill the empty fields of a credential of this type."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        overwrites = json.loads(pod.file(pod.environment["CREDENTIALS_OVERWRITE_DATA_FILE"]))
        credential = overwrites["openAiApi"]
        return chat(stage, base_url=credential["url"], api_key=credential["apiKey"], model=MODEL)


# ---- programs with an SDK


def _program(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The program of the recipe itself, with the mounted Secret."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        return _run_main(stage, pod, programs)


def _run_main(stage: Stage, pod: Pod, programs: Programs) -> str:
    folder = {"KEYWRIGHT_FOLDER": str(pod.folders[_MOUNT])}
    return programs.run(pod.folders["/app"] / "main.py", stage, environment=folder)


# ---- storage


def velero(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The credential is written to a file, which the plugin loads with the AWS SDK for Go."""
    location = stage.consumer(recipe, "BackupStorageLocation")
    reference = location["spec"]["credential"]
    secret = stage.secret(namespace=location["metadata"]["namespace"], name=reference["name"])
    file = stage.world.directory / "velero-credentials"
    file.write_text(secret[reference["key"]])
    done = subprocess.run(
        [programs.aws_file, file, location["spec"]["config"]["region"]],
        env=stage.client_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- partners


def curl(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The pushed key of the Secret is a configuration of curl."""
    del programs
    push = stage.consumer(recipe, "PushSecret")
    selected = push["spec"]["selector"]["secret"]["name"]
    secret = stage.secret(namespace=push["metadata"]["namespace"], name=selected)
    (match,) = (each["match"]["secretKey"] for each in push["spec"]["data"])
    file = stage.world.directory / "curl.conf"
    file.write_text(secret[match])
    cloud = stage.client_environment()
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--config", str(file), cloud[URL]],
        env={"HTTPS_PROXY": cloud["HTTPS_PROXY"], "CURL_CA_BUNDLE": cloud["SSL_CERT_FILE"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CLIENTS: Final[Mapping[str, Client]] = {
    "program-anthropic": anthropic,
    "program-opencode-config": opencode_config,
    "program-litellm-openhands": litellm_openhands,
    "program-continue-config": continue_config,
    "program-litellm-holmesgpt": litellm_holmesgpt,
    "program-litellm": litellm,
    "program-litellm-secret-manager": litellm_secret_manager,
    "program-litellm-behind-proxy": litellm_behind_proxy,
    "program-open-webui": open_webui,
    "program-dify": dify,
    "program-n8n": n8n,
    "program-openai-sdk": _program,
    "program-langchain": _program,
    "program-strands": _program,
    "program-velero": velero,
    "program-curl": curl,
}
"""The readers that run a program or an SDK, by the name in the table of the recipes."""
