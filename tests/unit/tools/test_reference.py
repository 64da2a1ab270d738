"""The generated reference pages: complete, and up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from keywright.api import names
from keywright.api.formats import TEMPLATES, Format
from keywright.cli.commands import COMMANDS
from tests.unit.api.samples import ROOT
from tools.reference import marks
from tools.reference.__main__ import DOCS, PAGES
from tools.reference.metrics import scrape


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date_and_in_the_navigation(name: str) -> None:
    """As `make reference` writes it; the folder of the reference has no other page."""
    assert _page(name) == PAGES[name](), "run make reference"
    assert f"{name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    reference = {f"reference/{file.name}" for file in (DOCS / "reference").iterdir()}
    assert reference == {page for page in PAGES if page.startswith("reference/")}


def _leaves(schema: dict[str, Any]) -> Iterator[str]:
    """The names of all fields, except those in documents with a form of their own."""
    for name, each in schema.get("properties", {}).items():
        inner = each.get("items", each)
        yield name
        if not {"Statement", "matchLabels"} & set(inner.get("properties", ())):
            yield from _leaves(inner)


@pytest.mark.parametrize("plural", ["credentialsources", "apikeygrants"])
def test_every_field_and_every_rule_of_a_crd_is_in_its_page(plural: str) -> None:
    """By name; and each message of a rule on spec."""
    crd = yaml.safe_load((ROOT / "crds" / f"{plural}.keywright.dev.yaml").read_text("utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    page = _page(f"reference/{crd['spec']['names']['singular']}.md")
    shown = set(re.findall(r"^\| `(?:[\w.\[\]]+\.)?(\w+)` \|", page, re.MULTILINE))
    assert set(_leaves(schema["spec"])) | set(_leaves(schema["status"])) == shown
    for rule in schema["spec"]["x-kubernetes-validations"]:
        assert f"- {rule['message'].strip()}" in page.replace("\\", "")


def test_every_annotation_of_the_code_is_in_the_page() -> None:
    """Each constant for an annotation or label has a meaning."""
    constants = {
        value
        for name, value in vars(names).items()
        if "ANNOTATION" in name or name in {"WATCH_LABEL", "MANAGED_BY_LABEL", "REFERENCE_LABEL"}
    }
    tables = (marks.ON_GRANTS, marks.ON_ACCOUNTS, marks.ON_SECRETS, marks.ON_PODS, marks.LEGACY)
    listed = {name.partition("<")[0] for table in tables for name in table}
    labels = {name.partition(":")[0] for name in marks.LABELS}
    assert listed | labels == constants


async def test_every_metric_has_a_series_in_the_scrape_of_its_page() -> None:
    """The page has the labels of each from its series."""
    families = list(text_string_to_metric_families(await scrape()))
    assert [family.name for family in families if not family.samples] == []


def test_every_format_and_every_command_has_a_row_or_section() -> None:
    """With each entry that the format writes, its readers, and how a renewal reaches them."""
    page = _page("reference/formats.md")
    for form in Format:
        row, readers = re.findall(rf"^\| `{form}` \| (.*)$", page, re.MULTILINE)
        cells = [cell.strip() for cell in readers.rstrip("|").split("|")]
        names, notices, otherwise, links = cells
        assert names
        assert links.count("](../") >= 1
        # Either the reader notices a renewal by itself, or the table says what to do.
        assert notices.startswith("yes") or otherwise != "not needed" or "yes" in notices
        assert all(f"`{key}`" in row for key in TEMPLATES[form])
    commands = _page("reference/commands.md")
    for command in COMMANDS:
        assert (f"## keywright {command.name}\n" in commands) is bool(command.summary)
