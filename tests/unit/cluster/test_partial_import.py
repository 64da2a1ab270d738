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
        [sys.executable, "-c", f"{_SKIP}; {program}"],
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
