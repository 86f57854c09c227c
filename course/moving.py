"""A figure with a slider: one drawing for each of some values, stored as one SVG and what changes in it.

On a page and in a notebook the reader moves the slider, by mouse, finger or arrow keys. Without a script, on paper and
in other formats the drawing of one value stands still. Nothing is loaded from anywhere.
"""

import html
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from course.svg import drawing, framed, two_faces

MOST_KILOBYTES = 200
SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf8")
PLAIN = " /:;=,()'"  # what an address need not escape
GAP = "gap-in-a-moving-figure"
XMLNS = ' xmlns="http://www.w3.org/2000/svg"'


def differences(frames: list[str]) -> tuple[list[str], list[list[str]]]:
    """What all frames have in common, in pieces, and for each gap between two pieces what every frame has there."""
    roots = [ElementTree.fromstring(frame.replace(XMLNS, "")) for frame in frames]
    shared, changes = {}, []  # letters and markers, which matplotlib defines where they are first used; gaps

    def compare(elements: Sequence) -> None:
        """Leave a gap in the first element where it differs from the others: for an attribute, or for a whole child."""
        for position, children in enumerate(zip(*elements, strict=True)):
            if len({(child.tag, child.text, len(child), *child.keys()) for child in children}) > 1:
                changes.append([ElementTree.tostring(child, "unicode") for child in children])
                elements[0][position] = ElementTree.Element(GAP)
                continue
            for key in children[0].keys():  # noqa: SIM118 (an element is no dictionary)
                values = [child.get(key) for child in children]
                if len(set(values)) > 1:
                    changes.append(values)
                    children[0].set(key, GAP)
            compare(children)

    for parent in [element for root in roots for element in root.iter()]:
        for definitions in parent.findall("defs"):
            parent.remove(definitions)
            shared |= {definition.get("id"): definition for definition in definitions}
    compare(roots)
    roots[0].insert(0, ElementTree.Element("defs"))
    roots[0][0].extend(shared.values())
    common = ElementTree.tostring(roots[0], "unicode").replace("<svg", "<svg" + XMLNS, 1)
    return common.replace(f"<{GAP} />", GAP).split(GAP), changes


class Moving:
    """A figure that the reader moves; as the last line of a cell it is shown.

    Args:
        draw: ``draw(ax, value)`` draws into empty axes, or into an array of ``panels`` axes. It sets the limits, so
            that the axes keep still.
        values: two or more, in the order of the slider.
        label: what the slider sets, in a few words.
        alt: what the figure shows and what the slider changes, for those who cannot see it.
        start: the value whose drawing stands still where nothing can move; ``None`` takes the first.
        text: how a value is written, and read aloud, beside the slider.
        panels: axes side by side.
        figure: options of the figure, such as ``figsize``.

    Raises:
        ValueError: if there are fewer than two values, ``start`` is none of them, ``alt`` is shorter than four words,
            or the drawings need more than 200 kB.

    >>> def bend(ax, k):
    ...     ax.plot([0, k, 0])
    >>> Moving(bend, [1, 2, 3], label="height", alt="A line with one bend, which rises.", text="{} m".format).texts
    ['1 m', '2 m', '3 m']
    """

    def __init__(
        self,
        draw: Callable,
        values: Sequence,
        *,
        label: str,
        alt: str,
        start=None,
        text: Callable[..., str] = str,
        panels: int = 1,
        **figure,
    ):
        from matplotlib.figure import Figure

        values = list(values)
        if len(values) < 2 or (start is not None and start not in values):
            raise ValueError(f"two or more values needed, start among them; got {values}, start {start!r}")
        if len(alt.split()) < 4:
            raise ValueError(f"alt: say in words what the figure shows and what the slider changes, got {alt!r}")
        self.label, self.alt, self.texts = label, alt, [text(value) for value in values]
        self.start = 0 if start is None else values.index(start)
        figure = Figure(**figure)
        axes, png, frames = figure.subplots(1, panels), io.BytesIO(), []
        draw(axes, values[self.start])
        figure.savefig(png, dpi=160)
        self.png = png.getvalue()
        figure.set_layout_engine("none")  # from here on the axes keep their places
        for value in values:
            for ax in figure.axes:
                ax.clear()
            draw(axes, value)
            frames.append(drawing(figure, bbox=None))
        self.common, self.changes = differences(two_faces(*frames))
        if (size := len(self._repr_html_()) / 1000) > MOST_KILOBYTES:
            raise ValueError(
                f"a moving figure may have {MOST_KILOBYTES} kB, got {size:.0f}: take fewer values or points"
            )

    def _repr_html_(self) -> str:
        still, changes = self.common[0], []
        for pieces, after in zip(self.changes, self.common[1:], strict=True):
            changes.append([len(still), len(still) + len(pieces[self.start]), pieces])
            still += pieces[self.start] + after
        source = "data:image/svg+xml," + quote(still, safe=PLAIN)
        image = (
            f'<img alt="{html.escape(self.alt)}" style="color-scheme: light" src="{source}">'  # pages may overrule it
        )
        data = {"label": self.label, "texts": self.texts, "start": self.start, "changes": changes}
        stored = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
        scripts = f'<script type="application/json">{stored}</script><script>{SCRIPT}</script>'
        return f'<div class="moving">{framed(still, image)}{scripts}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self._repr_html_(), "image/png": self.png, "text/plain": self.alt}
