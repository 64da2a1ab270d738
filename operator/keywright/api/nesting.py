"""How deep the parts of an object may lie in one another.

A schema bounds sizes and counts, but not the depth of what it lets through as it is (policy
documents). Whatever is deeper than `MOST_LEVELS` is cut off where an object comes in: encoders,
hashes and comparisons recurse, and how deep they may differs between versions of Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MOST_LEVELS: Final = 100
"""Levels of a whole object; its schema and the largest policy of any cloud need some twenty."""
MOST_POLICY_LEVELS: Final = 20
"""Levels of a policy document; those of AWS and Alibaba Cloud have six."""
CUT: Final = "cut off by Keywright: nested too deeply"
"""Stands where something deeper was."""


def is_deeper(value: object, *, than: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays; does not recurse."""
    level = [value] if isinstance(value, Mapping | list) else []
    for _ in range(than):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list)
        ]
        if not level:
            return False
    return bool(level)


def without_depths(value: Any, *, levels: int = MOST_LEVELS) -> Any:
    """The value, with what is deeper replaced by `CUT`."""
    if not isinstance(value, Mapping | list):
        return value
    if not levels:
        return CUT
    if isinstance(value, Mapping):
        return {name: without_depths(inner, levels=levels - 1) for name, inner in value.items()}
    return [without_depths(inner, levels=levels - 1) for inner in value]
