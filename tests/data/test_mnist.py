"""MNIST: the IDX format read exactly; what any damage does to it is in ``test_damage.py``."""

import gzip
import os

import numpy as np
import pytest
import torch
from tiny_sets import DIGITS, TINY, digits, idx

from course.data import DataError, load


@pytest.mark.parametrize("compressed", [True, False])
def test_every_pixel_and_label(tiny, compressed):
    tiny("mnist", None if compressed else {name: idx(array) for name, array in digits().items()})
    for split, part in (("train", "train"), ("test", "t10k")):
        data = load("mnist", split=split)
        assert data.x.dtype == torch.uint8
        assert data.x.shape == (DIGITS[part], 1, 28, 28)
        assert data.x.squeeze(1).tolist() == digits()[f"{part}-images-idx3-ubyte"].tolist()
        assert data.y.tolist() == digits()[f"{part}-labels-idx1-ubyte"].tolist()
        assert data.classes == data.groups == tuple("0123456789")
        assert data.name == f"mnist ({split})"
        assert torch.equal(data.examples(), data.x / 255)
    assert len(load("mnist")) == 52


def test_validation_is_the_end_of_train(tiny):
    tiny("mnist")
    whole = load("mnist", split="train")
    train, kept = (load("mnist", split=split, validation=7) for split in ("train", "validation"))
    assert (len(train), len(kept)) == (33, 7)
    assert torch.equal(torch.cat([train.x, kept.x]), whole.x)
    assert torch.equal(torch.cat([train.y, kept.y]), whole.y)
    assert len(load("mnist", split="test", validation=7)) == 12


def test_validation_must_be_asked_for(tiny):
    with pytest.raises(ValueError, match="MNIST has no validation digits of its own: pass validation=5000"):
        load("mnist", split="validation")


@pytest.mark.parametrize("validation", [-1, 60_000, 2.5, True])
def test_validation_out_of_range(validation):
    with pytest.raises(ValueError, match="validation must be a whole number from 0 to 59,999, got"):
        load("mnist", split="train", validation=validation)


def test_only_the_files_of_the_split_are_read(tiny):
    (tiny("mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    load("mnist", split="train")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing: "):
        load("mnist", split="test")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-images-idx3-ubyte", idx(np.zeros((12, 28, 28)), kind=9), "begin with 00000903"),  # signed bytes
        ("t10k-labels-idx1-ubyte", idx(np.full(12, 10)), "holds the label 10, expected 0 to 9: put the complete set"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(13)), r"holds 21 bytes that .* 000008010000000d, expected 20 bytes"),
    ],
)
def test_a_whole_file_that_holds_something_else(tiny, name, content, message):
    tiny("mnist", {**TINY["mnist"]().files, f"{name}.gz": gzip.compress(content)})
    with pytest.raises(DataError, match=message):
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
