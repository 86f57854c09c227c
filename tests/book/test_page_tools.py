"""The tools of a page as the authors' page shows them: folds, questions, moving figures, reading times."""

import io
import re
import sys

import pytest
from book_files import BOOK
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace
from test_accessibility import CONTRAST, READY, violations
from test_browser import DARK, LEAST_INK, legible_share, names_of_chapters

sys.path.insert(0, str(BOOK / "_ext"))
from minutes import seconds, spelled

STATES = "() => [...document.querySelectorAll('.question > details')].map(choice => choice.open)"
PROOF, REASON = "the schoolboy Gauss", "the mean of the first and the last"
# The theme lets the keyboard reach what scrolls, a third of a second after the window has got another size.
TAB_STOPS = """() => [...document.querySelectorAll('.pst-scrollable-table-container')]
    .every(e => (e.scrollWidth > e.clientWidth) == (e.tabIndex == 0))"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(details => details.open = true)"
GROUNDS = """() => [...new Set([...document.querySelectorAll('html, body, .bd-main, .bd-main *')]
    .filter(one => one.checkVisibility()).map(one => getComputedStyle(one).backgroundColor))]
    .map(colour => colour.match(/[0-9.]+/g).map(Number)).filter(all => !(all[3] < 0.5)).map(all => all.slice(0, 3))"""
INKS = """() => [...document.querySelectorAll('.bd-article p, .highlight span')]
    .map(one => getComputedStyle(one).color.match(/[0-9.]+/g).map(Number).slice(0, 3))"""
REFUSE = """for (const name of ["getItem", "setItem"]) {
    const known = Storage.prototype[name]
    Storage.prototype[name] = function (key, value) {
        if (key.startsWith("questions:")) throw Error("refused")
        return known.call(this, key, value)
    }
}"""


@pytest.fixture(params=["with scripts", "without"])
def either(request, browser, site):
    """The authors' page, with and without scripts."""
    context = browser.new_context(java_script_enabled=request.param == "with scripts", reduced_motion="reduce")
    page = context.new_page()
    page.goto((site / "authors.html").as_uri())
    yield page
    context.close()


@pytest.fixture
def page(browser, site):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    page.goto((site / "authors.html").as_uri())
    page.wait_for_function(READY)
    yield page
    context.close()


@pytest.mark.book
@pytest.mark.browser
class TestOnThePage:
    def test_folds_and_choices_open_by_keyboard(self, either):
        for summary, inside in (("The proof in full", PROOF), ("5000", REASON)):
            assert not either.locator("details p", has_text=inside).is_visible()
            either.locator("summary", has_text=summary).first.focus()
            either.keyboard.press("Enter")
            either.locator("details p", has_text=inside).wait_for(state="visible")

    def test_all_is_open_on_paper_and_what_moves_stands_still(self, either):
        either.emulate_media(media="print")
        assert either.locator(".moving img").is_visible() and not either.get_by_role("slider").is_visible()
        assert all(either.locator("details p", has_text=text).is_visible() for text in (PROOF, REASON))

    @pytest.mark.parametrize("anchor", ["proof-of-sum", "equation-authors-twice"])
    def test_a_link_to_what_is_folded_opens_it(self, page, site, anchor):
        page.locator(f'.bd-article a.reference[href="#{anchor}"]').click()
        page.locator(f"#{anchor}").wait_for(state="visible")
        page.goto((site / "index.html").as_uri())
        page.goto((site / "authors.html").as_uri() + "#" + anchor)
        page.locator(f"#{anchor}").wait_for(state="visible")
        page.wait_for_function("scrollY > 100")
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = false)")
        page.evaluate("dispatchEvent(new Event('hashchange'))")  # for browsers that do not open it by themselves
        page.locator(f"#{anchor}").wait_for(state="visible")

    def test_a_search_finds_what_is_folded_and_opens_it(self, page, site):
        page.goto((site / "search.html").as_uri() + "?q=schoolboy")
        page.locator('#search-results li a[href*="authors.html"]').first.click()
        page.locator(".highlighted", has_text="schoolboy").wait_for(state="visible")

    def test_answers_are_remembered_where_the_browser_allows_it(self, page):
        page.locator(".question summary").nth(1).click()
        page.reload()
        page.wait_for_function(f"() => ({STATES})().join() == 'false,true,false,false'")
        for damage in ("no JSON", "3", "null", '{"question-x": 7}', "[7]"):
            page.evaluate("damage => localStorage.setItem('questions:' + location.pathname, damage)", damage)
            page.reload()
            assert page.evaluate(STATES) == [False] * 4
        page.add_init_script(REFUSE)
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        page.reload()
        page.locator(".question summary").first.click()
        page.locator("details p", has_text=REASON).wait_for(state="visible")
        assert not errors

    def test_a_search_opens_no_reason_and_what_opens_by_itself_is_not_chosen(self, page, site):
        address = (site / "authors.html").as_uri()
        page.goto(address + "?highlight=tempts")
        page.wait_for_function("() => document.querySelector('.question .highlighted')")
        page.wait_for_timeout(200)
        assert page.evaluate(STATES) == [False] * 4
        page.evaluate(OPEN_ALL)
        page.wait_for_timeout(200)
        page.goto(address)
        assert page.evaluate(STATES) == [False] * 4

    def test_an_address_that_cannot_be_decoded_is_no_error(self, page):
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        page.evaluate("location.hash = '#%'")
        page.wait_for_timeout(200)
        page.reload()
        page.wait_for_function(READY)
        assert page.url.endswith("#%") and not errors

    @pytest.mark.parametrize("scripts, media", [(True, "print"), (False, "screen")])
    def test_a_page_is_light_on_paper_and_without_scripts(self, browser, site, scripts, media):
        """By the rules of axe, and by the grounds, which are printed where the reader wants them."""
        context = browser.new_context(java_script_enabled=scripts, reduced_motion="reduce", color_scheme="dark")
        page = context.new_page()
        page.goto((site / "authors.html").as_uri())
        page.emulate_media(media=media)
        page.evaluate(OPEN_ALL)
        found = []
        if scripts:  # without them axe does not run, and nothing can be waited for
            page.wait_for_function("() => document.documentElement.dataset.theme == 'dark'")
            found = violations(page, **CONTRAST)
        grounds, inks = page.evaluate(GROUNDS), page.evaluate(INKS)
        context.close()
        assert not found and len(grounds) > 2 and min(map(min, grounds)) > 190
        assert inks and max(map(max, inks)) < 120

    def test_the_slider_moves_the_figure_and_says_its_value(self, page):
        page.emulate_media(color_scheme="dark")
        image, slider = page.locator(".moving img"), page.get_by_role("slider", name="rows")
        assert slider.get_attribute("aria-valuetext") == "n = 4"
        still = image.get_attribute("src")
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "n = 5"
        assert image.get_attribute("src") != still
        page.wait_for_function("() => document.querySelector('.moving img').decode().then(() => true)")
        assert legible_share(image.screenshot(), DARK) > LEAST_INK
        page.keyboard.press("ArrowLeft")
        moved_back = image.evaluate("image => decodeURIComponent(image.getAttribute('src'))")
        assert moved_back == page.evaluate("still => decodeURIComponent(still)", still)

    def test_a_sound_plays_from_the_page_itself_with_and_without_scripts(self, either):
        sound = either.locator(".player audio")
        assert sound.get_attribute("aria-label") == "heed, hod, who'd (simulated)"
        assert sound.is_visible() and either.locator(".player img").is_visible()
        assert len(either.locator(".player img").get_attribute("alt").split()) > 10
        if either.evaluate("() => document.querySelector('script[src]') !== null && 'MathJax' in window"):
            either.wait_for_function("() => document.querySelector('.player audio').readyState >= 1")
            assert 0.7 < sound.evaluate("audio => audio.duration") < 0.9
        either.emulate_media(media="print")
        assert either.locator(".player img").is_visible() and not sound.is_visible()

    @pytest.mark.parametrize("width, scheme", [(1280, "light"), (360, "dark")])
    def test_axe_finds_nothing_when_all_is_open(self, page, width, scheme):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(TAB_STOPS)
        page.evaluate(OPEN_ALL)
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

    def test_formulas_that_were_folded_are_typeset(self, page):
        page.evaluate(OPEN_ALL)
        sizes = page.locator("details mjx-container").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().width)"
        )
        assert len(sizes) > 10 and min(sizes) > 4


@pytest.mark.book
def test_a_page_without_a_tool_does_not_carry_it(site):
    traces = ("highlightSearchWords()", '"questions:"', 'class="moving"')
    authors, glossary = ((site / f"{name}.html").read_text(encoding="utf8") for name in ("authors", "glossary"))
    assert [trace in authors for trace in traces] == [True] * 3
    assert [trace in glossary for trace in traces] == [False] * 3


@pytest.mark.book
@pytest.mark.parametrize("name", names_of_chapters())
def test_a_chapter_says_both_times(site, name):
    """Minutes up to a hundred, then hours and halves."""
    text = (site / f"{name}.html").read_text(encoding="utf8")
    assert len(re.findall(r"(\d+ minutes|\d+½? hours) (?:to read|with everything)", text)) == 2


# --- What the build makes of a page, and what it refuses.


def built(folder, text):
    """The environment of a book of one page, and the warnings of its build."""
    (folder / "index.md").write_text(text)
    extensions = ["myst_parser", "sphinx_proof", "accessible", "figures", "folds", "questions", "minutes"]
    settings = {"extensions": extensions, "myst_enable_extensions": ["dollarmath", "tasklist"]}
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(folder, None, folder / "out", folder / "trees", "html", settings, status=None, warning=warnings)
        app.build()
    return app.env, warnings.getvalue()


QUESTION = "# T\n\n```{question}\nWhy?\n\n- [ ] No\n  > reason\n- [x] Yes\n  > reason\n```\n"
FOLD = "# T\n\n```{prf:proof}\n:class: folded\n\nIdea.\n\nThe rest.\n```\n"
TIME = "# T\n\n{minutes}`core`\n"


@pytest.mark.parametrize(
    "text, old, new, message",
    [
        (QUESTION, "- [ ] No\n  > reason\n", "", "two or more choices"),
        (QUESTION, "[x]", "[ ]", "one of them right"),
        (QUESTION, "  > reason\n```", "```", "below it '> reason'"),
        (QUESTION, "Why?\n", "", "wanted a text"),
        (FOLD, "\nThe rest.\n", "", "wanted an idea"),
        (FOLD, "Idea.", "word " * 61, "at most 60 words"),
        (FOLD, "{prf:proof}\n:class: folded\n\n", "{note}\n:class: folded\n\n- ", "wanted an idea"),
        (TIME, "core", "deep", "wanted core or all"),
    ],
)  # fmt: skip
def test_the_build_explains_what_is_wrong(tmp_path, text, old, new, message):
    assert not built(tmp_path, text)[1]
    assert message in built(tmp_path, text.replace(old, new))[1]


def test_a_drawing_that_is_missing_is_a_warning(tmp_path):
    assert "image file not readable: gone.svg" in built(tmp_path, "# T\n\n![x](gone.svg)\n")[1]


def test_a_heading_that_is_called_proof_keeps_its_anchor(tmp_path):
    built(tmp_path, FOLD.replace("# T", "# T\n\n## Proof") + "\n```{prf:theorem}\nA theorem.\n```\n")
    html = (tmp_path / "out/index.html").read_text()
    assert re.findall(r'<([^>]*?) id="proof(?:-content)?"', html) == ["section"]


def test_equal_questions_have_names_of_their_own_and_formulas_speak_for_themselves(tmp_path):
    formula = QUESTION.replace("No\n", "$\\frac{1}{2}$\n")
    built(tmp_path, formula + formula.replace("# T\n", "") + QUESTION.replace("# T\n", ""))
    html = (tmp_path / "out/index.html").read_text()
    assert len(set(re.findall(r'id="question-([^"]*)"', html))) == 3
    assert "<summary aria-label" not in html and html.count('<span class="visually-hidden">Choice: </span>') == 2


@pytest.mark.parametrize(
    "text, core, whole",
    [
        ("# T\n\n" + "word " * 199, 60, 60),
        ("# T\n\n$x$ and $y$", 20.6, 20.6),
        ("# T\n\n$$\nx\\\\\ny\n$$", 120.3, 120.3),
        ("# T\n\n```\none\n\ntwo\n```", 12.3, 12.3),
        (FOLD.replace("The rest.", "word " * 100), 0.9, 30.9),
        (QUESTION, 31.2, 32.4),
    ],
)
def test_reading_times_follow_the_rule(tmp_path, text, core, whole):
    page = built(tmp_path, text)[0].get_doctree("index")
    assert (seconds(page, "core"), seconds(page, "all")) == pytest.approx((core, whole))


def test_hidden_code_is_not_in_the_core():
    """As the notebooks' transform leaves it: the source in a button, the button in the cell."""
    source = nodes.container("", nodes.literal_block("", "one\ntwo"), nb_element="cell_code_source")
    cell = nodes.container("", nodes.Element("", source), nb_element="cell_code", hide_mode="input")
    assert (seconds(cell, "core"), seconds(cell, "all")) == (0, 12)
    cell["hide_mode"] = "output"
    assert seconds(cell, "core") == 12


def test_times_are_spelled_as_people_say_them():
    assert [spelled(60 * minutes) for minutes in (1, 43, 99, 100, 170, 240)] == [
        "5 minutes", "45 minutes", "100 minutes", "1½ hours", "3 hours", "4 hours"]  # fmt: skip
