"""The result of every client: a response of the model, or the client's own error."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODEL = "amazon.nova-lite-v1:0"
QUESTION = "Is the key good?"
_SHORTEST_SECRET = 16
# variables that an SDK would otherwise read from the environment of the test
_SDK_VARIABLES = (
    *("AWS_", "ALIBABA_CLOUD_", "DASHSCOPE_", "OPENAI_", "ANTHROPIC_", "OTEL_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one call; `error` never contains a value of the Secret."""

    client: str
    ok: bool
    text: str
    error: str | None


def requested(client: str, ask: Callable[[], str], *, data: Mapping[str, str]) -> Answer:
    """The answer to `ask()`; any exception is its error."""
    try:
        return Answer(client=client, ok=True, text=ask(), error=None)
    except Exception as error:  # any exception of three SDKs and their transports
        text = f"{type(error).__name__}: {error}"
        for value in _values(data):
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, "***")
        return Answer(client=client, ok=False, text="", error=text)


def _values(data: Mapping[str, str]) -> Iterator[str]:
    """The values of a Secret, and those within a value that is a JSON document or an INI file."""
    for value in data.values():
        yield value
        try:
            yield from _strings(json.loads(value))
        except ValueError:
            yield from (line.partition("=")[2].strip() for line in value.splitlines())


def _strings(content: object) -> Iterator[str]:
    match content:
        case str():
            yield content
        case dict():
            for item in content.values():
                yield from _strings(item)
        case list():
            for item in content:
                yield from _strings(item)
        case _:
            pass


class Client(Protocol):
    """A client in a pod: with the key it was started with, for as long as it runs."""

    def ask(self) -> str:
        """The response of the model; raises the exceptions of the SDK."""

    def close(self) -> None:
        """Close the connections."""


@runtime_checkable
class Mounted(Protocol):
    """A client that has the Secret mounted, and keeps running when it changes."""

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""


class Connect(Protocol):
    """Starts a client like a pod: with a Secret's data and the cloud's variables."""

    def __call__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
        """The client."""


def once(
    client: str,
    connect: Connect,
    *,
    data: Mapping[str, str],
    cloud_environment: Mapping[str, str],
) -> Answer:
    """One call, by a client started for it."""

    def ask() -> str:
        with contextlib.closing(connect(data, cloud_environment=cloud_environment)) as started:
            return started.ask()

    return requested(client, ask, data=data)


@contextlib.contextmanager
def pod_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set the process environment of a pod temporarily, since SDKs read nothing else.

    The environment belongs to the whole process: use it from one thread at a time.
    """
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(_SDK_VARIABLES):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
