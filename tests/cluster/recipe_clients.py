"""Reads the recipes with programs and SDKs: LiteLLM, LangChain, Strands, curl and others.

Those that the tests' own environment lacks are in locks/recipes.txt, installed once into a virtual
environment of their own, which is cached.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from openai import OpenAI

from testbed.clusters.go_builds import cache_root, locked
from testbed.readers.answers import MODEL, QUESTION, pod_environment
from testbed.readers.http_api import URL
from testbed.world import ROOT
from tests.cluster.recipe_pods import Pod, environment_of, run_program, running
from tests.cluster.recipe_stage import Stage
from tools.reference.recipes import Recipe

_LOCK = ROOT / "locks" / "recipes.txt"
_PROGRAMS = Path(__file__).with_name("recipe_programs")
_OFFLINE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


class NotInstalledError(RuntimeError):
    """The programs could not be installed; the message is the installer's."""


def install() -> Path:
    """The Python that has the packages of locks/recipes.txt; installed once.

    Raises:
        NotInstalledError: uv has failed, for example without a network.
    """
    key = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    made = cache_root() / f"recipes-{key}"
    uv = Path(sys.executable).with_name("uv")
    with locked(made.with_suffix(".lock")):
        if not (made / "complete").is_file():
            shutil.rmtree(made, ignore_errors=True)
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(made))
            python = str(made / "bin" / "python")
            options = ("--quiet", "--compile-bytecode", "--require-hashes", "--python", python)
            _run(uv, "pip", "install", *options, "-r", _LOCK)
            (made / "complete").touch()
    return made / "bin" / "python"


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode != 0:
        raise NotInstalledError(done.stderr.strip()[-500:])


@dataclass(frozen=True)
class Programs:
    """The Python with the packages of locks/recipes.txt, and the program testbed/tools/awsfile."""

    python: Path
    aws_file: Path

    def run(
        self, script: Path, stage: Stage, *, environment: Mapping[str, str], **requested: Any
    ) -> str:
        """What the script prints."""
        return run_program(
            self.python,
            script,
            environment={**stage.client_environment(), **_OFFLINE, **environment},
            requested=requested,
        ).strip()

    def litellm(
        self, stage: Stage, *, environment: Mapping[str, str] | None = None, **requested: Any
    ) -> str:
        """A completion of LiteLLM."""
        script = _PROGRAMS / "litellm_completion.py"
        return self.run(script, stage, environment=environment or {}, **requested)


Client = Callable[[Stage, Recipe, Programs], str]


def _chat(stage: Stage, *, base_url: str, api_key: str, model: str) -> str:
    """A chat completion of the openai SDK."""
    with pod_environment(stage.client_environment()):
        client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        try:
            completion = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": QUESTION}]
            )
        finally:
            client.close()
    return completion.choices[0].message.content or ""


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
        return _chat(stage, base_url=options["baseURL"], api_key=options["apiKey"], model=model)


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
        return _chat(
            stage, base_url=model["apiBase"], api_key=model["apiKey"], model=model["model"]
        )


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
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        config = yaml.safe_load(pod.file("/etc/litellm/config.yaml"))
        manager = config["general_settings"]["key_management_settings"]["custom_secret_manager"]
        assert manager == "mounted_secret.MountedSecret"
        mount = pod.folders["/var/run/keywright"]
        (model,) = config["model_list"]
        answers = programs.litellm(
            stage,
            environment={"AWS_REGION": (mount / "AWS_REGION").read_text()},
            arguments=model["litellm_params"],
            modules=str(pod.folders["/etc/litellm"]),
            folder=str(mount),
            renewed=[str(mount / "AWS_BEARER_TOKEN_BEDROCK"), "bedrock-api-key-of-nobody"],
        )
        answer, refused = answers.splitlines()
        assert refused == "PermissionDeniedError"
        return answer


def litellm_behind_proxy(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The model list names the address of the proxy."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        (model,) = yaml.safe_load(pod.file("/etc/litellm/config.yaml"))["model_list"]
        return programs.litellm(stage, arguments=model["litellm_params"])


# ---- chat front ends and workflow builders


def open_webui(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """Lists, separated by semicolons, of addresses and keys."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        (url,) = pod.environment["OPENAI_API_BASE_URLS"].split(";")
        (key,) = pod.environment["OPENAI_API_KEYS"].split(";")
        return _chat(stage, base_url=url, api_key=key, model=MODEL)


def dify(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The fields of the model provider, from inside of the pod of the plugin daemon."""
    del programs
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        fields = pod.located((recipe.folder / "model-provider.json").read_text())
        credentials = json.loads(fields)
        return _chat(
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
        return _chat(stage, base_url=credential["url"], api_key=credential["apiKey"], model=MODEL)


# ---- programs with an SDK


def _program(stage: Stage, recipe: Recipe, programs: Programs) -> str:
    """The program of the recipe itself, with the mounted Secret."""
    with running(stage, stage.consumer(recipe, "Deployment")) as pod:
        return _run_main(stage, pod, programs)


def _run_main(stage: Stage, pod: Pod, programs: Programs) -> str:
    folder = {"KEYWRIGHT_FOLDER": str(pod.folders["/var/run/keywright"])}
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
