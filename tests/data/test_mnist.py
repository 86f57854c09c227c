"""MNIST: the IDX format read exactly, and every cut, flip and mix-up refused by name."""

import gzip
import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course.data import DataError, load, mnist

COUNTS = {"train": 40, "t10k": 12}
REMEDY = "put the complete set into .*/mnist, or unset COURSE_DATA and run `course data fetch mnist`"


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An array of bytes in the IDX format, written independently of the reader."""
    head = np.array([kind << 8 | array.ndim, *array.shape], dtype=">i4")
    return head.tobytes() + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    digits = {f"{part}-images-idx3-ubyte": random.integers(0, 256, (count, 28, 28)) for part, count in COUNTS.items()}
    return digits | {f"{part}-labels-idx1-ubyte": np.arange(count) % 10 for part, count in COUNTS.items()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty $COURSE_DATA/mnist, and the counts of the small set."""
    monkeypatch.setattr(mnist, "COUNTS", COUNTS)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"


def write(home, arrays, *, compressed=True):
    for name, array in arrays.items():
        if compressed:
            (home / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        else:
            (home / name).write_bytes(idx(array))


def refused(pattern):
    return pytest.raises(DataError, match=f"{pattern}.*{REMEDY}")


@pytest.mark.parametrize("compressed", [True, False])
def test_every_pixel_and_label(home, arrays, compressed):
    write(home, arrays, compressed=compressed)
    for split, part in (("train", "train"), ("test", "t10k")):
        data = load("mnist", split=split)
        assert data.x.dtype == torch.uint8
        assert data.x.shape == (COUNTS[part], 1, 28, 28)
        assert data.x.squeeze(1).tolist() == arrays[f"{part}-images-idx3-ubyte"].tolist()
        assert data.y.tolist() == arrays[f"{part}-labels-idx1-ubyte"].tolist()
        assert data.classes == data.groups == tuple("0123456789")
        assert data.name == f"mnist ({split})"
    assert len(load("mnist")) == 52


def test_validation_is_the_end_of_train(home, arrays):
    write(home, arrays)
    whole = load("mnist", split="train")
    train, kept = (load("mnist", split=split, validation=7) for split in ("train", "validation"))
    assert (len(train), len(kept)) == (33, 7)
    assert torch.equal(torch.cat([train.x, kept.x]), whole.x)
    assert torch.equal(torch.cat([train.y, kept.y]), whole.y)
    assert len(load("mnist", split="test", validation=7)) == 12


def test_validation_must_be_asked_for(home):
    with pytest.raises(ValueError, match="MNIST has no validation digits of its own: pass validation=5000"):
        load("mnist", split="validation")


@pytest.mark.parametrize("validation", [-1, 40, 2.5, True])
def test_validation_out_of_range(home, validation):
    with pytest.raises(ValueError, match="validation must be a whole number from 0 to 39, got"):
        load("mnist", split="train", validation=validation)


def test_a_missing_file(home, arrays):
    write(home, arrays)
    (home / "t10k-labels-idx1-ubyte.gz").unlink()
    load("mnist", split="train")
    with refused(r"t10k-labels-idx1-ubyte\.gz is missing: "):
        load("mnist", split="test")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), compressed=st.booleans())
def test_any_cut_is_found(home, arrays, data, compressed):
    for path in home.iterdir():
        path.unlink()
    write(home, arrays, compressed=compressed)
    name = data.draw(st.sampled_from(sorted(path.name for path in home.iterdir() if path.name.startswith("train"))))
    whole = (home / name).read_bytes()
    (home / name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with refused(f"{name} (is damaged or cut short|holds .* bytes that begin with)"):
        load("mnist", split="train")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_one_changed_byte_of_a_gzip_file_is_found_or_harmless(home, arrays, position, flip):
    write(home, arrays)
    path = home / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= flip
    path.write_bytes(content)
    try:
        found = load("mnist", split="test")
    except DataError as error:
        assert path.name in str(error)
        return
    assert found.x.squeeze(1).tolist() == arrays["t10k-images-idx3-ubyte"].tolist()  # the date in the header


def test_files_that_are_mixed_up_or_hold_something_else(home, arrays):
    write(home, arrays)
    images, labels = (home / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    kept = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    with refused(r"holds 20 bytes that begin with 00000801\w*, expected 9,424 bytes that begin with 000008030000000c"):
        load("mnist", split="test")
    images.write_bytes(gzip.compress(idx(np.zeros((12, 28, 28)), kind=9)))  # signed bytes
    with refused("begin with 00000903"):
        load("mnist", split="test")
    images.write_bytes(b"<html>Please log in</html>")
    with refused("is damaged or cut short"):
        load("mnist", split="test")
    images.write_bytes(kept)
    labels.write_bytes(gzip.compress(idx(np.full(12, 10))))
    with refused("t10k-labels-idx1-ubyte holds the label 10, expected 0 to 9"):
        load("mnist", split="test")


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_real_mnist():
    train, test = (load("mnist", split=split) for split in ("train", "test"))
    assert (train.x.shape, test.x.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert torch.bincount(train.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert (train.x.double().mean() / 255).item() == pytest.approx(0.1307, abs=5e-5)  # the constant everybody uses
    assert (train.x.double().std() / 255).item() == pytest.approx(0.3081, abs=5e-5)
