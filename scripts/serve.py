"""Serve the built book on this machine: python scripts/serve.py PORT"""

import errno
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"


def server(port: str) -> ThreadingHTTPServer:
    """A server that listens already, on this machine only; otherwise one line says what to do."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"make: PORT is {port!r}, and must be a number from 1 to 65535: make serve PORT=8000")
    try:
        return ThreadingHTTPServer(("127.0.0.1", int(port)), partial(SimpleHTTPRequestHandler, directory=SITE))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"make: port {port} is in use; name another: make serve PORT={int(port) + 1}")
        sys.exit(f"make: port {port} cannot be used ({error.strerror}); name another: make serve PORT=8000")


if __name__ == "__main__":
    with server(sys.argv[1]) as listening:
        print(f"http://localhost:{listening.server_port}  (Ctrl-C stops)", flush=True)
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            print()
