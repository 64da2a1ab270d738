"""`make docs-check`: check each page of the built site in Chromium.

At two widths and in both color schemes, axe-core checks the rules of WCAG 2.1 (A and AA), and no
page may scroll sideways.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tools.docs_check.browser import BrowserError, Tab, browser

_ROOT: Final = Path(__file__).resolve().parents[2]
_SITE: Final = _ROOT / "dist" / "site"
_CACHE: Final = _ROOT / ".cache" / "docs-check"
_LOCK: Final = ("package.json", "package-lock.json")
_WIDTHS: Final = (1280, 390)
_SCHEMES: Final = ("light", "dark")
_AXE: Final = """
axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(found =>
  found.violations.map(each => ({
    id: each.id, help: each.help,
    nodes: each.nodes.map(node => node.html.split('>')[0].slice(0, 160) + '>'),
  })))
"""
_OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def main() -> int:
    """Return 1 if any page has a problem."""
    parser = argparse.ArgumentParser(prog="tools.docs_check", description=__doc__)
    parser.add_argument("page", nargs="*", help="pages of the site, such as cli.html; default: all")
    pages = parser.parse_args().page or list(_pages())
    try:
        problems = asyncio.run(_check(pages, axe=_axe()))
    except BrowserError as error:
        print(f"docs-check: {error}", file=sys.stderr)
        return 1
    for problem, where in sorted(problems.items()):
        print(f"{problem}\n  on {len(where)} of the views, such as {where[0]}")
    print(f"{len(pages)} pages, {len(problems)} problems")
    return 1 if problems else 0


def _pages() -> Iterator[str]:
    """The pages of the documentation, without those that show a file of the repository."""
    for path in sorted(_SITE.rglob("*.html")):
        name = path.relative_to(_SITE).as_posix()
        if not name.startswith("files/"):
            yield name


def _axe() -> str:
    """The script of axe-core, in the version of the lock file.

    Raises:
        BrowserError: npm is not installed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BrowserError("no npm on the PATH (Debian: apt-get install npm)")
    _CACHE.mkdir(parents=True, exist_ok=True)
    for name in _LOCK:
        shutil.copyfile(Path(__file__).parent / name, _CACHE / name)
    subprocess.run(  # noqa: S603  a locked package
        [npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=_CACHE,
        check=True,
    )
    return (_CACHE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


async def _check(pages: list[str], *, axe: str) -> dict[str, list[str]]:
    """The problems, each with the views that have it."""
    found: dict[str, list[str]] = {}
    with _served() as url, tempfile.TemporaryDirectory() as profile:
        async with browser(Path(profile)) as tab:
            for scheme in _SCHEMES:
                feature = {"name": "prefers-color-scheme", "value": scheme}
                await tab.call("Emulation.setEmulatedMedia", features=[feature])
                for width in _WIDTHS:
                    await tab.resize(width)
                    for page in pages:
                        for problem in await _problems(tab, f"{url}/{page}", axe=axe):
                            found.setdefault(problem, []).append(f"{page}, {width} px, {scheme}")
    return found


async def _problems(tab: Tab, url: str, *, axe: str) -> list[str]:
    await tab.open(url)
    overflow = await tab.evaluate(_OVERFLOW)
    found = [f"the page is {overflow} px wider than the window"] if overflow > 0 else []
    await tab.evaluate(axe)
    violations: list[dict[str, Any]] = await tab.evaluate(_AXE)
    return found + [
        f"{each['id']}: {each['help']}: {node}"
        for each in violations
        for node in sorted(set(each["nodes"]))
    ]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no request."""


@contextmanager
def _served() -> Iterator[str]:
    """The URL of the site, served on the loopback address."""
    handler = functools.partial(_Quiet, directory=str(_SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
