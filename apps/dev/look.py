"""Opens every page of the built site in a headless Chromium, as wide as a desktop and as a phone.

No page may be wider than its window, and every picture must load.

python3 apps/dev/look.py [FOLDER] [--seconds 120]

FOLDER is the site, `target/site` by default. The browser is that of the variable CHROMIUM, or the first one on the path;
CHROMIUM= is none. Ends with 0 where all is well, or where CHROMIUM= says that there is no browser, and with 1 otherwise. Needs
Python alone.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

#: Widths of a desktop's and of a phone's window, in pixels.
WIDTHS = (1280, 390)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: A page with one fault of each kind. Where it is not found out, nothing that is said of the others counts.
CONTROL = b'<!DOCTYPE html><title>control</title><div style="width:3000px">wide</div><img src="/.none.png" alt="">'
#: Opens each page in a frame of each width, one after the other, and sends what it found.
HARNESS = """<!DOCTYPE html><title>pages</title><body><script>
const pages = PAGES, widths = WIDTHS;
const late = (what, promise) => Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(Error(what)), 10000))]);
function picture(image) {
  image.loading = 'eager';
  if (image.complete && image.naturalWidth > 0) return null;
  if (image.complete && image.currentSrc) return `the picture ${image.getAttribute('src')} did not load`;
  return new Promise(done => {
    image.addEventListener('load', () => done(null));
    image.addEventListener('error', () => done(`the picture ${image.getAttribute('src')} did not load`));
  });
}
function named(element) {
  return [element.tagName.toLowerCase(), ...element.classList].join('.');
}
async function look(page, width) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  const opened = new Promise(done => { frame.onload = done; });
  frame.src = '/' + page;
  document.body.append(frame);
  try {
    await late('the page did not open in ten seconds', opened);
    const inner = frame.contentDocument, room = frame.contentWindow.innerWidth;
    await late('a font did not load in ten seconds', inner.fonts.ready);
    const loads = Promise.all([...inner.images].map(picture));
    const faults = (await late('a picture did not load in ten seconds', loads)).filter(fault => fault !== null);
    const wide = inner.documentElement.scrollWidth;
    if (wide > room) {
      const beyond = [...inner.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > room + 0.5);
      const which = beyond.slice(0, 5).map(named).join(', ');
      faults.push(`${wide} pixels wide in a window of ${room}; beyond its edge: ${which}`);
    }
    return { page, width, room, faults };
  } catch (error) {
    return { page, width, room: width, faults: [error.message] };
  } finally {
    frame.remove();
  }
}
(async () => {
  const found = [];
  for (const page of pages) for (const width of widths) {
    localStorage.clear();
    found.push(await look(page, width));
  }
  await fetch('/.found', { method: 'POST', body: JSON.stringify(found) });
})();
</script>"""


class Server(http.server.ThreadingHTTPServer):
    """The site, the harness, the control page, and a place where the harness leaves what it found."""

    daemon_threads = True

    def __init__(self, site: Path, pages: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(site)))
        self.harness = HARNESS.replace("PAGES", json.dumps(pages), 1).replace("WIDTHS", json.dumps(WIDTHS), 1).encode()
        self.found: list[dict[str, Any]] = []
        self.is_done = threading.Event()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        own = {"/.harness": self.server.harness, "/.control": CONTROL}.get(self.path)  # type: ignore[attr-defined]
        if own is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(own)))
        self.end_headers()
        self.wfile.write(own)

    def do_POST(self) -> None:
        server: Server = self.server  # type: ignore[assignment]
        server.found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        server.is_done.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of each request."""


def browser() -> str | None:
    """The browser's program."""
    named = os.environ.get("CHROMIUM")
    if named is not None:
        return named or None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def pages_of(site: Path) -> list[str]:
    """Every page. The list of contents, which mdBook puts beside all others, is none by itself."""
    found = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return [page for page in found if page not in ("toc.html", "print.html")]


def opened(program: str, server: Server, seconds: float) -> str | None:
    """Lets the browser work. Returns what kept it from its end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, tempfile.TemporaryFile() as errors:
        words = [program, "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"]
        words += ["--no-first-run", "--no-proxy-server", "--window-size=1400,1000", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            # The sandbox refuses root; all pages are our own.
            words.append("--no-sandbox")
        address = f"http://127.0.0.1:{server.server_address[1]}/.harness"
        try:
            child = subprocess.Popen([*words, address], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        except OSError as cause:
            return f"{program} does not start: {cause.strerror}; CHROMIUM=/path/to/another names one, CHROMIUM= none"
        try:
            left = seconds
            while left > 0.0 and child.poll() is None and not server.is_done.wait(0.5):
                left -= 0.5
            if server.is_done.is_set():
                return None
            if child.poll() is None:
                return f"not done in {seconds:g} seconds; give it more with --seconds"
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-3:]
            remedy = "CHROMIUM=/path/to/another names one, CHROMIUM= none"
            return "\n".join([f"{program} ended with {child.returncode}; {remedy}", *last])
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def faults_of(found: list[dict[str, Any]]) -> list[str]:
    """What is wrong, in sentences; the control page must be found out at every width."""
    faults = []
    for seen in found:
        is_control = seen["page"] == ".control"
        if seen["room"] != seen["width"]:
            faults.append(f"a frame of {seen['width']} pixels is {seen['room']} wide: nothing was measured")
        if is_control and len(seen["faults"]) != 2:
            faults.append(f"of a page with two faults it found {seen['faults']}: the check does not check")
        if not is_control:
            faults += [f"{seen['page']} at {seen['width']} pixels: {fault}" for fault in seen["faults"]]
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("site", type=Path, nargs="?", default=Path("target/site"))
    parser.add_argument("--seconds", type=float, default=120.0, help="how long it may take (default: 120)")
    options = parser.parse_args()
    pages = pages_of(options.site)
    if not pages:
        print(f"{options.site} holds no pages; `cargo run -p elbo-dev -- generate` builds them", file=sys.stderr)
        return 1
    program = browser()
    if program is None:
        print(f"pages: NOT LOOKED AT, no Chromium was found; widths and pictures of {len(pages)} pages were not checked")
        return 0 if os.environ.get("CHROMIUM") == "" else 1
    server = Server(options.site, [".control", *pages])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopped = opened(program, server, options.seconds)
    server.shutdown()
    faults = [stopped] if stopped is not None else faults_of(server.found)
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"pages: {len(pages)} looked at, {' and '.join(map(str, WIDTHS))} pixels wide: none is wider, all pictures load")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
