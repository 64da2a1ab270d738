"""The cluster and the namespace that a kubeconfig names, as kubectl reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.cli.cluster_config import load_config
from keywright.cli.errors import CommandError
from tests.unit.api.samples import ROOT

_SHOW = (
    "import json, sys; from pathlib import Path;"
    " from keywright.cli.cluster_config import load_config;"
    " c = load_config(kubeconfig=None, context=sys.argv[1] if sys.argv[1:] else None);"
    " print(json.dumps([c.server, c.namespace, c.context, c.proxy, c.authorization()]))"
)


def kubeconfig(directory: Path, name: str, **user: Any) -> Path:
    """A kubeconfig with one context, whose namespace has its name."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://{name}.example.com/",
                    "certificate-authority": "ca.crt",
                },
            }
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-ns"}}
        ],
        "current-context": name,
    }
    directory.mkdir(exist_ok=True)
    (directory / "ca.crt").write_text("CA")
    path = directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def show(environment: Mapping[str, str], *arguments: str) -> list[str | None]:
    """Load in a process of its own: the loader reads $KUBECONFIG when it is imported."""
    completed = subprocess.run(
        [sys.executable, "-c", _SHOW, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str | None] = json.loads(completed.stdout)
    return found


def test_the_context_chooses_cluster_and_namespace(tmp_path: Path) -> None:
    """Of several merged files; a context without a namespace has default."""
    files = [kubeconfig(tmp_path / name, name, token=f"t-{name}") for name in ("a", "b")]
    environment = {"KUBECONFIG": os.pathsep.join(map(str, files))}
    assert show(environment, "b")[:3] == ["https://b.example.com", "b-ns", "b"]
    assert show(environment, "a")[4] == "Bearer t-a"


def test_paths_are_relative_to_their_kubeconfig(tmp_path: Path) -> None:
    """As kubectl resolves them."""
    found = load_config(kubeconfig=kubeconfig(tmp_path / "x", "x", token="t"), context=None)
    assert found.ca_file == str(tmp_path / "x" / "ca.crt")


def test_a_token_file_is_read(tmp_path: Path) -> None:
    """With the header's scheme."""
    (tmp_path / "token").write_text("from-file")
    path = kubeconfig(tmp_path, "x", tokenFile=str(tmp_path / "token"))
    assert load_config(kubeconfig=path, context=None).authorization() == "Bearer from-file"


def test_the_proxy_of_the_environment_has_exceptions(tmp_path: Path) -> None:
    """$NO_PROXY is respected, and lower-case names count."""
    path = kubeconfig(tmp_path, "x", token="t")
    environment = {"KUBECONFIG": str(path), "HTTPS_PROXY": "http://proxy:3128"}
    assert show(environment)[3] == "http://proxy:3128"
    assert show({**environment, "NO_PROXY": ".example.com"})[3] is None
    assert show({"KUBECONFIG": str(path), "https_proxy": "http://p:1"})[3] == "http://p:1"


@pytest.mark.parametrize(
    "content", ["", "[]", "a: [", "{}", "apiVersion: v1\nkind: Config\ncurrent-context: x\n"]
)
def test_a_damaged_kubeconfig_is_an_error_with_a_remedy(tmp_path: Path, content: str) -> None:
    """And never a traceback."""
    path = tmp_path / "damaged"
    path.write_text(content)
    with pytest.raises(CommandError) as raised:
        load_config(kubeconfig=path, context=None)
    assert "kubeconfig" in raised.value.message
    assert raised.value.remedy


def test_a_config_has_no_repr_with_its_token(tmp_path: Path) -> None:
    """It could be logged."""
    found = load_config(kubeconfig=kubeconfig(tmp_path, "x", token="canary"), context=None)
    assert "canary" not in repr(found)
