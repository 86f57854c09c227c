"""The losses of the game: optimal critics by search, divergences against SciPy, slopes against finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from torch.autograd import gradcheck, gradgradcheck

from course.crossmodal.adversarial import (
    GAMES,
    critic_loss,
    generator_loss,
    gradient_penalty,
    jensen_shannon,
    optimal_critic,
    triangular,
    wasserstein_line,
)

DOUBLE = torch.float64
shares = st.integers(2, 8).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 20), min_size=k, max_size=k).filter(any) for _ in range(2)])
)


def distributions(counts):
    return [torch.tensor(each, dtype=DOUBLE) / sum(each) for each in counts]


def value_of(scores, p, q, game):
    """The critic's loss when point i has the score i: points are repeated by their shares, which are eighths."""
    real, fake = (scores.repeat_interleave((8 * each).round().long()) for each in (p, q))
    return critic_loss(real, fake, game)


@pytest.mark.parametrize("game", ["saturating", "non-saturating", "least squares"])
def test_the_optimal_critic_is_the_minimum_and_its_loss_the_divergence(game):
    p = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=DOUBLE)
    q = torch.tensor([0.125, 0.25, 0.125, 0.5], dtype=DOUBLE)
    best = optimal_critic(p, q)
    scores = best if game == "least squares" else torch.logit(best, eps=1e-13)
    loss = value_of(scores, p, q, game)
    closed = 0.5 - triangular(p, q) / 4 if game == "least squares" else math.log(4) - 2 * jensen_shannon(p, q)
    torch.testing.assert_close(loss, closed, atol=1e-9, rtol=0)
    for direction in torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=DOUBLE):
        assert value_of(scores + 0.1 * direction, p, q, game) > loss


@settings(max_examples=60, deadline=None)
@given(shares)
def test_the_divergences_agree_with_scipy_are_symmetric_and_bounded(counts):
    p, q = distributions(counts)
    places = torch.arange(len(p), dtype=DOUBLE).square()
    found = jensen_shannon(p, q), triangular(p, q), wasserstein_line(p, q, places)
    assert found[0].item() == pytest.approx(jensenshannon(p.numpy(), q.numpy()) ** 2, abs=1e-12)
    assert found[2].item() == pytest.approx(wasserstein_distance(places, places, p, q), abs=1e-9)
    assert -1e-12 <= found[0] <= math.log(2) + 1e-12
    assert 0 <= found[1] <= 2 + 1e-12
    assert found[1] / 4 - 1e-12 <= found[0] <= found[1] * math.log(2) / 2 + 1e-12  # Topsøe's inequality
    for form, value in zip(
        (jensen_shannon, triangular, lambda p, q: wasserstein_line(p, q, places)), found, strict=True
    ):
        torch.testing.assert_close(form(q, p), value)


def test_apart_two_divergences_are_flat_and_the_third_is_the_way():
    for gap in range(1, 6):
        p, q = torch.eye(6, dtype=DOUBLE)[[0, gap]]
        assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
        assert triangular(p, q).item() == 2
        assert wasserstein_line(p, q, torch.arange(6, dtype=DOUBLE)).item() == gap


@pytest.mark.parametrize("game", GAMES)
def test_the_slopes_are_those_of_finite_differences(game):
    real, fake = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE).requires_grad_()
    assert gradcheck(lambda a, b: critic_loss(a, b, game), (real, fake))
    assert gradcheck(lambda b: generator_loss(b, game), fake)


def test_a_sure_critic_silences_the_saturating_generator_alone():
    """At a score of -10 the slope by the score is that of the formulas: -D, D - 1, 2 (s - 1) and -1."""
    found = {}
    for game in GAMES:
        score = torch.tensor([-10.0], dtype=DOUBLE, requires_grad=True)
        [slope] = torch.autograd.grad(generator_loss(score, game), score)
        found[game] = slope.item()
    d = 1 / (1 + math.exp(10))
    assert found == pytest.approx({"saturating": -d, "non-saturating": d - 1, "least squares": -22, "wasserstein": -1})


def test_scores_of_a_thousand_give_finite_losses():
    for game in GAMES:
        assert critic_loss(torch.tensor([1e3, -1e3]), torch.tensor([1e3, -1e3]), game).isfinite()
        assert generator_loss(torch.tensor([1e3, -1e3]), game).isfinite()


def test_the_penalty_is_the_definition_and_can_be_differentiated_twice():
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=DOUBLE).requires_grad_()
    real, fake = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    share = torch.linspace(0, 1, 5, dtype=DOUBLE)

    def penalty(weights):
        return gradient_penalty(lambda z: (z @ weights).sin().sum(1), real, fake, share)

    between = share[:, None] * real + (1 - share[:, None]) * fake
    by_hand = ((((between @ weights).cos() @ weights.T).norm(dim=1) - 1) ** 2).mean()
    torch.testing.assert_close(penalty(weights), by_hand)
    assert gradcheck(penalty, weights)
    assert gradgradcheck(penalty, weights)


def test_a_critic_of_patches_has_the_slope_of_its_mean_score():
    real, fake = torch.rand(2, 2, 1, 4, 4, dtype=DOUBLE)
    share = torch.tensor([0.2, 0.7], dtype=DOUBLE)
    patches = gradient_penalty(lambda z: 8 * z, real, fake, share)  # the mean of 16 scores has a slope of 8/16 in each
    torch.testing.assert_close(patches, torch.tensor(1.0, dtype=DOUBLE))  # (4 · 0.5 - 1)²


@pytest.mark.parametrize(
    ("p", "q"), [([0.5, 0.5], [1.0]), ([0.5, 0.4], [0.5, 0.5]), ([1.5, -0.5], [0.5, 0.5]), ([math.nan, 1], [0.5, 0.5])]
)
def test_what_is_no_pair_of_distributions_is_refused(p, q):
    for form in (optimal_critic, jensen_shannon, triangular):
        with pytest.raises(ValueError, match="must hold the shares of one set"):
            form(torch.tensor(p), torch.tensor(q))


def test_other_bad_input_is_refused_before_the_work():
    for form in (
        lambda game: critic_loss(torch.zeros(1), torch.zeros(1), game),
        lambda game: generator_loss(torch.zeros(1), game),
    ):
        with pytest.raises(ValueError, match="there is no game 'hinge'; choose one of saturating, non-saturating"):
            form("hinge")
    half = torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="a place for each share, in ascending order"):
        wasserstein_line(half, half, torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"got \[2, 3\], \[4, 3\] and \[2\]"):
        gradient_penalty(torch.sum, torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(2))
