"""Omniglot: what is read is what was drawn, and what is not Omniglot is refused by name."""

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from course.data import DataError, load, omniglot
from course.data.omniglot import DRAWERS, SIDE, area_weights, load_omniglot, permutation

SMALL = {"images_background": (3, 5), "images_evaluation": (2, 3)}
ALPHABETS = {
    "images_background": {"Aleph": 2, "Beth": 1, "Gimel": 2},
    "images_evaluation": {"Daleth": 2, "Zayin": 1},
}
REMEDY = "put the complete set into .*/omniglot, or unset COURSE_DATA and run `course data fetch omniglot`"


def png(ink: np.ndarray) -> bytes:
    """A drawing as Omniglot stores it: one bit a pixel, black where there is ink."""
    stream = io.BytesIO()
    Image.fromarray(~ink).convert("1", dither=Image.Dither.NONE).save(stream, "PNG")
    return stream.getvalue()


def drawings() -> dict[str, np.ndarray]:
    """The small set: file name to ink."""
    random = np.random.default_rng(0)
    return {
        f"{part}/{alphabet}/character{number:02}/{number:04}_{drawer:02}.png": random.random((SIDE, SIDE)) < 0.1
        for part, alphabets in ALPHABETS.items()
        for alphabet, count in alphabets.items()
        for number in range(1, count + 1)
        for drawer in range(1, DRAWERS + 1)
    }


@pytest.fixture(scope="module")
def ink():
    return drawings()


@pytest.fixture(scope="module")
def pictures(ink):
    return {name: png(drawing) for name, drawing in ink.items()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A COURSE_DATA folder with an empty omniglot/ in it, and the sizes of the small set."""
    monkeypatch.setattr(omniglot, "PARTS", SMALL)
    monkeypatch.setattr(omniglot, "BY_CHARACTER", {"train": (0, 4), "validation": (4, 5), "test": (5, 8)})
    monkeypatch.setattr(omniglot, "TRAIN_ALPHABETS", 2)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "omniglot"
    folder.mkdir(parents=True)
    return folder


def zipped(folder, pictures, compression=zipfile.ZIP_DEFLATED):
    for part in SMALL:
        with zipfile.ZipFile(folder / f"{part}.zip", "w", compression) as archive:
            for name, data in pictures.items():
                if name.startswith(part):
                    archive.writestr(name, data)


def unpacked(folder, pictures):
    for name, data in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


# --- what is read


def test_every_pixel_at_full_size(home, ink, pictures):
    zipped(home, pictures)
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
def test_scaling_is_the_mean_over_blocks(home, ink, pictures, size):
    zipped(home, pictures)
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


def test_full_and_empty_paper(home, pictures):
    full, empty = png(np.ones((SIDE, SIDE), bool)), png(np.zeros((SIDE, SIDE), bool))
    zipped(home, {name: full if "Aleph" in name else empty for name in pictures})
    data = load("omniglot")
    inked = torch.tensor([group == "Aleph" for group in data.groups])[data.y]
    assert data.x[inked].unique().tolist() == [255]
    assert data.x[~inked].unique().tolist() == [0]


def test_zip_and_folder_hold_the_same_and_hidden_files_do_not_count(home, pictures, tmp_path, monkeypatch):
    zipped(home, {**pictures, "__MACOSX/images_background/Aleph/._x.png": b"", "images_background/.DS_Store": b""})
    from_zip = load("omniglot", split="train")
    other = tmp_path / "other" / "omniglot"
    unpacked(
        other, {**pictures, "images_background/Aleph/character01/._0001_01.png": b"", "images_background/x.txt": b""}
    )
    monkeypatch.setenv("COURSE_DATA", str(other.parent))
    from_folder = load("omniglot", split="train")
    assert torch.equal(from_zip.x, from_folder.x)
    assert (from_zip.classes, from_zip.groups) == (from_folder.classes, from_folder.groups)


def test_rotations_are_classes_of_their_own(home, pictures):
    zipped(home, pictures)
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
def test_splits_are_disjoint_and_complete(home, pictures, split_by):
    zipped(home, pictures)
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


def test_only_the_half_that_is_needed_is_opened(home, pictures):
    zipped(home, pictures)
    (home / "images_evaluation.zip").unlink()
    assert len(load("omniglot", split="train", split_by="alphabet").classes) >= 3
    with pytest.raises(DataError, match=r"images_evaluation\.zip is missing"):
        load("omniglot", split="test", split_by="alphabet")
    with pytest.raises(DataError, match=r"images_evaluation\.zip is missing"):
        load("omniglot", split="train")


# --- where it is read


def test_the_own_folder_wins_and_stays_untouched(home, pictures, tmp_path, monkeypatch):
    zipped(home, pictures)
    cache = tmp_path / "cache" / "omniglot"
    cache.mkdir(parents=True)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.iterdir()}
    load("omniglot")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.iterdir()} == before
    monkeypatch.delenv("COURSE_DATA")
    remedy = "run `course data fetch omniglot`, or let COURSE_DATA"
    with pytest.raises(DataError, match=f"omniglot is not on this machine; .*: {remedy}"):
        load("omniglot")
    zipped(cache, pictures)
    (cache / "images_background.zip").unlink()
    with pytest.raises(DataError, match=rf"cache/omniglot/images_background\.zip is missing.*: {remedy}"):
        load("omniglot")
    zipped(cache, pictures)
    assert len(load("omniglot").classes) == 8


def test_absent(home, monkeypatch):
    home.rmdir()
    with pytest.raises(
        DataError, match=r"looked for .*data/omniglot and .*cache/omniglot: run `course data fetch omniglot`"
    ):
        load("omniglot")
    monkeypatch.delenv("COURSE_DATA")
    with pytest.raises(DataError, match=r"\(COURSE_DATA is not set\)"):
        load("omniglot")
    monkeypatch.setenv("COURSE_DATA", str(home))
    with pytest.raises(DataError, match=r"COURSE_DATA=.* is not a folder: correct or unset it"):
        load("omniglot")


# --- what is refused


def refused(pattern):
    return pytest.raises(DataError, match=f"{pattern}.*{REMEDY}")


def test_a_zip_cut_short(home, pictures):
    zipped(home, pictures)
    path = home / "images_background.zip"
    path.write_bytes(path.read_bytes()[:-1000])
    with refused(r"images_background\.zip is damaged or cut short"):
        load("omniglot")


def test_a_picture_damaged_in_the_zip(home, pictures):
    zipped(home, pictures, zipfile.ZIP_STORED)
    path, name = home / "images_evaluation.zip", "images_evaluation/Daleth/character02/0002_03.png"
    data = bytearray(path.read_bytes())
    data[data.index(pictures[name]) + 100] ^= 1
    path.write_bytes(data)
    with refused(f"images_evaluation.zip: the picture {name} cannot be read"):
        load("omniglot")


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)], ids=["encrypted", "unknown compression"])
def test_a_directory_of_the_zip_that_is_damaged(home, pictures, field, value):
    zipped(home, pictures)
    path = home / "images_evaluation.zip"
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + field] = value  # in the entry of the first picture
    path.write_bytes(data)
    with refused(
        r"images_evaluation\.zip: the picture images_evaluation/Daleth/character01/0001_01\.png cannot be read"
    ):
        load("omniglot")


@pytest.mark.parametrize("damage", [lambda data: data[:120], lambda data: b"", lambda data: b"GIF89a" + data[6:]])
def test_a_broken_picture_among_good_ones(home, pictures, damage):
    name = "images_background/Beth/character01/0001_07.png"
    unpacked(home, {**pictures, name: damage(pictures[name])})
    with refused(f"the picture {name} cannot be read"):
        load("omniglot")


def test_a_picture_of_another_size(home, pictures):
    name = "images_background/Beth/character01/0001_07.png"
    zipped(home, {**pictures, name: png(np.zeros((SIDE, SIDE - 1), bool))})
    with refused(f"the picture {name} has 104 × 105 pixels, expected 105 × 105"):
        load("omniglot")


def test_wrong_counts(home, pictures):
    missing = "images_background/Beth/character01/0001_07.png"
    zipped(home, {name: data for name, data in pictures.items() if name != missing})
    counts = r"holds 3 alphabets, 5 characters and 99 pictures \(Beth/character01 with 19\); expected 3, 5 and 100"
    with refused(counts):
        load("omniglot")
    zipped(home, {name: data for name, data in pictures.items() if "Beth" not in name})
    with refused("holds 2 alphabets, 4 characters and 80 pictures; expected 3, 5 and 100"):
        load("omniglot")
    zipped(home, {name: data for name, data in pictures.items() if "background" not in name})
    with refused("holds 0 alphabets, 0 characters and 0 pictures; expected 3, 5 and 100"):
        load("omniglot")


def test_a_strange_layout(home, pictures):
    zipped(home, {**pictures, "images_background/stray.png": b""})
    with refused(r"holds images_background/stray\.png; expected images_background/<alphabet>/<character>/<file>\.png"):
        load("omniglot")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_one_changed_byte_is_found_or_harmless(home, pictures, whole, position, flip):
    zipped(home, pictures)
    path = home / "images_evaluation.zip"
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= flip
    path.write_bytes(data)
    try:
        found = load("omniglot", split="test", split_by="alphabet", size=SIDE)
    except DataError:
        return
    assert torch.equal(found.x, whole)  # a date or a comment, for example
    assert found.groups == ("Daleth", "Daleth", "Zayin")


@pytest.fixture(scope="module")
def whole(ink):
    names = sorted(name for name in ink if name.startswith("images_evaluation"))
    return torch.from_numpy(np.stack([ink[name] for name in names])).unsqueeze(1) * np.uint8(255)


def test_a_slow_load_shows_how_far_it_is(home, pictures, monkeypatch):
    zipped(home, pictures)
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
