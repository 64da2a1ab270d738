"""The type of every secret value, from the moment it is made until it is written to a Secret."""

import hmac
from typing import NoReturn, Self

from typing_extensions import override

_SHOWN = "<sensitive>"


class Sensitive:
    """A string that shows itself only to who asks by name.

    `repr`, `str` and `format` show `<sensitive>`, so that a log line, a traceback with locals or a
    message cannot carry the value; pickling is refused, so that no queue or cache writes it down.
    Search for `.reveal()` to find every place where a secret is opened.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash would tell equal secrets apart

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    @override
    def __eq__(self, other: object) -> bool:
        """Compares in constant time, and only with another Sensitive."""
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
