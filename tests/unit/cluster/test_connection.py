"""How the API server is reached, by each way that a configuration can say it."""

import asyncio
import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.cluster.connection import ReloadedTrust, connect
from keywright.cluster.resolving import OwnThreadResolver
from testbed.certificates import Authority

ROOT = Path(__file__).parents[3]
SERVER = "https://127.0.0.1:6443"
IN_CLUSTER = Path(__file__).with_name("in_cluster_program.py")


def _kubeconfig(folder: Path, *, user: dict[str, Any], **cluster: Any) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "first",
        "clusters": [
            {"name": name, "cluster": {"server": server, **cluster}}
            for name, server in (("first", f"{SERVER}/"), ("second", "https://second:6443"))
        ],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "me"}}
            for name in ("first", "second")
        ],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return path


async def test_a_token_of_a_kubeconfig_is_sent(tmp_path: Path) -> None:
    """As a bearer; the server's address has no slash at its end."""
    found = await connect(kubeconfig=_kubeconfig(tmp_path, user={"token": "abc"}))
    assert (found.server, await found.authorization.header()) == (SERVER, "Bearer abc")
    assert found.ssl_context.check_hostname


async def test_a_context_is_chosen_by_name(tmp_path: Path) -> None:
    """Another than the current one."""
    path = _kubeconfig(tmp_path, user={"token": "abc"})
    assert (await connect(kubeconfig=path, context="second")).server == "https://second:6443"


async def test_a_client_certificate_is_loaded_and_no_header_sent(tmp_path: Path) -> None:
    """The certificate is the identity; only the cluster's own authority is trusted."""
    authority = Authority(tmp_path, name="the cluster's own")
    mine = authority.issue("me")
    certificate, key, trusted = (
        base64.b64encode(path.read_bytes()).decode()
        for path in (mine.certificate, mine.key, authority.certificate)
    )
    user = {"client-certificate-data": certificate, "client-key-data": key}
    path = _kubeconfig(tmp_path, user=user, **{"certificate-authority-data": trusted})
    found = await connect(kubeconfig=path)
    assert await found.authorization.header() is None
    assert "the cluster's own" in str(found.ssl_context.get_ca_certs())


async def test_an_insecure_cluster_is_taken_at_its_word(tmp_path: Path) -> None:
    """insecure-skip-tls-verify is the user's choice."""
    path = _kubeconfig(tmp_path, user={}, **{"insecure-skip-tls-verify": True})
    assert not (await connect(kubeconfig=path)).ssl_context.check_hostname


async def test_an_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    """Run as kubectl runs it."""
    plugin = tmp_path / "plugin.py"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-the-plugin"},
    }
    plugin.write_text(f"print({json.dumps(json.dumps(answer))})")
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(plugin)],
            "interactiveMode": "Never",
        }
    }
    found = await connect(kubeconfig=_kubeconfig(tmp_path, user=user))
    assert await found.authorization.header() == "Bearer from-the-plugin"


async def test_a_token_file_is_read_again_once_its_token_is_refused(tmp_path: Path) -> None:
    """Its current content is used; if it is unchanged, there is no other."""
    token = tmp_path / "token"
    token.write_text("first")
    found = await connect(kubeconfig=_kubeconfig(tmp_path, user={"tokenFile": str(token)}))
    assert await found.authorization.header() == "Bearer first"
    token.write_text("second")
    assert await found.authorization.renewed("Bearer first")
    assert await found.authorization.header() == "Bearer second"
    assert not await found.authorization.renewed("Bearer second")


@pytest.mark.parametrize("text", ["{}", "not: [yaml"])
async def test_a_kubeconfig_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """With the client's own error, at the start."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(Exception, match=r".") as raised:
        await connect(kubeconfig=path)
    assert type(raised.value).__name__ in ("ConfigException", "ParserError")


def test_a_pod_uses_its_service_account_and_reads_its_token_again(tmp_path: Path) -> None:
    """The kubelet rotates the file; the header follows, without a restart."""
    authority = Authority(tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (tmp_path / "token").write_text("first")
    done = subprocess.run(
        [sys.executable, str(IN_CLUSTER), str(tmp_path)],
        env=os.environ
        | {
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            "KUBERNETES_SERVICE_PORT": "443",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:-1] == [
        "https://10.0.0.1:443",
        "bearer first",
        "bearer first",
        "bearer second",
    ], done.stderr


async def test_names_are_looked_up_by_a_thread_of_their_own() -> None:
    """While the event loop's threads wait for the name servers of tenants."""
    loop, gate = asyncio.get_running_loop(), threading.Event()
    busy = ThreadPoolExecutor(max_workers=1)
    loop.set_default_executor(busy)
    waiting = loop.run_in_executor(None, gate.wait)
    resolver = OwnThreadResolver()
    async with asyncio.timeout(10):
        found = await resolver.resolve("localhost", 6443)
        assert ("127.0.0.1", 6443) in {(each["host"], each["port"]) for each in found}
        with pytest.raises(socket.gaierror):
            await resolver.resolve("name.invalid", 6443)
    assert not waiting.done()
    gate.set()
    await waiting
    await resolver.close()


def test_a_rotated_ca_is_trusted_by_new_connections(tmp_path: Path) -> None:
    """Within ten seconds, beside the one before; a file that is being written changes nothing."""
    now = 0.0
    old, new = (Authority(tmp_path / name, name=name).certificate for name in ("old", "new"))
    file = tmp_path / "ca.crt"
    file.write_bytes(old.read_bytes())
    context = ssl.create_default_context(cafile=str(file))
    trust = ReloadedTrust(context, str(file), clock=lambda: now)
    assert len(context.get_ca_certs()) == 1
    file.write_text("half of a certif")
    now = 11.0
    trust.refresh()
    assert len(context.get_ca_certs()) == 1
    file.write_bytes(new.read_bytes())
    trust.refresh()
    assert len(context.get_ca_certs()) == 1
    now = 22.0
    trust.refresh()
    assert len(context.get_ca_certs()) == 2
