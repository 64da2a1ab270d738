"""The pages of the recipes: each recipe has a section, and what it shows is in its files."""

from __future__ import annotations

import re
import textwrap

import pytest

from testbed.world import ROOT
from tools.reference.recipes import PAGES, RENEWALS, Recipe, recipes

_FOLDER = ROOT / "docs" / "recipes"
_SNIPPET = re.compile(r"^```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _section(recipe: Recipe) -> str:
    """The text of the recipe's section."""
    sections = (_FOLDER / f"{recipe.page}.md").read_text().split("\n## ")[1:]
    (found,) = (each for each in sections if each.startswith(f"{recipe.title}\n"))
    return found


def _normal(text: str) -> str:
    """The lines without the indentation that they have in common, and without empty ones."""
    lines = [line for line in text.splitlines() if line.strip()]
    return textwrap.dedent("\n".join(lines))


def _is_in(snippet: str, text: str) -> bool:
    """Whether the lines of the snippet follow each other in the text, at some indentation."""
    wanted = _normal(snippet).splitlines()
    lines = [line for line in text.splitlines() if line.strip()]
    return any(
        _normal("\n".join(lines[start : start + len(wanted)])).splitlines() == wanted
        for start in range(len(lines))
    )


@pytest.mark.parametrize("recipe", recipes(), ids=lambda each: each.name)
def test_a_recipe_has_a_section_that_shows_its_files(recipe: Recipe) -> None:
    """With a link to the folder; every snippet is an excerpt of a file in it."""
    section = _section(recipe)
    assert f"(../../examples/recipes/{recipe.name}/)" in section
    texts = [file.read_text() for file in recipe.folder.iterdir()]
    snippets = _SNIPPET.findall(section)
    assert snippets
    for snippet in snippets:
        assert any(_is_in(snippet, text) for text in texts), snippet


def test_the_table_uses_known_pages_and_renewals() -> None:
    """And each page has at least one recipe."""
    assert {recipe.renewal for recipe in recipes()} == set(RENEWALS)
    assert {recipe.page for recipe in recipes()} == set(PAGES)
