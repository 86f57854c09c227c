"""The data sets of the course by name: what each is, whose it is, under which licence, and how it is loaded.

Everything else that speaks of data sets (the command line, the table of licences in the book, the downloads) reads
this registry.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from course.data.location import remedy
from course.data.sets import Damaged, DataError


@dataclass(frozen=True)
class RemoteFile:
    """A file at its owner's address.

    Attributes:
        url: the address.
        md5: the checksum of the file as its owner gives it out, in hexadecimal.
        bytes: its size.
        path: where it lies in the folder of its set, such as ``english/train_text.txt``; by default the last part of
            the address.
    """

    url: str
    md5: str
    bytes: int
    path: str = ""

    def __post_init__(self):
        object.__setattr__(self, "path", self.path or self.url.rsplit("/", 1)[-1])
        if not re.fullmatch(r"(\w[\w.+-]*/)*\w[\w.+-]*", self.path):
            raise ValueError(f"{self.path!r} is no safe path within a folder, as english/train_text.txt is: pass path=")


@dataclass(frozen=True)
class Entry:
    """What the course knows of a data set before it is loaded.

    Attributes:
        name: its name in :func:`course.data.load` and on the command line.
        kind: ``embedded`` (made on this machine) or ``real`` (its owner's files).
        title: what it is, in a line.
        licence: of the data, and where that is stated.
        citation: whose it is.
        loader: ``module:callable``; imported only when the set is loaded.
        splits: the splits; empty for a set that is drawn without end or has no parts.
        files: what a download fetches; empty for an embedded set.
    """

    name: str
    kind: str
    title: str
    licence: str
    citation: str
    loader: str
    splits: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()

    def __post_init__(self):
        paths = [file.path for file in self.files]
        if len(set(paths)) < len(paths):
            raise ValueError(f"{self.name}: two files have the same path, give each its own: {', '.join(paths)}")

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(file.bytes for file in self.files)

    def function(self) -> Callable[..., Any]:
        """The function or class that loads the set."""
        module, name = self.loader.split(":")
        return getattr(importlib.import_module(module), name)


OMNIGLOT = "https://github.com/brendenlake/omniglot/raw/master/python"
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
SPLITS = ("train", "validation", "test")
MADE_HERE = "none needed: numbers drawn on your machine"

REGISTRY = {
    entry.name: entry
    for entry in (
        Entry(
            name="glyphs", kind="embedded", splits=SPLITS, loader="course.data.glyphs:load_glyphs",
            title="characters of many scripts, drawn in the DejaVu typefaces that matplotlib ships, turned and sheared",
            licence="DejaVu fonts licence (free, derived from Bitstream Vera)", citation="DejaVu fonts project",
        ),
        Entry(
            name="sinusoids", kind="embedded", loader="course.data.sinusoids:SinusoidTasks",
            title="regression tasks: sine waves of random amplitude and phase",
            licence=MADE_HERE, citation="after Finn, Abbeel and Levine (2017)",
        ),
        Entry(
            name="multiview", kind="embedded", loader="course.data.multiview:multiview",
            title="pairs of Gaussian vectors with known canonical correlations",
            licence=MADE_HERE, citation="after Bach and Jordan (2005)",
        ),
        Entry(
            name="omniglot", kind="real", splits=SPLITS, loader="course.data.omniglot:load_omniglot",
            title="1,623 handwritten characters of 50 alphabets, each drawn by 20 people",
            licence="MIT (stated by its repository)", citation="Lake, Salakhutdinov and Tenenbaum (2015)",
            files=(
                RemoteFile(f"{OMNIGLOT}/images_background.zip", "68d2efa1b9178cc56df9314c21c6e718", 9_464_212),
                RemoteFile(f"{OMNIGLOT}/images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811", 6_462_886),
            ),
        ),
        Entry(
            name="mnist", kind="real", splits=SPLITS, loader="course.data.mnist:load_mnist",
            title="70,000 handwritten digits",
            licence="CC BY-SA 3.0 (as its authors' page is commonly cited)", citation="LeCun, Cortes and Burges (1998)",
            files=(
                RemoteFile(f"{MNIST}/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
                RemoteFile(f"{MNIST}/train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
                RemoteFile(f"{MNIST}/t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
                RemoteFile(f"{MNIST}/t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
            ),
        ),
    )
}  # fmt: skip


def entry(name: str) -> Entry:
    """The registry's entry of a data set.

    Raises:
        DataError: if there is no set of this name; the message lists close ones.
    """
    if name not in REGISTRY:
        raise DataError(f"there is no data set {name!r}; {suggestion(name, list(REGISTRY))}")
    return REGISTRY[name]


def load(name: str, *, split: str | None = None, **options: Any) -> Any:
    """Load a data set by name; nothing is ever downloaded.

    Args:
        name: ``glyphs``, ``sinusoids``, ``multiview``, ``omniglot`` or ``mnist``.
        split: ``train``, ``validation`` or ``test``; ``None`` is the whole set.
        options: what the set's own loader takes, such as ``rotations=True`` for ``omniglot``.

    Returns:
        A :class:`~course.data.LabelledSet`; for ``sinusoids`` :class:`~course.data.SinusoidTasks`, for ``multiview``
        :class:`~course.data.GaussianPairs`.

    Raises:
        DataError: if there is no such set, or its files are missing or damaged.
        ValueError: if the set has no such split, or its loader no such option.
    """
    found = entry(name)
    if split is not None and not found.splits:
        raise ValueError(f"{name} has no splits, got split={split!r}: leave split out")
    if split is not None and split not in found.splits:
        raise ValueError(f"{name} has no split {split!r}; {suggestion(split, found.splits)}")
    function = found.function()
    require_options(name, options, [option for option in inspect.signature(function).parameters if option != "split"])
    if found.splits:
        options["split"] = split
    try:
        return function(**options)
    except Damaged as error:
        raise DataError(f"{error}: {remedy(name)}") from error


def require_options(owner: str, options: dict[str, Any], known: Sequence[str]) -> None:
    """Raise ValueError, with a suggestion, if one of the ``options`` is not ``known``."""
    for option in options:
        if option not in known:
            raise ValueError(f"{owner} has no option {option!r}; {suggestion(option, known)}")


def suggestion(word: object, known: Sequence[str]) -> str:
    """``did you mean …?`` when something is close, and in any case all that there are."""
    close = get_close_matches(str(word), known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}there {'are: ' + ', '.join(known) if known else 'are none'}"


def size(number: int) -> str:
    """A number of bytes for people: ``15.9 MB`` (10⁶ bytes)."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


def licence_table() -> str:
    """The data sets, their licences and owners as a Markdown table."""
    rows = [("name", "what", "kind", "splits", "licence", "owner or source", "download"), ("---",) * 7]
    for found in REGISTRY.values():
        splits, download = ", ".join(found.splits) or "none", size(found.bytes) if found.files else "none"
        rows.append((f"`{found.name}`", found.title, found.kind, splits, found.licence, found.citation, download))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
