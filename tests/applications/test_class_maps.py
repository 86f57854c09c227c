"""Maps between pictures and descriptions: equal to scikit-learn's ridge, exact where the truth is linear, shrunken."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge

from course.applications import class_maps
from course.crossmodal.frozen_pairs import cca_maps, ridge_maps


def drawn(n=80, p=6, q=4, noise=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(n, q, generator=generator)
    return y @ torch.randn(q, p, generator=generator) + noise * torch.randn(n, p, generator=generator), y


def test_ridge_from_texts_to_pictures_is_scikit_learns():
    x, y = drawn(noise=0.5)
    penalty, (of_pictures, of_texts) = 0.05, class_maps.text_to_picture_ridge(*drawn(noise=0.5), 0.05)
    centred = [(each - each.mean(0)) / (each - each.mean(0)).square().sum(1).mean().sqrt() for each in (x, y)]
    model = Ridge(alpha=penalty * len(x), fit_intercept=False).fit(centred[1].double(), centred[0].double())
    torch.testing.assert_close(of_texts(y), torch.from_numpy(model.predict(centred[1].double())).float())
    torch.testing.assert_close(of_pictures(x), centred[0])


def test_where_pictures_are_a_linear_map_of_texts_unseen_classes_are_all_found():
    x, y = drawn(200)
    for maps in (class_maps.text_to_picture_ridge(x[:100], y[:100], 1e-6), ridge_maps(x[:100], y[:100], 1e-6)):
        scores = class_maps.similarity(maps, x[100:], y[100:])
        assert torch.equal(scores.argmax(1), torch.arange(100))
        assert scores.abs().max() <= 1 + 1e-6


def test_what_ridge_predicts_varies_less_than_what_it_predicts_from_the_training_pairs():
    """The proposition of the page: in each direction the prediction has at most the variance of its target."""
    x, y = drawn(noise=2.0)
    for maps, target in ((ridge_maps(x, y, 0.01), 1), (class_maps.text_to_picture_ridge(x, y, 0.01), 0)):
        predicted, kept = maps[1 - target]((x, y)[1 - target]), maps[target]((x, y)[target])
        gap = kept.T @ kept - predicted.T @ predicted
        assert torch.linalg.eigvalsh(gap.double()).min() > -1e-4


def test_one_neighbour_lends_its_own_description_and_all_at_a_high_temperature_the_mean():
    x, y = drawn()
    of_pictures, of_texts = class_maps.neighbour_maps(x, y, 1, 0.1)
    torch.testing.assert_close(of_pictures(x), of_texts(y))
    hot = class_maps.neighbour_maps(x, y, 10_000, 1e6)[0](x[:3])
    torch.testing.assert_close(hot, torch.zeros_like(hot), atol=1e-5, rtol=0)


def test_an_affine_map_is_found_by_asking_and_others_are_refused():
    x, y = drawn(noise=0.3)
    for maps in (ridge_maps(x, y, 0.1), cca_maps(x, y, 3, 1.0), class_maps.text_to_picture_ridge(x, y, 0.1)):
        for side, given in zip(maps, (x, y), strict=True):
            weights, shift = class_maps.affine(side, given.shape[1], given)
            torch.testing.assert_close(given @ weights + shift, side(given), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="not affine"):
        class_maps.affine(torch.square, 3, x)


def test_several_descriptions_are_averaged_as_directions():
    vectors = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    found = class_maps.averaged(vectors, [0, 1, 1, 0, 2, 1], 3)
    units = F.normalize(vectors, dim=1)
    torch.testing.assert_close(found[1], (units[1] + units[2] + units[5]) / 3)
    torch.testing.assert_close(class_maps.averaged(7 * vectors, [0, 1, 1, 0, 2, 1], 3), found)


@pytest.mark.parametrize(
    ("owner", "count", "said"), [([0, 0, 2], 3, "each with a description"), ([0, 1, 3], 3, "0 to 2"), ([0], 1, "got")]
)
def test_descriptions_of_no_class_are_refused(owner, count, said):
    with pytest.raises(ValueError, match=said):
        class_maps.averaged(torch.ones(3, 2), owner, count)
