"""What students wrote can be looked at: no script of theirs survives, and every word and formula does."""

import base64
import re

import nbformat
import pytest
from fixture_course import submission
from hypothesis import given
from hypothesis import strategies as st
from nbconvert.filters import markdown2html
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course.grading.answers import assemble, grade_id
from course.grading.execute import outputs_of
from course.grading.harmless import harmless_attachments, harmless_output, harmless_text

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</div><svg/onload=alert(1)>",
    "`` ` <b onclick=alert(1)>",
    "$x <script>alert(1)</script>$",
    "<!-- --><script>alert(1)</script>",
    "<<script>script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](java&#115;cript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x]\n\n[x]: javascript:alert(1)",
    "<javascript:alert(1)>",
]
PIXEL = base64.b64encode(b"\x89PNG pixel").decode()


@pytest.mark.parametrize("text", ATTACKS)
def test_no_script_survives_in_a_page(text):
    page = markdown2html(harmless_text(text))
    assert not re.search(r"<(script|img|svg|b)\b", page)
    assert not re.search(r"<[^>]*\bon\w+\s*=", page)
    assert not re.search(r"href=\"?[^\">]*script\s*:", page, flags=re.IGNORECASE)


PIECES = ["![", "![x](attachment:", "a.png)", "[r]", "\n[r]: attachment:a.png\n", "]", "(", "\n", " ", "<", "\\", "`"]


@given(st.lists(st.sampled_from(PIECES)))
def test_no_text_names_an_attachment_that_is_missing(parts):
    markdown2html(harmless_text("".join(parts)))


@given(st.text(alphabet="<>/!? abscript:&#;\\`$\n"))
def test_nothing_that_begins_a_tag_is_left(text):
    harmless = harmless_text(text)
    assert not re.search(r"<[a-zA-Z/!?]", harmless)
    assert not re.search(r"javascript\s*:", harmless, flags=re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "If $a < b$ and $b \\le c$, then $a \\lt c$.",
        "\\begin{align} a &= b \\\\ &\\le c \\end{align}",
        "**Bold**, `x < 3`, a [link](https://example.org/a?b=1&c=2) > and a list:\n\n- data: one",
        "In javascript, arrays are objects.",
    ],
)
def test_ordinary_text_is_not_touched(text):
    assert harmless_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "![](http://evil.example/a.png)",
        "![x](//evil.example/a.png 'title')",
        "![x][y]\n\n[y]: http://evil.example/a.png",
        "![a [b](attachment:c.png)](http://evil.example/a.png)",
        "!![x](http://evil.example/a.png)",
    ],
)
def test_an_image_from_elsewhere_becomes_a_link(text):
    assert "<img" in markdown2html(text)
    page = markdown2html(harmless_text(text))
    assert not re.search(r"<img[^>]*evil", page)
    assert "<a href" in page


def test_only_images_are_kept_of_attachments():
    given = {"a.png": {"image/png": PIXEL, "text/html": "<b>"}, "b.svg": {"image/svg+xml": "<svg>"}, "c.png": {}}
    assert harmless_attachments(given) == {"a.png": {"image/png": PIXEL}}


@pytest.mark.parametrize("name", ["b.png", "", "aXpng", "a.png 'b'", "a.png.b"])
def test_of_images_only_the_attached_stay(name):
    """nbconvert refuses a notebook that names a missing attachment."""
    assert harmless_text("![x](attachment:a.png)", ["a.png"]) == "![x](attachment:a.png)"
    for attached in ([], ["a.png"]):
        assert "<img" not in markdown2html(harmless_text(f"![x](attachment:{name})", attached))


def test_a_formula_stays_the_same_formula():
    assert harmless_text("$a<b$ and $|\\mathcal{N}|<\\infty$") == "$a< b$ and $|\\mathcal{N}|<\\infty$"


def test_a_written_answer_is_harmless_before_it_is_stored(released, solution):
    assembled = assemble(released, solution, submission(released, why="Since $a<b$ <script>alert(1)</script>"))
    (text,) = [cell.source for cell in assembled.cells if grade_id(cell) == "why"]
    assert text == "Since $a< b$ < script>alert(1)< /script>"


def test_of_an_output_text_and_images_are_kept():
    data = {
        "text/plain": "<Table>",
        "text/html": "<script>alert(1)</script>",
        "text/markdown": "<script>alert(1)</script>",
        "image/svg+xml": "<svg onload=alert(1)>",
        "application/javascript": "alert(1)",
        "application/vnd.unknown": "?",
        "image/png": PIXEL,
        "image/jpeg": '"><script>alert(1)</script>',
    }
    kept = harmless_output(new_output("display_data", data=data, metadata={"image/png": {"width": '"><script>'}}))
    assert kept.data == {"text/plain": "<Table>", "image/png": PIXEL}
    assert kept.metadata == {}


def test_an_output_of_nothing_else_says_what_is_not_shown():
    kept = harmless_output(new_output("display_data", data={"text/html": "<b>x</b>"}))
    assert kept.data == {"text/plain": "(not shown: text/html)"}
    stream = new_output("stream", text="<b>")
    assert harmless_output(stream).text == "<b>"


def test_what_a_desk_shows_is_cleaned_before_it_is_stored():
    told = [
        {"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script>", "text/plain": "a table"}},
        {"output_type": "execute_result", "data": {"image/png": PIXEL, "image/svg+xml": "<svg onload=alert(1)>"}},
        {"output_type": "display_data", "data": {"image/png": "<script>"}},
        {"output_type": "stream", "name": "stderr", "text": "half \ud800 a sign"},
        {"output_type": "error", "ename": 1, "evalue": None, "traceback": "no list"},
        {"output_type": "update", "data": 3}, "no output", None,
    ]  # fmt: skip
    plain, image, none, stream, *others = outputs_of(told)
    assert dict(plain.data) == {"text/plain": "a table"}
    assert dict(image.data) == {"image/png": PIXEL}
    assert list(none.data) == ["text/plain"]
    assert stream.text == "half ? a sign"
    assert {other.output_type for other in others} == {"error"}
    notebook = new_notebook(cells=[new_code_cell("", outputs=[plain, image, none, stream, *others])])
    nbformat.validate(notebook)
    assert outputs_of({"not": "a list"}) == []
    assert len(outputs_of([{"output_type": "stream", "text": "x" * 10**6}] * 9)) <= 2
