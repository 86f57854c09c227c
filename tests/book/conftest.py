"""The built book and a browser. After `make book` (BOOK_BUILT) both must be there; else tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from book_files import SITE

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def absent(what: str) -> None:
    if os.environ.get("BOOK_BUILT"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built pages."""
    if not os.environ.get("BOOK_BUILT") or not (SITE / "index.html").exists():
        absent("the book is not built: run make book, then BOOK_BUILT=1 pytest tests/book")
    return SITE


@pytest.fixture(scope="module")  # not the session: while playwright is open, its event loop runs in this process
def browser() -> Iterator:
    """The Chromium of this machine, driven by playwright; nothing is downloaded."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        absent("no Chromium on this machine (on Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()
