"""Every exception class of the libraries at the edges, found by walking their modules."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pkgutil
import string
import warnings
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, Final

from keywright.api.errors import Failure

LIBRARIES: Final = (
    *("botocore", "boto3", "aiohttp", "kubernetes", "keywright.cluster", "keywright.clouds"),
    *("alibabacloud_credentials", "alibabacloud_credentials_api", "alibabacloud_sts20150401"),
    *("alibabacloud_tea_openapi", "alibabacloud_tea_util", "Tea", "darabonba", "msgspec", "yarl"),
)
# Thousands of modules that only hold models, documentation or tests.
_SKIPPED: Final = (".models", ".api.", ".docs", ".test", ".vendored.six", "_e2e", ".dynamic")
BUILT_IN: Final[tuple[type[Exception], ...]] = (
    *(TimeoutError, ConnectionResetError, OSError, KeyError, IndexError, TypeError, ValueError),
    *(AttributeError, RecursionError, UnicodeDecodeError, OverflowError, AssertionError),
    *(MemoryError, RuntimeError, StopIteration, NotImplementedError, ArithmeticError),
)


def _modules(name: str) -> Iterator[ModuleType]:
    package = importlib.import_module(name)
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        if any(part in f"{found.name}." for part in _SKIPPED):
            continue
        # Modules for other systems, or for packages that are not installed.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            yield importlib.import_module(found.name)


@cache
def every_exception() -> tuple[type[Exception], ...]:
    """All of them, and what Python itself raises where an answer is not as expected."""
    found: dict[type[Exception], None] = dict.fromkeys(BUILT_IN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for library in LIBRARIES:
            for module in _modules(library):
                for value in vars(module).values():
                    if inspect.isclass(value) and issubclass(value, Exception):
                        found.setdefault(value)
    # What all of them are to become.
    del found[Failure]
    return tuple(found)


def instances(kind: type[Exception]) -> Iterator[Exception]:
    """The exception as its library creates it, as far as that can be derived, and an empty one.

    Whatever has a `response` has none in it: a connection that was cut has no answer.
    """
    for arguments, named in _ways(kind):
        try:
            made = kind(*arguments, **named)
        except Exception:  # noqa: S112  another way may do
            continue
        if hasattr(made, "response"):
            with contextlib.suppress(AttributeError):
                made.response = None
        yield made
        break
    if kind.__module__.startswith("keywright."):
        # Ours are never without what they are made of.
        return
    empty = kind.__new__(kind)
    empty.args = ("planted",)
    yield empty


def _ways(kind: type[Exception]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    form = getattr(kind, "fmt", "")
    fields = [name for _, name, _, _ in string.Formatter().parse(form) if name]
    if fields:
        yield (), {name.partition("[")[0]: "planted" for name in fields}
    if kind.__name__ in ("ClientError", "WaiterError"):
        yield ({}, "Operation"), {}
    for count in range(5):
        yield ("planted",) * count, {}
    yield (), {"status": 500, "reason": "planted", "message": "planted"}
    yield ("planted",), {"remedy": "planted"}
    yield (None, ()), {}
    yield ("utf-8", b"planted", 0, 1, "planted"), {}
