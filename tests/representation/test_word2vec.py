"""The three models against their definitions, gensim's quality where it can be had, and what they refuse."""

import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from representation.small_texts import corpus_of, random_corpus

from course.data import Corpus
from course.history import History
from course.representation.pmi import pair_counts, pmi
from course.representation.windows import LENGTH, Windows, noise_distribution, word_counts
from course.representation.word2vec import (
    CBOW,
    SGNS,
    DivergedError,
    Softmax,
    negative_sampling_gradient,
    softmax_gradient,
)

CPU = torch.device("cpu")


def doubles(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- gradients


def test_the_softmax_gradient_is_observed_minus_expected_for_three_words_by_hand():
    # u v = ln 1, ln 2, ln 1: probabilities 1/4, 1/2, 1/4; the second word was seen
    ln2 = math.log(2)
    v, u = torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 4.0], [ln2, 0.0], [0.0, -8.0]])
    by_v, by_u = softmax_gradient(v, u, observed=1)
    torch.testing.assert_close(by_v, torch.tensor([ln2 / 2, 1.0]))  # u_1 - (u_0 / 4 + u_1 / 2 + u_2 / 4)
    torch.testing.assert_close(by_u, torch.tensor([[-0.25, 0.0], [0.5, 0.0], [-0.25, 0.0]]))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 100))
def test_the_softmax_gradient_is_that_of_autograd(vocabulary, d, seed):
    v, u = doubles(d, seed=seed).requires_grad_(), doubles(vocabulary, d, seed=seed + 1).requires_grad_()
    (u @ v).log_softmax(0)[vocabulary // 2].backward()
    torch.testing.assert_close(softmax_gradient(v.detach(), u.detach(), vocabulary // 2), (v.grad, u.grad))


def objective(v, u, noise):
    return F.logsigmoid(u @ v) + F.logsigmoid(-noise @ v).sum()


def test_the_negative_sampling_gradient_is_that_of_central_differences():
    arguments = [doubles(4, seed=1), doubles(4, seed=2), doubles(3, 4, seed=3)]
    for which, gradient in enumerate(negative_sampling_gradient(*arguments)):
        for place in range(gradient.numel()):
            change = torch.zeros(gradient.numel(), dtype=torch.float64)
            change[place] = 1e-6
            up, down = ([*arguments] for _ in range(2))
            up[which] = arguments[which] + change.view(gradient.shape)
            down[which] = arguments[which] - change.view(gradient.shape)
            slope = (objective(*up) - objective(*down)) / 2e-6
            assert abs(slope - gradient.flatten()[place]) < 1e-8


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 100))
def test_the_negative_sampling_gradient_is_that_of_autograd(k, d, seed):
    arguments = [doubles(*s, seed=seed + i).requires_grad_() for i, s in enumerate(((d,), (d,), (k, d)))]
    objective(*arguments).backward()
    found = negative_sampling_gradient(*(each.detach() for each in arguments))
    torch.testing.assert_close(found, tuple(each.grad for each in arguments))


# --- a step is the gradient of the sum of the definitional losses


def one_step(model, corpus, seed=0):
    """A model in float64 with random vectors, and one step of its training."""
    noise, size = noise_distribution(word_counts(corpus), 0.75), len(corpus.vocabulary)
    blocks = model.words_per_step // LENGTH
    plan = Windows(corpus, model.window, model.dynamic, torch.ones(size), noise, blocks, model.shared_noise)
    model._prepare(blocks, LENGTH + 2 * model.window, plan.masks().double())
    model._v, model._u = doubles(size, model.dimension, seed=seed), doubles(size, model.dimension, seed=seed + 1)
    return plan, next(plan.steps(torch.Generator().manual_seed(seed), CPU, 0, 1))


def windows_of(model, plan, step):
    """Each word of a step with the words in its window, by loops."""
    reach = LENGTH + 2 * model.window
    around = step.others[: plan.blocks * reach].view(plan.blocks, reach)
    for i, row in enumerate(plan.masks()[step.mask]):
        yield int(step.words[i]), [int(c) for c, inside in zip(around[i // LENGTH], row, strict=True) if inside]


def loss_by_loops(model, plan, step, v, u):
    total = torch.zeros((), dtype=torch.float64)
    noise = step.others[len(step.others) - model.shared_noise :] if model.shared_noise else []
    for word, window in windows_of(model, plan, step):
        if isinstance(model, CBOW):
            if window:
                mean = v[window].mean(0)
                wrong = sum(F.logsigmoid(-u[n] @ mean) for n in noise) * model.negatives / model.shared_noise
                total = total - F.logsigmoid(u[word] @ mean) - wrong
            continue
        for other in window:
            if isinstance(model, SGNS):
                wrong = sum(F.logsigmoid(-u[n] @ v[word]) for n in noise) * model.negatives / model.shared_noise
                total = total - F.logsigmoid(u[other] @ v[word]) - wrong
            else:
                total = total - (u @ v[word]).log_softmax(0)[other]
    return total


MODELS = {
    "softmax": lambda **options: Softmax(**options),
    "sgns": lambda **options: SGNS(**{"negatives": 3, "shared_noise": 16} | options),
    "cbow": lambda **options: CBOW(**{"negatives": 3, "shared_noise": 16} | options),
}
FEW = {"softmax": {}, "sgns": {"shared_noise": 4}, "cbow": {"shared_noise": 4}}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("dynamic", [True, False])
def test_a_step_is_the_gradient_of_the_losses_written_as_loops(kind, dynamic):
    model = MODELS[kind](dimension=5, window=3, words_per_step=2 * LENGTH, dynamic=dynamic, **FEW[kind])
    plan, step = one_step(model, random_corpus())
    v, u = model._v.clone().requires_grad_(), model._u.clone().requires_grad_()
    total = loss_by_loops(model, plan, step, v, u)
    total.backward()
    examples = (step.pairs > 0).sum() if kind == "cbow" else step.pairs.sum()
    torch.testing.assert_close(model.loss(step), total.detach() / examples)
    model.step(step, rate=0.1)
    torch.testing.assert_close(model._v, v.detach() - 0.1 * v.grad)
    torch.testing.assert_close(model._u, u.detach() - 0.1 * u.grad)


@pytest.mark.parametrize("kind", MODELS)
def test_a_step_without_a_pair_changes_nothing(kind):
    model = MODELS[kind](dimension=3, window=2, words_per_step=LENGTH)
    _, step = one_step(model, corpus_of([0], [1], [2]))
    before = model._v.clone(), model._u.clone()
    model.step(step, rate=1.0)
    assert torch.equal(model._v, before[0])
    assert torch.equal(model._u, before[1])
    assert model.loss(step) == 0


@pytest.mark.gpu
@pytest.mark.parametrize("kind", MODELS)
def test_a_step_on_a_gpu_is_that_on_a_cpu_and_never_waits(kind):
    models = [MODELS[kind](dimension=5, window=3, words_per_step=25, device=device) for device in ("cpu", "cuda")]
    for model in models:
        plan, step = one_step(model, random_corpus())
        model._v, model._u = model._v.to(model.device), model._u.to(model.device)
        model._prepare(1, LENGTH + 2 * model.window, plan.masks().double().to(model.device))
        step = step._replace(**{name: getattr(step, name).to(model.device) for name in step._fields[:-1]})
        mode = "error" if model.device == "cuda" else "default"
        torch.cuda.set_sync_debug_mode(mode)
        try:
            model.step(step, rate=0.1)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(models[0]._v, models[1]._v.cpu())
    torch.testing.assert_close(models[0]._u, models[1]._u.cpu())


# --- the optimum


def test_the_optimum_is_pmi_minus_log_k():
    """In as many dimensions as words, on a corpus where every pair is counted (Levy and Goldberg)."""
    corpus, k = random_corpus(3, documents=120, vocabulary=6), 2
    counts = pair_counts(corpus, 2, dynamic=False)
    expected = pmi(counts, power=1.0).toarray() - math.log(k)
    assert counts.toarray().min() > 0
    pairs = torch.from_numpy(counts.toarray())
    noise = pairs.sum(0) / pairs.sum()  # of the words as contexts
    v, u = (doubles(6, 6, seed=i).requires_grad_() for i in range(2))
    optimizer = torch.optim.LBFGS(
        [v, u], max_iter=800, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        score = v @ u.T
        value = -(pairs * F.logsigmoid(score) + k * pairs.sum(1, keepdim=True) * noise * F.logsigmoid(-score)).sum()
        (value / pairs.sum()).backward()
        return value / pairs.sum()

    optimizer.step(loss)
    np.testing.assert_allclose((v @ u.T).detach().numpy(), expected, atol=1e-3)


def test_training_comes_near_the_optimum():
    corpus, k = random_corpus(3, documents=120, vocabulary=6), 1
    model = SGNS(
        dimension=12, window=2, negatives=k, noise_power=1, dynamic=False, subsample=None, words_per_step=100,
        epochs=80, learning_rate=0.05,
    ).fit(corpus)  # fmt: skip
    expected = pmi(pair_counts(corpus, 2, dynamic=False)).toarray()
    found = (model.vectors.matrix @ model.contexts.matrix.T).numpy()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert abs(found - expected).max() < 0.35


# --- fit


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_seed_gives_the_same_vectors_and_another_one_others(kind):
    def fit(seed):
        return MODELS[kind](dimension=4, window=2, epochs=2, words_per_step=25, seed=seed, subsample=None).fit(
            random_corpus()
        )

    assert torch.equal(fit(1).vectors.matrix, fit(1).vectors.matrix)
    assert not torch.equal(fit(1).vectors.matrix, fit(2).vectors.matrix)


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    SGNS(dimension=4, epochs=1).fit(random_corpus())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", MODELS)
def test_the_loss_starts_at_that_of_zero_scores_and_falls(kind):
    model = MODELS[kind](dimension=8, window=2, epochs=20, words_per_step=25, subsample=None, learning_rate=0.05)
    losses = model.fit(random_corpus(documents=80)).history
    assert isinstance(losses, History)
    assert losses.train_loss[0] == pytest.approx(model.untrained_loss(), rel=1e-3)
    assert np.mean(losses.train_loss[-20:]) < 0.93 * losses.train_loss[0]
    assert losses.steps == sorted(set(losses.steps))


def two_topics(seed=0):
    """Sentences of one of two topics, with words of their own and some shared ones; words 0-9 and 10-19."""
    generator = torch.Generator().manual_seed(seed)
    documents = []
    for number in range(200):
        own = torch.randint(10 * (number % 2), 10 * (number % 2) + 10, (8,), generator=generator)
        shared = torch.randint(20, 25, (4,), generator=generator)
        documents.append(torch.cat([own, shared])[torch.randperm(12, generator=generator)].tolist())
    return corpus_of(*documents)


@pytest.mark.parametrize("kind", MODELS)
def test_words_of_one_topic_become_neighbours(kind):
    options = {
        "dimension": 8,
        "window": 4,
        "epochs": 12,
        "subsample": None,
        "words_per_step": 25,
        "learning_rate": 0.05,
    }
    vectors = MODELS[kind](**options).fit(two_topics()).vectors
    hits = [int(other[1:]) < 10 for i in range(10) for other, _ in vectors.most_similar(f"w{i}", n=5)]
    hits += [10 <= int(other[1:]) < 20 for i in range(10, 20) for other, _ in vectors.most_similar(f"w{i}", n=5)]
    assert np.mean(hits) > 0.9  # chance is 9/24


def test_a_window_longer_than_every_document_is_the_document():
    corpus = corpus_of([0, 1, 2], [2, 1], [0, 2, 1])
    options = {"dimension": 3, "dynamic": False, "subsample": None, "epochs": 3}
    near, far = (SGNS(window=window, **options).fit(corpus) for window in (3, 30))
    torch.testing.assert_close(near.vectors.matrix, far.vectors.matrix)


# --- what is refused


def test_a_shared_noise_word_with_too_much_weight_is_said_with_the_remedy():
    model = SGNS(dimension=20, epochs=30, shared_noise=1, words_per_step=1_000, learning_rate=0.5, subsample=None)
    with pytest.raises(
        DivergedError, match=r"about 30000 pairs of a step; raise shared_noise \(1\), or lower words_per"
    ):
        model.fit(two_topics())
    with pytest.raises(DivergedError, match=r"lower learning_rate \(1000.0\)"):
        Softmax(dimension=20, epochs=30, learning_rate=1000.0, subsample=None).fit(two_topics())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 0}, "dimension must be a whole number of at least 1, got 0"),
        ({"window": 0}, "window must be"),
        ({"epochs": 1.5}, "epochs must be"),
        ({"negatives": 0}, "negatives must be"),
        ({"shared_noise": 0}, "shared_noise must be"),
        ({"words_per_step": 30}, "multiple of 25, got 30"),
        ({"learning_rate": math.nan}, "learning_rate must be a number above 0, got nan"),
        ({"subsample": -1e-3}, "subsample must be"),
        ({"noise_power": 3}, "noise_power must be a number from 0 to 2"),
    ],
)
def test_options_that_cannot_be_are_refused_before_any_work(options, message):
    with pytest.raises(ValueError, match=message):
        SGNS(**options)


def test_a_corpus_without_pairs_is_refused():
    with pytest.raises(ValueError, match="no document has two words"):
        SGNS().fit(corpus_of([0], [1], []))


@pytest.mark.parametrize("texts", [[], [""], ["each word once"]])
def test_an_empty_corpus_and_one_whose_words_are_all_rare_are_refused(texts):
    with pytest.raises(ValueError, match=r"none of \d texts has a word that is kept: lower min_count \(2\)"):
        Corpus.from_texts(texts, str.split, min_count=2)


# --- the peer


def test_neighbours_agree_with_those_of_gensim():
    """Both see the topics equally well; the same settings, another program."""
    from gensim.models import Word2Vec as Peer

    corpus = two_topics()
    texts = [[corpus.vocabulary[t] for t in corpus[i].tolist()] for i in range(len(corpus))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Peer(
            texts, vector_size=8, window=4, negative=5, sg=1, sample=0, min_count=1, epochs=20, workers=1, seed=1
        ).wv  # fmt: skip
    own = SGNS(dimension=8, window=4, epochs=20, subsample=None, words_per_step=25).fit(corpus).vectors
    names = [f"w{i}" for i in range(20)]
    cosines = [[model.similarity(a, b) for a in names for b in names if a < b] for model in (own, peer)]
    assert np.corrcoef(*cosines)[0, 1] > 0.9
