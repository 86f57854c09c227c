"""ANIL: the head alone is adapted, the gradient is that of its definition, and what has no head is refused."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import blobs, mlp
from torch.func import functional_call

from course.meta_learning.anil import ANIL
from course.meta_learning.maml import MAML, MAMLConfig

CONFIG = MAMLConfig(inner_lr=0.2, inner_steps=2, test_steps=2)


def test_the_inner_loop_changes_the_head_and_nothing_else():
    anil, episode = ANIL(mlp(2, 3), CONFIG, head="3"), blobs()
    adapted = anil.adapt(episode.support_x[0], episode.support_y[0]).args[1]
    changed = {name for name, value in anil.start.items() if not torch.equal(value, adapted[name])}
    assert changed == {"3.weight", "3.bias"}


def test_it_is_gradient_descent_on_a_linear_classifier_of_fixed_vectors():
    """Two steps by hand, with the gradient of the softmax in closed form."""
    anil, episode = ANIL(mlp(2, 3), CONFIG, head="3"), blobs()
    x, y, query = episode.support_x[0], episode.support_y[0], episode.query_x[0]
    vectors, weight, bias = anil.model[:3](x), anil.model[3].weight, anil.model[3].bias
    for _ in range(2):
        error = (torch.softmax(vectors @ weight.T + bias, 1) - F.one_hot(y, 3)) / len(y)
        weight, bias = weight - 0.2 * error.T @ vectors, bias - 0.2 * error.sum(0)
    torch.testing.assert_close(anil.adapt(x, y)(query), (anil.model[:3](query) @ weight.T + bias).detach())


def test_the_outer_gradient_reaches_the_body():
    anil = ANIL(mlp(2, 3), CONFIG, head="3")
    gradient, h = anil.gradient(blobs())[1], 1e-6
    direction = {name: torch.ones_like(value) for name, value in anil.start.items()}
    losses = []
    for sign in (1, -1):
        moved = {name: value.detach() + sign * h * direction[name] for name, value in anil.start.items()}
        with_them = ANIL(mlp(2, 3), CONFIG, head="3")
        with_them.model.load_state_dict(moved)
        losses.append(with_them.gradient(blobs())[0].item())
    slope = sum((gradient[name] * direction[name]).sum().item() for name in direction)
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-5)
    assert gradient["0.weight"].abs().sum() > 0


def test_with_all_layers_in_the_head_it_would_be_maml():
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = mlp(2, 3)

        def forward(self, x):
            return self.head(x)

    options = {"tasks": "loop"}
    both = [kind(Whole(), CONFIG, **options).gradient(blobs()) for kind in (ANIL, MAML)]
    torch.testing.assert_close(both[0][0], both[1][0])
    torch.testing.assert_close(both[0][1], both[1][1])


def test_a_layer_that_is_not_there_or_not_trained_is_refused():
    with pytest.raises(ValueError, match="no trainable layer 'head' to adapt; it has 0, 1, 2, 3"):
        ANIL(mlp(2, 3), CONFIG)
    frozen = mlp(2, 3)
    frozen[3].requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable layer '3'"):
        ANIL(frozen, CONFIG, head="3")


def test_predictions_of_an_episode_are_those_of_its_tasks():
    anil, episode = ANIL(mlp(2, 3), CONFIG, head="3"), blobs()
    each = [anil.adapt(x, y)(q) for x, y, q in zip(episode.support_x, episode.support_y, episode.query_x, strict=True)]
    torch.testing.assert_close(anil.predictions(episode), torch.stack(each))
    assert functional_call(anil.model, anil.start, (episode.query_x[0],)).shape == each[0].shape
