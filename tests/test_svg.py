"""Figures for light and dark pages: contrast is kept, data keep their colours."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from course import plotting
from course.svg import DARK, LIGHT, MANY, adaptive_svg, contrast, dark_twin, framed, linear, on_dark


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        plotting.use_style()
        yield


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == contrast("white", "black") == pytest.approx(21)
    assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)  # the lightest grey for small text


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_twin_keeps_contrast_and_hue(rgb):
    colour = "#{:02x}{:02x}{:02x}".format(*rgb)
    twin = dark_twin(colour)
    darkest, brightest = contrast(DARK, "#000000"), contrast(DARK, "#ffffff")
    wanted = np.clip(contrast(colour, LIGHT), 1, brightest) if linear(colour).sum() < linear(LIGHT).sum() else 1
    assert contrast(twin, DARK) == pytest.approx(wanted, rel=0.03, abs=darkest - 1)
    order = np.argsort(rgb, kind="stable")
    assert (np.diff(linear(twin)[order]) >= 0).all()


def test_a_figure_has_two_faces_and_is_the_same_each_time():
    def drawn():
        ax = Figure().subplots()
        ax.plot([0, 1], [1, 0])
        ax.imshow(np.eye(2), cmap="viridis")
        return adaptive_svg(ax.figure)

    text = drawn()
    assert text == drawn()
    assert not re.search(r"(fill|stroke): ?#", text), "every colour is a variable"
    assert "--000000:#ffffff;" in text, "black is the colour of what names none"
    assert f"--{LIGHT[1:].lower()}:{DARK};" in text
    assert "scale(0.015625)" in text, "the size of letters is not rounded"
    assert dict(re.findall(r"--(0072b2):(#\w+);", text)) == {"0072b2": on_dark("#0072b2")}
    assert text.count("<image") == 1, "pictures of data are no drawings"


def test_a_notebook_of_the_book_shows_the_svg(monkeypatch):
    assert not hasattr(Figure, "_repr_svg_")
    monkeypatch.setenv("COURSE_SVG", "1")
    plotting.use_style()
    assert Figure._repr_svg_ is adaptive_svg
    del Figure._repr_svg_


def test_very_many_markers_become_pixels():
    for count, images in ((MANY, 0), (MANY + 1, 1)):
        ax = Figure().subplots()
        ax.plot(np.arange(count), "o")
        assert adaptive_svg(ax.figure).count("<image") == images


def test_only_a_drawing_with_a_width_is_framed():
    assert framed("<svg/>", "image") == "image"
    assert "--readable: 600px" in framed('<svg version="1" width="675pt">', "image")
