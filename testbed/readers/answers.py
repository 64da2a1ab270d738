"""What every reader gives: an answer of the model, or the error in the client's own words."""

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
# what an SDK would otherwise take from the environment of the test
_SDK_VARIABLES = (
    *("AWS_", "ALIBABA_CLOUD_", "OPENAI_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one call; `error` never holds a value of the Secret."""

    client: str
    ok: bool
    text: str
    error: str | None


def asked(client: str, ask: Callable[[], str], *, data: Mapping[str, str]) -> Answer:
    """The answer to `ask()`, whatever it raises."""
    try:
        return Answer(client=client, ok=True, text=ask(), error=None)
    except Exception as error:  # whatever three SDKs and their transports raise
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
    """A client as a pod holds it: the key it was started with, for as long as it runs."""

    def ask(self) -> str:
        """What the model says; raises whatever the SDK raises."""

    def close(self) -> None:
        """Give its connections back."""


@runtime_checkable
class Mounted(Protocol):
    """A client that has the Secret mounted, and goes on when it changes."""

    def remount(self, data: Mapping[str, str]) -> None:
        """The kubelet has written the Secret anew."""


class Connect(Protocol):
    """Starts a client as a pod does: with a Secret's data and the cloud's variables."""

    def __call__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
        """The client."""


def once(
    client: str,
    connect: Connect,
    *,
    data: Mapping[str, str],
    cloud_environment: Mapping[str, str],
) -> Answer:
    """One question, asked by a client started for it."""

    def ask() -> str:
        with contextlib.closing(connect(data, cloud_environment=cloud_environment)) as started:
            return started.ask()

    return asked(client, ask, data=data)


@contextlib.contextmanager
def pod_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process environment of a pod for the time being, since SDKs read nothing else.

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
