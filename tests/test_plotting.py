"""The figures of the book: what they show, and that everybody can read them."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from scipy.stats import t

from course import plotting
from course.training import History

mpl.use("agg")
import matplotlib.pyplot as plt

HISTORY = History(
    train_loss=[4.0, 2.0, 1.0, 1.0, 0.0],
    validation_steps=[2, 4],
    validation=[{"loss": 3.0, "accuracy": 0.5}, {"loss": 1.5, "accuracy": 0.75}],
)


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        plotting.use_style()
        yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def contrast(first, second):
    """The contrast of two colours by the accessibility guidelines (WCAG 2.2): 1 to 21."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_from_the_background():
    assert contrast(plotting.INK, plotting.BACKGROUND) > 7
    assert contrast(plotting.MUTED, plotting.BACKGROUND) > 4.5
    assert all(contrast(colour, plotting.BACKGROUND) > 3 for colour in plotting.colours()[:3])


def test_colours_differ_for_colour_blind_readers():
    """Simulated by the matrices of Viénot, Brettel and Mollon (1999), in linear light."""
    protanopia = np.array([[0.1120, 0.8853, -0.0005], [0.1126, 0.8897, -0.0001], [0.0045, 0.0000, 1.0019]])
    deuteranopia = np.array([[0.2920, 0.7054, -0.0003], [0.2934, 0.7089, 0.0000], [-0.0210, 0.0256, 1.0000]])
    linear = np.array([to_rgb(colour) for colour in plotting.colours()]) ** 2.2
    for matrix in (np.eye(3), protanopia, deuteranopia):
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
        assert distances[~np.eye(len(seen), dtype=bool)].min() > 0.12


def test_a_saved_figure_is_opaque(tmp_path):
    plotting.curves(HISTORY).figure.savefig(tmp_path / "figure.png")
    corner = plt.imread(tmp_path / "figure.png")[0, 0]
    assert corner == pytest.approx([*to_rgb(plotting.BACKGROUND), 1.0], abs=0.01)


def test_curves_show_training_and_validation():
    ax = plotting.curves(HISTORY)
    training, validation = ax.get_lines()
    assert training.get_ydata().tolist() == HISTORY.train_loss
    assert training.get_xdata().tolist() == HISTORY.steps
    assert validation.get_xydata().tolist() == [[2, 3.0], [4, 1.5]]
    assert sorted(texts(ax)) == ["training", "validation"]


def test_smoothed_curves_stay_in_place():
    pale, smooth, _ = plotting.curves(HISTORY, smooth=3).get_lines()
    assert len(pale.get_ydata()) == 5
    assert smooth.get_xdata().tolist() == [1, 2, 3]
    assert smooth.get_ydata() == pytest.approx([7 / 3, 4 / 3, 2 / 3])


def test_curves_of_another_quantity():
    ax = plotting.curves(HISTORY, quantity="accuracy")
    assert ax.get_ylabel() == "accuracy"
    assert [line.get_xydata().tolist() for line in ax.get_lines()] == [[[2, 0.5], [4, 0.75]]]
    with pytest.raises(ValueError, match="called 'recall'"):
        plotting.curves(HISTORY, quantity="recall")
    with pytest.raises(ValueError, match="smooth=6 is not between 1 and the 5 steps"):
        plotting.curves(HISTORY, smooth=6)


def test_labels_do_not_overlap():
    ax = plt.subplots()[1]
    for height in (1.0, 1.01, 1.02, 5.0):
        ax.plot([0, 1], [0, height], label=f"line to {height}")
    plotting.label_lines(ax)
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in pairwise(boxes))
    assert all(box.x1 <= ax.figure.bbox.x1 for box in boxes)


def test_mean_line_has_students_interval():
    values = torch.tensor([[1.0, 2.0], [2.0, 2.0], [3.0, 5.0]])
    ax = plotting.mean_line(torch.tensor([10, 20]), values, label="runs")
    assert ax.get_lines()[0].get_ydata() == pytest.approx([2, 3])
    corners = ax.collections[0].get_paths()[0].vertices
    half = t.ppf(0.975, 2) * np.std([1, 2, 3], ddof=1) / np.sqrt(3)
    at_ten = corners[corners[:, 0] == 10, 1]
    assert (at_ten.min(), at_ten.max()) == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("shape", [(1, 4), (3, 5), (4,)])
def test_mean_line_refuses_what_has_no_interval(shape):
    with pytest.raises(ValueError, match=r"must be \[runs, 4\] with at least 2 runs"):
        plotting.mean_line(range(4), torch.zeros(shape))


def test_bars_write_their_numbers():
    ax = plotting.bars({"MAML": (91.24, 1.11), "pixels": (64.0, 1.3)}, reference={"chance": 20.0})
    assert texts(ax) == ["91.2 ± 1.1", "64.0 ± 1.3", "chance"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["MAML", "pixels"]
    assert [bar.get_width() for bar in ax.patches] == [91.24, 64.0]
    assert ax.patches[0].get_y() > ax.patches[1].get_y()


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 1, 8, 8), (6, 3, 8, 8)])
def test_image_grid_draws_every_image(shape):
    ax = plotting.image_grid(torch.rand(shape), list("abcdef"), columns=3, row_titles=["support", "query"])
    assert len(ax.get_images()) == 6
    assert texts(ax) == ["a", "b", "c", "d", "e", "f", "support", "query"]


def test_image_grid_treats_bytes_and_floats_alike():
    image = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)
    drawn = [plotting.image_grid(images).get_images()[0].get_array() for images in (image, image / 255)]
    assert np.allclose(*drawn)


def test_image_grid_explains_wrong_input():
    with pytest.raises(ValueError, match=r"got \[4, 8\]"):
        plotting.image_grid(torch.rand(4, 8))
    with pytest.raises(ValueError, match=r"got \[0, 1, 8, 8\]"):
        plotting.image_grid(torch.rand(0, 8, 8))
    with pytest.raises(ValueError, match="4 titles needed, 3 given"):
        plotting.image_grid(torch.rand(4, 8, 8), ["a", "b", "c"])
    with pytest.raises(ValueError, match="2 row_titles needed, 1 given"):
        plotting.image_grid(torch.rand(4, 8, 8), columns=2, row_titles=["a"])


def test_sinusoid_task_sorts_its_curves():
    x = torch.tensor([[2.0], [-1.0], [0.0]])
    ax = plotting.sinusoid_task((x, x.sin()), (x, x.cos()), {"0 steps": (x, 0 * x), "1 step": (x, x)})
    truth, first, second, support = ax.get_lines()
    for line in (truth, first, second, support):
        assert line.get_xdata().tolist() == [-1, 0, 2]
    assert support.get_ydata() == pytest.approx(np.sin([-1, 0, 2]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["truth", "0 steps", "1 step", "support"]
    assert plotting.sinusoid_task((x, x), (x, x), {}, plt.subplots()[1], legend=False).get_legend() is None


def test_correlation_figures():
    ax = plotting.correlations({"fit": torch.tensor([0.9, 0.4]), "new": [0.8, 0.1]}, truth=[0.85, 0.2])
    assert [line.get_ydata().tolist() for line in ax.get_lines()[1:]] == [[0.8, 0.1], [0.85, 0.2]]
    assert ax.get_lines()[0].get_xdata().tolist() == [1, 2]
    matrix = plotting.correlation_matrix(torch.eye(3)).get_images()[0]
    assert matrix.get_clim() == (-1, 1)
    pair = plotting.variates(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0], requires_grad=True))
    assert pair.get_title(loc="left") == "correlation -1.00"


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, course.plotting; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
