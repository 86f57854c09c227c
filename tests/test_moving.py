"""Figures with a slider: every drawing is the one that matplotlib makes; what cannot move stands still."""

import html
import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from course.moving import Moving, differences
from course.svg import drawing, two_faces

WORDS = {"label": "slope", "alt": "A line over dots; the slider turns it."}


def draw(ax, slope):
    ax.scatter([0, 1, 2], [0, 1, 0])
    ax.plot([0, 2], [0, 2 * slope], label=f"{slope:.1f}")
    ax.set(xlim=(0, 2), ylim=(0, 20), title=f"slope {slope:g}" + " and steep" * (slope > 5))
    ax.legend(loc="upper left")


def without_definitions(svg):
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for definitions in parent.findall("{http://www.w3.org/2000/svg}defs"):
            parent.remove(definitions)
    return ElementTree.canonicalize(ElementTree.tostring(root), strip_text=True)


def test_the_parts_make_every_drawing_again():
    frames = []
    for slope in (0.5, 1, 8.25):
        figure = Figure()
        draw(figure.subplots(), slope)
        frames.append(drawing(figure, bbox=None))
    frames = two_faces(*frames)
    common, changes = differences(frames)
    assert sum(map(len, common)) > 5 * max(sum(map(len, pieces)) for pieces in zip(*changes, strict=True))
    for position, frame in enumerate(frames):
        pieces = [change[position] for change in changes] + [""]
        again = "".join(part + piece for part, piece in zip(common, pieces, strict=True))
        assert without_definitions(again) == without_definitions(frame)
        assert set(re.findall(r'href="#(\w[\w-]+)"', again)) <= set(re.findall(r'id="([\w-]+)"', again))


def test_without_a_script_the_drawing_of_the_start_stands_still():
    moving = Moving(draw, [1, 2, 8], start=8, text="{} : 1".format, **WORDS | {"alt": 'Dots & a line, "steep".'})
    shown = moving._repr_mimebundle_()
    alt, still = re.search(r'<img alt="([^"]*)" .*?src="data:image/svg\+xml,(.*?)"', shown["text/html"]).groups()
    assert html.unescape(alt) == moving.alt
    data = json.loads(re.search(r'json">(.*?)</script>', shown["text/html"], re.DOTALL)[1])
    assert (data["texts"], data["start"]) == (["1 : 1", "2 : 1", "8 : 1"], 2)
    assert all(unquote(still)[begin:end] == pieces[2] for begin, end, pieces in data["changes"])
    assert shown["image/png"].startswith(b"\x89PNG") and shown["text/plain"] == moving.alt
    tags = re.sub(r'<script.*?</script>|src="[^"]*"', "", shown["text/html"], flags=re.DOTALL)
    assert " id=" not in tags, "two on one page would have one name"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"values": [1]}, "two or more values"),
        ({"start": 3}, r"got \[1, 2\], start 3"),
        ({"alt": "A line."}, "say in words what the figure shows"),
        ({"draw": lambda ax, value: ax.plot(np.sin(value * np.arange(9000)))}, "take fewer values or points"),
    ],
)
def test_wrong_input_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        Moving(**{"draw": draw, "values": [1, 2]} | WORDS | options)
