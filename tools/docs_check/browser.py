"""Chromium without a window, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from testbed.processes import ChildProcess

_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_READY_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 60.0


class BrowserError(RuntimeError):
    """There is no browser, or a page failed in it."""


class Tab:
    """One tab; `call` is a method of the protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method.

        Raises:
            BrowserError: the browser refuses it.
        """
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await self._receive(lambda message: message.get("id") == number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        """Load a page."""
        number = next(self._numbers)
        await self._socket.send_json(
            {"id": number, "method": "Page.navigate", "params": {"url": url}}
        )
        await self._receive(lambda message: message.get("method") == "Page.loadEventFired")

    async def resize(self, width: int) -> None:
        """Set the width of the window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(str(found["exceptionDetails"]["exception"].get("description")))
        return found["result"].get("value")

    async def _receive(self, wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(_CALL_SECONDS):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.receive_str())
                if wanted(message):
                    return message


@asynccontextmanager
async def browser(directory: Path) -> AsyncIterator[Tab]:
    """A tab of a new browser, whose profile is in the directory.

    Raises:
        BrowserError: no Chromium is installed.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise BrowserError("no Chromium on the PATH (Debian: apt-get install chromium)")
    child = ChildProcess(
        "chromium",
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank"),
        ],
        log=directory / "chromium.log",
    )
    ports = directory / "DevToolsActivePort"
    try:
        child.wait_until(
            lambda: ports.is_file() and "\n" in ports.read_text(), seconds=_READY_SECONDS
        )
        port = ports.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                tabs = await answer.json()
            url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.call("Page.enable")
                yield tab
    finally:
        child.stop()
