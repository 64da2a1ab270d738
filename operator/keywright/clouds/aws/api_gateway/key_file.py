"""A file of API keys, in API Gateway's own format ("API Gateway API key file format", its guide).

A header line, in any order and case: Name and Key, and optionally Description, Enabled and
UsagePlanIds; other columns are ignored. Pure: rows in, rows out.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from keywright.api.names import RESERVED_PREFIX, imitates_mark
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.api_gateway.single_key import value_problem

_NEEDED: Final = ("name", "key")
_NAME_LIMIT: Final = 253
MAX_ROWS: Final = 5_000
MAX_CHARACTERS: Final = 1_048_576
"""The maximum length of a file; a Secret cannot hold more."""
# The characters allowed in an entry's name in a Secret.
_NAME: Final = re.compile(r"[-._a-zA-Z0-9]+")


class KeyFileError(ValueError):
    """The file has no readable rows; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A key in the file; `number` counts from 1 below the header line."""

    number: int
    name: str
    value: Sensitive
    description: str = ""
    enabled: bool = True
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that is not imported, and the reason, without the value."""

    number: int
    name: str
    why: str

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name else ""
        return f"row {self.number}{name}: {self.why}"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The content of a file."""

    rows: tuple[Row, ...]
    left_out: tuple[SkippedRow, ...]


def read(text: str) -> KeyFile:
    """Parse the rows into valid and skipped ones; in time linear in the text.

    Raises:
        KeyFileError: a column is missing, the file is too large, or it is not CSV.
    """
    lines = _lines(text)
    header = [column.strip().lower() for column in lines[0]] if lines else []
    missing = [column for column in _NEEDED if column not in header]
    if missing:
        names = " and ".join(column.capitalize() for column in missing)
        raise KeyFileError(f"its first line names no column {names}")
    rows: list[Row] = []
    left_out: list[SkippedRow] = []
    seen = _Seen()
    for number, cells in enumerate(lines[1:], start=1):
        if not any(cells):
            continue
        fields = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        problem = next(_problems(fields, seen=seen), None)
        name = fields.get("name", "")
        if problem is not None:
            left_out.append(SkippedRow(number, name, problem))
            continue
        seen.names[name] = seen.values[fields["key"]] = number
        rows.append(
            Row(
                number=number,
                name=name,
                value=Sensitive(fields["key"]),
                description=fields.get("description", ""),
                enabled=fields.get("enabled", "").lower() != "false",
                plans=_plans(fields.get("usageplanids", "")),
            )
        )
    return KeyFile(tuple(rows), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The numbers of the previous rows, by their names and by their values."""

    names: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict, repr=False)


def _lines(text: str) -> list[list[str]]:
    if len(text) > MAX_CHARACTERS:
        raise KeyFileError(
            f"it has {len(text)} characters, {MAX_CHARACTERS} at most are read: split it into"
            " several files, each with a grant of its own"
        )
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        # One more than the limit, and the header line.
        lines = list(itertools.islice(reader, MAX_ROWS + 2))
    except csv.Error:
        raise KeyFileError("it is not CSV") from None
    if len(lines) > MAX_ROWS + 1:
        raise KeyFileError(
            f"it has more than {MAX_ROWS} rows: split it into several files, each with a grant of"
            " its own"
        )
    return lines


def write(rows: Iterable[Row]) -> str:
    """Format these rows as a file for ImportApiKeys."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("Name", "Key", "Description", "Enabled", "UsagePlanIds"))
    for row in rows:
        enabled = str(row.enabled).lower()
        plans = ",".join(row.plans)
        lines.writerow((row.name, row.value.reveal(), row.description, enabled, plans))
    return text.getvalue()


def _problems(fields: dict[str, str], *, seen: _Seen) -> Iterator[str]:
    name, value = fields.get("name", ""), fields.get("key", "")
    if not name:
        yield "it has no name: give it one"
    if not _NAME.fullmatch(name) or len(name) > _NAME_LIMIT:
        yield (
            "its name cannot be that of an entry of a Secret: use at most 253 letters, digits,"
            " '-', '_' and '.'"
        )
    if problem := value_problem(value):
        yield f"its key {problem}: use 20 to 128 letters, digits or plain signs"
    if imitates_mark(fields.get("description", "")):
        yield f"its description has {RESERVED_PREFIX} in it, which is the operator's own: change it"
    if fields.get("enabled", "").lower() not in {"", "true", "false"}:
        yield "Enabled is neither true nor false: write one of them"
    if name in seen.names:
        yield f"row {seen.names[name]} has the same name: rename one of the two"
    if value in seen.values:
        yield f"row {seen.values[value]} has the same key: two keys with one value are one"


def _plans(text: str) -> tuple[str, ...]:
    """The IDs in a cell: separated by commas, optionally in quotes."""
    parts = (part.strip(" '\"") for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))
