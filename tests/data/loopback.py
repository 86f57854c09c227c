"""A real HTTP server on the loopback address that plays the owner of a data set in good and in bad manners."""

import hashlib
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from course.data.registry import Entry, RemoteFile


class Owner:
    """Serves ``files``; each request for a name takes the next of its ``manners``, then ``good`` for ever.

    Manners: ``good`` (honours ranges); ``no ranges``; ``wrong range``; a number n (announces all, sends n bytes, hangs
    up); ``hang n`` (sends n bytes, then nothing); ``unannounced n`` (no length, sends n bytes); ``endless``;
    ``status n`` (answers with that status).
    """

    def __init__(self, files: dict[str, bytes]):
        self.files, self.manners, self.asked = files, {}, []
        self.ended, self.faults = threading.Event(), []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: self.faults.append(sys.exception())
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path.removeprefix("/"), request.headers.get("Range")
        self.asked.append((name, wanted))
        manner = self.manners[name].pop(0) if self.manners.get(name) else "good"
        kind, number = ("cut", manner) if isinstance(manner, int) else split(manner)
        body = self.files.get(name)
        if kind == "status" or body is None:
            request.send_error(number or 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and manner != "no ranges" else 0
        if start >= len(body) and start:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            told = start + 1 if manner == "wrong range" else start
            request.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        if kind not in ("unannounced", "endless"):
            request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        with suppress(OSError):  # the other side hangs up, as some tests make it do
            self.send(request.wfile, kind, number, body[start:])

    def send(self, stream, kind: str, number: int, body: bytes) -> None:
        if kind == "endless":
            while not self.ended.is_set():
                stream.write(bytes(1 << 16))
        elif kind in ("cut", "hang", "unannounced"):
            stream.write(body[:number])
            stream.flush()
            if kind == "hang":
                self.ended.wait(60)
        else:
            stream.write(body)

    def entry(self, name: str = "small") -> Entry:
        """A registry entry whose files are those that the owner holds now."""
        files = tuple(
            RemoteFile(f"{self.address}/{file}", hashlib.md5(body).hexdigest(), len(body), path=file)
            for file, body in self.files.items()
        )
        return Entry(name, "real", "a small set", "free", "nobody (2026)", "course.data.mnist:load_mnist", files=files)


def split(manner: str) -> tuple[str, int]:
    """``hang 10`` as ``hang`` and 10; a manner without a number has 0."""
    kind, _, number = manner.rpartition(" ")
    return (kind, int(number)) if number.isdigit() else (manner, 0)


@contextmanager
def owner_of(files: dict[str, bytes]):
    """An :class:`Owner` that answers while the block runs."""
    owner = Owner(files)
    thread = threading.Thread(target=owner.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield owner
    finally:
        owner.ended.set()
        owner.server.shutdown()
        owner.server.server_close()
        thread.join()
    assert not owner.faults, owner.faults  # a mistake in this file, not in what is tested


def wait_until(condition, seconds: float = 60.0) -> None:
    """Return as soon as ``condition()`` holds; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
