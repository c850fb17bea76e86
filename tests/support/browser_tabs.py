"""Tabs of headless Chromium that are clicked and typed into, by the DevTools protocol."""

import asyncio
import base64
import itertools
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.browser import LIMIT, OPTIONS
from tests.support.requirements import chromium

_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowLeft": ("", 37), "ArrowRight": ("", 39)}


class Tab:
    """One tab, in a browser context of its own: another person's browser.

    Attributes:
        faults: uncaught errors and messages of the console.
        requests: addresses that were asked for, in order.
    """

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self.session = session
        self.faults: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol."""
        return await self._browser.call(method, self.session, **parameters)

    async def open(self, address: str) -> None:
        """Go to an address, or load it again, and wait for the page."""
        await self.call("Page.navigate", url="about:blank")
        await self.until("location.href === 'about:blank'")
        await self.call("Page.navigate", url=address)
        await self.until(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    async def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        reply = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        end = asyncio.get_running_loop().time() + LIMIT
        while not await self.value(expression):
            assert asyncio.get_running_loop().time() < end, f"{expression} never held"
            await asyncio.sleep(0.02)

    async def click(self, selector: str, times: int = 1) -> None:
        """Press the mouse in the middle of an element."""
        where = await self.value(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for count in range(1, times + 1):
            mouse = {"x": where[0], "y": where[1], "button": "left", "clickCount": count}
            await self.call("Input.dispatchMouseEvent", type="mousePressed", **mouse)
            await self.call("Input.dispatchMouseEvent", type="mouseReleased", **mouse)

    async def press(self, key: str) -> None:
        """Press and release a key."""
        text, code = _KEYS.get(key, (key, ord(key[0].upper())))
        event = {"key": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def type(self, text: str) -> None:
        """Type a text where the cursor is."""
        await self.call("Input.insertText", text=text)

    async def picture(self, path: Path) -> None:
        """Write a screenshot as PNG."""
        reply = await self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(reply["data"]))


class Browser:
    """The connection to a Chromium; use ``browser``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A command of the protocol."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        where = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": number, "method": method, "params": parameters, **where})
        return await asyncio.wait_for(self._waiting[number], LIMIT)

    async def tab(self, width: int = 1440, height: int = 900) -> Tab:
        """Open a tab that shares nothing with others."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call("Target.createTarget", url="about:blank", **context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await tab.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await tab.call("Emulation.setDeviceMetricsOverride", **size)
        return tab

    async def listen(self) -> None:
        """Take replies and events until the connection ends."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"])
                if "error" in told:
                    waiting.set_exception(RuntimeError(str(told["error"])))
                else:
                    waiting.set_result(told["result"])
            elif (tab := self._tabs.get(told.get("sessionId", ""))) is not None:
                _note(tab, told["method"], told["params"])


def _note(tab: Tab, method: str, told: dict[str, Any]) -> None:
    if method == "Runtime.exceptionThrown":
        tab.faults.append(str(told["exceptionDetails"]))
    elif method == "Runtime.consoleAPICalled":
        tab.faults.append(str(told["args"]))
    elif method == "Log.entryAdded":
        tab.faults.append(str(told["entry"].get("text")))
    elif method == "Network.requestWillBeSent":
        tab.requests.append(told["request"]["url"])


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A headless Chromium, ended with the block; the folder takes its profile."""
    profile = folder / "profile"
    command = [str(chromium()), *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = profile / "DevToolsActivePort"
        while not (port.exists() and port.read_text().count("\n")):
            assert process.poll() is None, "Chromium has ended"
            await asyncio.sleep(0.05)
        number, path = port.read_text().split("\n")[:2]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{number}{path}", max_msg_size=0) as socket,
        ):
            found = Browser(socket)
            listening = asyncio.create_task(found.listen())
            try:
                yield found
            finally:
                listening.cancel()
    finally:
        process.terminate()
        process.wait(LIMIT)
