r"""Masked language modelling: hide some tokens of a text, and learn to name them from what is left on both sides.

The text is its own label, so that any text will do. :func:`pseudo_log_likelihoods` then
asks for each token of a new text.

Sources: Devlin et al., *BERT* (2019), section 3.1; Salazar et al., *Masked language model scoring* (2020).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from course.arguments import require_whole
from course.data import Batches
from course.history import History
from course.representation.bert import MaskedLM
from course.representation.transformer import warmed_up_adamw
from course.runtime import step_generator
from course.training import fit

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # their ids are 0 to 4
PADDING, UNKNOWN, START, END, MASK = range(5)


def train_wordpiece(texts: Sequence[str], vocabulary: int, *, letters: int = 80) -> Tokenizer:
    """A WordPiece tokenizer, as BERT's: frequent words are one token, rare ones several.

    Inner pieces of a word begin with ``##``. Capitals and accents are forgotten.

    Args:
        texts: what the vocabulary is learned from.
        vocabulary: the number of tokens, the five special ones included.
        letters: the most characters to know; a word with a rarer one is ``[UNK]``.

    Returns:
        A tokenizer whose ``encode(text).ids`` begin with ``[CLS]`` and end with ``[SEP]``.

    Raises:
        ValueError: if the vocabulary has no room for each character at the beginning of a word and within one.
    """
    if isinstance(texts, str):
        raise ValueError("texts must be several strings, got one: put it into a list")
    normalizer, counts = normalizers.BertNormalizer(), Counter()
    for text in texts:
        counts.update(text)
    frequent = sorted(counts, key=lambda letter: (-counts[letter], letter))[:letters]
    known = sorted(set(normalizer.normalize_str("".join(frequent))) - {" "})
    fixed = [*SPECIAL, *known, *("##" + letter for letter in known)]  # else their order would differ from run to run
    require_whole("vocabulary", vocabulary, len(fixed))
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer, learner.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    options = {"limit_alphabet": len(known), "initial_alphabet": known, "show_progress": False}
    learner.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=fixed, **options)
    )
    tokenizer = Tokenizer(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = learner.normalizer, learner.pre_tokenizer
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", END), ("[CLS]", START))
    return tokenizer


def blocks(texts: Iterable[str], tokenizer: Tokenizer, length: int) -> Tensor:
    """Texts one after another, cut into rows of equal length without padding, ``int64 [n, length]``.

    Each row begins with ``[CLS]`` and ends with ``[SEP]``; another ``[SEP]`` stands between texts. What is left over at
    the end is dropped.

    Raises:
        ValueError: if the texts do not fill one row.
    """
    require_whole("length", length, 3)
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    stream = np.concatenate([np.zeros(0, int), *([*text.ids, END] for text in encoded)])
    inner = length - 2
    n = len(stream) // inner
    if not n:
        raise ValueError(f"the texts have {len(stream)} tokens, one row needs {inner}: give more text or shorter rows")
    rows = np.full((n, length), END)
    rows[:, 0], rows[:, 1:-1] = START, stream[: n * inner].reshape(n, inner)
    return torch.from_numpy(rows)


@dataclass(frozen=True)
class Masking:
    r"""How tokens are hidden: :eq:`bert-masking`.

    Of the tokens that are not special, each is chosen with probability ``share``. A chosen token becomes ``[MASK]``
    with probability ``masked``, a random token with probability ``random``, and otherwise stays as it is.

    Attributes:
        vocabulary: number of different tokens.
        mask: the id of ``[MASK]``.
        special: ids that are neither chosen nor drawn as random tokens.
        share, masked, random: the probabilities; the paper's are 0.15, 0.8 and 0.1.

    Example:
        >>> masking, tokens = Masking(vocabulary=100), torch.tensor([[2, 17, 25, 31, 3, 0]])
        >>> read, chosen = masking(tokens, np.random.default_rng(1))
        >>> read.tolist(), chosen.tolist()
        ([[2, 17, 4, 31, 3, 0]], [[False, False, True, False, False, False]])
    """

    vocabulary: int
    mask: int = MASK
    special: tuple[int, ...] = tuple(range(len(SPECIAL)))
    share: float = 0.15
    masked: float = 0.8
    random: float = 0.1

    def __post_init__(self):
        for name in ("share", "masked", "random"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, got {getattr(self, name)}")
        if self.share == 0 or self.masked + self.random > 1 + 1e-9:
            raise ValueError(
                f"share={self.share} must be positive, masked={self.masked} and random={self.random} at most 1 in all"
            )
        if not len(set(self.special)) < self.vocabulary:
            raise ValueError(f"all {self.vocabulary} tokens are special: none is left to be hidden")

    def hideable(self, tokens: Tensor) -> Tensor:
        """True where a token is not special."""
        return ~torch.isin(tokens, torch.tensor(self.special, device=tokens.device))

    def __call__(self, tokens: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What the model reads, ``int64 [n, length]``, and which tokens it must name, ``bool [n, length]``.

        The choice is made on the CPU, so that it is the same on every device.
        """
        ordinary = np.setdiff1d(np.arange(self.vocabulary), self.special)
        choice, fate = (torch.from_numpy(generator.random(tuple(tokens.shape))).to(tokens.device) for _ in range(2))
        drawn = torch.from_numpy(generator.choice(ordinary, tuple(tokens.shape))).to(tokens.device)
        chosen = self.hideable(tokens) & (choice < self.share)
        read = torch.where(chosen & (fate < self.masked), self.mask, tokens)
        return torch.where(chosen & (fate >= self.masked) & (fate < self.masked + self.random), drawn, read), chosen


def train_masked_lm(
    model: MaskedLM,
    rows: Tensor,
    masking: Masking,
    *,
    steps: int,
    batch_size: int = 32,
    rate: float = 1e-3,
    warm_up: float = 0.1,
    weight_decay: float = 0.01,
    seed: int = 0,
    **fit_options,
) -> History:
    r"""Minimise the mean of :math:`-\log P(x_i \mid \tilde x)` over the chosen positions: :eq:`bert-mlm-loss`.

    AdamW; the rate rises linearly from 0 and falls linearly to 0. Seed and step decide what is read and hidden, so that
    a resumed run sees what an uninterrupted one would have seen.

    Args:
        model: trained in place, on its device.
        rows: token ids, ``int64 [n, length]``, such as :func:`blocks`; they are moved to the model's device once.
        masking: what is hidden, anew for each step.
        steps: number of steps in all.
        batch_size: rows of a step.
        rate: the highest learning rate.
        warm_up: the share of the steps in which it rises.
        weight_decay: of the matrices; vectors (biases, norms) have none.
        seed: of batches and masking.
        fit_options: ``validate``, ``checkpoint``, ``resume`` and the others of :func:`course.training.fit`.

    Raises:
        ValueError: if an option is out of its range, or a step happens to hide nothing (rows too short or too few).
    """
    require_whole("steps", steps)
    if not rate > 0 or not 0 <= warm_up < 1 or not weight_decay >= 0:
        raise ValueError(f"rate={rate} must be positive, warm_up={warm_up} a share below 1, weight_decay not negative")
    device = next(model.parameters()).device
    rows, batches = rows.to(device), Batches(len(rows), batch_size, seed=seed, device=device)
    optimizer, scheduler = warmed_up_adamw(model, steps, rate, weight_decay, warm_up)

    def closure(step: int) -> Tensor:
        batch = rows[batches[step]]
        read, chosen = masking(batch, step_generator(seed, step))
        if not chosen.any():
            raise ValueError(f"step {step} hides none of {batch.numel()} tokens: take more or longer rows")
        return F.cross_entropy(model(read, at=chosen), batch[chosen])

    return fit(model, closure, optimizer, steps=steps, scheduler=scheduler, **{"label": "masked LM"} | fit_options)


@torch.no_grad()
def start_from_counts(model: MaskedLM, rows: Tensor) -> None:
    r"""Let a model begin at what counting knows: :eq:`bert-start`. The paper begins at random, and has days.

    The table of token vectors becomes :math:`U |\Lambda|^{1/2}`, from the eigenvalues of largest size of the matrix
    :math:`\max(0, \mathrm{PMI})` of direct neighbours, scaled to twice the standard deviation of the random start. The
    bias of the scores becomes the logarithm of each token's share.

    Args:
        model: changed in place.
        rows: token ids, ``int64 [n, length]``.
    """
    table, n = model.bert.tokens.weight, len(model.bias)
    rows = rows.to(table.device)
    shares = torch.bincount(rows.flatten(), minlength=n).double() + 1
    model.bias.copy_((shares / shares.sum()).log())
    pairs = torch.bincount((rows[:, :-1] * n + rows[:, 1:]).flatten(), minlength=n * n).view(n, n).double()
    pairs = pairs + pairs.T
    expected = pairs.sum(0) * pairs.sum(1, keepdim=True) / pairs.sum()
    pmi = torch.where(pairs > 0, pairs / expected, 1).log().clamp(min=0)
    values, vectors = torch.linalg.eigh(pmi)
    largest = values.abs().topk(min(table.shape[1], n)).indices
    found = vectors[:, largest] * values[largest].abs().sqrt()
    table[:, : len(largest)] = (found * 2 * model.bert.config.initial_scale / found.std()).to(table)


@torch.no_grad()
def pseudo_log_likelihoods(model: MaskedLM, rows: Tensor, masking: Masking, *, batch_size: int = 256) -> Tensor:
    r"""The log probability of each token when it alone is masked, in nats: :eq:`bert-pseudo-perplexity`.

    The exponential of minus their mean is the *pseudo-perplexity*. Each token costs a pass over its row.

    Args:
        model: in whatever mode; dropout is left out.
        rows: token ids, ``int64 [n, length]``, on the model's device.
        masking: names ``[MASK]`` and the special tokens, which are not asked for.
        batch_size: rows computed at once.

    Returns:
        ``[k]``, for all tokens that are not special, row after row.
    """
    row, column = masking.hideable(rows).nonzero(as_tuple=True)
    found, training = [], model.training
    model.eval()
    for r, c in zip(row.split(batch_size), column.split(batch_size), strict=True):
        read = rows[r]
        at = torch.zeros_like(read, dtype=torch.bool)
        at[torch.arange(len(r)), c] = True
        scores = model(read.masked_fill(at, masking.mask), at=at)
        found.append(scores.log_softmax(-1).gather(1, rows[r, c][:, None])[:, 0])
    model.train(training)
    return torch.cat(found)


def fill_in(model: MaskedLM, tokenizer: Tokenizer, text: str, count: int = 5) -> list[list[tuple[str, float]]]:
    """For each ``[MASK]`` in a text the most probable tokens, each with its probability.

    Raises:
        ValueError: if the text has no ``[MASK]``.
    """
    device = next(model.parameters()).device
    tokens = torch.tensor([tokenizer.encode(text).ids], device=device)
    at = tokens == tokenizer.token_to_id("[MASK]")
    if not at.any():
        raise ValueError(f"there is no [MASK] in {text!r}: write it in place of the word to be filled in")
    with torch.no_grad():
        best = model(tokens, at=at).softmax(-1).topk(count)
    names = [[tokenizer.id_to_token(token) for token in row] for row in best.indices.tolist()]
    return [list(zip(row, values, strict=True)) for row, values in zip(names, best.values.tolist(), strict=True)]


def ngram_log_likelihoods(train: Tensor, test: Tensor, vocabulary: int) -> dict[str, Tensor]:
    r"""What counting pairs of neighbours achieves on the same tokens, in nats: the baselines of a masked model.

    ``unigram`` is :math:`P(w)`, the share of w (each count is one more than it is, so that nothing is impossible);
    ``bigram`` is :math:`P(w \mid v) = \bigl(n(v, w) + \beta_v P(w)\bigr) / \bigl(n(v) + \beta_v\bigr)` with
    :math:`\beta_v` the number of different successors of v (Witten and Bell); ``both neighbours`` is
    :math:`P(w \mid u, v) \propto P(w \mid u)\, P(v \mid w)`.

    Args:
        train, test: token ids, ``int64 [n, length]``.
        vocabulary: number of different tokens.

    Returns:
        The log probabilities ``[rows, length - 2]`` of all tokens of ``test`` but the first and last of each row.
    """
    single = torch.bincount(train.flatten(), minlength=vocabulary).double() + 1
    single = single / single.sum()
    pair = train[:, :-1] * vocabulary + train[:, 1:]
    counts = torch.bincount(pair.flatten(), minlength=vocabulary**2).view(vocabulary, vocabulary).double()
    back_off = (counts > 0).sum(1, keepdim=True).clamp(min=1)
    follow = (counts + back_off * single) / (counts.sum(1, keepdim=True) + back_off)  # [before, after]
    before, token, after = test[:, :-2], test[:, 1:-1], test[:, 2:]
    both = follow[before].log() + follow.T[after].log()  # [rows, length - 2, vocabulary]
    return {
        "unigram": single[token].log(),
        "bigram": follow[before, token].log(),
        "both neighbours": both.log_softmax(-1).gather(-1, token[..., None])[..., 0],
    }
