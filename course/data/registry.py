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
        source: of a real set without ``files``, where its owner offers it; such a set is read from ``$COURSE_DATA``.
    """

    name: str
    kind: str
    title: str
    licence: str
    citation: str
    loader: str
    splits: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    source: str = ""

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
NLTK = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora"
WORDSIM = "https://raw.githubusercontent.com/mfaruqui/eval-word-vectors/master/data/word-sim"
WORD2VEC = "https://raw.githubusercontent.com/tmikolov/word2vec/master"
CLDR = (
    "https://raw.githubusercontent.com/unicode-org/cldr-json/b08a82b582f1120d630d623f9e5073316741574d/cldr-json/"
    "cldr-annotations-full/annotations"
)
MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"


def caption_file(name: str, md5: str, bytes: int) -> RemoteFile:
    """A file of Multi30k, in the folder where its own repository has it."""
    return RemoteFile(f"{MULTI30K}/{name}", md5, bytes, f"raw/{name}")


def annotation_file(language: str, md5: str, bytes: int) -> RemoteFile:
    """The names of characters in a language, in a folder of its own: all languages' files have the same name."""
    return RemoteFile(f"{CLDR}/{language}/annotations.json", md5, bytes, f"{language}/annotations.json")


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
            name="prose", kind="embedded", splits=SPLITS, loader="course.data.prose:load_prose",
            title="English paragraphs from the docstrings of scientific packages; no natural language in general",
            licence="that of each package (BSD, MIT, Apache 2.0, LGPL 2.1, MPL 2.0, for matplotlib one after Python's, "
            "for parts of numpy also 0BSD, Zlib, CC0); read here, not passed on",
            citation="the authors of the packages",
        ),
        Entry(
            name="wiki", kind="embedded", loader="course.data.wiki:load_wiki",
            title="articles of the English Wikipedia, the sample that gensim ships",
            licence="CC BY-SA 3.0 (that of Wikipedia in May 2016)", citation="the authors of Wikipedia",
        ),
        Entry(
            name="emoji", kind="embedded", splits=SPLITS, loader="course.data.emoji:load_emoji",
            title="1,386 emoji of 8 groups, drawn in OpenMoji's typeface, with their names in 14 languages",
            licence="pictures CC BY-SA 4.0 (name OpenMoji, pass on under the same licence); names Unicode License v3",
            citation="OpenMoji, the open-source emoji and icon project; Unicode CLDR, as the package emoji has it",
        ),
        Entry(
            name="voices", kind="embedded", splits=SPLITS, loader="course.data.speakers:load_voices",
            title="vowels said by 24 simulated speakers in simulated emotions; no recordings",
            licence="none needed: computed on your machine",
            citation="after Peterson and Barney (1952), Klatt (1980), Juslin and Laukka (2003)",
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
        Entry(
            name="usps", kind="real", splits=SPLITS, loader="course.data.usps:load_usps",
            title="9,298 handwritten digits from envelopes, each filling its square of 16 × 16 pixels",
            licence="none stated; made available by AT&T Research", citation="Le Cun et al. (1990)",
            source="zip.train.gz and zip.test.gz of https://hastie.su.domains/ElemStatLearn/data.html",
        ),
        Entry(
            name="nltk_corpora", kind="real", loader="course.data.corpora:load_nltk",
            title="English texts, film reviews and speeches: four corpora that NLTK gives out",
            licence="stated by NLTK: brown non-commercial purposes, movie_reviews CC BY 4.0, speeches public domain",
            citation="Francis and Kučera (1964); Pang and Lee (2004); C-SPAN; Bird, Klein and Loper (2009)",
            files=(
                RemoteFile(f"{NLTK}/brown.zip", "a0a8630959d3d937873b1265b0a05497", 3_314_357),
                RemoteFile(f"{NLTK}/movie_reviews.zip", "155de2b77c6834dd8eea7cbe88e93acb", 4_004_848),
                RemoteFile(f"{NLTK}/state_union.zip", "044f2d20c592b17a26ac0102111833c9", 808_757),
                RemoteFile(f"{NLTK}/inaugural.zip", "4e01cc9505ed7f9d04a330e67fb45509", 346_476),
            ),
        ),
        Entry(
            name="multi30k", kind="real", splits=SPLITS, loader="course.data.corpora:load_multi30k",
            title="captions of 31,014 photographs in English, German, French and Czech, without the photographs",
            licence="none stated; derived from Flickr30k, for non-commercial research and education",
            citation="Elliott, Frank, Sima'an and Specia (2016) and later authors",
            files=(
                caption_file("train.en.gz", "0065d13af80720a55ca8153d126e6627", 568_929),
                caption_file("train.de.gz", "81ff90b99829c0cd4b1b587d394afd39", 637_044),
                caption_file("train.fr.gz", "6cb767741dcad3931f966fefbc05203f", 604_242),
                caption_file("train.cs.gz", "d9a5fc268917725a2b0efce3a0cc8607", 593_827),
                caption_file("val.en.gz", "2b69aa9253948ac9f67e94917272dd40", 21_650),
                caption_file("val.de.gz", "6e0e229eb049e3fc99a1ef02fb2d5f91", 24_681),
                caption_file("val.fr.gz", "93fc564584b7e5ba410c761ea5a1c682", 23_001),
                caption_file("val.cs.gz", "83cdc082f646b769095615384cf5c0ca", 22_096),
                caption_file("test_2016_flickr.en.gz", "ff2c0fcb4893a13bd73414306bc250ae", 21_077),
                caption_file("test_2016_flickr.de.gz", "efd67d314d98489b716b145475101932", 22_890),
                caption_file("test_2016_flickr.fr.gz", "08dc7cd4a662f31718412de95ca9bfe3", 22_310),
                caption_file("test_2016_flickr.cs.gz", "3104872229daa1bef3b401d44dd2220b", 22_572),
            ),
        ),
        Entry(
            name="wordsim", kind="real", loader="course.data.wordlists:load_wordsim",
            title="13 lists of English word pairs with the similarity that people gave them",
            licence="each list under its authors' terms; the collection is offered for research",
            citation="Faruqui and Dyer (2014), and the authors of each list",
            files=(
                RemoteFile(f"{WORDSIM}/EN-MC-30.txt", "4a661dbda4221242e7507dbe6c408dbd", 543),
                RemoteFile(f"{WORDSIM}/EN-MEN-TR-3k.txt", "cd6488cef0a1acdb9b5777a11bdb41f6", 53_593),
                RemoteFile(f"{WORDSIM}/EN-MTurk-287.txt", "470969d9587c0b376910d56866882aa8", 7_218),
                RemoteFile(f"{WORDSIM}/EN-MTurk-771.txt", "c93ee527320f953039dd476066e24952", 19_628),
                RemoteFile(f"{WORDSIM}/EN-RG-65.txt", "9135bc37d3c3557666236aa3fb0b5541", 1_210),
                RemoteFile(f"{WORDSIM}/EN-RW-STANFORD.txt", "b50f92e38334c81fc02af695aa9f61ad", 49_851),
                RemoteFile(f"{WORDSIM}/EN-SIMLEX-999.txt", "3ed196cb6c0042b77d7498c3d21c7c18", 18_024),
                RemoteFile(f"{WORDSIM}/EN-SimVerb-3500.txt", "c6a8722b8a3ba85798ddb02849175848", 65_315),
                RemoteFile(f"{WORDSIM}/EN-VERB-143.txt", "4992e6d8bb2a2483804745071a62f0bd", 3_320),
                RemoteFile(f"{WORDSIM}/EN-WS-353-ALL.txt", "a1f5efadd664457727b18ddb42b43a96", 7_405),
                RemoteFile(f"{WORDSIM}/EN-WS-353-REL.txt", "9ad3af42e7379e087fc2157895db08f0", 5_134),
                RemoteFile(f"{WORDSIM}/EN-WS-353-SIM.txt", "e5d93a68121655b8f04aea15b89c130a", 4_002),
                RemoteFile(f"{WORDSIM}/EN-YP-130.txt", "f40ff8d707c9a27e2e2e902f59ea1744", 2_614),
            ),
        ),
        Entry(
            name="analogies", kind="real", loader="course.data.wordlists:load_analogies",
            title="19,544 questions such as: man is to woman as king is to what?",
            licence="Apache 2.0 (stated by its repository)", citation="Mikolov, Chen, Corrado and Dean (2013)",
            files=(RemoteFile(f"{WORD2VEC}/questions-words.txt", "8b7461cbf7ecc0aec9b32eb626821105", 603_955),),
        ),
        Entry(
            name="xling_eval", kind="real", loader="course.data.wordlists:load_xling",
            title="142 dictionaries between eight languages",
            licence="none stated", citation="Glavaš, Litschko, Ruder and Vulić (2019)",
            source="the folder bli_datasets of https://github.com/codogogo/xling-eval",
        ),
        Entry(
            name="noto_emoji", kind="real", splits=SPLITS, loader="course.data.noto:load_noto",
            title="1,562 emoji as Google draws them, in the groups and splits of emoji, with names in 18 languages",
            licence="pictures Apache 2.0 (stated by their repository); names Unicode License v3",
            citation="Google, Noto Emoji; Unicode CLDR",
            source="the pictures png/72 of https://github.com/googlefonts/noto-emoji and cldr-annotations-full of "
            "https://github.com/unicode-org/cldr-json",
        ),
        Entry(
            name="umsab", kind="real", splits=SPLITS, loader="course.data.umsab:load_umsab",
            title="24,264 tweets in eight languages, each negative, neutral or positive",
            licence="that of each of its eight sources, and Twitter's terms (stated by its repository)",
            citation="Barbieri, Espinosa Anke and Camacho-Collados (2022), and the authors of each source",
            source="the folder data/sentiment of https://github.com/cardiffnlp/xlm-t",
        ),
        Entry(
            name="cldr_names", kind="real", loader="course.data.cldr:load_cldr_names",
            title="the names of emoji in Faroese, Upper Sorbian, Turkmen, Zulu, Quechua, Tongan, Yoruba and Cherokee",
            licence="Unicode License v3 (stated by its repository)", citation="Unicode CLDR",
            files=(
                annotation_file("fo", "2afd320de9396a1995cd13054c3c7b9d", 348_160),
                annotation_file("hsb", "702beda0ce54edc352c4e61ed4951436", 417_571),
                annotation_file("tk", "a6522d2859ed69102476264425ade297", 379_664),
                annotation_file("zu", "253af5f9fb830c576a7f7f9633f23243", 393_169),
                annotation_file("qu", "4367da56ae2e2d25cfa5ec52f635e133", 352_234),
                annotation_file("to", "30f23e15e85c0873a9caa04da283ccea", 275_743),
                annotation_file("yo", "eaf20e245c1e13746df163374601794d", 418_658),
                annotation_file("chr", "9b0d80edeb6f9ca3398eca48ab3fd819", 457_445),
            ),
        ),
        Entry(
            name="fsdd", kind="real", splits=SPLITS, loader="course.data.recordings:load_fsdd",
            title="3,000 recordings of spoken English digits by six speakers",
            licence="CC BY-SA 4.0 (stated by its repository)", citation="Jackson et al. (2016 and later)",
            source="the folder recordings of https://github.com/Jakobovski/free-spoken-digit-dataset",
        ),
        Entry(
            name="ravdess", kind="real", splits=SPLITS, loader="course.data.recordings:load_ravdess",
            title="two sentences in eight acted emotions by 24 actors, 720 recordings",
            licence="CC BY-NC-SA 4.0 (stated by its owners)", citation="Livingstone and Russo (2018)",
            source="Audio_Speech_Actors_01-24.zip of https://zenodo.org/records/1188976",
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
        name: as ``course data list`` names it, such as ``glyphs`` or ``wordsim``.
        split: ``train``, ``validation`` or ``test``; ``None`` is the whole set.
        options: what the set's own loader takes, such as ``rotations=True`` for ``omniglot``.

    Returns:
        Pictures as a :class:`~course.data.LabelledSet`, sound as :class:`~course.data.Sounds`, texts as
        :class:`~course.data.Texts`; for ``sinusoids`` :class:`~course.data.SinusoidTasks`, for ``multiview``
        :class:`~course.data.GaussianPairs`; a family of lists or languages as a ``dict`` of its members by name.

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
        raise DataError(f"{error}: {remedy(name, found.source)}") from error


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
        splits = ", ".join(found.splits) or "none"
        download = size(found.bytes) if found.files else found.source or "none"
        rows.append((f"`{found.name}`", found.title, found.kind, splits, found.licence, found.citation, download))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
