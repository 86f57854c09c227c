"""Prose: English sentences from the docstrings of the scientific packages that the course installs.

One and a half million words that need no download, the same wherever the pinned versions are installed. What it is
not: natural language in general. It is technical English about arrays, figures and models, in which "tensor" is
frequent and "mother" is not, and whoever trains on it should say so. The sources are read, never imported.
"""

import ast
import gc
import inspect
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError

import numpy as np

from course import runtime
from course.arguments import require_whole
from course.data import segmentation
from course.data.checked import made_once, package_files
from course.data.segmentation import is_prose, words
from course.data.sets import DataError
from course.data.texts import Texts

PACKAGES = (
    "accelerate", "cca-zoo", "gensim", "hypothesis", "matplotlib", "numpy", "scikit-learn", "scipy", "torch",
    "torchaudio", "torchvision", "transformers",
)  # fmt: skip
SPLITS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}  # tenths of the source files
SHINGLE = 8  # words in a row by which paragraphs are compared
COMMON = 0.5  # a paragraph that shares more than this part of its shingles with earlier ones is left out

NOT_READ = re.compile(r"(^|/)(tests?|testing|_internal|_vendor)/|/test_[^/]*$")
DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
CODE = re.compile(r">>>|\.\.\. |\$ |\||\+-|[=\-~^+*#\s]+$")  # doctests, shells, tables, underlines
HEADING = re.compile(r"\w[\w ]{,20}:$")
PARAMETER = re.compile(r"^[\w*, .]+ ?\([^()]*(\([^()]*\)[^()]*)*\) ?:( |$)|^:\w[^:]*:( |$)")
ITEM = re.compile(r"^[-*+•] |^\d+[.)] ")
DIRECTIVE = re.compile(r"\.\. [\w-]+::")
WITH_PROSE = re.compile(r"\.\. (note|warning|tip|hint|important|caution|attention|seealso|admonition)::")
MARKS = re.compile(r":[\w:]+:(?=`)|[`*]+|(?<=:):$")


def load_prose(split: str | None = None, *, tokens: int | None = None) -> Texts:
    r"""Docstrings without what is no prose in them; a document is a docstring, a line of it is a paragraph.

    How it is made:

    1. The docstrings of all modules, classes and functions of :data:`PACKAGES` outside their tests are collected, and
       those that ``add_docstr`` and ``add_newdoc`` give to functions written in C.
    2. Doctests, code and formulas in blocks, tables, headings, and the lines with names and types of parameters are
       dropped (:func:`paragraphs`); a paragraph stays if it looks like prose
       (:func:`course.data.segmentation.is_prose`).
    3. A source file belongs to a split by its name: eight tenths train, one is for validation, one for the test.
    4. A paragraph is left out if its words occurred before, or if more than half of its runs of 8 words did; training
       comes first, so that no paragraph of the test was seen in training (:func:`new_paragraphs`).

    The first call takes a while; its result is kept in the cache.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all.
        tokens: only as many documents as are needed for this number of words. Documents are in an order without meaning
            (that of a checksum of their names), so that the first ones come from all packages.

    Raises:
        DataError: if one of the packages is not installed, or without the list of its files.
        ValueError: if ``tokens`` is not positive, or there is no such split.
    """
    if split not in (None, *SPLITS):
        raise ValueError(f"prose has the splits {', '.join(SPLITS)}, not {split!r}")
    if tokens is not None:
        require_whole("tokens", tokens)
    try:
        made = made_once("prose", PACKAGES, (__file__, segmentation.__file__), make)
    except PackageNotFoundError as error:
        raise DataError(f"prose is made from packages, and {error.name} is not installed: run make env") from error
    found = [document for part in SPLITS if split in (None, part) for document in made[part]]
    if tokens is not None:
        ends = np.cumsum([len(words(text)) for _, text in found])
        found = found[: int(np.searchsorted(ends, tokens)) + 1]
    names, texts = zip(*found, strict=True)
    return Texts(texts, names, "prose" if split is None else f"prose ({split})")


def make() -> dict[str, list[tuple[str, str]]]:
    """For each split the names and texts of its documents, without repetitions."""
    documents = [(name, paragraphs(docstring)) for name, docstring in docstrings()]
    documents.sort(key=lambda document: (part_of(document[0]), zlib.crc32(document[0].encode()), document[0]))
    new = iter(new_paragraphs([paragraph for _, found in documents for paragraph in found]))
    made: dict[str, list[tuple[str, str]]] = {part: [] for part in SPLITS}
    for name, found in documents:
        if kept := [paragraph for paragraph in found if next(new)]:
            made[list(SPLITS)[part_of(name)]].append((name, "\n".join(kept)))
    return made


def part_of(name: str) -> int:
    """The number of the split to which a document belongs by its file."""
    tenth = zlib.crc32(name.partition(":")[0].encode()) % 10
    return next(number for number, tenths in enumerate(SPLITS.values()) if tenth in tenths)


def docstrings() -> Iterator[tuple[str, str]]:
    """The docstrings of all packages, each with its name, such as ``numpy/lib/_npyio_impl.py:3``: file and number."""
    for package in runtime.progress(PACKAGES, desc="prose: packages", delay=1):
        files = {path.as_posix(): path for path in package_files(package) if path.suffix == ".py"}
        for file in sorted(files):
            if NOT_READ.search(file):
                continue
            source = files[file].locate().read_text(encoding="utf8")
            if '"""' in source or "'''" in source:
                with no_collection():
                    yield from ((f"{file}:{number}", found) for number, found in enumerate(strings(ast.parse(source))))


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage: a syntax tree has none, and a quarter of the time is saved."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def strings(node: ast.AST) -> Iterator[str]:
    """The docstrings below a node of a syntax tree."""
    if isinstance(node, DEFINITIONS) and (docstring := ast.get_docstring(node)):
        yield docstring
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        name = getattr(function, "id", getattr(function, "attr", ""))
        if name.lstrip("_").startswith(("add_docstr", "add_newdoc")):
            constants = (found.value for found in ast.walk(node.value) if isinstance(found, ast.Constant))
            yield from (inspect.cleandoc(found) for found in constants if isinstance(found, str) and "\n" in found)
    for statement in getattr(node, "body", ()):
        yield from strings(statement)


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs of prose in a docstring, without marks for fonts, roles and links.

    Example:
        >>> paragraphs("Sum of `x` along an axis.\\n\\nArgs:\\n    x (Tensor): what is added up here.\\n\\n>>> add(x)")
        ['Sum of x along an axis.', 'what is added up here.']
    """
    found: list[list[str]] = [[]]
    indent, deeper, fenced, doctest = 0, None, False, False  # deeper: what is indented more than this is left out
    for line in docstring.splitlines():
        bare, depth = line.strip(), len(line) - len(line.lstrip())
        fence, doctest = bare.startswith("```"), bool(bare) and (doctest or bare.startswith(">>>"))
        fenced ^= fence
        if fence or fenced or doctest or (deeper is not None and (not bare or depth > deeper)):
            found.append([])
            continue
        deeper = None
        if not bare or depth != indent or CODE.match(bare) or ITEM.match(bare) or PARAMETER.match(bare):
            found.append([])
        indent = depth
        if DIRECTIVE.match(bare):
            found.append([])
            deeper = None if WITH_PROSE.match(bare) else depth
        elif HEADING.match(bare) or CODE.match(bare):
            found.append([])
        else:
            found[-1].append(ITEM.sub("", PARAMETER.sub("", bare)))
            deeper = depth if bare.endswith("::") else None
    cleaned = (MARKS.sub("", " ".join(lines)).strip() for lines in found)
    return [paragraph for paragraph in cleaned if is_prose(paragraph)]


def new_paragraphs(found: Sequence[str]) -> list[bool]:
    """Whether each paragraph is new: its words are not those of an earlier one, and at most half of its shingles are.

    A shingle is a run of 8 words. Its words are numbered and mixed into one number of 64 bits; by the birthday bound,
    two of 3 million different shingles share one with a probability of about 2e-7.
    """
    spoken = [words(paragraph) for paragraph in found]
    first: dict[tuple[str, ...], int] = {}
    new = np.array([first.setdefault(tuple(said), position) == position for position, said in enumerate(spoken)], bool)
    number: dict[str, int] = {}
    ids = np.array([number.setdefault(word, len(number)) for said in spoken for word in said], dtype=np.uint64)
    owner = np.repeat(np.arange(len(spoken)), [len(said) for said in spoken])
    code = np.random.default_rng(0).integers(1, 2**64, (SHINGLE, len(number)), dtype=np.uint64)
    count = max(0, len(ids) - SHINGLE + 1)
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE):
        mixed ^= code[place, ids[place : place + count]]
    inside = owner[:count] == owner[len(owner) - count :]  # the others run over the end of a paragraph
    mixed, owner = mixed[inside], owner[:count][inside]
    _, where, same = np.unique(mixed, return_index=True, return_inverse=True)
    seen = owner[where[same]] < owner
    shingles, old = np.bincount(owner, minlength=len(new)), np.bincount(owner, seen, minlength=len(new))
    return (new & (old <= COMMON * shingles)).tolist()
