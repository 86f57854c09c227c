"""Linear maps between frozen vectors: closed forms, equal trials, the choice in validation."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from course.crossmodal.cca import CCA
from course.crossmodal.dual_encoder import Centred
from course.crossmodal.frozen_pairs import METHODS, best_of, cca_maps, contrastive_maps, ridge_maps, trials, ways


def pairs(n=120, noise=0.3, seed=0):
    """Two linear views of the same hidden vectors, far from the origin."""
    generator, mix = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(9)
    hidden = torch.randn(n, 6, generator=generator)
    views = [3 + hidden @ torch.randn(6, width, generator=mix) for width in (9, 8)]
    return tuple(view + noise * torch.randn(view.shape, generator=generator) for view in views)


def test_ridge_maps_are_scikit_learns():
    x, y = pairs()
    maps, new = ridge_maps(x, y, 0.02), pairs(7, seed=1)[0]
    from_x, from_y = Centred(x), Centred(y)
    peer = Ridge(alpha=0.02 * len(x), fit_intercept=False).fit(from_x(x).numpy(), from_y(y).numpy())
    np.testing.assert_allclose(maps[0](new), peer.predict(from_x(new).numpy()), atol=1e-4)
    torch.testing.assert_close(maps[1](y), from_y(y))


def test_cca_maps_are_variates_weighted_by_their_correlations():
    x, y = pairs()
    maps = cca_maps(x, y, 4, 1e-9)
    model = CCA(4).fit(x, y)
    for mine, other in zip((maps[0](x), maps[1](y)), model.transform(x, y), strict=True):
        expected = (other - other.mean(0)) * model.correlations
        signs = (mine * expected).sum(0).sign()
        torch.testing.assert_close(mine * signs, expected, rtol=0, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_new_partners_and_nothing_from_shuffled_pairs(method):
    x, y = pairs()
    new = pairs(60, seed=1)
    fit = METHODS[method][3]
    assert ways(fit(x, y), *new) > 0.8
    assert ways(fit(x, y[torch.randperm(120, generator=torch.Generator().manual_seed(0))]), *new) < 0.35


def test_all_methods_have_as_many_different_trials():
    assert {len(fits) for fits in METHODS.values()} == {8}
    x, y = pairs(40)
    for fits in METHODS.values():
        results = {tuple(fit(x, y)[0](x).flatten()[:4].tolist()) for fit in fits[::3]}
        assert len(results) == len(fits[::3])


def test_the_best_in_validation_is_kept_and_of_equal_ones_the_first():
    x, y = pairs()
    identity = (lambda z: z[:, :4], lambda z: z[:, :4])
    fits = [lambda x, y: identity, *trials(ridge_maps, (0.01, 0.01))]
    maps, number = best_of(fits, (x, y), pairs(50, seed=2))
    assert number == 1
    assert ways(maps, *pairs(50, seed=2)) > ways(identity, *pairs(50, seed=2))


def test_heads_that_are_not_trained_depend_on_the_seed_alone_and_find_little():
    x, y = pairs()
    first, again, other = (contrastive_maps(x, y, 0.0, 0.1, 0.01, steps=0, seed=seed)[0](x) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert ways(contrastive_maps(x, y, 0.0, 0.1, 0.01, steps=0), *pairs(60, seed=1)) < 0.35
