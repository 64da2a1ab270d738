"""Several versions of the documentation site, as `make docs VERSION=...` writes them."""

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.api.samples import ROOT
from tools.site_versions import configuration, main, publish


def _built(site: Path, version: str) -> None:
    page = site / version / "reference" / "commands.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"commands of {version}", encoding="utf-8")
    (site / version / "404.html").write_text("not found", encoding="utf-8")


def _versions(site: Path) -> list[tuple[str, list[str]]]:
    listed = json.loads((site / "versions.json").read_text(encoding="utf-8"))
    return [(each["version"], each["aliases"]) for each in listed]


def test_latest_is_the_highest_number(tmp_path: Path) -> None:
    """Whatever was published last, and never a name such as dev."""
    for version in ("0.2.0", "0.10.0", "dev", "0.9.1"):
        _built(tmp_path, version)
        publish(tmp_path, version)
    assert _versions(tmp_path) == [
        ("0.10.0", ["latest"]),
        ("0.9.1", []),
        ("0.2.0", []),
        ("dev", []),
    ]
    page = tmp_path / "latest" / "reference" / "commands.html"
    assert page.read_text(encoding="utf-8") == "commands of 0.10.0"


def test_links_without_a_version_lead_to_the_latest(tmp_path: Path) -> None:
    """The operator's messages have them; the anchor is kept. A folder of pages is no version."""
    for version in ("0.2.0", "0.3.0"):
        _built(tmp_path, version)
        publish(tmp_path, version)
    redirect = (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
    goal = "../latest/reference/commands.html"
    assert f'location.replace("{goal}" + location.search + location.hash)' in redirect
    assert not (tmp_path / "404.html").exists()
    assert [version for version, _ in _versions(tmp_path)] == ["0.3.0", "0.2.0"]


def test_a_removed_version_is_listed_no_more(tmp_path: Path) -> None:
    """And its pages are not linked from the root."""
    for version in ("0.2.0", "0.3.0"):
        _built(tmp_path, version)
        publish(tmp_path, version)
    (tmp_path / "0.3.0" / "only.html").write_text("only here", encoding="utf-8")
    publish(tmp_path, "0.3.0")
    assert (tmp_path / "only.html").exists()
    (tmp_path / "0.3.0").rename(tmp_path.parent / "removed")
    publish(tmp_path, "0.2.0")
    assert _versions(tmp_path) == [("0.2.0", ["latest"])]
    assert not (tmp_path / "only.html").exists()


def test_the_theme_shows_the_version_menu() -> None:
    """In a site of versions alone: another one has no versions.json to request."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    plain = yaml.safe_load(text)
    versioned = yaml.safe_load(configuration(text, folder="dist/versions/0.2.0"))
    assert versioned.pop("extra") == {"version": {"provider": "mike"}}
    assert versioned.pop("site_dir") == "dist/versions/0.2.0"
    del plain["site_dir"]
    assert versioned == plain


@pytest.mark.parametrize("version", ["latest", "../up", "", "a/b"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is written."""
    with pytest.raises(SystemExit):
        main([version])
    assert "is not a version" in capsys.readouterr().err
