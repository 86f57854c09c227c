"""`make serve`: the address appears when the server listens, and a port that cannot be used is one line."""

import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "serve.py"


@pytest.fixture
def listening():
    """A socket that holds a port, and the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken, taken.getsockname()[1]


def serve(port) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-P", SCRIPT, str(port)], capture_output=True, text=True, timeout=60)


def test_a_port_in_use_is_named_with_another(listening):
    done = serve(listening[1])
    assert done.returncode == 1
    assert done.stderr == f"make: port {listening[1]} is in use; name another: make serve PORT={listening[1] + 1}\n"
    assert done.stdout == ""


@pytest.mark.parametrize("port", ["", "http", "0", "65536", "-1"])
def test_what_is_no_port_is_named(port):
    done = serve(port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"make: PORT is {port!r}, and must be a number")


def test_the_address_leads_to_the_book(listening, tmp_path):
    taken, port = listening
    taken.close()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "serve.py").write_text(SCRIPT.read_text(encoding="utf8"))
    (tmp_path / "_build" / "html").mkdir(parents=True)
    (tmp_path / "_build" / "html" / "index.html").write_text("the book")
    command = [sys.executable, "-P", tmp_path / "scripts" / "serve.py", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[0]
            assert address == f"http://localhost:{port}"
            page = HTTPConnection("127.0.0.1", port, timeout=20)
            page.request("GET", "/index.html")
            assert page.getresponse().read() == b"the book"
            page.close()
        finally:
            process.terminate()
