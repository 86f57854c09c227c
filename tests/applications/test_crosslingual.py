"""The system: trained on a table, saved, asked and measured; what it refuses, and what its card says."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import small_languages
import torch

from course import cli
from course.applications import crosslingual, saving
from course.applications.crosslingual import CrossLingual, Settings, fitted, means_of

LANGUAGES = ("aa", "ab", "ac")


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    monkeypatch.setattr(crosslingual, "text_vectors", small_languages.vectors_by_rule)
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label", "language", "item"))
        for part in small_languages.small_parts(LANGUAGES, train=30, validation=8, test=8).values():
            for text, y, number, item in zip(part.texts, part.y, part.language, part.items, strict=True):
                writer.writerow((text, part.classes[y], part.languages[number], item))
    return path


def apply(*arguments) -> int:
    return cli.main(["apply", "crosslingual", *map(str, arguments), "--device", "cpu"])


def test_a_table_becomes_a_system_that_answers_in_a_language_it_never_saw(table, tmp_path, capsys):
    model, answers = tmp_path / "model", tmp_path / "answers.csv"
    assert apply("train", "--data", table, "--to", model, "--seed", 3) == 0
    card = capsys.readouterr().out
    for words in ("| macro-F1, each language left out of training |", "| macro-F1, ab, left out |", "| seed | 3 |"):
        assert words in card
    assert "| macro-F1, always the same class | " in card and "| mine | all parts |" in card
    assert apply("predict", "--model", model, "aa:aa red thing", "ab green thing", "--to", answers) == 0
    rows = list(csv.DictReader(answers.read_text().splitlines()))
    assert [row["label"] for row in rows] == ["red", "green"]
    assert [row["language"] for row in rows] == ["aa", "unknown"]
    assert all(1 / 3 < float(row["probability"]) <= 1 for row in rows)
    capsys.readouterr()
    assert apply("evaluate", "--model", model, "--data", table) == 0
    assert "| macro-F1, all languages |" in capsys.readouterr().out


def test_a_saved_system_gives_the_same_answers_in_a_fresh_process(table, tmp_path):
    assert apply("train", "--data", table, "--to", tmp_path / "model") == 0
    program = (
        "import sys, small_languages; from pathlib import Path\n"
        "from course.applications import crosslingual, saving\n"
        "crosslingual.text_vectors = small_languages.vectors_by_rule\n"
        "print(saving.load(Path(sys.argv[1])).predict(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model"), "aa:red 1", "blue 2"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True).stdout
    assert said == f"{saving.load(tmp_path / 'model').predict(['aa:red 1', 'blue 2'])}\n"


def test_another_encoder_is_noticed(table, tmp_path, monkeypatch):
    assert apply("train", "--data", table, "--to", tmp_path / "model") == 0
    other = lambda *given, **options: -small_languages.vectors_by_rule(*given, **options)  # noqa: E731
    monkeypatch.setattr(crosslingual, "text_vectors", other)
    with pytest.raises(saving.SavedError, match="is not the one"):
        saving.load(tmp_path / "model")


def test_the_left_out_language_and_the_target_have_no_label_in_the_head():
    parts = small_languages.small_parts(LANGUAGES)
    x = {name: small_languages.vectors_by_rule(part.texts) for name, part in parts.items()}
    means, plain = means_of(parts, x), fitted(parts, x, means_of(parts, x), Settings(), without=1)
    wrong = {name: part.select(torch.arange(len(part))) for name, part in parts.items()}
    for part in wrong.values():
        part.y[part.language == 1] = 0
    assert torch.equal(fitted(wrong, x, means, Settings(), without=1).weight, plain.weight)
    assert not torch.equal(fitted(wrong, x, means, Settings()).weight, fitted(parts, x, means, Settings()).weight)
    target = Settings(target="ab")
    moved = fitted(parts, x, means, target)
    assert (moved.weight - plain.weight).norm() > 0.01
    assert torch.equal(fitted(parts, x, means, target, without=1).weight, plain.weight)
    asked = parts["validation"]
    asked.y[asked.language == 1] = 1  # how far the head moves is chosen on the target's validation texts
    assert not torch.equal(fitted(parts, x, means, target).weight, moved.weight)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--most", "-1"), "most must be at least 0, got -1"),
        (("--target", "xx"), "is in the language 'xx': name one of aa, ab, ac"),
    ],
)
def test_settings_that_cannot_be_are_named(arguments, said, table, tmp_path, capsys):
    assert apply("train", "--data", table, "--to", tmp_path / "model", *arguments) == 1
    assert said in capsys.readouterr().err


def test_too_few_texts_other_classes_and_empty_texts_are_named(table, tmp_path, capsys):
    few = tmp_path / "few.csv"
    few.write_text("text,label,language\naa red,a,aa\nab blue,b,ab\n")
    assert apply("train", "--data", few, "--to", tmp_path / "few") == 1
    assert "part has no text of the class" in capsys.readouterr().err
    assert apply("train", "--data", table, "--to", tmp_path / "model") == 0
    assert apply("evaluate", "--model", tmp_path / "model", "--data", few) == 1
    assert "does not know the class 'a'; it knows blue, green, red" in capsys.readouterr().err
    assert apply("predict", "--model", tmp_path / "model", "aa:") == 1
    assert "input 1 has no text" in capsys.readouterr().err


def test_it_is_listed():
    assert saving.system_class("crosslingual") is CrossLingual
