"""Reads one Secret through the Kubernetes API, by a kubeconfig, over one connection."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_SECONDS = 10.0


class SecretUnreadableError(RuntimeError):
    """The Kubernetes API did not return the Secret; the message has the status."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret in a pod's view, with the annotations that tests need."""

    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str]


class SecretSource:
    """One Secret of one cluster."""

    def __init__(self, *, kubeconfig: Path, namespace: str, name: str) -> None:
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        self._connection, credentials = connection_to(kubeconfig, seconds=_TIMEOUT_SECONDS)
        self._headers = {"Accept": "application/json", **credentials}

    def read(self) -> Secret | None:
        """The current Secret, None if it does not exist; raises SecretUnreadableError."""
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next read reconnects
            raise SecretUnreadableError(f"{type(error).__name__}: {error}") from error
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if answer.status != http.HTTPStatus.OK:
            raise SecretUnreadableError(f"HTTP {answer.status}")
        secret = json.loads(body)
        encoded = secret.get("data") or {}
        return Secret(
            data={name: base64.b64decode(value).decode() for name, value in encoded.items()},
            annotations=secret["metadata"].get("annotations") or {},
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def connection_to(
    kubeconfig: Path, *, seconds: float | None
) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    """A connection that is opened on first use, and the headers with the credentials.

    A response may be `seconds` late.
    """
    cluster, user = _current(kubeconfig)
    server = urlsplit(cluster["server"])
    host, port = str(server.hostname), server.port
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    if server.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=seconds), headers
    context = _tls(cluster, user, directory=kubeconfig.parent)
    return http.client.HTTPSConnection(host, port, context=context, timeout=seconds), headers


def _current(kubeconfig: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cluster and user of the current context."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {item["name"]: item["context"] for item in config["contexts"]}
    context = contexts[config["current-context"]]
    clusters = {item["name"]: item["cluster"] for item in config["clusters"]}
    users = {item["name"]: item["user"] for item in config["users"]}
    return clusters[context["cluster"]], users[context["user"]]


def _tls(cluster: dict[str, Any], user: dict[str, Any], *, directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority = _pem(cluster, "certificate-authority", directory=directory)
    if authority is not None:
        context.load_verify_locations(cadata=authority)
    certificate = _pem(user, "client-certificate", directory=directory)
    key = _pem(user, "client-key", directory=directory)
    if certificate is not None and key is not None:
        # OpenSSL reads a client certificate from a file only
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{certificate}\n{key}")
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(part: dict[str, Any], name: str, *, directory: Path) -> str | None:
    if f"{name}-data" in part:
        return base64.b64decode(part[f"{name}-data"]).decode()
    return (directory / part[name]).read_text() if name in part else None
