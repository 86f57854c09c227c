"""The inner loop on its own: gradient descent in closed form, and the refusal of what would be silently wrong."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import bowls, mlp, normal, problem, waves
from torch import nn

from course.data import Episode
from course.meta_learning.adaptation import adapt, require_adaptable
from course.meta_learning.maml import meta_gradient, meta_loss
from course.meta_learning.ways import adapted_predictions

OPTIONS = {"loss": F.mse_loss, "lr": 0.1, "steps": 1}


@pytest.mark.parametrize("by_name", [False, True], ids=["one rate", "rates by name"])
def test_adapt_is_gradient_descent(by_name):
    ([a], [centre], episode, loss), theta = bowls(tasks=1), normal(4, seed=2)
    rates = torch.tensor([0.1, 0.2, 0.05, 0.15] if by_name else [0.15] * 4, dtype=torch.float64)
    options = {"loss": loss, "lr": {"weight": rates} if by_name else 0.15, "steps": 3}
    model, [x], [y] = nn.Linear(4, 1, bias=False).double(), episode.support_x, episode.support_y
    found = adapt(model, {"weight": theta[None]}, x, y, **options)["weight"][0]
    m = torch.linalg.matrix_power(torch.eye(4, dtype=torch.float64) - rates[:, None] * a, 3)
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


def refused(message, model, params, **options):
    """Whoever adapts says at once, and in the same words, what cannot be adapted."""
    x, y, *_ = parts = vars(waves()).values()
    for function, data in (
        (adapt, (x[0], y[0])), (meta_gradient, [Episode(*parts)]), (meta_loss, [Episode(*parts)]),
        (adapted_predictions, [Episode(*parts)]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            function(model, params, *data, **OPTIONS | options)


@pytest.mark.parametrize("model", [nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))])
def test_running_averages_would_mix_the_tasks(model):
    params = dict(model.named_parameters())
    refused(r"BatchNorm1d.*track_running_stats=False, or call model.eval", model, params)
    require_adaptable(model.eval(), params, 0.1, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"0.wieght": normal(6, 2)},
            r"params names \['0.wieght'\], which Sequential does not have: name one or more of \['0.bias'",
        ),
        ({}, r"params is empty: name one or more of \['0.bias', '0.weight'"),
    ],
)
def test_parameters_must_be_those_of_the_model(params, message):
    refused(message, mlp(2, 1), params)


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        ({"0.wieght": 0.1}, r"lr names \['0.wieght'\], which params does not have: name one or more of \['0.bias'"),
        ({}, r"lr is empty: name one or more of \['0.bias', '0.weight'"),
        ({"0.weight": normal(6, 3)}, r"the rate of '0.weight' has shape \[6, 3\], which does not fit \[6, 2\]"),
        ({"0.bias": normal(1, 6)}, r"'0.bias' has shape \[1, 6\], which does not fit \[6\]"),
    ],
)
def test_rates_must_fit_the_parameters(lr, message):
    refused(message, mlp(2, 1), dict(mlp(2, 1).named_parameters()), lr=lr)


def test_a_negative_number_of_steps_is_refused():
    refused("at least 0, got -1", mlp(2, 1), dict(mlp(2, 1).named_parameters()), steps=-1)
