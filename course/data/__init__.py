"""Data sets and the episodes drawn from them: embedded ones, real ones, and your own, through one interface.

``load("glyphs", split="train")`` returns a data set, ``EpisodeSampler(data, n_way=5, k_shot=1, n_query=15)[0]`` an
episode. Nothing is ever downloaded by importing or loading; ``course data fetch`` asks first.
"""

from course.data.batches import Batches
from course.data.emoji import Emoji
from course.data.episodes import Episode, EpisodeSampler
from course.data.folder import from_folder
from course.data.multiview import GaussianPairs
from course.data.registry import load
from course.data.segmentation import sentences, words
from course.data.sets import DataError, LabelledSet, Pairs
from course.data.sinusoids import SinusoidTasks
from course.data.sounds import Sounds
from course.data.texts import Corpus, LabelledTexts, Texts, WordPairs, from_csv, from_lines, padded, read_word_pairs

__all__ = [
    "Batches", "Corpus", "DataError", "Emoji", "Episode", "EpisodeSampler", "GaussianPairs", "LabelledSet",
    "LabelledTexts", "Pairs", "SinusoidTasks", "Sounds", "Texts", "WordPairs", "from_csv", "from_folder", "from_lines",
    "load", "padded", "read_word_pairs", "sentences", "words",
]  # fmt: skip
