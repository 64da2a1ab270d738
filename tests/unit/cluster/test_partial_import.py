"""A package without its `__init__`, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SKIP = (
    "from keywright.cluster.partial_import import skip_init; skip_init('kubernetes'); import sys"
)


def _python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", f"{_SKIP}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_the_operator_does_not_load_the_synchronous_client() -> None:
    """Nor the packages that only that client uses."""
    program = "import keywright.controller.process; print(*sys.modules)"
    loaded = set(_python(program).split())
    assert "kubernetes.aio.client.configuration" in loaded
    assert not loaded & {"kubernetes.config", "kubernetes.dynamic", "oauthlib", "websocket"}


def test_names_of_the_package_are_found_when_they_are_used() -> None:
    """As kopf and the modules of the package itself use them."""
    program = "import kubernetes; print(kubernetes.config.ConfigException.__name__)"
    assert _python(program) == "ConfigException"
    program = "import kubernetes; print(hasattr(kubernetes, 'unheard_of'))"
    assert _python(program) == "False"


@pytest.mark.parametrize("name", ["unheard_of", "this"])
def test_what_is_no_package_is_refused(name: str) -> None:
    """It would fail later, at an import that does not say why."""
    program = f"""
try:
    skip_init({name!r})
except ModuleNotFoundError as error:
    print(error.name)
"""
    completed = subprocess.run(
        [sys.executable, "-c", f"{_SKIP}\n{program}"], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == name


_OIDC = """
from keywright.cluster.partial_import import defer
import kubernetes.client
defer("kubernetes.client", "ApiClient")
defer("requests_oauthlib", "OAuth2Session")
"""


def test_a_deferred_class_is_imported_when_it_is_called() -> None:
    """An OIDC `auth-provider` of a kubeconfig gets the real ones."""
    program = f"""{_OIDC}
from kubernetes.client import ApiClient
from requests_oauthlib import OAuth2Session
print("pydantic" in sys.modules, "requests" in sys.modules)
print(type(ApiClient()).__module__, type(OAuth2Session("me")).__module__)
import requests_oauthlib
print(requests_oauthlib.OAuth2Session.__module__, kubernetes.client.ApiClient.__module__)
print(type(ApiClient()).__module__)
"""
    assert _python(program).splitlines() == [
        "False False",
        "kubernetes.client.api_client requests_oauthlib.oauth2_session",
        "requests_oauthlib.oauth2_session kubernetes.client.api_client",
        "kubernetes.client.api_client",
    ]


def test_a_class_that_is_loaded_is_not_deferred() -> None:
    """The stub would hide it."""
    program = f"import requests_oauthlib\n{_OIDC}print(requests_oauthlib.OAuth2Session.__module__)"
    assert _python(program) == "requests_oauthlib.oauth2_session"


def test_a_kubeconfig_is_read_without_pydantic_and_oauth() -> None:
    """They take as long to import as everything else of a command."""
    program = """
from keywright.cli.cluster_config import load_config
from keywright.cli.errors import CommandError
from pathlib import Path
try:
    load_config(kubeconfig=Path("/nowhere"), context=None)
except CommandError as error:
    print(error.message)
print({"pydantic", "requests", "kubernetes.dynamic"} & {*sys.modules})
"""
    assert _python(program).splitlines() == ["there is no kubeconfig at /nowhere.", "set()"]
