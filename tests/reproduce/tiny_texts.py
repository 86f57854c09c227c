"""Small stand-ins for the corpora and word lists of the recipes: words of four topics, which stand together."""

import torch
from small_languages import WORDS

from course.data import Texts, WordPairs, cldr
from course.data.wordlists import ScoredPairs
from course.reproduce.language_limits import MIXED_IN

TOPICS = 4
EACH = 25  # words of a topic


def topic_texts(prefix: str, seed: int) -> Texts:
    """Sentences of one topic each, whose words are called after it: ``a0 a3 a1``."""
    generator = torch.Generator().manual_seed(seed)
    lines = []
    for _ in range(1_500):
        topic = int(torch.randint(TOPICS, (1,), generator=generator))
        own = torch.randint(EACH, (8,), generator=generator).tolist()
        lines.append(" ".join(f"{prefix}{'abcd'[topic]}{number}" for number in own))
    return Texts(tuple(lines), tuple(map(str, range(len(lines)))), "topics")


def load(name: str):
    """What the sets of this name hold here."""
    if name == "nltk_corpora":
        return topic_texts("", 0)
    if name == "multi30k":
        return {"en": topic_texts("", 0), "de": topic_texts("d", 1)}
    if name == "wordsim":
        x = tuple(f"{'ABCD'[i % 4]}{i // 4 % 4}" for i in range(32))
        y = tuple(f"{'abcd'[(i + i // 16) % 4]}4" for i in range(32))
        scores = tuple(10.0 * (i < 16) for i in range(32))
        return dict.fromkeys(("WS-353-ALL", "SIMLEX-999"), ScoredPairs(x, y, scores, "same topic?"))
    if name == "analogies":
        return {"topics": (("A0", "a1", "b0", "b1"), ("c0", "c1", "d0", "d1"), ("a0", "unknown", "b0", "b1"))}
    if name == "cldr_names":
        return dict.fromkeys(cldr.LANGUAGES)
    assert name == "xling_eval"
    pairs = [(f"{t}{i}", f"d{t}{i}") for t in "abcd" for i in range(EACH)]
    dictionaries = {}
    for language in MIXED_IN:
        colours = [(word, f"{word}{language}") for word in WORDS]
        x, y = zip(*pairs, *colours, ("absent", "fehlt"), strict=True)
        both = WordPairs(x, y, ("en", language), "topics")
        dictionaries |= {f"en-{language} train 5k": both, f"en-{language} test 2k": both}
    return dictionaries
