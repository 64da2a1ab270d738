"""The values of scalars, and the escapes of JSON, as the API server reads them."""

from __future__ import annotations

import re
from typing import Any, Final

_EXPONENT: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]{1,2}")
_LONGEST_INTEGER: Final = 100
_OCTAL: Final = re.compile(r"[-+]?0o?[0-7_]+")
_SURROGATE: Final = re.compile(
    r"\\\\|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def scalar_of(tag: str, text: str, *, is_plain: bool) -> Any:
    """The value that the API server stores; what JSON has no form for stays text."""
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in {"true", "yes", "on"}
        case "int":
            return _integer(text)
        case "float":
            return _number(text)
        case "str" if is_plain and _EXPONENT.fullmatch(text):
            return float(text)  # 1e3 is a number to Kubernetes, and text to PyYAML
        case _:
            return text


def _integer(text: str) -> int | str:
    plain = text.replace("_", "")
    if len(plain) > _LONGEST_INTEGER:
        return text
    if _OCTAL.fullmatch(plain) and plain.strip("+-") != "0":
        return int(plain.replace("o", ""), 8)
    try:
        return int(plain, 0)
    except ValueError:
        # 12:30 is a number to YAML 1.1, and text to Kubernetes. A figure of thousands of digits is
        # no number to either.
        return text


def _number(text: str) -> float | str:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text  # .inf and .nan, which JSON does not have


def without_surrogates(text: str) -> str:
    """A JSON document with YAML's escapes in the place of surrogates, which YAML does not have.

    A surrogate alone is the replacement character, as Go's parser reads it.
    """
    return _SURROGATE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    high, low = found.groups()
    if high is not None:
        code = 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)
        return f"\\U{code:08x}"
    return found[0] if found[0] == r"\\" else r"\ufffd"
