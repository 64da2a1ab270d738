"""`keywright proxy` on a real API server: a client with a placeholder, and keys that change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from openai import OpenAI

from keywright.cli.exit_codes import ExitCode
from testbed.processes import free_port
from testbed.readers.answers import MODEL, QUESTION, pod_environment
from testbed.world import ROOT
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant


@contextmanager
def proxy(tenant: Tenant, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `keywright proxy` as a process of its own, on a machine that reaches the clouds."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "keywright", "proxy", GRANT, "-n", tenant.namespace),
            *arguments,
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
            **tenant.world.client_environment(),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


def _ask(client: OpenAI) -> str:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}]
    )
    return answer.choices[0].message.content or ""


@pytest.mark.timeout(120)
def test_a_client_is_served_through_renewals(tenant: Tenant) -> None:
    """The proxy reads the Secret again, and prints no key."""
    tenant.world.aws.limit_sessions(seconds=12)
    tenant.become_ready()
    port = free_port()
    with proxy(tenant, f"--port={port}", "--interval=1") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == (
            "https://bedrock-runtime.us-west-2.amazonaws.com is at"
            f" http://127.0.0.1:{port} until Ctrl-C\n"
        )
        with pod_environment({}):
            client = OpenAI(
                base_url=f"http://127.0.0.1:{port}/openai/v1", api_key="placeholder", max_retries=0
            )
        keys: set[str] = set()

        def three_keys() -> bool:
            assert _ask(client)
            keys.add(tenant.data()[KEY])
            return len(keys) > 3

        eventually(three_keys, seconds=90)
        process.terminate()
        out, err = process.communicate(timeout=20)
    client.close()
    assert process.returncode == 0
    assert not any(key in out + err for key in keys)


def test_an_unusable_upstream_is_a_usage_error(tenant: Tenant) -> None:
    """The remedy names the options."""
    tenant.become_ready()
    with proxy(tenant, "--upstream=http://example.com") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.USAGE
    assert "must begin with https://" in err
    assert "--upstream" in err
