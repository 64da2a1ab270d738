"""The documentation site has every page, and each link in it leads to a page of the site."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from tests.unit.api.samples import ROOT
from tools.site import gathered, main, pages, place

_LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]+)")


def _navigation(part: object) -> Iterator[str]:
    match part:
        case str():
            yield part
        case list():
            for item in part:
                yield from _navigation(item)
        case dict():
            for item in part.values():
                yield from _navigation(item)
        case _:
            raise TypeError(part)


def test_every_page_is_in_the_navigation() -> None:
    """Once; the decisions are reached from the page on the architecture."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = list(_navigation(yaml.safe_load(text)["nav"]))
    written = [str(place(page)) for page in pages() if "decisions" not in page.parts]
    assert sorted(shown) == sorted(written)


def test_every_link_leads_to_a_page_or_picture_of_the_site() -> None:
    """Files and folders of the repository have pages that show them."""
    site = gathered()
    lost = []
    for page, text in site.items():
        if page.parts[0] == "files" and page.name != "index.md":
            continue  # shows a file as it is
        for target in _LINK.findall(re.sub(r"(?ms)^```.*?^```$", "", text)):
            goal = PurePosixPath(os.path.normpath(page.parent / target))
            picture = goal.suffix == ".svg" and (ROOT / "docs" / goal).exists()
            if goal not in site and not picture:
                lost.append(f"{page}: {target}")
    assert lost == []
    assert PurePosixPath("files/examples/bedrock-short-term/pod.yaml.md") in site
    assert PurePosixPath("files/manifests/policies/index.md") in site


def test_a_linked_file_is_shown_whole() -> None:
    """In a fence that its text cannot end."""
    text = gathered()[PurePosixPath("files/examples/bedrock-short-term/pod.yaml.md")]
    body = (ROOT / "examples" / "bedrock-short-term" / "pod.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{body.rstrip()}\n```" in text


def test_the_folder_has_only_the_present_pages(tmp_path: Path) -> None:
    """What an earlier run wrote is removed."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "old.md").write_text("old", encoding="utf-8")
    assert main([str(folder)]) == 0
    assert not (folder / "old.md").exists()
    assert (folder / "index.md").read_text(encoding="utf-8").startswith("# Keywright")
    assert (folder / "screens" / "status.svg").exists()
    configured = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    for asset in (*configured["extra_css"], *configured["extra_javascript"]):
        assert (folder / asset).exists()
