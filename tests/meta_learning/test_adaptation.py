"""The inner loop on its own: gradient descent in closed form, and the refusal of what would be silently wrong."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import mlp, normal, problem, waves
from torch import nn

from course.meta_learning.adaptation import adapt, require_adaptable
from course.meta_learning.maml import meta_gradient, meta_loss
from course.meta_learning.ways import adapted_predictions

OPTIONS = {"loss": F.mse_loss, "lr": 0.1, "steps": 1}


@pytest.mark.parametrize("by_name", [False, True], ids=["one rate", "rates by name"])
def test_adapt_is_gradient_descent(by_name):
    """On ½ (θ - c)ᵀ A (θ - c), as linear regression on the rows of a root of A."""
    root, centre, theta = normal(4, 4), normal(4, seed=1), normal(4, seed=2)
    rates = torch.tensor([0.1, 0.2, 0.05, 0.15] if by_name else [0.15] * 4, dtype=torch.float64)
    options = {
        "loss": lambda p, t: 2 * (p - t).square().mean(),
        "lr": {"weight": rates} if by_name else 0.15,
        "steps": 3,
    }
    model = nn.Linear(4, 1, bias=False).double()
    found = adapt(model, {"weight": theta[None]}, root, root @ centre[:, None], **options)["weight"][0]
    m = torch.linalg.matrix_power(torch.eye(4, dtype=torch.float64) - rates[:, None] * (root.T @ root), 3)
    torch.testing.assert_close(found, centre + m @ (theta - centre))


def test_zero_steps_return_the_start_and_what_has_no_rate_stays():
    task = problem("regression")
    x, y, *_ = vars(task.episode).values()
    params = task.params
    adapted = adapt(task.model, params, x[0], y[0], **task.options(0))
    assert all(adapted[name] is params[name] for name in params)
    adapted = adapt(task.model, params, x[0], y[0], **task.options(2) | {"lr": {"3.weight": 0.1}})
    assert {name for name in params if adapted[name] is not params[name]} == {"3.weight"}


# --- refusals


@pytest.mark.parametrize("model", [nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))])
def test_running_averages_would_mix_the_tasks(model):
    params, episode = dict(model.named_parameters()), waves()
    for refused in (
        lambda: adapt(model, params, episode.support_x[0], episode.support_y[0], **OPTIONS),
        lambda: meta_gradient(model, params, episode, **OPTIONS),
        lambda: meta_loss(model, params, episode, **OPTIONS),
        lambda: adapted_predictions(model, params, episode, **OPTIONS),
    ):
        with pytest.raises(ValueError, match=r"BatchNorm1d.*track_running_stats=False, or call model.eval"):
            refused()
    require_adaptable(model.eval(), params, 0.1, 1)


def test_parameters_must_be_those_of_the_model():
    model = mlp(2, 1)
    with pytest.raises(ValueError, match=r"\['0.wieght'\]; it has \['0.bias', '0.weight'"):
        adapt(model, {"0.wieght": normal(6, 2)}, normal(3, 2), normal(3, 1), **OPTIONS)
    with pytest.raises(ValueError, match="got none"):
        meta_gradient(model, {}, waves(), **OPTIONS)


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        ({"0.wieght": 0.1}, r"lr must name parameters of the params, got \['0.wieght'\]; it has \['0.bias'"),
        ({}, "got none"),
        ({"0.weight": normal(6, 3)}, r"the rate of '0.weight' has shape \[6, 3\], which does not fit \[6, 2\]"),
        ({"0.bias": normal(1, 6)}, r"'0.bias' has shape \[1, 6\], which does not fit \[6\]"),
    ],
)
def test_rates_must_fit_the_parameters(lr, message):
    model, options = mlp(2, 1), OPTIONS | {"lr": lr}
    params = dict(model.named_parameters())
    for call in (lambda: adapt(model, params, normal(3, 2), normal(3, 1), **options),
                 lambda: meta_gradient(model, params, waves(), **options),
                 lambda: adapted_predictions(model, params, waves(), **options)):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


def test_a_negative_number_of_steps_is_refused():
    options = OPTIONS | {"steps": -1}
    model = mlp(2, 1)
    for call in (lambda p: adapt(model, p, normal(3, 2), normal(3, 1), **options),
                 lambda p: meta_gradient(model, p, waves(), **options)):  # fmt: skip
        with pytest.raises(ValueError, match="at least 0, got -1"):
            call(dict(model.named_parameters()))
