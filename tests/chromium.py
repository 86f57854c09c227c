"""The browser of this machine, for tests of pages. After `make book` (BOOK_BUILT) it must be there."""

import os
import shutil
from collections.abc import Iterator

import pytest

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
