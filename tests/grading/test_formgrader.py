"""Formgrader shows answers offline and harmless. Its Autograde, and nbgrader's, run nothing; `course grade` does."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from chromium import browser  # noqa: F401  (a fixture)
from fixture_course import ANSWERS, submission
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from course.files import write_whole
from course.grading.formgrader import REFUSAL
from course.grading.layout import configure
from course.grading.release import nbgrader_ready

JUPYTER = Path(sys.executable).with_name("jupyter")


@pytest.fixture
def button(course, request):
    """Formgrader's interface to nbgrader, with the settings of the checkout and the small course's folders."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(request.config.rootpath)).load_config()
    configure(config, course.root, course.grading, course.grading / "release")
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def test_the_button_runs_nothing_and_leaves_what_was_graded(button, course, chapter, released, tmp_path):
    marker = tmp_path / "ran"
    answer = f"open({str(marker)!r}, 'w').write('x')\n" + ANSWERS["mean"]
    write_whole(
        course.of_student("submitted", "ada", chapter),
        nbformat.writes(submission(released, ANSWERS | {"mean": answer})),
    )
    graded = course.of_student("autograded", "ada", chapter)
    write_whole(graded, "graded before")
    result = button.autograde(chapter.part, "ada")
    assert not result["success"]
    assert REFUSAL in result["error"]
    assert REFUSAL in result["log"]
    assert not marker.exists()
    assert graded.read_text() == "graded before"


def test_formgrader_cleans_what_it_shows(button):
    assert button.config.HTMLExporter.sanitize_html


@pytest.fixture
def formgrader(course, grade, request, released, tmp_path):
    """The address of Formgrader's page of one graded submission, on a Jupyter server with the checkout's settings."""
    shutil.copy(request.config.rootpath / "nbgrader_config.py", course.root)
    why = "Since $\\sum_i x_i^2$ <script>document.title = 'scripted'</script> ![](attachment:gone.png)"
    nbformat.write(submission(released, why=why), tmp_path / "ada.ipynb")
    assert grade("run", tmp_path / "ada.ipynb").returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", "--IdentityProvider.token=", "--no-browser", "--allow-root"]
    command = [JUPYTER, "server", *options, f"--ServerApp.root_dir={course.root}"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, cwd=course.root, stderr=log) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/api", server)
            with nbgrader_ready(), Gradebook(f"sqlite:///{course.grading}/gradebook.db") as gradebook:
                (shown,) = gradebook.notebook_submissions("basics", "start")
                address = f"http://127.0.0.1:{port}/formgrader/submissions/{shown.id}/"
            yield address
        finally:
            server.terminate()


def wait_for(address: str, server: subprocess.Popen, seconds: float = 60) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address) as reply:
                json.load(reply)
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    pytest.fail(f"no answer from {address} (exit status {server.poll()})")


@pytest.mark.browser
@pytest.mark.sandbox
def test_formgrader_shows_formulas_without_a_network_and_runs_no_script(formgrader, browser):  # noqa: F811
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(formgrader)
    page.wait_for_selector(".MathJax", timeout=30_000)
    server = formgrader.partition("/formgrader")[0]
    assert [url for url in asked if not url.startswith((server, "data:", "about:"))] == []
    assert any("jupyter_server_mathjax/MathJax.js" in url for url in asked)
    assert page.title() != "scripted"
    page.close()
