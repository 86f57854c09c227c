"""MNIST: 70,000 handwritten digits of 28 × 28 pixels, in the IDX format of its authors.

Source: LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition* (1998).
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch

from course.data.digits import digit_set
from course.data.location import locate
from course.data.sets import Damaged, LabelledSet

COUNTS = {"train": 60_000, "t10k": 10_000}
SIDE = 28
UNSIGNED_BYTE = 0x08


def load_mnist(split: str | None = None, *, validation: int = 0) -> LabelledSet:
    """MNIST as one tensor.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all 70,000 digits, the test digits last.
        validation: MNIST has no validation digits of its own. This many of the *last* training digits become the split
            ``validation``, and ``train`` is without them; 0 leaves all 60,000 in ``train``.

    Returns:
        Examples ``uint8 [n, 1, 28, 28]`` with 255 for full ink, classes ``0`` to ``9``, in the order of the files.

    Raises:
        Damaged: if files are missing, damaged, or not MNIST's.
        ValueError: if ``validation`` is out of its range, or 0 when the split ``validation`` is wanted.
    """

    def read(part: str) -> tuple[torch.Tensor, torch.Tensor]:
        return read_part(locate("mnist"), {"train": "train", "test": "t10k"}[part])

    return digit_set("mnist", split, validation, COUNTS["train"], 5_000, read)


def read_part(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits ``uint8 [n, 1, 28, 28]`` and labels ``int64 [n]`` of ``train`` or ``t10k``."""
    images = read_idx(folder, f"{part}-images-idx3-ubyte", (COUNTS[part], SIDE, SIDE))
    labels = read_idx(folder, f"{part}-labels-idx1-ubyte", (COUNTS[part],))
    if labels.max() > 9:
        raise Damaged(f"{folder / part}-labels-idx1-ubyte holds the label {labels.max()}, expected 0 to 9")
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels.astype(np.int64))


def read_idx(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of unsigned bytes in the IDX file ``name``, with or without ``.gz``.

    An IDX file is 2 zero bytes, the type of its numbers, the number of its dimensions, each dimension as a big-endian
    32-bit number, then the numbers.

    Raises:
        Damaged: if the file is missing, damaged, or does not hold bytes of the expected ``shape``.
    """
    path = next((path for path in (folder / f"{name}.gz", folder / name) if path.exists()), None)
    if path is None:
        raise Damaged(f"{folder / name}.gz is missing")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"{path} is damaged or cut short ({error})") from error
    head = bytes([0, 0, UNSIGNED_BYTE, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)
    length = len(head) + int(np.prod(shape))
    if content[: len(head)] != head or len(content) != length:
        raise Damaged(
            f"{path} holds {len(content):,} bytes that begin with {content[: len(head)].hex()}, "
            f"expected {length:,} bytes that begin with {head.hex()} "
            f"(unsigned bytes, {' × '.join(map(str, shape))})"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=len(head)).reshape(shape).copy()
