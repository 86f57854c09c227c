"""Every page by the rules of axe-core, in light and dark. What the theme gets wrong is named; nothing else passes."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.book, pytest.mark.browser]

# What is known, by rule and element: the theme puts the book's title and the search field of the sidebar outside every
# landmark. Its second fault, arrows without a name, is repaired by book/_ext/accessible.py.
KNOWN = {("region", ".sidebar-primary-items__start")}
# Formulas, code and the sidebar are alike on every page, and most of axe's work: the WHOLE pages stand for them.
LEAVE_OUT = """() => document.querySelectorAll('mjx-container, .highlight, #pst-primary-sidebar')
    .forEach(element => element.replaceChildren())"""
WHOLE = {"index.html", "data.html", "api/crossmodal.html", "api/grading.html", "_modules/course/runtime.html"}
READY = "() => window.MathJax?.startup ? MathJax.startup.promise.then(() => true) : true"
OPTIONS = {"resultTypes": ["violations"], "preload": False}  # pages from files may not fetch their style sheets again
CONTRAST = {"runOnly": ["color-contrast"]}
ALL_BUT_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}


def all_violations(page, **options) -> list[tuple[str, str, str]]:
    """What axe finds: the rule, the element that violates it, and its HTML."""
    found = Axe().run(page, options=OPTIONS | options).response["violations"]
    return [(rule["id"], node["target"][0], node["html"][:120]) for rule in found for node in rule["nodes"]]


def violations(page, **options) -> list[str]:
    """What axe finds beyond what is known, one line for each element."""
    return [
        f"{rule} at {element}: {html}"
        for rule, element, html in all_violations(page, **options)
        if not any(rule == known and where in element for known, where in KNOWN)
    ]


@pytest.fixture(scope="module")
def page(browser) -> Iterator:
    # without transitions, so that a page that turns dark is dark at once
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(300_000)  # axe takes its time on a long chapter and a busy machine
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def found(site, page) -> dict[str, dict[str, list[str]]]:
    """The violations of every page: all rules in light, and the contrasts once more in dark.

    The colours of an API page are those of the whole ones; measuring them on all of them would take a minute more.
    """
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    found = {"light": {}, "dark": {}}
    for name in sorted(name for name in names if not name.startswith(("_static", "_modules")) or name in WHOLE):
        page.emulate_media(color_scheme="light")
        page.goto((site / name).as_uri())
        page.wait_for_function(READY)
        if name not in WHOLE:
            page.evaluate(LEAVE_OUT)
        if name.startswith("api/") and name not in WHOLE:
            found["light"][name] = violations(page, **ALL_BUT_CONTRAST)
            continue
        found["light"][name] = violations(page)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
        found["dark"][name] = violations(page, **CONTRAST)
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_beyond_what_is_known(found, theme):
    assert found[theme].keys() >= WHOLE
    assert not {name: lines for name, lines in found[theme].items() if lines}


BROKEN = """<html lang="en"><head><title>x</title></head><body><main><h1>x</h1>
<img src="data:,"><a href="#x"></a><p style="color: #aaa; background: #fff">faint</p></main></body></html>"""


def test_axe_sees_what_is_wrong(page, tmp_path):
    (tmp_path / "x.html").write_text(BROKEN)
    page.goto((tmp_path / "x.html").as_uri())
    assert {line.split()[0] for line in violations(page)} == {"image-alt", "link-name", "color-contrast"}


def test_what_is_known_is_still_there(site, page):
    """A fault that the theme has repaired must leave the list."""
    page.goto((site / "index.html").as_uri())
    found = all_violations(page, runOnly=["region"])
    assert all(any(rule == known and where in element for rule, element, _ in found) for known, where in KNOWN)
