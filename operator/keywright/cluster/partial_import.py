"""Imports modules of a package without those that its `__init__` imports."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


def skip_init(name: str) -> None:
    """Let later imports load single modules of a package that is not loaded yet.

    Its `__init__` is not executed: a name that it would define is looked up as a module when it is
    used.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No package named {name!r}", name=name)

    def module_of(attribute: str) -> ModuleType:
        try:
            return importlib.import_module(f"{name}.{attribute}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}") from error

    package = ModuleType(name, spec.origin)
    package.__spec__, package.__path__ = spec, spec.submodule_search_locations
    package.__dict__["__getattr__"] = module_of
    sys.modules[name] = package
