"""The built book in a real browser: offline, rendered, readable in light and dark, wide and narrow, and searchable."""

import functools
import http.server
import io
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from book_files import BOOK, chapters, sources
from PIL import Image

from course.svg import DARK, LIGHT, contrast

pytestmark = [pytest.mark.book, pytest.mark.browser]

WIDTHS = (1280, 390)  # a laptop and a phone, in CSS pixels
LEAST_INK = 0.002  # of a figure's pixels; its numbers and labels alone are 0.005 and more
MATHS_IS_READY = "() => window.MathJax?.startup ? MathJax.startup.promise.then(() => true) : true"
# Formulas that are not typeset; those in which MathJax marks an error (its own element, or an unknown macro in red).
UNTYPESET = "() => [...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length"
MATHS_ERRORS = """() => document.querySelectorAll(
    'mjx-merror, [data-mjx-error], mjx-container [style*="color: red"], mjx-container [mathcolor="red"]').length"""
# On a laptop a numbered formula fits its column, so that it never runs into its number; in folds, too.
OPEN_FOLDS = "() => document.querySelectorAll('details').forEach(fold => { fold.open = true })"
WIDE_FORMULAS = """() => [...document.querySelectorAll('.math:has(.eqno) mjx-container')]
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.closest('.math').id)"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Visit:
    """What one look at a page found."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    maths: tuple[int, int] = (0, 0)  # formulas that are not typeset, and that MathJax could not read
    wide: list[str] = field(default_factory=list)  # formulas that do not fit their column
    overflow: dict[int, int] = field(default_factory=dict)


class Visitor:
    """One tab that opens page after page (a new tab for each would compile the theme's scripts each time)."""

    def __init__(self, context):
        self.page, self.visit = context.new_page(), Visit()
        self.page.on("request", lambda request: self.visit.requests.append(request.url))
        self.page.on("console", lambda text: text.type == "error" and self.visit.errors.append(text.text))
        self.page.on("pageerror", lambda error: self.visit.errors.append(str(error)))

    def look(self, address: str) -> Visit:
        """Open an address and collect what goes wrong."""
        self.visit = Visit()
        self.page.goto(address)
        self.page.wait_for_function(MATHS_IS_READY)
        self.visit.maths = (self.page.evaluate(UNTYPESET), self.page.evaluate(MATHS_ERRORS))
        self.page.evaluate(OPEN_FOLDS)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.visit.overflow[width] = self.page.evaluate(OVERFLOW)
            if width == WIDTHS[0]:
                self.visit.wide = self.page.evaluate(WIDE_FORMULAS)
        return self.visit


def from_elsewhere(visit: Visit) -> list[str]:
    return [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:", "about:"))]


@pytest.fixture(scope="module")
def context(browser) -> Iterator:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def page(context) -> Iterator:
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def visits(site, context) -> dict[str, Visit]:
    """Every page of the book, opened once as a file."""
    paths = sorted(path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)
    visitor = Visitor(context)
    found = {path.relative_to(site).as_posix(): visitor.look(path.as_uri()) for path in paths}
    visitor.page.close()
    return found


@pytest.fixture(scope="module")
def served(site) -> Iterator[str]:
    """The address of the book served over HTTP, as `make serve` does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def name_of(page: Path) -> str:
    return page.relative_to(BOOK).with_suffix("").as_posix()


def names_of_chapters() -> list[str]:
    return [*map(name_of, chapters())]


class TestEveryPage:
    def test_opens_without_any_request_to_elsewhere(self, visits):
        assert not {name: found for name, visit in visits.items() if (found := from_elsewhere(visit))}

    def test_writes_no_error_to_the_console(self, visits):
        assert not {name: visit.errors for name, visit in visits.items() if visit.errors}

    def test_typesets_its_formulas(self, visits):
        assert not {name: visit.maths for name, visit in visits.items() if any(visit.maths)}

    def test_has_no_numbered_formula_wider_than_its_column_on_a_laptop(self, visits):
        assert not {name: visit.wide for name, visit in visits.items() if visit.wide}

    @pytest.mark.parametrize("width", WIDTHS)
    def test_is_no_wider_than_the_window(self, visits, width):
        assert not {name: visit.overflow[width] for name, visit in visits.items() if visit.overflow[width] > 0}


def test_the_looking_sees_what_is_wrong(context, tmp_path):
    """A page with every fault; the address in it belongs to nobody (RFC 2606)."""
    broken = tmp_path / "broken.html"
    broken.write_text(
        '<script src="http://nowhere.invalid/x.js"></script><script>throw Error("broken")</script>'
        '<span class="math">x</span><span class="math"><mjx-container><mjx-merror></mjx-merror></mjx-container></span>'
        '<div class="math" id="long"><span class="eqno">(1)</span>'
        '<mjx-container style="display: block; width: 9px; overflow: auto"><p style="width: 20px">1</p></mjx-container>'
        '</div><div style="width: 800px">wide</div>'
    )
    visitor = Visitor(context)
    visit = visitor.look(broken.as_uri())
    visitor.page.close()
    assert from_elsewhere(visit) == ["http://nowhere.invalid/x.js"]
    assert any("broken" in error for error in visit.errors)
    assert visit.maths == (1, 1)
    assert visit.wide == ["long"]
    assert visit.overflow[390] > 0 and visit.overflow[1280] == 0


def test_the_map_links_to_every_chapter_and_to_nothing_else(site, page):
    page.goto((site / "index.html").as_uri())
    links = page.eval_on_selector_all("svg.map a", "links => links.map(link => link.getAttribute('href'))")
    assert sorted(links) == sorted(f"{name}.html" for name in names_of_chapters())
    later = page.locator("svg.map .later text")
    assert page.locator("svg.map a .later").count() == 0, "what comes later has no link"
    in_the_book = {page.locator(f'svg.map a[href="{link}"] .name').text_content() for link in links}
    assert not in_the_book & set(later.all_text_contents())


def test_the_map_can_be_followed_by_keyboard(site, page):
    page.goto((site / "index.html").as_uri())
    first = page.locator("svg.map a").first
    target = first.get_attribute("href")
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{target}")
    assert target.removesuffix(".html") in names_of_chapters()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_map_says_that_it_scrolls_where_it_does(site, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((site / "index.html").as_uri())
    frame = page.get_by_role("region", name="The map")
    hidden = frame.evaluate("frame => frame.scrollWidth - frame.clientWidth")
    assert page.get_by_text("to see the whole map").is_visible() == (hidden > 0) == (width == 390)
    frame.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("hidden => (document.activeElement.scrollLeft > 0) == (hidden > 0)", arg=hidden)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("word, chapter", [("Lagrange", "crossmodal/cca"), ("Reptile", "meta_learning/maml")])
def test_search_finds_a_word_offline(site, served, context, over, word, chapter):
    address = served if over == "http" else site.as_uri()
    visitor = Visitor(context)
    visit = visitor.look(f"{address}/search.html?q={word}")
    visitor.page.locator(f'#search-results li a[href*="{chapter}.html"]').first.wait_for()
    assert not [url for url in visit.requests if not url.startswith(("data:", address))]
    visitor.page.close()


def test_search_finds_nothing_for_nonsense(served, page):
    page.goto(f"{served}/search.html?q=xyzzyplugh")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li").count() == 0


@pytest.mark.parametrize("name", [*names_of_chapters(), name_of(sources(BOOK / "exercises", ".ipynb")[0])])
def test_the_notebook_can_be_downloaded(served, site, page, name):
    page.goto(f"{served}/{name}.html")
    page.locator(".dropdown-download-buttons > button").click()
    with page.expect_download() as download:
        page.locator(".dropdown-download-buttons a", has_text=".ipynb").click()
    assert Path(download.value.path()).read_bytes() == (site / "_sources" / f"{name}.ipynb").read_bytes()


def test_the_switch_turns_the_page_dark_and_it_stays_dark(served, browser):
    # Served, not opened as files: on a busy machine Chromium's file pages now and then do not share their storage.
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto(f"{served}/index.html")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light", "auto follows the system"
    for _ in range(3):
        page.locator("button.theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
    assert page.evaluate(theme) == "dark"
    page.goto(f"{served}/notation.html")
    assert page.evaluate(theme) == "dark", "the next page remembers"
    context.close()


def legible_share(picture: bytes, ground: str) -> float:
    """The share of pixels that stand out 4.5 : 1 from the ground: ink that can be read. On another ground it is 0."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    pixels = Counter(image.get_flattened_data())
    ratios = {pixel: contrast("#{:02x}{:02x}{:02x}".format(*pixel), ground) for pixel in pixels}
    if ratios[image.getpixel((4, 4))] > 1.1:
        return 0.0
    return sum(count for pixel, count in pixels.items() if ratios[pixel] >= 4.5) / pixels.total()


@pytest.mark.parametrize(
    "media, theme, ground", [("screen", "light", LIGHT), ("screen", "dark", DARK), ("print", "dark", LIGHT)]
)
def test_figures_are_readable_in_light_in_dark_and_on_paper(site, page, media, theme, ground):
    """The theme's switch decides; the system wants the other one here."""
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark", media=media)
    faint = []
    for name in names_of_chapters():
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_function(MATHS_IS_READY)
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        for figure in page.locator(".cell_output img").all():
            if legible_share(figure.screenshot(), ground) < LEAST_INK:
                faint.append(f"{name}: {figure.get_attribute('alt')}")
    assert not faint


def test_faint_ink_and_a_bright_slab_are_seen():
    def picture(ink, ground="white"):
        image = Image.new("RGB", (20, 20), ground)
        image.paste(ink, (0, 18, 20, 20))
        stream = io.BytesIO()
        image.save(stream, "png")
        return stream.getvalue()

    assert legible_share(picture("black"), LIGHT) == pytest.approx(0.1)
    assert legible_share(picture("#cccccc"), LIGHT) == 0
    assert legible_share(picture("black"), DARK) == 0


def test_figures_on_a_phone_have_text_of_8_pixels_and_say_that_they_scroll(site, page):
    """Text of 9 points has 12 pixels in a figure of natural width."""
    page.set_viewport_size({"width": 360, "height": 800})
    for name in names_of_chapters():
        page.goto((site / f"{name}.html").as_uri())
        for image in page.locator(".figure-frame img").all():
            text, hidden, hint, focus = image.evaluate("""image => {
                const scroller = image.parentElement
                return [12 * image.clientWidth / image.naturalWidth, scroller.scrollWidth - scroller.clientWidth,
                        parseFloat(getComputedStyle(scroller.parentElement, '::before').height), scroller.tabIndex]}""")
            assert text > 7.9
            assert (hidden > 0) == (hint > 0) == (focus == 0)
        assert page.locator(".figure-frame img").count() == page.locator(".cell_output img").count() > 0
        assert page.evaluate(OVERFLOW) <= 0
