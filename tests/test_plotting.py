"""The figures of the book: what they show, and that everybody can read them."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.stats import t

from course import plotting
from course.history import History
from course.svg import DARK, contrast, on_dark

mpl.use("agg")
import matplotlib.pyplot as plt

HISTORY = History(
    train={"loss": ([0, 1, 2, 3, 4], [4.0, 2.0, 1.0, 1.0, 0.0])},
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


def test_text_and_lines_stand_out_from_the_background():
    assert contrast(plotting.INK, plotting.BACKGROUND) > 7
    assert contrast(plotting.MUTED, plotting.BACKGROUND) > 4.5
    assert all(contrast(colour, plotting.BACKGROUND) > 3 for colour in plotting.OKABE_ITO[:3])
    assert all(contrast(on_dark(colour.lower()), DARK) > 4.5 for colour in plotting.OKABE_ITO)


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_colours_differ_for_colour_blind_readers(ground):
    """Simulated by the matrices of Viénot, Brettel and Mollon (1999), in linear light."""
    protanopia = np.array([[0.1120, 0.8853, -0.0005], [0.1126, 0.8897, -0.0001], [0.0045, 0.0000, 1.0019]])
    deuteranopia = np.array([[0.2920, 0.7054, -0.0003], [0.2934, 0.7089, 0.0000], [-0.0210, 0.0256, 1.0000]])
    colours = [on_dark(colour.lower()) if ground == "dark" else colour for colour in plotting.OKABE_ITO]
    linear = np.array([to_rgb(colour) for colour in colours]) ** 2.2
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
    assert [line.get_label() for line in ax.get_lines()] == ["training", "validation"]
    _, error_rate = plotting.curves(HISTORY, validation=lambda numbers: 1 - numbers["accuracy"]).get_lines()
    assert error_rate.get_xydata().tolist() == [[2, 0.5], [4, 0.25]]
    assert len(plotting.curves(History({"loss": ([0, 1], [2.0, 1.0])})).get_lines()) == 1


def test_smoothed_curves_stay_in_place_and_say_so():
    training, _ = plotting.curves(HISTORY, smooth=3, labels=("outer loss", "new tasks")).get_lines()
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert training.get_ydata() == pytest.approx([7 / 3, 4 / 3, 2 / 3])
    assert training.get_label() == "outer loss,\nmean of 3 steps"


def test_each_of_several_losses_is_drawn_at_its_own_steps():
    history = History({"critic": ([0, 1, 3, 4], [4.0, 2.0, 1.0, 3.0]), "generator": ([2, 5], [6.0, 7.0])})
    critic, generator = plotting.curves(history, smooth=2).get_lines()
    assert critic.get_xydata().tolist() == [[0.5, 3.0], [2.0, 1.5], [3.5, 2.0]]
    assert generator.get_xydata().tolist() == [[3.5, 6.5]]
    assert generator.get_label() == "generator,\nmean of 2 steps"
    history.note(6, {"loss": 1.0})
    assert len(plotting.curves(history).get_lines()) == 1


def test_curves_explain_wrong_input():
    with pytest.raises(ValueError, match="no 'loss', only 'accuracy': choose by validation="):
        plotting.curves(History({"loss": ([0], [1.0])}, [1], [{"accuracy": 0.5}]))
    with pytest.raises(ValueError, match="width must be a whole number from 1 to 5, got 6"):
        plotting.curves(HISTORY, smooth=6)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), data=st.data())
def test_running_mean_is_that_of_each_window(values, data):
    width = data.draw(st.integers(1, len(values)))
    ax = plotting.running_mean(values, width, Figure().subplots(), label="loss")
    drawn = dict(ax.get_lines()[0].get_xydata())
    windows = [range(start, start + width) for start in range(len(values) - width + 1)]
    expected = {np.mean(window): np.mean([values[i] for i in window]) for window in windows}
    assert drawn == pytest.approx(expected, abs=1e-9)


def labelled(heights):
    ax = plt.subplots()[1]
    for name, height in heights.items():
        ax.plot([0, 1], [height, height], label=name)
    ax.plot([0, 1], [0.5, 0.5])  # has no label
    ax.set_ylim(0, 1)
    plotting.label_lines(ax)
    ax.figure.canvas.draw()
    return ax, {text.get_text(): text.get_window_extent() for text in ax.texts}


def middle(box):
    return (box.y0 + box.y1) / 2


def height_in_pixels(ax, y):
    return pytest.approx(ax.transData.transform((1, y))[1], abs=2)


def test_labels_do_not_overlap():
    heights = {"first": 0.5, "of two\nlines": 0.5001, "third": 0.502, "far away": 0.9}
    ax, boxes = labelled(heights)
    assert sorted(boxes, key=lambda name: boxes[name].y0) == list(heights)
    ordered = sorted(boxes.values(), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in pairwise(ordered))
    assert all(box.x1 <= ax.figure.bbox.x1 for box in ordered)
    cluster = (boxes["first"].y0 + boxes["third"].y1) / 2  # moved apart evenly
    assert cluster == pytest.approx(ax.transData.transform((1, 0.5))[1], abs=4)


def test_labels_stand_at_the_ends_of_their_lines_and_in_the_figure_where_lines_leave_it():
    ax, boxes = labelled({"above": 7.0, "lost": np.nan, "below": -3.0, "within": 0.8})
    for name, height in (("above", 1), ("below", 0), ("within", 0.8)):
        assert middle(boxes[name]) == height_in_pixels(ax, height)
    assert "lost" not in boxes


def test_unordered_points_are_labelled_at_the_rightmost():
    ax = plt.subplots()[1]
    ax.plot([0.2, 1.0, 0.4], [0.0, 0.25, 1.0], "o", label="points")
    plotting.label_lines(ax)
    ax.figure.canvas.draw()
    assert middle(ax.texts[0].get_window_extent()) == height_in_pixels(ax, 0.25)


def test_of_lines_that_meet_the_higher_has_the_upper_label():
    ax = plt.subplots()[1]
    ax.plot([0, 1, 2], [0, 3, 0], label="higher")
    ax.plot([0, 1, 2], [0, 1, 0], label="lower")
    lower, higher = plotting.label_lines(ax).texts
    assert (lower.get_text(), higher.get_text()) == ("lower", "higher")
    assert lower.xy[1] < higher.xy[1]


def test_labels_can_be_read():
    ax = plt.subplots()[1]
    for height in range(len(plotting.OKABE_ITO)):
        ax.plot([0, 1], [height, height], label=f"line {height}")
    colours = [text.get_color() for text in plotting.label_lines(ax).texts]
    assert len(colours) == len(plotting.OKABE_ITO)
    assert all(contrast(colour, plotting.BACKGROUND) > 4.5 for colour in colours)


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
    assert texts(plotting.bars({"PCA": (-0.01, 0.5), "shuffled": (-0.25, 0.1)})) == ["0.0 ± 0.5", "−0.2 ± 0.1"]


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 1, 8, 8), (6, 3, 8, 8)])
def test_image_grid_draws_every_image_and_marks_some_by_more_than_colour(shape):
    marked = [False, True, False, False, True, False]
    options = {"columns": 3, "row_titles": ["support", "query"], "marked": marked}
    ax = plotting.image_grid(torch.rand(shape), list("abcdef"), **options)
    assert len(ax.get_images()) == 6
    assert texts(ax) == ["a", "b", "c", "d", "e", "f", "support", "query"]
    assert [frame.get_linewidth() > 2 for frame in ax.patches] == marked


def test_image_grid_reads_like_a_page():
    images = torch.arange(6).div(10)[:, None, None].expand(6, 4, 8)
    ax = plotting.image_grid(images, ["left", "middle", "right"], columns=3)
    corners = [(image.get_extent()[0], image.get_extent()[3]) for image in ax.get_images()]
    values = [image.get_array().max() for image in ax.get_images()]
    assert values == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert corners == sorted(corners, key=lambda corner: corner[::-1])
    assert texts(ax) == ["left", "middle", "right"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is the upper one
    assert all(text.get_position()[1] < 0 for text in ax.texts)


def test_image_grid_treats_bytes_and_floats_alike():
    image = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)
    drawn = [plotting.image_grid(images).get_images()[0].get_array() for images in (image, image / 255)]
    assert np.allclose(*drawn)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 8), {}, r"got \[4, 8\]"),
        ((0, 8, 8), {}, r"got \[0, 1, 8, 8\]"),
        ((4, 8, 8), {"titles": ["a", "b", "c"], "columns": 2}, "titles: 4 or 2 needed, 3 given"),
        ((4, 8, 8), {"marked": [True]}, "marked: 4 needed, 1 given"),
        ((4, 8, 8), {"row_titles": ["a"], "columns": 2}, "row_titles: 2 needed, 1 given"),
    ],
)
def test_image_grid_explains_wrong_input(shape, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(torch.rand(shape), **options)


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, course.plotting; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
