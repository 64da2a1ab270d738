"""The check of words finds the banned ones, and nothing in code."""

from pathlib import Path

from tests.words import BANNED, hits_of, texts_of

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


def test_strings_docstrings_and_comments_are_read() -> None:
    """Identifiers are not."""
    source = '"""A docstring."""\ntold = "a message"  # a comment\n'
    texts = [(1, "A docstring."), (2, "# a comment"), (2, "a message")]
    assert sorted(texts_of(source)) == texts
