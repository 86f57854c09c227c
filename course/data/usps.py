"""USPS: 9,298 handwritten digits of 16 × 16 pixels, cut from envelopes by the United States Postal Service.

Unlike those of MNIST they fill their square: a digit was cut out and scaled to it, its shape kept.

Sources: Le Cun et al., *Handwritten digit recognition with a back-propagation network* (1990); Hastie, Tibshirani and
Friedman, *The elements of statistical learning* (2009), whose page gives the digits out.
"""

import gzip
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from course.data.digits import digit_set
from course.data.location import locate
from course.data.sets import Damaged, LabelledSet

COUNTS = {"train": 7_291, "test": 2_007}
SIDE = 16
BROKEN = (OSError, EOFError, KeyError, ValueError, OverflowError, zlib.error, BadZipFile)


def load_usps(split: str | None = None, *, validation: int = 0) -> LabelledSet:
    """USPS as one tensor.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all 9,298 digits, the test digits last.
        validation: this many of the *last* training digits become the split ``validation``, and ``train`` is without
            them; 0 leaves all 7,291 in ``train``.

    Returns:
        Examples ``uint8 [n, 1, 16, 16]`` with 255 for full ink, rounded from the owners' three decimals; classes ``0``
        to ``9``, in the order of the files.

    Raises:
        Damaged: if files are missing, damaged, or not USPS's.
        ValueError: if ``validation`` is out of its range, or 0 when the split ``validation`` is wanted.
    """
    return digit_set("usps", split, validation, COUNTS["train"], 1_000, lambda part: read_part(locate("usps"), part))


def read_part(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits ``uint8 [n, 1, 16, 16]`` and labels ``int64 [n]`` of ``train`` or ``test``.

    They are read from the owners' text ``zip.train.gz`` (a digit a line: the label, then 256 numbers from -1 to 1), or
    from ``usps.npz`` with ``x_train``, ``y_train``, ``x_test`` and ``y_test``.
    """
    text, arrays = folder / f"zip.{part}.gz", folder / "usps.npz"
    path = arrays if arrays.exists() and not text.exists() else text
    if not path.exists():
        raise Damaged(f"{path} is missing")
    try:
        if path == text:
            numbers = np.array(gzip.decompress(text.read_bytes()).split(), dtype=np.float32)
            numbers = numbers.reshape(-1, 1 + SIDE**2)
            pixels, labels = numbers[:, 1:], numbers[:, 0]
        else:
            with np.load(arrays) as found:
                pixels, labels = found[f"x_{part}"].reshape(-1, SIDE**2), found[f"y_{part}"]
    except BROKEN as error:
        raise Damaged(f"{path} is damaged or cut short ({error})") from error
    good = pixels.shape == (COUNTS[part], SIDE**2) and labels.shape == (COUNTS[part],)
    if not (good and np.isin(labels, range(10)).all() and (np.abs(pixels) <= 1).all()):
        raise Damaged(
            f"{path} holds {len(labels)} labels and pixels {list(pixels.shape)}, expected {COUNTS[part]:,} digits, "
            "0 to 9, of 256 pixels from -1 to 1"
        )
    ink = torch.from_numpy(np.rint((pixels.astype(np.float64) + 1) * 127.5).astype(np.uint8))
    return ink.view(-1, 1, SIDE, SIDE), torch.from_numpy(labels.astype(np.int64))
