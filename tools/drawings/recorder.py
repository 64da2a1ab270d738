"""Records the calls between the packages of a running operator.

Loaded by a `sitecustomize` module: the operator itself knows nothing of it.
"""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType
from typing import Any, Final, TextIO

_PRODUCT: Final = "/keywright/"


def record(output: TextIO) -> None:
    """Write each call from one package to another: time, caller and function."""

    def observe(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        called = _place(frame)
        if called is None:
            return
        caller = _caller(frame)
        if caller is None or caller[0] == called[0]:
            return
        output.write(f"{time.time()}\t{'.'.join(caller)}\t{'.'.join(called)}\n")

    sys.setprofile(observe)
    threading.setprofile(observe)


def _caller(frame: FrameType) -> tuple[str, str, str] | None:
    """The nearest caller in the operator's own code."""
    outer = frame.f_back
    while outer is not None:
        place = _place(outer)
        if place is not None:
            return place
        outer = outer.f_back
    return None


def _place(frame: FrameType) -> tuple[str, str, str] | None:
    """Package, module and function, or None for foreign code."""
    code = frame.f_code
    _, found, inner = code.co_filename.rpartition(_PRODUCT)
    if not found or not inner.endswith(".py") or "/" not in inner:
        return None
    package, _, module = inner.removesuffix(".py").partition("/")
    if package == "controller" and module.startswith("grants/"):
        package, module = "controller.grants", module.removeprefix("grants/")
    return package, module.replace("/", "."), code.co_name
