"""A headless Chromium, driven through its own pipe (Chrome DevTools Protocol): no driver, no port, no network."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)
DEADLINE = 60.0


def find_chromium() -> str | None:
    """Debian's binary, or whatever is on the path under a usual name."""
    names = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One page. `events` holds what the page did that it should not: errors, console messages, requests."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self._process, self._commands, self._answers = process, commands, answers
        self._buffer = b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.events: list[tuple[str, Any]] = []
        self.requests: list[str] = []

    def attach(self) -> Self:
        """Open an empty page and listen."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Security"):
            self.call(f"{domain}.enable")
        return self

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != number:
                self._note(answer)
            elif "error" in answer:
                raise AssertionError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str, until: str = "document.readyState === 'complete'") -> None:
        """Go there and wait until the expression holds."""
        self.call("Page.navigate", url=url)
        self.wait(until)

    def wait(self, expression: str) -> None:
        """Until it holds; what it asks for may not be there yet."""
        end = time.monotonic() + DEADLINE
        while not self.run(f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"):
            assert time.monotonic() < end, f"never: {expression}; {self.events}"
            time.sleep(0.02)

    def run(self, expression: str) -> Any:
        """An expression's value in the page; promises are awaited."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """One key, as a person would."""
        text = key if len(key) == 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def view(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size, and which colours are preferred."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 2**20)
            assert part, "Chromium went away"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        method, given = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.events.append((method, [argument.get("value") for argument in given["args"]]))
        elif method == "Log.entryAdded":
            self.events.append((method, given["entry"]["text"]))
        elif method == "Runtime.exceptionThrown":
            self.events.append((method, given["exceptionDetails"]))
        elif method == "Page.javascriptDialogOpening":
            self.events.append((method, given["message"]))


def _high_pipe() -> tuple[int, int]:
    """Descriptors that are neither 3 nor 4, which Chromium reads and writes."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh Chromium with a profile of its own, gone afterwards."""
    program = find_chromium()
    assert program is not None
    (commands, commands_in), (answers_out, answers) = _high_pipe(), _high_pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{commands} 4>&{answers}',
                "bash",
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        try:
            yield Browser(process, commands_in, answers_out).attach()
        finally:
            process.kill()
            process.wait()
            os.close(commands_in)
            os.close(answers_out)
