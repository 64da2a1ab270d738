"""Sends steps to a cluster, and makes answers of two clusters comparable."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.contract_cases.steps import Answer, Step, member

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 30.0
_PAUSE = 0.05
_TIMES = frozenset(
    {"creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime", "expirationTimestamp"}
)
_REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"too old resource version: \d+ \(\d+\)"), "too old resource version"),
    (re.compile(r"ResourceVersion in record \(\d+\)"), "ResourceVersion in record (<version>)"),
    (re.compile(r"Too large resource version: (\d+), current: \d+"), r"Too large \1"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"^gen-[a-z0-9]{5}$"), "gen-<suffix>"),
    (re.compile(r"^\d+(ms|s|m|h)$"), "<age>"),
)


class Client:
    """One connection for each request, as the user of a kubeconfig or with another token."""

    def __init__(self, kubeconfig: Path, ca_file: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        self._user = config["users"][0]["user"]
        self._ca_file = ca_file
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def _connection(self, *, as_user: bool) -> http.client.HTTPSConnection:
        if as_user not in self._contexts:
            self._contexts[as_user] = self._context(as_user=as_user)
        address = self._server.removeprefix("https://")
        context = self._contexts[as_user]
        return http.client.HTTPSConnection(address, context=context, timeout=_PATIENCE)

    def _context(self, *, as_user: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        if as_user and "client-certificate" in self._user:
            context.load_cert_chain(self._user["client-certificate"], self._user["client-key"])
        elif as_user and "client-certificate-data" in self._user:
            with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
                for name in ("client-certificate-data", "client-key-data"):
                    pem.write(base64.b64decode(self._user[name]))
                pem.flush()
                context.load_cert_chain(pem.name)
        return context

    def send(self, step: Step, *, namespace: str, answers: list[Answer]) -> Answer:
        """Send one request, or repeat it until it is answered as expected."""
        if not step.eventually:
            return self._once(step, namespace=namespace, answers=answers)
        return until(
            lambda: self._once(step, namespace=namespace, answers=answers),
            lambda answer: not disagreements(step, answer),
        )

    def _once(self, step: Step, *, namespace: str, answers: list[Answer]) -> Answer:
        body = step.body(answers) if callable(step.body) else step.body
        path = step.path.replace("{ns}", namespace)
        if "{first}" in path:
            first = answers[0].document["metadata"]["resourceVersion"]
            path = path.replace("{first}", first)
        headers = {"Accept": step.accept, "User-Agent": "contract/1"}
        token = step.token(answers) if step.token else self._user.get("token")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        raw = body if isinstance(body, str) else None if body is None else json.dumps(body)
        if body is not None:
            headers["Content-Type"] = step.content_type
        connection = self._connection(as_user=step.token is None)
        try:
            connection.request(step.method, path, body=raw, headers=headers)
            response = connection.getresponse()
            warning = response.headers.get("Warning", "")
            if step.events:
                lines: list[Any] = []
                while len(lines) < step.events and (line := response.readline()):
                    lines.append(json.loads(line))
                return Answer(response.status, {"events": lines}, warning)
            return Answer(response.status, _parsed(response.read()), warning)
        finally:
            connection.close()


def until(
    ask: Callable[[], Answer], satisfied: Callable[[Answer], bool], *, seconds: float = _PATIENCE
) -> Answer:
    """Ask again until the answer satisfies; the last one when the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not satisfied(answer := ask()):
        if time.monotonic() > deadline:
            break
        pause.wait(_PAUSE)
    return answer


def disagreements(step: Step, answer: Answer) -> list[str]:
    """Where an answer is not as the step expects it."""
    found = []
    document = answer.document if isinstance(answer.document, dict) else {}
    if answer.status != step.status:
        found.append(f"status {answer.status}, expected {step.status}: {answer.document}")
    for name, words in (("reason", step.reason), ("message", step.message)):
        if words is not None and document.get(name) != words:
            found.append(f"{name} {document.get(name)!r}, expected {words!r}")
    for path, expected in step.fields.items():
        value = member(document, path)
        if value != expected:
            found.append(f"{path} is {value!r}, expected {expected!r}")
    return found


def normalised(value: Any, name: str = "") -> Any:
    """The value with everything replaced that differs from run to run."""
    if isinstance(value, dict):
        shown = {key: normalised(member_, key) for key, member_ in value.items()}
        # Descriptions of columns are prose of the release.
        kept = {_replaced(key): one for key, one in shown.items() if key != "description"}
        return {key: one for key, one in kept.items() if (key, one) != ("continue", "")}
    if isinstance(value, list):
        items = [normalised(item) for item in value]
        # Causes come in the order of a Go map, managers in that of the second of their last write.
        if name in ("causes", "managedFields"):
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
        return items
    if name in _TIMES and value:
        return "<time>"
    if name == "resourceVersion" and value:
        return "<version>"
    if name == "continue" and value:
        return "<continue>"
    return _replaced(value) if isinstance(value, str) else value


def _replaced(text: str) -> str:
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
