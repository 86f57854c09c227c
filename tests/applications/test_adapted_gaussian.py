"""Gaussians whose means move: equality with scikit-learn, limits, invariances, and the density of a new class."""

from itertools import pairwise

import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from course.applications.adapted_gaussian import AdaptedGaussian, prototypes


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(4).repeat(15)
    mix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    x = torch.randn(60, 6, generator=generator, dtype=torch.float64) @ mix
    return x + 1.5 * torch.randn(4, 6, generator=generator, dtype=torch.float64)[y], y


@pytest.mark.parametrize("shrinkage", [0.05, 0.3, 1.0])
def test_it_is_scikit_learns_discriminant_analysis(data, shrinkage):
    x, y = data
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[0.25] * 4)
    theirs.fit(x.numpy(), y.numpy())
    ours = AdaptedGaussian.fit(x, y, 4, shrinkage)
    expected = torch.from_numpy(theirs.predict_log_proba(x.numpy()))
    torch.testing.assert_close(ours.scores(x).log_softmax(1), expected, atol=1e-8, rtol=1e-8)


def test_the_plane_of_the_means_gives_the_same_answers(data):
    x, y = data
    whole = AdaptedGaussian.fit(x, y, 4, 0.2)
    plane = whole.within()
    assert plane.means.shape == (4, 3)
    torch.testing.assert_close(plane.scores(x).log_softmax(1), whole.scores(x).log_softmax(1))


def test_the_limits_of_the_weight(data):
    x, y = data
    model = AdaptedGaussian.fit(x, y, 4, 0.2)
    few, labels = x[:8] + 1, y[:8]
    torch.testing.assert_close(model.adapted(few, labels, 1e12).means, model.means, atol=1e-6, rtol=1e-6)
    own = model.adapted(few, labels, 1e-12)
    w = model.whitening
    expected = (prototypes(few @ w, labels, 4, x @ w) / 2).log_softmax(1)
    torch.testing.assert_close(own.scores(x).log_softmax(1), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(model.adapted(few[:0], labels[:0], 3.0).means, model.means)


def test_the_moved_means_maximise_the_posterior(data):
    """Its slope vanishes there: labels with a Gaussian around the means, these with a Gaussian of variance 1 / τ."""
    x, y = data
    model, tau = AdaptedGaussian.fit(x, y, 4, 0.2), 2.5
    u = x[:10] @ model.whitening

    def loss(means):
        return ((u - means[y[:10]]) ** 2).sum() / 2 + tau * ((means - model.means) ** 2).sum() / 2

    slope = torch.func.grad(loss)(model.adapted(x[:10], y[:10], tau).means)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-10, rtol=0)


def test_em_never_lowers_its_objective_and_labels_alone_are_no_step(data):
    x, y = data
    model, tau = AdaptedGaussian.fit(x[:30], y[:30], 4, 0.2).within(), 3.0
    torch.testing.assert_close(model.with_unlabelled(x[30:], tau, 0).means, model.means)
    moved = model.with_unlabelled(x[30:], tau, 0, (x[:4], y[:4])).means
    torch.testing.assert_close(moved, model.adapted(x[:4], y[:4], tau).means)

    def objective(means):
        u = x[30:] @ model.whitening
        density = -0.5 * ((u[:, None] - means) ** 2).sum(2)
        return density.logsumexp(1).sum() - tau / 2 * ((means - model.means) ** 2).sum()

    values = [objective(model.with_unlabelled(x[30:], tau, steps).means) for steps in range(8)]
    assert all(after >= before - 1e-9 for before, after in pairwise(values))
    assert values[-1] > values[0]


def test_a_shift_or_a_rotation_of_all_vectors_changes_no_answer(data):
    x, y = data
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
    one, other = AdaptedGaussian.fit(x, y, 4, 0.3), AdaptedGaussian.fit(x @ turn + 7, y, 4, 0.3)
    torch.testing.assert_close(one.scores(x), other.scores(x @ turn + 7), atol=1e-8, rtol=1e-8)
    new = one.with_classes([x[:2]], 0.5).scores(x), other.with_classes([x[:2] @ turn + 7], 0.5).scores(x @ turn + 7)
    torch.testing.assert_close(*new, atol=1e-8, rtol=1e-8)


def test_the_score_of_a_new_class_is_the_predictive_density(data):
    """By the definition, with matrices in the whitened space: N(mean of the posterior, I + its covariance)."""
    x, y = data
    model, floor, given = AdaptedGaussian.fit(x, y, 4, 0.2), 0.3, x[:3] + 2
    centre, u = model.means.mean(0), given @ model.whitening
    b = torch.cov(model.means.T) + floor * torch.eye(6, dtype=torch.float64)
    post = torch.linalg.inv(torch.linalg.inv(b) + len(u) * torch.eye(6, dtype=torch.float64))
    mean = centre + post @ (u.sum(0) - len(u) * centre)
    density = multivariate_normal(mean.numpy(), (torch.eye(6) + post).numpy())
    known = multivariate_normal(model.means[0].numpy(), torch.eye(6).numpy())
    asked = (x @ model.whitening).numpy()
    expected = torch.from_numpy(density.logpdf(asked) - known.logpdf(asked))
    scores = model.with_classes([given], floor).scores(x)
    torch.testing.assert_close(scores[:, 4] - scores[:, 0], expected, atol=1e-6, rtol=1e-6)


def test_a_new_class_scores_the_same_beside_another_new_one(data):
    x, y = data
    model = AdaptedGaussian.fit(x, y, 4, 0.2)
    both = model.with_classes([x[:3] + 2, x[5:6] - 3], 0.3).scores(x)
    for place, new in ((4, x[:3] + 2), (5, x[5:6] - 3)):
        torch.testing.assert_close(both[:, [0, 1, 2, 3, place]], model.with_classes([new], 0.3).scores(x))


def test_many_vectors_of_a_new_class_decide_alone(data):
    x, y = data
    model = AdaptedGaussian.fit(x, y, 4, 0.2)
    found = model.with_classes([(x[:1] + 2).repeat(100_000, 1)], 1.0)
    torch.testing.assert_close(found.variances[4], torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.means[4], (x[0] + 2) @ found.whitening, atol=1e-3, rtol=1e-3)


def test_bad_input_is_refused(data):
    x, y = data
    for shrinkage in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match="shrinkage must be above 0"):
            AdaptedGaussian.fit(x, y, 4, shrinkage)
    with pytest.raises(ValueError, match="1 of 5 classes have no training vectors"):
        AdaptedGaussian.fit(x, y, 5, 0.1)
    for given, floor in ((x[:0], 1.0), (x[:2], 0.0)):
        with pytest.raises(ValueError, match="at least one vector and a positive floor"):
            AdaptedGaussian.fit(x, y, 4, 0.1).with_classes([given], floor)
    uncertain = AdaptedGaussian.fit(x, y, 4, 0.1).with_classes([x[:2]], 1.0)
    with pytest.raises(ValueError, match="all new ones at once"):
        uncertain.with_classes([x[2:4]], 1.0)
