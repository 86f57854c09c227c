"""One style for the figures of the book, and the figures that return in many chapters.

The colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart. Figures
have an opaque, slightly grey background, so that they read alike on light and on dark pages. Every function draws into
``ax`` (``None`` makes a new figure) and returns it. Arguments may be tensors on any device, arrays or lists.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette without yellow, which is too pale for lines; the strongest contrasts come first.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
BACKGROUND, INK, MUTED, GRID = "#FBFBF8", "#222222", "#666666", "#E2E2DC"
WIDTH, HEIGHT = 7.0, 3.6  # inches, of a figure of one panel


def colours() -> tuple[str, ...]:
    """The palette, in the order of use."""
    return OKABE_ITO


def use_style() -> None:
    """Give all figures drawn from now on the style of the book; the first cell of each chapter calls it."""
    import matplotlib as mpl
    from cycler import cycler

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


def curves(history, ax: "Axes | None" = None, *, quantity: str = "loss", smooth: int = 1) -> "Axes":
    r"""Training and validation over the steps of a :class:`course.training.History`.

    Args:
        quantity: ``"loss"`` draws the training loss, and the validation's ``"loss"`` if it has one; any other name
            draws that number of the validations.
        smooth: the training loss is averaged over this many steps; the single values stay as a pale line.

    Raises:
        ValueError: if there is nothing of that name to draw, or fewer than ``smooth`` steps.
    """
    ax = axes(ax)
    measured = [
        (step, numbers[quantity])
        for step, numbers in zip(history.validation_steps, history.validation, strict=True)
        if quantity in numbers
    ]
    if quantity == "loss":
        loss = np.asarray(history.train_loss)
        if not 1 <= smooth <= len(loss):
            raise ValueError(f"smooth={smooth} is not between 1 and the {len(loss)} steps of the history")
        if smooth > 1:
            ax.plot(loss, color=OKABE_ITO[0], alpha=0.25, linewidth=0.8)
        mean = np.convolve(loss, np.ones(smooth) / smooth, mode="valid")
        label = "training" if smooth == 1 else f"training, mean of {smooth} steps"
        ax.plot(np.arange(len(mean)) + (smooth - 1) / 2, mean, color=OKABE_ITO[0], label=label)
    elif not measured:
        raise ValueError(f"no validation has a number called {quantity!r}")
    if measured:
        ax.plot(*zip(*measured, strict=True), "o-", color=OKABE_ITO[1], markersize=3.5, label="validation")
    ax.set(xlabel="step", ylabel=quantity)
    return label_lines(ax)


def mean_line(x, values, ax: "Axes | None" = None, *, label: str | None = None, **line) -> "Axes":
    r"""The mean of several runs as a line, and its 95 % interval :math:`\pm t_{r-1,\,0.975}\, s/\sqrt r` as a band.

    Args:
        x: ``[n]``.
        values: ``[r, n]``, one row for each of at least two independent runs.
        line: options of the line, as for ``ax.plot``.

    Raises:
        ValueError: if the shapes do not fit, or there is one run only.
    """
    from scipy.stats import t

    x, values = array(x), array(values)
    runs = len(values)
    if values.shape != (runs, len(x)) or runs < 2:
        raise ValueError(f"values must be [runs, {len(x)}] with at least 2 runs, got {list(values.shape)}")
    mean = values.mean(0)
    half = t.ppf(0.975, runs - 1) * values.std(0, ddof=1) / np.sqrt(runs)
    ax = axes(ax)
    [drawn] = ax.plot(x, mean, label=label, **line)
    ax.fill_between(x, mean - half, mean + half, color=drawn.get_color(), alpha=0.2, linewidth=0)
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
        text, end = f"{mean:.{digits}f} ± {half:.{digits}f}", max(mean + half, 0)
        ax.annotate(text, (end, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    for name, value in (reference or {}).items():
        ax.axvline(value, color=INK, linestyle=":", linewidth=1.2)
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
) -> "Axes":
    """Images side by side, row by row.

    Args:
        images: ``[n, h, w]``, ``[n, 1, h, w]`` (dark where the value is high) or ``[n, 3, h, w]`` (red, green, blue);
            bytes from 0 to 255 or floats from 0 to 1.
        titles: one for each image, written above it.
        columns: images in a row; ``None`` puts up to ten there.
        row_titles: one for each row, written to its left.

    Raises:
        ValueError: if the images have another shape, or the titles another number.
    """
    images = array(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"images must be [n, h, w], [n, 1, h, w] or [n, 3, h, w], got {list(images.shape)}")
    columns = columns or min(len(images), 10)
    rows = -(-len(images) // columns)
    for name, given, expected in (("titles", titles, len(images)), ("row_titles", row_titles, rows)):
        if given is not None and len(given) != expected:
            raise ValueError(f"{expected} {name} needed, {len(given)} given")
    if images.dtype == np.uint8:
        images = images / 255
    ax = axes(ax)
    height, width = images.shape[2:]
    across, down = width * 1.1, height * (1.1 if titles is None else 1.45)
    for number, image in enumerate(images):
        left, top = number % columns * across, number // columns * down
        ax.imshow(
            image.transpose(1, 2, 0), extent=(left, left + width, top + height, top), cmap="gray_r", vmin=0, vmax=1
        )
        if titles is not None:
            ax.text(left + width / 2, top - 0.06 * height, titles[number], ha="center", va="bottom", fontsize=9)
    for row, title in enumerate(row_titles or ()):
        ax.text(-0.15 * width, row * down + height / 2, title, ha="right", va="center", fontsize=9)
    head = 0 if titles is None else 0.35 * height
    ax.set(xlim=(-0.02 * width, columns * across - 0.08 * width), ylim=((rows - 1) * down + 1.02 * height, -head))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def sinusoid_task(
    support, truth, predictions: Mapping[str, object], ax: "Axes | None" = None, *, legend: bool = True
) -> "Axes":
    """A regression task: the support set as points, the true curve dotted, predictions from pale to dark.

    Args:
        support: the pair (x, y) that the learner has seen.
        truth: the pair (x, y) of the true curve, in any order.
        predictions: name to pair (x, y), in the order of the inner steps, for example ``"5 steps"``.
        legend: written to the right; one panel of several is enough.
    """
    import matplotlib as mpl

    ax = axes(ax)
    ax.plot(*ordered(truth), ":", color=INK, linewidth=1.4, label="truth")
    shades = mpl.colormaps["viridis_r"](np.linspace(0.25, 0.95, max(len(predictions), 2)))
    for (name, prediction), shade in zip(predictions.items(), shades, strict=False):
        ax.plot(*ordered(prediction), color=shade, label=name)
    ax.plot(*ordered(support), "^", color=OKABE_ITO[1], markersize=7, markeredgecolor=INK, label="support", zorder=3)
    ax.set(xlabel="x", ylabel="y")
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def correlations(measured: Mapping[str, object], ax: "Axes | None" = None, *, truth=None) -> "Axes":
    """Canonical correlations by the number of the pair, a line for each entry of ``measured``.

    Args:
        measured: name to correlations ``[k]``.
        truth: the population's correlations ``[k]``, drawn as open squares.
    """
    ax = axes(ax)
    for name, values in measured.items():
        values = array(values)
        ax.plot(np.arange(1, len(values) + 1), values, "o-", label=name)
    if truth is not None:
        truth = array(truth)
        ax.plot(np.arange(1, len(truth) + 1), truth, "s", color=INK, fillstyle="none", markersize=8, label="population")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="canonical pair", ylabel="correlation")
    ax.set_ylim(top=1.02)
    ax.legend()
    return ax


def correlation_matrix(matrix, ax: "Axes | None" = None) -> "Axes":
    """A matrix of correlations ``[p, q]``: white is 0, blue towards +1, red towards -1, with its colour bar."""
    ax = axes(ax)
    picture = ax.imshow(array(matrix), cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
    ax.grid(visible=False)
    bar = ax.figure.colorbar(picture, ax=ax, ticks=[-1, 0, 1], shrink=0.8)
    bar.outline.set_visible(False)
    return ax


def variates(zx, zy, ax: "Axes | None" = None) -> "Axes":
    """One canonical pair as a scatter of ``zx [n]`` against ``zy [n]``, with its correlation as the title."""
    zx, zy = array(zx), array(zy)
    ax = axes(ax)
    ax.plot(zx, zy, "o", markersize=3, alpha=0.5, markeredgewidth=0)
    ax.set(xlabel="variate of x", ylabel="variate of y", title=f"correlation {np.corrcoef(zx, zy)[0, 1]:.2f}")
    return ax


def label_lines(ax: "Axes") -> "Axes":
    """Write each line's label at its right end, in its colour: no legend to look things up in.

    Call it after everything else, so that labels which would overlap are moved apart by the final scale.
    """
    from matplotlib.colors import to_hex

    ax.get_ylim()  # brings the limits, and with them ax.transData, up to date
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_") and len(line.get_xdata())]
    ends = [ax.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1] for line in lines]
    gap, lowest = 13 * ax.figure.dpi / 72, -np.inf  # one line of text, in pixels
    for end, line in sorted(zip(ends, lines, strict=True), key=lambda pair: pair[0]):
        place = max(end, lowest + gap)
        lowest = place
        ax.annotate(
            line.get_label(),
            (1, line.get_ydata()[-1]),
            xycoords=("axes fraction", "data"),
            xytext=(4, (place - end) * 72 / ax.figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=to_hex(line.get_color()),
        )
    return ax


def axes(ax: "Axes | None") -> "Axes":
    """``ax`` itself, or that of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1]
    return ax


def array(values) -> np.ndarray:
    """A tensor on any device, an array or a list, as an array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def ordered(points) -> tuple[np.ndarray, np.ndarray]:
    """The pair (x, y) as flat arrays with growing x."""
    x, y = (array(values).reshape(-1) for values in points)
    order = x.argsort()
    return x[order], y[order]
