"""Data sets and the episodes drawn from them: embedded ones, real ones, and your own, through one interface.

``load("glyphs", split="train")`` returns a data set, ``EpisodeSampler(data, n_way=5, k_shot=1, n_query=15)[0]`` an
episode. Nothing is ever downloaded by importing or loading; ``course data fetch`` asks first.
"""

from course.data.batches import Batches
from course.data.episodes import Episode, EpisodeSampler
from course.data.folder import from_folder
from course.data.registry import load
from course.data.sets import DataError, LabelledSet, PairedViews
from course.data.sinusoids import SinusoidTasks

__all__ = [
    "Batches",
    "DataError",
    "Episode",
    "EpisodeSampler",
    "LabelledSet",
    "PairedViews",
    "SinusoidTasks",
    "from_folder",
    "load",
]
