"""The type of every secret value, from its creation until it is written to a Secret."""

import hmac
from typing import NoReturn, Self

from typing_extensions import override

_SHOWN = "<sensitive>"


class Sensitive:
    """A string that is only revealed explicitly.

    `repr`, `str` and `format` return `<sensitive>`, so that a log line, a traceback with locals or
    a message cannot contain the value; pickling is refused, so that no queue or cache stores it.
    Search for `.reveal()` to find every place that reads a secret.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash would reveal which secrets are equal

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret value."""
        return self._value

    @override
    def __eq__(self, other: object) -> bool:
        """Compare in constant time, and only with another Sensitive."""
        if not isinstance(other, Sensitive):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    @override
    def __repr__(self) -> str:
        return _SHOWN

    @override
    def __str__(self) -> str:
        return _SHOWN

    @override
    def __format__(self, format_spec: str) -> str:
        return _SHOWN

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Sensitive is never pickled: reveal() it where it is used")
