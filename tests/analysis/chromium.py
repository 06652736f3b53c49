"""A headless browser for tests: one page at a time, spoken to through the DevTools protocol."""

import asyncio
import base64
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """A tab; what it logs and asks of the network is kept."""

    def __init__(self, socket):
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers = {}
        self._loaded = asyncio.Event()
        self.logged = []
        self.requested = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self._socket:
            event = message.json()
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
            elif event["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif event["method"] == "Network.requestWillBeSent":
                self.requested.append(event["params"]["request"]["url"])
            elif event["method"] == "Runtime.exceptionThrown":
                self.logged.append(("exception", str(event["params"]["exceptionDetails"])))
            elif event["method"] == "Runtime.consoleAPICalled":
                words = " ".join(str(item.get("value", item.get("description"))) for item in event["params"]["args"])
                self.logged.append((event["params"]["type"], words))
            elif event["method"] == "Log.entryAdded":
                self.logged.append((event["params"]["entry"]["level"], event["params"]["entry"]["text"]))

    async def send(self, method, **params):
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(self._answers[number], 60)
        assert "error" not in answer, answer
        return answer["result"]

    async def run(self, script):
        """The value of an expression, awaited where it is a promise."""
        done = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def look(self, *, width=1280, height=900, dark=False, media="", script=True):
        """Set the reader's screen, theme and medium."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        await self.send("Emulation.setScriptExecutionDisabled", value=not script)

    async def open(self, path):
        self._loaded.clear()
        await self.send("Page.navigate", url=Path(path).resolve().as_uri())
        await asyncio.wait_for(self._loaded.wait(), 60)

    async def until(self, condition, seconds=60):
        """Wait for an expression to hold."""
        for _ in range(int(seconds * 10)):
            if await self.run(f"Boolean({condition})"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{condition} did not come true in {seconds} s; the page logged {self.logged}")

    async def hover(self, x, y):
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x - 3, y=y - 3)
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def press(self, key):
        for kind in ("rawKeyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key],
            )

    async def picture(self, path, *, whole=True):
        shot = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    async def paper(self, path):
        printed = await self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        Path(path).write_bytes(base64.b64decode(printed["data"]))


@asynccontextmanager
async def browser_page():
    """A fresh browser with one empty page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [PROGRAM, *options, "about:blank"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "HOME": profile},
            start_new_session=True,
        )
        try:
            lines = iter(process.stderr.readline, "")
            address = next(
                found[1] for found in (re.search(r"listening on (ws://\S+)", line) for line in lines) if found
            )
            port = address.split(":")[2].split("/")[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = await answer.json()
                target = next(tab for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await page.send(f"{domain}.enable")
                    yield page
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
