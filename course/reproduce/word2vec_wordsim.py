"""Recipe ``word2vec-wordsim``: what each idea of Word2Vec adds, on 2.8 million English words.

The Brown corpus, film reviews and speeches of presidents; a line of text is a document. All methods have the same
dimension, window and passes. Asked is whether cosines rank pairs of words as people do, for related words
(WordSim-353) and for similar ones (SimLex-999), and how many analogies are solved.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from course import data
from course.data import Corpus, words
from course.representation.pmi import PMISVD
from course.representation.word2vec import CBOW, SGNS
from course.representation.word_tests import analogy_test, similarity_test
from course.representation.word_vectors import WordVectors
from course.reproduce.runner import Recipe

RELATED, SIMILAR = "WordSim-353", "SimLex-999"
ADD, MULTIPLY, WITH_QUESTION = "analogies, 3CosAdd", "analogies, 3CosMul", "analogies, 3CosAdd, no word left out"


@dataclass(frozen=True)
class Word2VecWordSimConfig:
    """What is trained.

    Attributes:
        dimension, window, epochs, negatives: of all methods that have them.
        least: how often a word must occur.
        questions: analogies asked, evenly spread over those whose words are known.
        seeds: of the start and the draws.
    """

    dimension: int = 100
    window: int = 5
    epochs: int = 20
    negatives: int = 5
    least: int = 5
    questions: int = 2_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "Word2VecWordSimConfig":
        """Three seeds of five passes."""
        return cls(epochs=5, questions=1_000, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "Word2VecWordSimConfig":
        """Five seeds of twenty passes."""
        return cls()


class Word2VecWordSim(Recipe):
    """Skip-gram with one of its ideas taken away at a time; CBOW; counts; the untrained start."""

    name = "word2vec-wordsim"
    presets = Word2VecWordSimConfig
    methods = (
        "untrained start",
        "PMI and SVD",
        "CBOW",
        "skip-gram, negative sampling",
        "… without subsampling",
        "… noise as frequent as words",
        "… windows of one size",
    )
    units: ClassVar = {RELATED: "", SIMILAR: "", ADD: "%", MULTIPLY: "%", WITH_QUESTION: "%"}

    def load(self) -> None:
        """The corpus, the two lists and the analogies, all in lower case."""
        lines = (line for text in data.load("nltk_corpora").texts for line in text.split("\n"))
        self.corpus = Corpus.from_texts(lines, words, min_count=self.config.least, name="NLTK")
        lists = data.load("wordsim")
        self.lists = {name: lists[key] for name, key in ((RELATED, "WS-353-ALL"), (SIMILAR, "SIMLEX-999"))}
        known = set(self.corpus.vocabulary)
        sections = data.load("analogies").values()
        questions = [tuple(word.lower() for word in question) for section in sections for question in section]
        questions = [question for question in questions if known.issuperset(question)]
        self.questions = questions[:: max(1, len(questions) // self.config.questions)]

    def trained(self, seed: int, method: str) -> WordVectors:
        """The vectors of one method."""
        config = self.config
        common = {"dimension": config.dimension, "window": config.window}
        if method == "PMI and SVD":
            return PMISVD(**common).fit(self.corpus).vectors
        own = common | {"epochs": config.epochs, "negatives": config.negatives, "seed": seed, "device": self.device}
        if method == "CBOW":
            return CBOW(**own).fit(self.corpus).vectors
        model = SGNS(**own)
        if method == "untrained start":
            return WordVectors(self.corpus.vocabulary, model.start(len(self.corpus.vocabulary))[0])
        changes = {
            "… without subsampling": {"subsample": None},
            "… noise as frequent as words": {"noise_power": 1.0},
            "… windows of one size": {"dynamic": False},
        }
        return replace(model, **changes.get(method, {})).fit(self.corpus).vectors

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Train one method, and ask it the five questions."""
        vectors = self.trained(seed, method)
        measured = {}
        for name, pairs in self.lists.items():
            both = [(x.lower(), y.lower()) for x, y in zip(pairs.x, pairs.y, strict=True)]
            measured[name] = similarity_test(vectors, both, pairs.scores)[0]
        options = {ADD: {}, MULTIPLY: {"method": "3CosMul"}, WITH_QUESTION: {"leave_out": False}}
        return measured | {
            name: 100 * analogy_test(vectors, self.questions, **each)[0] for name, each in options.items()
        }
