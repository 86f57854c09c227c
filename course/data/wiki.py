"""Wiki: the sample of the English Wikipedia that gensim ships for its own tests, as plain text.

A hundred long articles, most of their titles with an A in front: ordinary words, where ``prose`` has technical ones.
gensim takes the markup off. The newest revision is of May 2016, when Wikipedia's text was under CC BY-SA 3.0; its
authors are in the histories of the articles.
"""

import bz2
import re
from importlib.metadata import PackageNotFoundError

from course.data import segmentation
from course.data.checked import made_once, package_files
from course.data.segmentation import is_prose, words
from course.data.sets import DataError
from course.data.texts import Texts

FILE = re.compile(r"enwiki-latest-pages-articles1\.xml-.*-shortened\.bz2")
LEAST = 50  # words; shorter articles are redirections and stubs, which gensim's WikiCorpus leaves out, too


def load_wiki() -> Texts:
    """The articles, each a document with a line for each paragraph, in the order of the file.

    What is left is what looks like prose (:func:`course.data.segmentation.is_prose`). The first call takes a
    while; its result is kept in the cache.

    Raises:
        DataError: if gensim is not installed, or without the sample or the list of its files.
    """
    try:
        titles, texts = zip(*made_once("wiki", ("gensim",), (__file__, segmentation.__file__), make), strict=True)
    except PackageNotFoundError as error:
        raise DataError("wiki is a part of gensim, which is not installed: run make env") from error
    return Texts(texts, titles, "wiki")


def make() -> list[tuple[str, str]]:
    """Titles and texts of the articles, in the order of the file."""
    path = next((path for path in package_files("gensim") if FILE.fullmatch(path.name)), None)
    if path is None or not path.locate().is_file():
        raise DataError("gensim is installed without its sample of Wikipedia: install it from its wheel, run make env")
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(path.locate(), "rb") as stream:
        found = [(title, plain(filter_wiki(text))) for title, text, _ in extract_pages(stream, ("0",))]
    return [(title, text) for title, text in found if len(words(text)) >= LEAST]


def plain(text: str) -> str:
    """The paragraphs of an article whose markup gensim has taken off, one on each line.

    Example:
        >>> plain("'''Anarchism''' is a  ''philosophy'' of many.\\n==See also==\\n* It has several schools today.")
        'Anarchism is a philosophy of many.\\nIt has several schools today.'
    """
    lines = (" ".join(re.sub(r"'{2,}|^[*#:;]+", "", line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if is_prose(line))
