"""Imports parts of packages without what only other parts of them need."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


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


class Deferred:
    """Imports a class when it is called, and calls it."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Return what the class returns."""
        module = sys.modules.get(self._module)
        if module is not None and getattr(module, self._name, None) is self:
            if module.__spec__ is None:
                del sys.modules[self._module]
            else:
                delattr(module, self._name)
        return getattr(importlib.import_module(self._module), self._name)(*arguments, **keywords)


def defer(module: str, name: str) -> None:
    """Let later imports of the class `name` find one that is imported only when it is called.

    Without effect if the module is loaded already and has the class.
    """
    if module not in sys.modules:
        sys.modules[module] = ModuleType(module)
    vars(sys.modules[module]).setdefault(name, Deferred(module, name))
