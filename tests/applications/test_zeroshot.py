"""The system on coloured squares: it names colours it never saw by their names, is saved, and says what is wrong."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from course import cli
from course.applications import saving
from course.applications.class_folder import read_descriptions, read_source
from course.applications.held_out import ENOUGH, Split, trials
from course.data.sets import DataError

COLOURS = {
    "red": (230, 20, 20), "green": (20, 160, 20), "blue": (20, 20, 230), "yellow": (240, 230, 20),
    "black": (5, 5, 5), "orange": (250, 140, 10), "purple": (130, 10, 140), "pink": (255, 150, 190),
    "brown": (120, 70, 20), "grey": (128, 128, 128),
}  # fmt: skip


def paint(folder: Path, name: str, count: int, side: int = 20) -> None:
    (folder / name).mkdir(parents=True)
    for number in range(count):
        image = Image.new("RGBA", (side + number, side), (0, 0, 0, 0))
        image.paste(COLOURS[name], (2 + number, 2, side - 2, side - 2 - number))
        image.save(folder / name / f"{number}.png")


def describe(path: Path, names) -> None:
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerows([("class", "text"), *((name, f"a {name} square") for name in names), ("red", "red")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight colours with pictures, of unequal numbers, and two that are only described."""
    path = tmp_path_factory.mktemp("colours")
    for number, name in enumerate(list(COLOURS)[:8]):
        paint(path, name, 2 + number % 2)
    describe(path / "descriptions.csv", COLOURS)
    return path


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    to = tmp_path_factory.mktemp("made") / "model"
    assert apply("train", "--data", folder, "--to", to, "--size", 32, "--splits", 2) == 0
    return to


def apply(action, *arguments) -> int:
    return cli.main(["apply", "zeroshot", action, *map(str, arguments), "--device", "cpu"])


def test_a_folder_becomes_a_system_with_a_card(model, capsys):
    card = (model / "card.md").read_text("utf8")
    assert "20 pictures of 8 classes, 10 descriptions" in card and "over dependent splits" in card
    assert "2 splits" in card and not list(model.parent.glob("*.training"))


def test_answers_have_one_row_a_picture_and_say_whether_a_class_was_seen(folder, model, tmp_path, capsys):
    paint(tmp_path, "brown", 1)
    pictures = [str(tmp_path / "brown" / "0.png"), str(folder / "red" / "0.png")]
    assert apply("predict", "--model", model, *pictures) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["picture"] for row in rows] == pictures
    assert {row["class"] for row in rows} <= set(COLOURS)
    for row in rows:
        assert row["seen in training"] == ("no" if row["class"] in ("brown", "grey") else "yes")
        assert row["none of these"] in ("yes", "no") and row["second"] != row["class"]


def test_other_descriptions_are_candidates_at_run_time(folder, model, tmp_path, capsys):
    table = tmp_path / "others.csv"
    table.write_text("class,text\nturquoise,a turquoise square\nred,a red square\n")
    assert apply("predict", "--model", model, folder / "red" / "0.png", table) == 0
    [row] = csv.DictReader(capsys.readouterr().out.splitlines())
    assert {row["class"], row["second"]} == {"turquoise", "red"}


def test_evaluation_has_rows_for_both_kinds_of_classes(folder, model, tmp_path):
    for name in ("brown", "grey", "red"):
        paint(tmp_path, name, 3)
    describe(tmp_path / "descriptions.csv", COLOURS)
    rows = saving.load(model).evaluate(str(tmp_path))
    assert [(row.n, row.over) for row in rows] == [
        (2, "classes"),
        (2, "classes"),
        (1, "classes"),
        (1, "classes"),
        (1, "folder"),
    ]
    assert all(0 <= row.mean <= 100 for row in rows)
    a, b = rows[1].mean, rows[3].mean
    assert rows[4].mean == pytest.approx(2 * a * b / (a + b) if a + b else 0)


def test_a_saved_system_answers_the_same_in_a_fresh_process(folder, model):
    program = (
        "import sys; from pathlib import Path; from course.applications.saving import load\n"
        "print(load(Path(sys.argv[1])).predict(sys.argv[2:]))"
    )
    picture = str(folder / "blue" / "0.png")
    command = [sys.executable, "-c", program, str(model), picture]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert said == f"{saving.load(model).predict([picture])}\n"


def test_vectors_of_a_killed_training_are_not_computed_again(folder, tmp_path, monkeypatch):
    from course.applications import zeroshot

    x = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    first = zeroshot.encoded(x, 32, 0, torch.device("cpu"), tmp_path)
    monkeypatch.setattr(zeroshot, "eye", None)
    again = zeroshot.encoded(x, 32, 0, torch.device("cpu"), tmp_path)
    assert all(torch.equal(*each) for each in zip(first, again, strict=True))


def test_a_split_has_every_class_once_and_keeps_pictures_back():
    labels = torch.arange(20).repeat_interleave(2)
    split = Split(20, labels, 0)
    assert torch.cat([split.test, split.validation, split.train]).sort().values.tolist() == list(range(20))
    assert set(split.watched.tolist()).isdisjoint(split.asked.tolist())
    assert set(split.kept.tolist()) <= set(split.train.tolist())
    assert len(trials(ENOUGH)) == 2 * len(trials(ENOUGH - 1)) == 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is missing: write a CSV file"),
        ("name,text\na,b\n", "expected class and text"),
        ("class,text\nred,\n", "line 2: a description needs a class and a text"),
        ("class,text\nred,red\n", "describes 1 classes"),
    ],
)
def test_descriptions_that_cannot_be_used_are_named(text, said, tmp_path):
    path = tmp_path / "descriptions.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_descriptions(path)


def test_folders_that_cannot_be_used_are_named(folder, tmp_path, capsys):
    new, tmp_path = tmp_path / "new", tmp_path / "data"
    tmp_path.mkdir()
    with pytest.raises(DataError, match="neither 'emoji' nor a folder"):
        read_source(str(tmp_path / "absent"), 32)
    describe(tmp_path / "descriptions.csv", ["red", "blue"])
    with pytest.raises(DataError, match="holds no folder of a class"):
        read_source(str(tmp_path), 32)
    paint(tmp_path, "green", 1)
    with pytest.raises(DataError, match="describes no class 'green'"):
        read_source(str(tmp_path), 32)
    describe(tmp_path / "descriptions.csv", ["red", "green"])
    assert apply("train", "--data", tmp_path, "--to", new) == 1
    assert "8 are needed, some to be held out" in capsys.readouterr().err
    assert apply("train", "--data", folder, "--to", new, "--reader", "bert") == 1
    assert "reader must be e5 or minilm, got 'bert'" in capsys.readouterr().err


def test_transparent_parts_are_white(folder):
    source = read_source(str(folder), 32)
    assert source.x[0, :, 0, 0].tolist() == [255, 255, 255]
    assert source.shown == 8 and len(source.classes) == 10 and source.texts[source.classes.index("red")][1] == "red"
