"""The check of words finds the banned ones, and nothing in code."""

from pathlib import Path

from tests.words import BANNED, hits_of, strings_of

_PATH = Path("docs/page.md")


def test_each_hit_names_line_word_and_term() -> None:
    """In upper and lower case."""
    (hit,) = hits_of("A key.\nNobody has it.", path=_PATH)
    assert (hit.line, hit.word) == (2, "Nobody")
    assert hit.instead in BANNED.values()


def test_code_is_not_read() -> None:
    """Neither in backticks nor in the names of tests."""
    text = "`told` and a-secret-of-somebody-in-the-namespace, retold"
    assert list(hits_of(text, path=_PATH)) == []


def test_messages_are_read_and_docstrings_are_not() -> None:
    """A docstring is for developers."""
    source = '"""Told."""\nmessage = "told"\n'
    assert [value for _, value in strings_of(source)] == ["told"]
