"""Small corpora of token ids for the tests of word vectors."""

import torch

from course.data import Corpus


def corpus_of(*documents: list[int], vocabulary: int | None = None) -> Corpus:
    """Documents of token ids; word i is called ``"w<i>"``."""
    tokens = [token for document in documents for token in document]
    ends = torch.tensor([0, *map(len, documents)]).cumsum(0)
    size = vocabulary or max(tokens) + 1
    return Corpus(torch.tensor(tokens), ends, tuple(f"w{i}" for i in range(size)), "small")


def random_corpus(seed: int = 0, documents: int = 40, longest: int = 30, vocabulary: int = 12) -> Corpus:
    """Documents of random lengths, some empty, in which a word is likely to be followed by the next one."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(documents):
        length = int(torch.randint(0, longest + 1, (1,), generator=generator))
        jumps = torch.randint(0, 3, (length,), generator=generator)
        found.append((jumps.cumsum(0) % vocabulary).tolist())
    return corpus_of(*found, vocabulary=vocabulary)
