"""The check of words finds the banned ones, and nothing in code."""

from pathlib import Path

from tests.words import BANNED, check, hits_of, texts_of

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


def test_the_tests_themselves_are_read(tmp_path: Path) -> None:
    """So are testbed and tools; the list names the words, and is left out."""
    for name in ("tests/test_a.py", "tests/words.py", "testbed/a.py", "tools/a.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('"""It is told."""\n')
    found = [hit.path.as_posix() for hit in check(tmp_path)]
    assert found == ["testbed/a.py", "tests/test_a.py", "tools/a.py"]
