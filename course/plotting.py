"""One style for the figures of the book, and the figures that return in many chapters.

The colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart. On a dark
page of the book a figure is dark: it is an SVG with two faces (:py:mod:`course.svg`). Every function draws into
``ax`` (``None`` makes a new figure) and returns it. Arguments may be tensors on any device, arrays or lists.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from course.arguments import require_whole
from course.svg import LIGHT, adaptive_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette without yellow, which is too pale for lines; the strongest contrasts come first. Matplotlib
# calls them "C0", "C1", ... once the style is in use.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
BACKGROUND, INK, MUTED, GRID = LIGHT, "#222222", "#666666", "#E2E2DC"
TEXT_SHADE = 0.65  # makes each colour of the palette dark enough for small text
WIDTH, HEIGHT = 7.0, 3.6  # inches, of a figure of one panel
LEVEL = {"color": INK, "linestyle": ":", "linewidth": 1.4}  # of lines for chance, the truth, the paper's number


def use_style() -> None:
    """Give all figures drawn from now on the style of the book; the first cell of each chapter calls it."""
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    if os.environ.get("COURSE_SVG"):  # in the build of the book, whose pages say whether they are light or dark
        Figure._repr_svg_ = adaptive_svg
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, HEIGHT),
            "figure.dpi": 110,
            "figure.facecolor": BACKGROUND,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": BACKGROUND,
            "savefig.dpi": 160,
            "axes.facecolor": BACKGROUND,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.titlepad": 8,
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=OKABE_ITO),
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "text.color": INK,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "font.size": 10,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "image.cmap": "gray_r",
            "hatch.linewidth": 0.8,
        }
    )


def running_mean(values, width: int, ax: "Axes | None" = None, *, steps=None, **line) -> "Axes":
    """The mean of ``width`` neighbouring values as a line over the number of the step, in the middle of its window.

    Args:
        values: ``[n]``.
        steps: ``[n]``, when each value was measured; None if there is one for each step from 0 on.
        line: options of the line, as for ``ax.plot``.

    Raises:
        ValueError: if ``width`` is not a whole number from 1 to n.
    """
    values = array(values)
    require_whole("width", width, most=len(values))
    steps, mean = (
        np.convolve(numbers, np.ones(width), mode="valid") / width
        for numbers in (np.arange(len(values)) if steps is None else array(steps), values)
    )
    ax = axes(ax)
    ax.plot(steps, mean, **line)
    return ax


def curves(
    history,
    ax: "Axes | None" = None,
    *,
    smooth: int = 1,
    validation: Callable[[dict[str, float]], float] = itemgetter("loss"),
    labels: tuple[str, str] = ("training", "validation"),
) -> "Axes":
    """The training loss and the validations of a :class:`course.history.History` over the step.

    Where no loss is called ``"loss"``, every one is drawn.

    Args:
        smooth: the training loss is averaged over so many values, and its label says so.
        validation: what to draw of the numbers of one validation.
        labels: of the lines, for :func:`label_lines` or a legend; several losses have their own names.

    Raises:
        ValueError: if there are fewer than ``smooth`` values, or the validations have no such number.
    """
    try:
        validated = [validation(numbers) for numbers in history.validation]
    except KeyError as error:
        numbers = ", ".join(map(repr, history.validation[0]))
        raise ValueError(f"the validations have no {error}, only {numbers}: choose by validation=") from error
    ax, colors = axes(ax), cycle(OKABE_ITO)
    names = ["loss"] if "loss" in history.train else [*history.train]
    for name, color in zip(names, colors, strict=False):
        curve, label = history.train[name], labels[0] if len(names) == 1 else name
        label = label if smooth == 1 else f"{label},\nmean of {smooth} steps"
        running_mean(curve.values, smooth, ax, steps=curve.steps, color=color, label=label)
    if validated:
        ax.plot(history.validation_steps, validated, "o-", color=next(colors), markersize=4, label=labels[1])
    ax.set(xlabel="step", ylabel="loss")
    return ax


def mean_line(x, values, ax: "Axes | None" = None, *, label: str | None = None, **line) -> "Axes":
    """The mean of several runs as a line, and its 95 % interval (:py:func:`~course.metrics.t_interval95`) as a band.

    Args:
        x: ``[n]``.
        values: ``[r, n]``, one row for each of at least two independent runs.
        line: options of the line, as for ``ax.plot``.

    Raises:
        ValueError: if the shapes do not fit, or there is one run only.
    """
    from course.metrics import t_interval95

    x, values = array(x), array(values)
    runs = len(values)
    if values.shape != (runs, len(x)) or runs < 2:
        raise ValueError(f"values must be [runs, {len(x)}] with at least 2 runs, got {list(values.shape)}")
    mean, half = map(array, t_interval95(values))
    ax = axes(ax)
    [drawn] = ax.plot(x, mean, label=label, **line)
    ax.fill_between(x, mean - half, mean + half, color=drawn.get_color(), alpha=0.25)  # its edge shows where it is thin
    return ax


def bars(
    measured: Mapping[str, tuple[float, float]],
    ax: "Axes | None" = None,
    *,
    reference: Mapping[str, float] | None = None,
    digits: int = 1,
) -> "Axes":
    """Horizontal bars with 95 % intervals, the first on top, each with its numbers written beside it.

    Args:
        measured: name to (mean, half width of the interval).
        reference: name to value, drawn as dotted lines: the level of chance, the paper's number.
        digits: decimal places of the numbers.
    """
    ax = axes(ax)
    places = np.arange(len(measured))[::-1]
    means, halves = (np.array(column, dtype=float) for column in zip(*measured.values(), strict=True))
    ax.barh(places, means, height=0.6, color=OKABE_ITO[0])
    ax.errorbar(means, places, xerr=halves, fmt="none", ecolor=INK, elinewidth=1.4, capsize=3)
    for place, mean, half in zip(places, means, halves, strict=True):
        text = f"{mean:z.{digits}f} ± {half:.{digits}f}".replace("-", "−")  # a minus as on the axes, and none before 0
        end = max(mean + half, 0)
        ax.annotate(text, (end, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    for name, value in (reference or {}).items():
        ax.axvline(value, **LEVEL)
        ax.annotate(name, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                    ha="center", va="bottom", fontsize=9, color=INK)  # fmt: skip
    ax.set_yticks(places, list(measured))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.set_ylim(-0.6, len(measured) - 0.4)
    return ax


def image_grid(
    images,
    titles: Sequence[str] | None = None,
    ax: "Axes | None" = None,
    *,
    columns: int | None = None,
    row_titles: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
) -> "Axes":
    """Images side by side, row by row, each in a thin frame.

    Args:
        images: ``[n, h, w]``, ``[n, 1, h, w]`` (dark where the value is high) or ``[n, 3, h, w]`` (red, green, blue);
            bytes from 0 to 255 or floats from 0 to 1.
        titles: one for each image or one for each column, written above it.
        ax: ``None`` makes a figure of the size that the images need.
        columns: images in a row; ``None`` puts up to ten there.
        row_titles: one for each row, written to its left.
        marked: which images get a thick green frame.

    Raises:
        ValueError: if the images have another shape, or titles or marks another number.
    """
    from matplotlib.patches import Rectangle

    images = array(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"images must be [n, h, w], [n, 1, h, w] or [n, 3, h, w], got {list(images.shape)}")
    columns = columns or min(len(images), 10)
    rows = -(-len(images) // columns)
    needed = {"titles": (titles, (len(images), columns)), "row_titles": (row_titles, (rows,)),
              "marked": (marked, (len(images),))}  # fmt: skip
    for name, (given, numbers) in needed.items():
        if given is not None and len(given) not in numbers:
            raise ValueError(f"{name}: {' or '.join(map(str, numbers))} needed, {len(given)} given")
    if images.dtype == np.uint8:
        images = images / 255
    height, width = images.shape[2:]
    head = 0 if titles is None else 0.3 * height
    across, down = 1.1 * width, 1.1 * height + (head if titles is not None and len(titles) > columns else 0)
    if ax is None:
        inches = min(1.2 * columns, 11)  # the book's widest figures have 11
        ax = axes(None, figsize=(inches, inches * (head + rows * down) / (columns * across)))
    for number, image in enumerate(images):
        left, top = number % columns * across, number // columns * down
        box = (left, left + width, top + height, top)
        ax.imshow(image.transpose(1, 2, 0), extent=box, cmap="gray_r", vmin=0, vmax=1)
        frame = (OKABE_ITO[2], 3) if marked is not None and marked[number] else (MUTED, 0.6)
        ax.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=frame[0], linewidth=frame[1]))
        if titles is not None and number < len(titles):
            ax.text(left + width / 2, top - 0.06 * height, titles[number], ha="center", va="bottom", fontsize=9)
    for row, title in enumerate(row_titles or ()):
        ax.text(-0.1 * width, row * down + height / 2, title, ha="right", va="center", fontsize=9)
    ax.set(xlim=(-0.03 * width, columns * across - 0.07 * width), ylim=((rows - 1) * down + 1.03 * height, -head))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def label_lines(ax: "Axes") -> "Axes":
    """Write each line's label beside its right end, in its colour: no legend to look things up in.

    Labels that would overlap are moved apart, as little as possible. Call it when everything else is drawn and all
    limits and scales are set.
    """
    from matplotlib.colors import to_rgb
    from scipy.optimize import isotonic_regression

    ax.figure.draw_without_rendering()  # lays the figure out: heights in pixels are final
    box, ends = ax.get_window_extent(), []
    for line in ax.get_lines():
        points = np.asarray(line.get_xydata(), dtype=float)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) and not line.get_label().startswith("_"):
            height = ax.transData.transform(points[points[:, 0].argmax()])[1]
            ends.append((np.clip(height, box.y0, box.y1), points[:, 1].mean(), line))
    ends.sort(key=lambda end: (round(end[0]), end[1]))  # of lines with one end the higher one has the upper label
    if not ends:
        return ax
    texts = [line.get_label() for *_, line in ends]
    heights = np.array([13 * (1 + text.count("\n")) for text in texts]) * ax.figure.dpi / 72  # 13 points a line of text
    stacked = np.cumsum(heights) - heights / 2  # the middles, if all labels touch
    # least squares: the places nearest to the ends whose distances are at least those of the stack
    places = isotonic_regression([end for end, *_ in ends] - stacked).x + stacked
    for place, text, (*_, line) in zip(places, texts, ends, strict=True):
        ax.annotate(text, (1, (place - box.y0) / box.height), xycoords="axes fraction", xytext=(4, 0),
                    textcoords="offset points", va="center", fontsize=9,
                    color=[TEXT_SHADE * part for part in to_rgb(line.get_color())])  # fmt: skip
    return ax


def axes(ax: "Axes | None", **options) -> "Axes":
    """``ax`` itself, or that of a new figure with these options."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(**options)[1]
    return ax


def array(values) -> np.ndarray:
    """A tensor on any device, an array or a list, as an array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
