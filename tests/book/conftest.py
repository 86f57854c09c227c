"""The built book and a browser. After `make book` (BOOK_BUILT) both must be there; else tests are skipped."""

import os
from pathlib import Path

import pytest
from book_files import SITE
from chromium import absent, browser  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built pages."""
    if not os.environ.get("BOOK_BUILT") or not (SITE / "index.html").exists():
        absent("the book is not built: run make book, then BOOK_BUILT=1 pytest tests/book")
    return SITE
