"""Omniglot: what is read is what was drawn, and what is not Omniglot is refused by name.

What damage to a file does is in ``test_damage.py``.
"""

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_sets import DRAWERS, SIDE, drawings, pictures, png, zipped

from course.data import DataError, load, omniglot
from course.data.omniglot import area_weights, load_omniglot, permutation

# --- what is read


def test_every_pixel_at_full_size(tiny):
    tiny("omniglot")
    ink = drawings()
    data = load("omniglot", size=SIDE)
    expected = sorted(ink, key=lambda name: name.split("/")[1:])
    assert torch.equal(
        data.x, torch.from_numpy(np.stack([ink[name] for name in expected])).unsqueeze(1) * np.uint8(255)
    )
    assert data.classes == tuple(dict.fromkeys("/".join(name.split("/")[1:3]) for name in expected))
    assert data.groups == tuple(name.split("/")[0] for name in data.classes)
    assert data.y.tolist() == [label for label in range(8) for _ in range(DRAWERS)]
    assert (data.x.dtype, data.name) == (torch.uint8, "omniglot")


@pytest.mark.parametrize("size", [35, 21, 15])
def test_scaling_is_the_mean_over_blocks(tiny, size):
    tiny("omniglot")
    data = load("omniglot", size=size)
    whole = load("omniglot", size=SIDE)
    blocks = whole.x.float().unfold(2, SIDE // size, SIDE // size).unfold(3, SIDE // size, SIDE // size).mean((-1, -2))
    assert (data.x - blocks).abs().max() <= 0.5 + 1e-4  # of 255: the rounding


@given(source=st.integers(1, 120), data=st.data())
def test_area_weights_keep_the_mean_and_every_pixel_counts_alike(source, data):
    target = data.draw(st.integers(1, source))
    weights = area_weights(source, target)
    assert weights.shape == (target, source)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(0), target / source, rtol=1e-4)
    np.testing.assert_allclose(weights[::-1, ::-1], weights, atol=1e-5)  # left and right alike


def test_full_and_empty_paper(tiny):
    full, empty = png(np.ones((SIDE, SIDE), bool)), png(np.zeros((SIDE, SIDE), bool))
    tiny("omniglot", zipped({name: full if "Aleph" in name else empty for name in pictures()}))
    data = load("omniglot")
    inked = torch.tensor([group == "Aleph" for group in data.groups])[data.y]
    assert data.x[inked].unique().tolist() == [255]
    assert data.x[~inked].unique().tolist() == [0]
    assert torch.equal(data.examples(), data.x / 255)


def test_zip_and_folder_hold_the_same_and_hidden_files_do_not_count(tiny):
    hidden = {"__MACOSX/images_background/Aleph/._x.png": b"", "images_background/.DS_Store": b""}
    folder = tiny("omniglot", zipped({**pictures(), **hidden}))
    from_zip = load("omniglot", split="train")
    for archive in folder.iterdir():
        archive.unlink()
    hidden = {"images_background/Aleph/character01/._0001_01.png": b"", "images_background/x.txt": b""}
    tiny("omniglot", {**pictures(), **hidden})
    from_folder = load("omniglot", split="train")
    assert torch.equal(from_zip.x, from_folder.x)
    assert (from_zip.classes, from_zip.groups) == (from_folder.classes, from_folder.groups)


def test_rotations_are_classes_of_their_own(tiny):
    tiny("omniglot")
    plain, turned = load("omniglot", split="test"), load("omniglot", split="test", rotations=True)
    classes = len(plain.classes)
    assert len(turned.classes) == len(set(turned.classes)) == 4 * classes
    assert torch.bincount(turned.y).tolist() == [DRAWERS] * 4 * classes
    assert turned.groups == plain.groups * 4
    for turns in range(4):
        for label in range(classes):
            of_class = turned.x[turned.y == label + turns * classes]
            assert torch.equal(of_class, plain.x[plain.y == label].rot90(turns, (2, 3)))
    assert turned.classes[classes] == plain.classes[0] + " turned 90"


@pytest.mark.parametrize("split_by", ["character", "alphabet"])
def test_splits_are_disjoint_and_complete(tiny, split_by):
    tiny("omniglot")
    whole = load("omniglot")
    parts = {split: load("omniglot", split=split, split_by=split_by) for split in ("train", "validation", "test")}
    assert sorted(name for part in parts.values() for name in part.classes) == list(whole.classes)
    for part in parts.values():
        for label, name in enumerate(part.classes):
            assert torch.equal(part.x[part.y == label], whole.x[whole.y == whole.classes.index(name)])
    if split_by == "alphabet":
        assert set(parts["test"].groups) == {"Daleth", "Zayin"}
        assert len(set(parts["train"].groups)) == 2
        assert not set(parts["train"].groups) & set(parts["validation"].groups)


def test_the_fixed_permutation_never_changes():
    """Stored results and checkpoints depend on it."""
    assert permutation(1623)[:6] == [1208, 200, 985, 783, 1588, 622]
    assert permutation(30)[:6] == [14, 13, 23, 27, 29, 9]


def test_only_the_half_that_is_needed_is_opened(tiny):
    folder = tiny("omniglot")
    (folder / "images_evaluation.zip").unlink()
    assert len(load("omniglot", split="train", split_by="alphabet").classes) >= 3
    with pytest.raises(DataError, match=r"images_evaluation\.zip is missing"):
        load("omniglot", split="test", split_by="alphabet")
    with pytest.raises(DataError, match=r"images_evaluation\.zip is missing"):
        load("omniglot", split="train")


# --- what is refused

ONE = "images_background/Beth/character01/0001_07.png"
EVALUATION = "images_evaluation/Daleth/character01/0001_01.png"


def without(part):
    return {name: None for name in pictures() if part in name}


@pytest.mark.parametrize("in_zip", [True, False])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({ONE: pictures()[ONE][:120]}, f"the picture {ONE} cannot be read"),
        ({ONE: b""}, f"the picture {ONE} cannot be read"),
        ({ONE: b"GIF89a" + pictures()[ONE][6:]}, f"the picture {ONE} cannot be read"),
        ({ONE: png(np.zeros((SIDE, SIDE - 1), bool))}, f"the picture {ONE} has 104 × 105 pixels, expected 105 × 105"),
        (
            {ONE: None},
            r"3 alphabets, 5 .* and 99 pictures \(Beth/character01 with 19\); expected 3, 5 and 100, 20 of each",
        ),
        (without("Beth"), "holds 2 alphabets, 4 characters and 80 pictures; expected 3, 5 and 100"),
        (without("background"), "holds 0 alphabets, 0 characters and 0 pictures; expected 3, 5 and 100"),
        (
            {"images_background/stray.png": b""},
            r"holds images_background/stray\.png; expected images_background/<alphabet>/<character>/<file>\.png",
        ),
    ],
)
def test_what_is_not_omniglot(tiny, changes, message, in_zip):
    kept = {name: data for name, data in (pictures() | changes).items() if data is not None}
    folder = tiny("omniglot", zipped(kept) if in_zip else kept)
    for part in () if in_zip else ("images_background", "images_evaluation"):
        (folder / part).mkdir(exist_ok=True)
    with pytest.raises(DataError, match=f"{message}.*: put the complete set into {folder}"):
        load("omniglot")


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)], ids=["encrypted", "unknown compression"])
def test_a_directory_of_the_zip_that_is_damaged(tiny, field, value):
    path = tiny("omniglot") / "images_evaluation.zip"
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + field] = value  # in the entry of the first picture
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"images_evaluation\.zip: the picture {EVALUATION} cannot be read"):
        load("omniglot")


def test_a_slow_load_shows_how_far_it_is(tiny, monkeypatch):
    tiny("omniglot")
    bars = {}

    def watched(items, *, desc, delay):
        bars[desc] = (len(items), delay)
        return items

    monkeypatch.setattr(omniglot.runtime, "progress", watched)
    load("omniglot", split="train")
    assert bars == {"omniglot: characters": (4, 1)}


@pytest.mark.parametrize("size", [0, 106, 2.5, True, "28"])
def test_size_out_of_range(size):
    with pytest.raises(ValueError, match="size must be a whole number from 1 to 105, got"):
        load_omniglot("train", size=size)


def test_unknown_kind_of_split():
    with pytest.raises(ValueError, match="split_by must be 'character' or 'alphabet', got 'drawer'"):
        load_omniglot("train", split_by="drawer")


# --- the real one


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_real_omniglot():
    parts = {split: load("omniglot", split=split) for split in ("train", "validation", "test")}
    assert [len(part.classes) for part in parts.values()] == [1100, 100, 423]
    names = [name for part in parts.values() for name in part.classes]
    assert len(set(names)) == 1623
    assert len({name.split("/")[0] for name in names}) == 50
    assert parts["train"].x.shape == (22_000, 1, 28, 28)
    assert 0.07 < parts["train"].x.float().mean() / 255 < 0.09  # ink is rare, and high
    assert "Greek/character01" in names
