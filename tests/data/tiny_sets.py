"""Small good copies of the real data sets: what their files hold, and the sizes that the loaders then must expect."""

import gzip
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

DIGITS = {"train": 40, "t10k": 12}
SIDE, DRAWERS = 105, 20
ALPHABETS = {"background": {"Aleph": 2, "Beth": 1, "Gimel": 2}, "evaluation": {"Daleth": 2, "Zayin": 1}}


@dataclass(frozen=True)
class Tiny:
    """The files of a set by path, and the values that replace attributes of the loader's module."""

    files: dict[str, bytes]
    sizes: dict[str, object]


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files by path into a folder, which is returned."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An array of bytes in the IDX format, written independently of the reader."""
    head = np.array([kind << 8 | array.ndim, *array.shape], dtype=">i4")
    return head.tobytes() + array.astype(np.uint8).tobytes()


@cache
def digits() -> dict[str, np.ndarray]:
    """File name to what MNIST's files hold."""
    random = np.random.default_rng(0)
    images = {f"{part}-images-idx3-ubyte": random.integers(0, 256, (count, 28, 28)) for part, count in DIGITS.items()}
    return images | {f"{part}-labels-idx1-ubyte": np.arange(count) % 10 for part, count in DIGITS.items()}


def mnist() -> Tiny:
    files = {f"{name}.gz": gzip.compress(idx(array), mtime=0) for name, array in digits().items()}
    return Tiny(files, {"COUNTS": DIGITS})


def png(ink: np.ndarray) -> bytes:
    """A drawing as Omniglot stores it: one bit a pixel, black where there is ink."""
    stream = io.BytesIO()
    Image.fromarray(~ink).convert("1", dither=Image.Dither.NONE).save(stream, "PNG")
    return stream.getvalue()


@cache
def drawings() -> dict[str, np.ndarray]:
    """File name to ink, as the zip files of Omniglot hold it."""
    random = np.random.default_rng(0)
    return {
        f"images_{part}/{alphabet}/character{number:02}/{number:04}_{drawer:02}.png": random.random((SIDE, SIDE)) < 0.1
        for part, alphabets in ALPHABETS.items()
        for alphabet, count in alphabets.items()
        for number in range(1, count + 1)
        for drawer in range(1, DRAWERS + 1)
    }


@cache
def pictures() -> dict[str, bytes]:
    """File name to picture."""
    return {name: png(ink) for name, ink in drawings().items()}


def zipped(pictures: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> dict[str, bytes]:
    """The two zip files of Omniglot with these pictures in them."""
    streams = {f"images_{part}": io.BytesIO() for part in ALPHABETS}
    for part, stream in streams.items():
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for name, data in pictures.items():
                if name.startswith((part, f"__MACOSX/{part}")):
                    archive.writestr(name, data)
    return {f"{part}.zip": stream.getvalue() for part, stream in streams.items()}


def omniglot() -> Tiny:
    counts = {f"images_{part}": (len(sizes), sum(sizes.values())) for part, sizes in ALPHABETS.items()}
    splits = {"train": (0, 4), "validation": (4, 5), "test": (5, 8)}
    return Tiny(zipped(pictures()), {"PARTS": counts, "BY_CHARACTER": splits, "TRAIN_ALPHABETS": 2})


TINY = {"mnist": cache(mnist), "omniglot": cache(omniglot)}
