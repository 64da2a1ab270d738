"""`make docs`: gather the pages of the documentation site, so that each link stays in the site.

The pages in docs/ link to files of the repository. Each linked file becomes a page that shows it,
and each linked folder a page that lists it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
START: Final = "README.md"
# Pages beside docs/.
_TOP: Final = (START, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK: Final = re.compile(r"(?P<start>\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?P<end>\))")
_FENCE: Final = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)$", re.MULTILINE | re.DOTALL)
_LANGUAGES: Final = {".yaml": "yaml", ".json": "json", ".py": "python", ".lua": "lua"}
_FILES: Final = PurePosixPath("files")
_ASSETS: Final = Path(__file__).parent / "site_assets"


def pages() -> list[PurePosixPath]:
    """The Markdown pages, relative to the repository."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    names = [PurePosixPath(path.relative_to(ROOT).as_posix()) for path in found]
    return [*(PurePosixPath(name) for name in _TOP), *names]


def place(page: PurePosixPath) -> PurePosixPath:
    """Where a page of the repository is in the site."""
    if str(page) == START:
        return PurePosixPath("index.md")
    return page.relative_to("docs") if page.parts[0] == "docs" else page


def gathered() -> dict[PurePosixPath, str]:
    """The text of every page of the site, by its place.

    Raises:
        FileNotFoundError: a page links to a file that does not exist.
    """
    result: dict[PurePosixPath, str] = {}
    linked: set[PurePosixPath] = set()
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        result[place(page)] = _rewritten(text, page=page, linked=linked)
    while linked - result.keys():
        for target in sorted(linked - result.keys()):
            result[target] = _shown(target, linked=linked)
    return result


def _rewritten(text: str, *, page: PurePosixPath, linked: set[PurePosixPath]) -> str:
    """The page with links that are right at its place in the site."""
    here = place(page).parent

    def replace(match: re.Match[str]) -> str:
        target = match["target"]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        found = _in_repository(page.parent / target)
        goal = place(found) if found in known else _file_page(found)
        if found not in known and found.suffix != ".svg":
            linked.add(goal)
        relative = os.path.relpath(goal, here)
        return f"{match['start']}{relative}{match['anchor'] or ''}{match['end']}"

    known = set(pages())
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(replace, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(replace, text[end:])])


def _in_repository(path: PurePosixPath) -> PurePosixPath:
    found = PurePosixPath(os.path.normpath(path))
    if not (ROOT / found).exists():
        raise FileNotFoundError(str(found))
    return found


def _file_page(found: PurePosixPath) -> PurePosixPath:
    """Where the site shows a file or folder of the repository."""
    if found.suffix == ".svg":
        return place(found)
    if (ROOT / found).is_dir():
        return _FILES / found / "index.md"
    return _FILES / f"{found}.md"


def _shown(target: PurePosixPath, *, linked: set[PurePosixPath]) -> str:
    """A page for a linked file or folder."""
    inside = target.relative_to(_FILES)
    if inside.name == "index.md":
        return "".join(_listed(inside.parent, linked=linked))
    found = inside.with_suffix("")
    language = _LANGUAGES.get(found.suffix, "text")
    text = (ROOT / found).read_text(encoding="utf-8").rstrip()
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"# {found.name}\n\n`{found}`\n\n{fence}{language}\n{text}\n{fence}\n"


def _listed(folder: PurePosixPath, *, linked: set[PurePosixPath]) -> Iterator[str]:
    yield f"# {folder.name}\n\n`{folder}/`\n\n"
    for path in sorted((ROOT / folder).iterdir()):
        if path.name.startswith((".", "__")):
            continue
        goal = _file_page(folder / path.name)
        linked.add(goal)
        yield f"- [{path.name}]({os.path.relpath(goal, _FILES / folder)})\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the pages and pictures into a folder, which is emptied first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    shutil.rmtree(folder, ignore_errors=True)
    for target, text in gathered().items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_text(text, encoding="utf-8")
    for picture in (ROOT / "docs").rglob("*.svg"):
        goal = folder / picture.relative_to(ROOT / "docs")
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, goal)
    for asset in _ASSETS.iterdir():
        shutil.copyfile(asset, folder / asset.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
