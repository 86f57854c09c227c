"""The system: trained, saved, loaded by another process, asked with and without labels, measured on other people."""

import csv
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from emotion_help import EMOTIONS, people, points, wave, write

from course import cli
from course.applications import emotion, saving
from course.applications.emotion import Emotions, Settings
from course.applications.emotion_clips import read_clips, restored, store
from course.data.sets import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    to = tmp_path_factory.mktemp("models") / "model"
    assert cli.main(["apply", "emotion", "train", "--data", str(folder), "--to", str(to), "--folds", "4"]) == 0
    return to


def test_the_card_is_of_the_run(model):
    card = (model / "card.md").read_text("utf8")
    assert "48 recordings of 4 speakers in 3 emotions" in card and "| accuracy, nothing labelled |" in card
    assert "named rightly: sadness" in card and "4 speakers" in card and "AI Act" in card


def test_a_fresh_process_gives_the_same_answers(model, folder):
    speaker = folder / "speaker 0" / "anger"
    here = saving.load(model, name="emotion").predict([str(speaker)])
    program = (
        "import sys; from pathlib import Path; from course.applications.saving import load\n"
        "print(load(Path(sys.argv[1])).predict(sys.argv[2:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(model), str(speaker)], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{here}\n" and len(here) == 4


def test_a_speakers_folder_with_labels_and_an_emotion_never_heard(model, tmp_path, capsys):
    for number, mood in enumerate(EMOTIONS * 2):
        write(tmp_path / "Ada" / f"{number}.wav", wave(5, mood, number))
    for mood in EMOTIONS:
        write(tmp_path / "Ada" / mood / "a.wav", wave(5, mood, 9))
    to = tmp_path / "answers.csv"
    arguments = ["apply", "emotion", "predict", "--model", str(model), str(tmp_path / "Ada"), "--to", str(to)]
    assert cli.main(arguments) == 0
    with to.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["labelled"] for row in rows] == ["3"] * 6 and {row["emotion"] for row in rows} <= set(EMOTIONS)
    assert sum(row["emotion"] == mood for row, mood in zip(rows, EMOTIONS * 2, strict=True)) >= 4
    write(tmp_path / "Ada" / "fear" / "b.wav", wave(5, "fear", 1, strength=2.0))
    write(tmp_path / "Ada" / "x.wav", wave(5, "fear", 2, strength=2.0))
    found = saving.load(model).predict([str(tmp_path / "Ada")])
    assert found[-1]["recording"].endswith("x.wav") and found[-1]["emotion"] == "fear"
    one = saving.load(model).predict([str(tmp_path / "Ada" / "0.wav")])
    assert one[0]["unlabelled"] == 1 and one[0]["labelled"] == 0


def test_others_are_measured_and_what_was_learned_is_refused(model, folder, tmp_path, capsys):
    others = people(tmp_path, speakers=(4, 5))
    assert cli.main(["apply", "emotion", "evaluate", "--model", str(model), "--data", str(others)]) == 0
    assert "| accuracy, 2 labelled of each emotion |" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"48 of 48 recordings of .* were in the training"):
        saving.load(model).evaluate(str(folder))
    write(tmp_path / "speaker 4" / "joy" / "a.wav", wave(4, "tenderness", 50))
    with pytest.raises(DataError, match="has the emotion 'joy'; trained were anger"):
        saving.load(model).evaluate(str(tmp_path))


def test_a_killed_training_goes_on(tmp_path, monkeypatch):
    clips, settings = points(), Settings(folds=3, shots=1)
    store(tmp_path / "vectors.safetensors", clips)
    whole = emotion.measured(clips, settings, 0, tmp_path / "whole")
    calls = []
    plain = emotion.chosen
    monkeypatch.setattr(emotion, "chosen", lambda *a: calls.append(1) or (1 / 0 if len(calls) == 2 else plain(*a)))
    with pytest.raises(ZeroDivisionError):
        emotion.measured(clips, settings, 0, tmp_path / "killed")
    again = emotion.measured(clips, settings, 0, tmp_path / "killed")
    assert len(calls) == 4 and torch.equal(again[0], whole[0]) and torch.equal(again[1], whole[1])
    assert [tuple(each) for each in again[2]] == [tuple(each) for each in whole[2]]


def test_clips_are_kept_and_restored(tmp_path):
    clips = points()
    store(tmp_path / "kept", clips)
    again = restored(tmp_path / "kept")
    assert torch.equal(again.x, clips.x) and again.classes == clips.classes and again.prints == clips.prints


def test_a_table_of_files_is_read(folder, tmp_path):
    files = sorted(folder.glob("speaker [01]/*/[01].wav"))
    table = tmp_path / "table.csv"
    lines = [f"{file},{file.parent.parent.name},{file.parent.name}" for file in files]
    table.write_text("path,speaker,emotion\n" + "\n".join(lines) + "\n")
    clips = read_clips(str(table))
    assert clips.speaker_names == ("speaker 0", "speaker 1") and clips.classes == EMOTIONS and len(clips) == 12
    for text, said in (
        ("path,speaker\n", "has no column 'emotion'"),
        ("path,speaker,emotion\n", "has no rows"),
        ("path,speaker,emotion\nno.wav,a,b\n", "names .*no.wav, which is not there"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=said):
            read_clips(str(table))


def test_what_cannot_be_used_is_named(model, tmp_path):
    with pytest.raises(DataError, match="absent is missing: name voices or ravdess, a folder"):
        read_clips(str(tmp_path / "absent"))
    with pytest.raises(DataError, match="holds no recordings speaker/emotion"):
        read_clips(str(tmp_path))
    with pytest.raises(DataError, match="is no recording, nor a folder"):
        saving.load(model).predict([str(tmp_path)])
    one = write(tmp_path / "a" / "joy" / "a.wav", wave(0, "anger", 0))
    with pytest.raises(DataError, match="holds the emotion joy only"):
        read_clips(str(tmp_path))
    write(tmp_path / "a" / "rage" / "b.wav", wave(0, "anger", 0))
    with pytest.raises(DataError, match="recordings 1 and 2 are the same"):
        read_clips(str(tmp_path))
    one.unlink()
    clips = points(speakers=3)
    with pytest.raises(DataError, match="has 3 speakers, fewer than the 6 folds"):
        emotion.require_enough(clips, Settings())
    with pytest.raises(DataError, match="'speaker 0' has 4 recordings of 1 emotions"):
        emotion.require_enough(replace(clips, y=torch.where(clips.speakers == 0, 0, clips.y)).select(
            (clips.speakers > 0) | (torch.arange(36) < 4)), Settings(folds=3))  # fmt: skip
    with pytest.raises(ValueError, match="folds"):
        Settings(folds=2)


def test_a_system_is_its_numbers(model):
    system = saving.load(model)
    again = Emotions.from_tree(system.tree(), torch.device("cpu"))
    asked = 5 * torch.randn(3, 133, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(system.named(asked, asked[:0], [])[1], again.named(asked, asked[:0], [])[1])
