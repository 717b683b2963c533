# Debian's headless Chromium driven over a pipe by the DevTools protocol: pages opened, asked, clicked, photographed.
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def find():
    """The browser's path, or None."""
    return os.environ.get("ASSAY_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page of one browser, closed with its `with` block. Gathers what the console says."""

    def __init__(self, width=1280, height=900, patience=60):
        self.patience, self.count, self.console = patience, 0, []
        self.profile = tempfile.mkdtemp(prefix="assay-page-")
        to_browser, from_browser = os.pipe(), os.pipe()
        # The browser reads at descriptor 3 and writes at 4.
        ours = (os.dup(to_browser[1]), os.dup(from_browser[0]))
        theirs = (os.dup(to_browser[0]), os.dup(from_browser[1]))
        for descriptor in to_browser + from_browser:
            os.close(descriptor)

        def place():
            reader, writer = os.dup(theirs[0]), os.dup(theirs[1])
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.process = subprocess.Popen(
            [find(), "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars",
             "--disable-background-networking", "--disable-extensions", "--disable-component-update", "--force-color-profile=srgb",
             "--force-prefers-reduced-motion", f"--user-data-dir={self.profile}", f"--window-size={width},{height}"]
            + (["--no-sandbox"] if os.geteuid() == 0 else []) + ["about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for descriptor in theirs:
            os.close(descriptor)
        self.writer, self.reader = ours
        self.buffer, self.session = b"", None
        target = next(t for t in self._targets() if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(domain + ".enable")
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.send("Browser.close")
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _targets(self):
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            found = self.send("Target.getTargets")["targetInfos"]
            if any(t["type"] == "page" for t in found):
                return found
            time.sleep(0.05)
        raise RuntimeError("the browser opened no page")

    def _next(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                raise RuntimeError("the browser does not answer")
            more = os.read(self.reader, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        method, said = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.console.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.console.append(said["type"] + ": " + " ".join(str(a.get("value", a.get("description"))) for a in said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.console.append("log: " + said["entry"]["text"])
        return message

    def send(self, method, **params):
        """Sends a command and waits for its answer."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writer, data):]
        until = time.monotonic() + self.patience
        while True:
            answer = self._next(until)
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def resize(self, width, height, dark=None):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        if dark is not None:
            self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, file, state=""):
        """Opens the file with that state in its link; returns ms from the start of loading until it can be used."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url="file://" + os.path.abspath(file) + ("#" + state if state else ""))
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            ready = self.ask("document.documentElement?.dataset.ready || ''")
            if ready:
                return float(ready)
            time.sleep(0.05)
        raise RuntimeError(f"{file}: the page never became ready; console: {self.console}")

    def ask(self, expression):
        """The value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(expression + ": " + details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def point_at(self, selector, click=False):
        """Moves the pointer over an element, and clicks there."""
        x, y = self.ask(f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: 'center', inline: 'center'}}); const b = e.getBoundingClientRect();
            return [b.x + b.width / 2, b.y + b.height / 2]; }})()""")
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowDown": 40}
        for kind in ("keyDown", "keyUp"):
            more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **more)

    def picture(self, file, clip=None):
        """Writes what is seen, or a clip (x, y, width, height) of the whole page, as PNG."""
        params = {"format": "png"}
        if clip:
            params.update(captureBeyondViewport=True, clip=dict(zip(("x", "y", "width", "height"), clip), scale=1))
        with open(file, "wb") as to:
            to.write(base64.b64decode(self.send("Page.captureScreenshot", **params)["data"]))
