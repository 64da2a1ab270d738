"""Files of API keys: which rows are imported, and what is reported of the others."""

import time

import pytest

from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.api_gateway.csv_import import not_imported
from keywright.clouds.aws.api_gateway.key_file import (
    MAX_CHARACTERS,
    MAX_ROWS,
    KeyFileError,
    Row,
    read,
    write,
)
from keywright.clouds.aws.api_gateway.single_key import value_problem

VALUE = "0123456789abcdefghij"
OTHER = "abcdefghij0123456789"
HEADER = "Name,Key,Description,Enabled,UsagePlanIds"


def test_a_file_is_read_in_any_order_and_case() -> None:
    """Columns by their names, next to any others, in the encodings of spreadsheets."""
    text = f'\ufeffenabled,KEY,comment,name,usageplanids\nFALSE, {VALUE} ,x,a,"p1, p2,p1"\n\n'
    (row,) = read(text).rows
    assert row == Row(1, "a", Sensitive(VALUE), enabled=False, plans=("p1", "p2"))


def test_what_is_written_is_read_again() -> None:
    """Commas and quotes in a description survive the way to API Gateway."""
    rows = (Row(1, "a", Sensitive(VALUE), description='Partner "A", by contract', plans=("p1",)),)
    assert read(write(rows)).rows == rows


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f",{VALUE}", "row 2: it has no name: give it one"),
        (f"a b,{VALUE}", "row 2 (a b): its name cannot be that of an entry of a Secret"),
        ("b,short", "row 2 (b): its key has 5 characters"),
        (f"b,{VALUE * 7}", "row 2 (b): its key has 140 characters"),
        (f'b,"{VALUE} {VALUE}"', "row 2 (b): its key has blanks, quotes"),
        (
            f"b,{OTHER},KeyWright.dev/grant-uid=0f6f import-x",
            "row 2 (b): its description has keywright.dev/ in it",
        ),
        (f"b,{OTHER},,yes", "row 2 (b): Enabled is neither true nor false"),
        (f"first,{OTHER}", "row 2 (first): row 1 has the same name"),
        (f"b,{VALUE}", "row 2 (b): row 1 has the same key"),
    ],
)
def test_a_bad_row_is_named_with_its_reason(row: str, why: str) -> None:
    """By number and name, never by its value; the others are imported."""
    file = read(f"{HEADER}\nfirst,{VALUE}\n{row}\n")
    assert [good.name for good in file.rows] == ["first"]
    (reported,) = map(str, file.left_out)
    assert reported.startswith(why)
    assert VALUE not in reported


@pytest.mark.parametrize("text", ["", "just text", "Name,Description\na,b\n"])
def test_what_is_no_file_of_keys_is_refused(text: str) -> None:
    """Without its columns nothing is guessed."""
    with pytest.raises(KeyFileError, match="names no column"):
        read(text)


def test_warnings_of_api_gateway_are_told_of_their_rows() -> None:
    """By the row that they name, in the user's own count; a value in them is cut out."""
    rows = (Row(3, "c", Sensitive(VALUE)), Row(8, "h", Sensitive(OTHER)))
    reported = [
        str(row)
        for row in not_imported(
            rows, found={}, warnings=[f"Row 2: no room for {OTHER}", "too many"]
        )
    ]
    assert reported == ["row 3 (c): too many", "row 8 (h): no room for <removed>"]


@pytest.mark.parametrize("value", [VALUE, VALUE * 6, "with-signs._~+/=0000"])
def test_a_plain_value_is_taken(value: str) -> None:
    """20 to 128 characters that a header, a shell and a file carry as they are."""
    assert value_problem(value) == ""


def test_the_values_of_a_row_are_not_shown() -> None:
    """No repr of a row tells its value."""
    assert VALUE not in repr(read(f"{HEADER}\na,{VALUE}\n"))


def _rows(count: int, *, value: str = "value-{:016d}-padded") -> str:
    return "Name,Key\n" + "".join(f"n{i},{value.format(i)}\n" for i in range(count))


def test_a_large_file_is_read_in_a_moment() -> None:
    """Each row was compared with all before it: 724 KB held the event loop up for minutes."""
    began = time.process_time()
    found = read(_rows(MAX_ROWS))
    assert len(found.rows) == MAX_ROWS
    assert time.process_time() - began < 10


def test_a_file_of_the_same_rows_is_read_in_a_moment() -> None:
    """And every one of them says which row it repeats."""
    began = time.process_time()
    found = read("Name,Key\n" + "n,value-padded-to-twenty\n" * MAX_ROWS)
    assert len(found.left_out) == MAX_ROWS - 1
    assert found.left_out[-1].why == "row 1 has the same name: rename one of the two"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(_rows(MAX_ROWS + 1), f"more than {MAX_ROWS} rows", id="rows"),
        pytest.param("Name,Key\n" + "\n" * 1_000_000, f"more than {MAX_ROWS} rows", id="blanks"),
        pytest.param("x" * (MAX_CHARACTERS + 1), "1048577 characters", id="characters"),
    ],
)
def test_a_file_that_is_too_large_is_refused(text: str, why: str) -> None:
    """With what to do; nothing of it is imported."""
    with pytest.raises(KeyFileError, match=f"{why}.*split it into several files"):
        read(text)
