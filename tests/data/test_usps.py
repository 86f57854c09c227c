"""USPS: the owners' text and the arrays read alike; what any damage does to it is in ``test_damage.py``."""

import gzip
import io
import os

import numpy as np
import pytest
import torch
from tiny_sets import TINY, usps_digits

from course.data import DataError, load


def arrays(**changes):
    parts = {
        name: value
        for part, rows in usps_digits().items()
        for name, value in {
            f"x_{part}": rows[:, 1:].reshape(-1, 16, 16).astype(np.float32),
            f"y_{part}": rows[:, 0].astype(np.uint8),
        }.items()
    }
    stream = io.BytesIO()
    np.savez(stream, **parts | changes)
    return {"usps.npz": stream.getvalue()}


@pytest.mark.parametrize("kind", ["text", "arrays"])
def test_every_pixel_and_label(tiny, kind):
    tiny("usps", None if kind == "text" else arrays())
    for part, rows in usps_digits().items():
        data = load("usps", split=part)
        assert data.x.dtype == torch.uint8
        assert data.x.shape == (len(rows), 1, 16, 16)
        assert np.abs(data.examples().flatten(1).numpy() - (rows[:, 1:] + 1) / 2).max() < 0.5 / 255 + 1e-6
        assert data.y.tolist() == rows[:, 0].tolist()
        assert data.name == f"usps ({part})"
    assert len(load("usps")) == 52


def test_validation_is_the_end_of_train_and_must_be_asked_for(tiny):
    tiny("usps")
    whole = load("usps", split="train")
    train, kept = (load("usps", split=split, validation=7) for split in ("train", "validation"))
    assert (len(train), len(kept)) == (33, 7)
    assert torch.equal(torch.cat([train.x, kept.x]), whole.x)
    with pytest.raises(ValueError, match="USPS has no validation digits of its own"):
        load("usps", split="validation")
    with pytest.raises(ValueError, match="validation must be a whole number from 0 to"):
        load("usps", split="train", validation=-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": np.full(12, 10)}, r"usps\.npz holds 12 labels"),
        ({"x_test": np.full((12, 16, 16), 1.5)}, "256 pixels from -1 to 1"),
        ({"x_test": np.zeros((11, 16, 16))}, r"pixels \[11, 256\]"),
        ({"x_test": np.full((12, 16, 16), np.nan)}, "256 pixels from -1 to 1"),
    ],
)
def test_arrays_that_hold_something_else(tiny, changes, message):
    tiny("usps", arrays(**changes))
    with pytest.raises(DataError, match=message):
        load("usps", split="test")


def test_a_text_with_a_word_in_it(tiny):
    tiny("usps", {**TINY["usps"]().files, "zip.test.gz": gzip.compress(b"6.0 one two")})
    with pytest.raises(DataError, match=r"zip\.test\.gz is damaged or cut short"):
        load("usps", split="test")


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_real_usps():
    train, test = (load("usps", split=split) for split in ("train", "test"))
    assert torch.bincount(train.y).tolist() == [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
    assert torch.bincount(test.y).tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
