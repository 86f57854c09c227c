"""A figure as an SVG that is light on a light page and dark on a dark one, from one drawing.

Every colour of the drawing becomes a variable, and the file gives each variable two values: the colour, and its
:func:`dark_twin`. Which one is used follows the page (``prefers-color-scheme``, which a page passes on to its images).
The colours of the style's lines stand out from both grounds and stay, so that the palette keeps its distances. Images
inside a figure are data: they stay, too, a little dimmed.
"""

import io
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT, DARK = "#FBFBF8", "#121212"  # the grounds of figures; DARK is also that of the theme
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue
MANY = 4000  # markers; more are stored as pixels, which are smaller then
WIDTH = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)pt"')
READABLE = 2 / 3 * 96 / 72  # pixels of a page for each point of width: text of 9 points has 8 pixels then
FRAME = '<div class="figure-frame" style="--readable: {:.0f}px"><div class="pst-scrollable-table-container">'
PAINT = re.compile(r"(fill|stroke|stop-color): #([0-9a-f]{6})")
METADATA = ("Creator", "Date", "Format", "Type")  # none of it, so that a drawing is the same text each time
NEEDLESS = re.compile(r"(?<=\d\d\.\d\d)\d+|\n *(?= )|<!--.*?-->")  # hundredths of a point are enough


def linear(colour: str) -> np.ndarray:
    """A colour as linear red, green and blue, ``[3]``: twice the number is twice the light."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """The contrast of two colours by the accessibility guidelines (WCAG 2.2): from 1, alike, to 21, black on white."""
    darker, lighter = sorted(LUMINANCE @ linear(colour) for colour in (first, second))
    return float((lighter + 0.05) / (darker + 0.05))


def dark_twin(colour: str) -> str:
    """The colour of the same hue that stands out from ``DARK`` as ``colour`` does from ``LIGHT``, by the same contrast.

    It is scaled in linear light. Where that does not make it bright enough, it is mixed with white.
    """
    from matplotlib.colors import to_hex

    light, own, dark = (LUMINANCE @ linear(each) + 0.05 for each in (LIGHT, colour, DARK))
    wanted = np.clip(light * dark / own - 0.05, 0, 1)
    rgb = linear(colour) + 1e-9  # black can be scaled, too
    rgb *= min(wanted / (LUMINANCE @ rgb), 1 / rgb.max())
    rgb += (1 - rgb) * (wanted - LUMINANCE @ rgb) / (1.000001 - LUMINANCE @ rgb)
    return to_hex(np.clip(np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055), 0, 1))


def on_dark(colour: str) -> str:
    """What a colour ``#rrggbb`` becomes on a dark page: its twin; of a line of the style, the brighter of the two."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    twin = dark_twin(colour)
    lines = map(to_hex, mpl.rcParams["axes.prop_cycle"].by_key()["color"])
    return colour if colour in lines and contrast(colour, DARK) > contrast(twin, DARK) else twin


def drawing(figure: "Figure", bbox: str | None = "tight") -> str:
    """The figure as an SVG, without what nobody sees.

    The markers of a figure with more than ``MANY`` of them become pixels; these have one colour for both pages.
    """
    import matplotlib as mpl

    scatters = [(dots, len(dots.get_offsets())) for ax in figure.axes for dots in ax.collections]
    lines = [(line, len(line.get_xdata())) for ax in figure.axes for line in ax.lines if line.get_marker() != "None"]
    if sum(count for _, count in scatters + lines) > MANY:
        for dots, _ in scatters + lines:
            dots.set_rasterized(True)
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "course"}):
        figure.savefig(stream, format="svg", dpi=144, bbox_inches=bbox, metadata=dict.fromkeys(METADATA))
    return NEEDLESS.sub("", stream.getvalue()).replace("xlink:href", "href")


def two_faces(*svgs: str) -> list[str]:
    """The SVGs with a light and a dark value for each colour that occurs in any of them."""
    colours = sorted({"000000", *(colour for svg in svgs for _, colour in PAINT.findall(svg))})  # black: the default
    light = "".join(f"--{colour}:#{colour};" for colour in colours)
    dark = "".join(f"--{colour}:{on_dark('#' + colour)};" for colour in colours)
    style = f"svg{{fill:var(--000000);{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}image{{opacity:.9}}}}"
    return [PAINT.sub(r"\1:var(--\2)", svg).replace("<defs>", f"<style>{style}</style><defs>", 1) for svg in svgs]


def adaptive_svg(figure: "Figure") -> str:
    """The figure as an SVG for light and for dark pages."""
    [svg] = two_faces(drawing(figure))
    return svg


def framed(svg: str, image: str) -> str:
    """An image in the frame that keeps its text readable on a phone; without one if the SVG has no width in points."""
    width = WIDTH.search(svg)
    return f"{FRAME.format(READABLE * float(width[1]))}{image}</div></div>" if width else image
