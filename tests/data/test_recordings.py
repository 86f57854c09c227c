"""Spoken digits and acted emotions: what the names of the files say, and the owners' splits."""

import os
import zipfile

import pytest
import torch
from tiny_sets import put

from course.data import DataError, load


def test_digits_and_speakers_come_from_the_names(tiny, monkeypatch):
    tiny("fsdd")
    data = load("fsdd")
    assert repr(data) == "Sounds('fsdd', x=[40, 69] float32, 10 classes, 2 speakers, 8,000 Hz)"
    assert data.y.tolist() == [digit for digit in range(10) for _ in range(4)]
    assert data.speakers.tolist() == [0, 0, 1, 1] * 10 and data.speaker_names == ("ada", "ben")
    assert data.lengths.tolist() == list(range(30, 70))
    assert torch.equal(load("fsdd", label="speaker").y, data.speakers)
    monkeypatch.setattr("course.data.recordings.FSDD", {"train": [1], "validation": [], "test": [0]})
    assert torch.equal(load("fsdd", split="test").x[:, :68], data.x[::2, :68])
    assert load("fsdd", split="train", rate=16_000).lengths.tolist() == [2 * n for n in range(31, 70, 2)]


def test_emotions_and_actors_come_from_the_names(tiny, monkeypatch):
    tiny("ravdess")
    data = load("ravdess")
    assert repr(data) == "Sounds('ravdess', x=[30, 59] float32, 8 classes, 1 speakers, 16,000 Hz)"
    assert data.y.tolist() == [0, 0] + [emotion for emotion in range(1, 8) for _ in range(4)]
    assert data.classes[4] == "angry" and data.speaker_names == ("01",)
    assert load("ravdess", label="speaker").y.unique().tolist() == [0]
    monkeypatch.setattr("course.data.recordings.ACTORS", 2)
    with pytest.raises(DataError, match=r"ravdess\.zip lacks 30 of 60 recordings, such as 03-01-01-01-01-01-02\.wav"):
        load("ravdess")


def test_recordings_outside_a_zip_file_are_found_at_any_depth(tiny):
    folder = tiny("fsdd")
    good = load("fsdd")
    with zipfile.ZipFile(folder / "fsdd.zip") as archive:
        put(folder, {f"master/{name}": archive.read(name) for name in archive.namelist()})
    (folder / "fsdd.zip").unlink()
    assert torch.equal(load("fsdd").x, good.x)
    (folder / "master/recordings/3_ben_1.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"3_ben_1\.wav cannot be read"):
        load("fsdd")


@pytest.mark.parametrize("name", ["fsdd", "ravdess"])
def test_an_unknown_label_is_named(tiny, name):
    tiny(name)
    with pytest.raises(ValueError, match=r"label must be one of '(digit|emotion)', 'speaker', got 'word'"):
        load(name, label="word")


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
@pytest.mark.parametrize(
    ("name", "sizes", "seconds"),
    [("fsdd", {"train": 2400, "validation": 300, "test": 300}, 1312),
     ("ravdess", {"train": 480, "validation": 120, "test": 120}, 2657)],
)  # fmt: skip
def test_the_real_sets_are_whole(name, sizes, seconds):
    parts = {split: load(name, split=split) for split in sizes}
    assert {split: len(part) for split, part in parts.items()} == sizes
    assert sum(part.lengths.sum().item() / part.rate for part in parts.values()) == pytest.approx(seconds, abs=1)
    assert len(load(name).speaker_names) == (6 if name == "fsdd" else 24)
