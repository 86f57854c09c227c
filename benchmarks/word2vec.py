"""Word2Vec against gensim: speed and quality of the same trainings; time and memory against the vocabulary.

    COURSE_DATA=folder python benchmarks/word2vec.py --output book/results/bench-word2vec.json

Both read the Brown corpus, film reviews and presidents' speeches: gensim from a file with two workers, which is its
fastest way; the course from a corpus in memory with one thread. Dimension, window, negatives, threshold, least count,
passes and learning rate are equal. Quality is Spearman's correlation with WordSim-353. Time is that of the training,
without the vocabulary; single passes in turn: course, gensim, course, gensim, ...
"""

import tempfile
from functools import cache
from pathlib import Path
from statistics import mean, median

from measure import in_fresh_process, main, peak, seconds

DIMENSION, WINDOW, NEGATIVES, LEAST, PASSES = 100, 5, 5, 5, 5
SEEDS = 3
ZIPF = 2_000_000  # words of a simulated text


@cache
def lines() -> list[list[str]]:
    """The corpora, a list of words for each line."""
    from course.data import load, words

    found = (words(line) for text in load("nltk_corpora").texts for line in text.split("\n"))
    return [each for each in found if each]


@cache
def corpus():
    from course.data import Corpus

    return Corpus.from_texts(lines(), list, min_count=LEAST, name="NLTK")


def quality(known, cosine) -> float:
    """Spearman's correlation with WordSim-353, over the pairs whose words are known."""
    from scipy.stats import spearmanr

    from course.data import load

    ratings = load("wordsim")["WS-353-ALL"]
    triples = [(x.lower(), y.lower(), s) for x, y, s in zip(ratings.x, ratings.y, ratings.scores, strict=True)]
    kept = [(cosine(x, y), s) for x, y, s in triples if x in known and y in known]
    return float(spearmanr(*zip(*kept, strict=True)).statistic)


def train_course(seed: int, passes: int = PASSES):
    from course.representation.word2vec import SGNS

    model = SGNS(dimension=DIMENSION, window=WINDOW, negatives=NEGATIVES, epochs=passes, seed=seed)
    time = seconds(lambda: model.fit(corpus()))
    return time, quality(model.vectors, model.vectors.similarity)


def train_gensim(seed: int, file: Path, passes: int = PASSES):
    from gensim.models.word2vec import Word2Vec

    options = {"vector_size": DIMENSION, "window": WINDOW, "negative": NEGATIVES, "min_count": LEAST, "sample": 1e-3}
    model = Word2Vec(sg=1, workers=2, seed=seed, **options)
    model.build_vocab(corpus_file=str(file))
    totals = {"total_words": model.corpus_total_words, "total_examples": model.corpus_count}
    time = seconds(lambda: model.train(corpus_file=str(file), epochs=passes, **totals))
    return time, quality(model.wv.key_to_index, model.wv.similarity)


def compare(repeats: int) -> list[dict]:
    """Speed of single passes, taken in turn, and quality of whole trainings."""
    total = sum(map(len, lines()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines.txt"
        file.write_text("\n".join(map(" ".join, lines())) + "\n", encoding="utf8")
        train_course(0, 1), train_gensim(0, file, 1)
        times = [(train_course(seed, 1)[0], train_gensim(seed, file, 1)[0]) for seed in range(repeats)]
        ranks = [(train_course(seed)[1], train_gensim(seed, file)[1]) for seed in range(SEEDS)]

    own, theirs = (median(column) for column in zip(*times, strict=True))
    ratio = median(b / a for a, b in times)
    rank, other = (mean(column) for column in zip(*ranks, strict=True))
    peer = {"peer": "gensim, 2 workers"}
    speed = {"course_value": total / own / 1000, "peer_value": total / theirs / 1000, "ratio": ratio}
    quality = {"course_value": rank, "peer_value": other, "ratio": rank / other}
    return [
        {"what": f"thousand words a second, one pass over {total:,} words"}
        | peer
        | speed
        | {"repeats": repeats, "goal": 1.5},
        {"what": f"Spearman with WordSim-353 after {PASSES} passes, mean of {SEEDS} seeds"}
        | peer
        | quality
        | {"repeats": SEEDS, "goal": round(1 - 0.02 / other, 3)},
    ]


def zipf_corpus(vocabulary: int, words: int = ZIPF):
    """Words drawn with frequencies 1, 1/2, 1/3, ...: only the size of the vocabulary matters."""
    import torch

    from course.data import Corpus

    generator = torch.Generator().manual_seed(0)
    tokens = torch.multinomial(1 / torch.arange(1.0, vocabulary + 1), words, replacement=True, generator=generator)
    return Corpus(tokens, torch.tensor([0, words]), tuple(map(str, range(vocabulary))), "Zipf")


def cost(what: str, vocabulary: int, model: str) -> float:
    """Thousand words a second, or the peak of memory above the start in MB."""
    from course.representation import word2vec

    n = ZIPF if model == "SGNS" else 20_000
    part = zipf_corpus(vocabulary, n)
    before = peak()
    time = seconds(lambda: getattr(word2vec, model)(dimension=DIMENSION, epochs=1).fit(part))
    return n / time / 1000 if what == "speed" else (peak() - before) / 1e6


def against_vocabulary() -> list[dict]:
    """Words a second and memory for growing vocabularies."""
    rows = []
    for vocabulary in (1_000, 10_000, 100_000):
        for model in ("SGNS", "Softmax")[: 1 if vocabulary > 10_000 else 2]:
            name = f"{model}, |V| = {vocabulary:,}"
            speed = in_fresh_process("word2vec", f"cost('speed', {vocabulary}, {model!r})", float)
            memory = in_fresh_process("word2vec", f"cost('memory', {vocabulary}, {model!r})", float)
            rows += [
                {"what": f"thousand words a second, {name}", "course_value": speed},
                {"what": f"MB above the start, {name}", "course_value": memory},
            ]
    return rows


def measure(repeats: int) -> list[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    return compare(repeats) + against_vocabulary()


if __name__ == "__main__":
    main("word2vec", __doc__, f"d = {DIMENSION}, window {WINDOW}, {NEGATIVES} negatives, float32", measure, repeats=7)
