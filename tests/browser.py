"""A real Chromium without a window, driven over the pipe of its own protocol.

https://chromedevtools.github.io/devtools-protocol/: with `--remote-debugging-pipe` it reads commands from
descriptor 3 and writes answers and events to descriptor 4, each a JSON text that ends with a NUL.
"""

import json
import os
import select
import subprocess
import time
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import Any, Self

from tests.servers import missing_peer

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_PATIENCE = 60.0  # seconds, on a busy machine


class Browser:
    """One tab, as a person uses it: opens addresses, types, clicks, reads what is shown."""

    def __init__(self, profile: Path) -> None:
        if (chromium := which("chromium")) is None:
            missing_peer("chromium")
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            # bash puts the pipes where Chromium expects them
            [
                *("bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", chromium),
                *(*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._number = 0
        self._events: list[str] = []  # names of those that were not waited for
        self._session = ""
        try:
            tab = self._call("Target.createTarget", url="about:blank")["targetId"]
            attached = self._call("Target.attachToTarget", targetId=tab, flatten=True)
            self._session = attached["sessionId"]
            self._call("Page.enable")
        except BaseException:
            self.close()
            raise

    def open(self, url: str) -> None:
        """Go to `url`, and wait until its page is loaded."""
        self._events.clear()
        self._call("Page.navigate", url=url)
        self._await("Page.loadEventFired")

    @property
    def url(self) -> str:
        return str(self.evaluate("location.href"))

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.evaluate("document.body.innerText"))

    def write(self, selector: str, text: str) -> None:
        """Click into the one field that `selector` names, and type."""
        self.press(selector)
        self._call("Input.insertText", text=text)

    def choose(self, selector: str, label: str) -> None:
        """Choose the option that is shown as `label`."""
        self.evaluate(
            f"(field => {{ field.value = [...field.options].find(o => o.text === {json.dumps(label)})"
            f".value }})(document.querySelector({json.dumps(selector)}))"
        )

    def submit(self, selector: str) -> None:
        """Click on the one button that `selector` names, and wait for the page behind it."""
        self._events.clear()
        self.press(selector)
        self._await("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """Return the value of `script`, run in the page."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, selector: str) -> None:
        """Click on the one element that `selector` names."""
        place = self.evaluate(
            f"(found => {{ if (found.length !== 1) return found.length; found[0].scrollIntoView();"
            f" const box = found[0].getBoundingClientRect();"
            f" return [box.x + box.width / 2, box.y + box.height / 2] }})"
            f"(document.querySelectorAll({json.dumps(selector)}))"
        )
        assert isinstance(place, list), f"{place} elements {selector}"
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, **mouse)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while (message := self._read()).get("id") != self._number:
            self._events.append(message.get("method", ""))
        assert "error" not in message, (method, message["error"])
        result: dict[str, Any] = message["result"]
        return result

    def _await(self, event: str) -> None:
        while event not in self._events:
            self._events.append(self._read().get("method", ""))
        self._events.remove(event)

    def _read(self) -> dict[str, Any]:
        ends = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            left = ends - time.monotonic()
            assert left > 0, "the browser was silent"
            if select.select([self._from], [], [], left)[0]:
                got = os.read(self._from, 1 << 20)
                assert got, "the browser has ended"
                self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
