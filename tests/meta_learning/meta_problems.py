"""Networks, episodes and an objective of their own, for the tests of the meta-learners; everything in float64."""

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from course.data import Episode
from course.representation.cnn import Conv4

WAYS = ("loop", "stacked", "vmap")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def randomised(model, seed=0, scale=0.5):
    """The model in float64 with normal weights, those of normalisations included."""
    draw = generator(seed)
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return model


def mlp(inputs, outputs, activation=None, averages=False):
    norm = nn.BatchNorm1d(6, track_running_stats=averages)
    layers = (nn.Linear(inputs, 6), norm, activation or nn.Tanh(), nn.Linear(6, outputs))
    return randomised(nn.Sequential(*layers))


def waves(tasks=4, support=6, query=5, seed=0):
    """Regression: noisy linear tasks of two inputs and one output."""
    x = normal(tasks, support + query, 2, seed=seed)
    y = (x * normal(tasks, 1, 2, seed=seed + 1)).sum(-1, keepdim=True) + 0.3 * normal(tasks, support + query, 1, seed=9)
    return Episode(x[:, :support], y[:, :support], x[:, support:], y[:, support:])


def blobs(tasks=3, ways=3, queries=2, shape=(2,), seed=0):
    """Classification: a cloud for each class and task; one support example and ``queries`` of each class."""
    each = 1 + queries
    centres = normal(tasks, 1, ways, *shape, seed=seed)
    x = (centres + 0.7 * normal(tasks, each, ways, *shape, seed=seed + 1)).flatten(1, 2)
    y = torch.arange(ways).repeat(each).expand(tasks, -1).clone()
    return Episode(x[:, :ways], y[:, :ways], x[:, ways:], y[:, ways:])


def bowls(tasks=3, size=4):
    """Tasks with support and query loss ½ (θ - c)ᵀ A (θ - c), as linear regression on the rows of a root of A.

    Returned are A and c of each task, their episode, and the loss that makes it so.
    """
    roots, centres = normal(tasks, size, size), normal(tasks, size, seed=1)
    targets = roots @ centres.unsqueeze(-1)

    def loss(prediction, target):
        return 0.5 * size * (prediction - target).square().mean()

    return roots.mT @ roots, centres, Episode(roots, targets, roots, targets), loss


@dataclass(frozen=True)
class Problem:
    model: nn.Module
    episode: Episode
    loss: object
    lr: float

    @property
    def params(self):
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    @property
    def given(self):
        return self.model, self.params, self.episode

    @property
    def rates(self):
        """Rates by name, some for each entry, some that broadcast; the first parameter has none and is not adapted."""
        others = enumerate(list(self.params.items())[1:])
        return {name: self.lr * (0.5 + normal(value.shape[i % 3 :]).sigmoid()) for i, (name, value) in others}

    def options(self, steps, by_name=False):
        return {"loss": self.loss, "lr": self.rates if by_name else self.lr, "steps": steps}


@cache
def problem(name):
    if name == "regression":
        return Problem(mlp(2, 1), waves(), F.mse_loss, 0.1)
    if name == "classification":
        return Problem(mlp(2, 3), blobs(), F.cross_entropy, 0.3)
    if name == "smoothed":  # a loss that is none of torch's own functions
        return Problem(mlp(2, 3), blobs(), smoothed_cross_entropy, 0.3)
    assert name == "conv4"
    model = Conv4(3, filters=3, size=16, generator=generator()).double()
    return Problem(model, blobs(tasks=2, shape=(1, 16, 16)), F.cross_entropy, 0.3)


PROBLEMS = ("regression", "classification", "smoothed", "conv4")


def smoothed_cross_entropy(scores, labels):
    return F.cross_entropy(scores, labels, label_smoothing=0.1)


def flat(params):
    return torch.cat([value.flatten() for value in (params.values() if isinstance(params, dict) else params)])


def objective(model, params, episode, *, loss, lr, steps):
    """J by its definition, task by task and step by step; only first derivatives, none of the course's code."""
    total, rates = 0.0, lr if isinstance(lr, dict) else dict.fromkeys(params, lr)
    for task in range(episode.tasks):
        weights = params
        for _ in range(steps):
            weights = {name: value.detach().requires_grad_() for name, value in weights.items()}
            error = loss(functional_call(model, weights, (episode.support_x[task],)), episode.support_y[task])
            slopes = torch.autograd.grad(error, list(weights.values()))
            weights = {n: (w - rates.get(n, 0) * s).detach() for (n, w), s in zip(weights.items(), slopes, strict=True)}
        total += loss(functional_call(model, weights, (episode.query_x[task],)), episode.query_y[task]).item()
    return total / episode.tasks


def moved(variables, vector):
    """The values of several dicts, moved along a vector that has one entry for each of theirs."""
    parts = iter(vector.split([value.numel() for each in variables for value in each.values()]))
    return [{name: value + next(parts).view_as(value) for name, value in each.items()} for each in variables]


@cache
def slopes(name, steps, by_name=False, count=6, h=1e-6):
    """Unit vectors, and the slopes of J along them by central differences; with ``by_name``, of the rates as well."""
    given = problem(name)
    variables, found = [given.params, *([given.rates] if by_name else [])], []
    vectors = F.normalize(normal(count, sum(len(flat(each)) for each in variables), seed=7))
    for vector in vectors:
        ends = []
        for sign in (1, -1):
            params, *rates = moved(variables, sign * h * vector)
            options = given.options(steps) | {"lr": rates[0] if rates else given.lr}
            ends.append(objective(given.model, params, given.episode, **options))
        found.append((ends[0] - ends[1]) / (2 * h))
    return vectors, torch.tensor(found, dtype=torch.float64)


def slope_error(method, name, steps, by_name=False):
    """Largest error of the slopes of the gradient that ``method`` computes, relative to the length of the gradient."""
    given = problem(name)
    _, *gradients = method(given.model, given.params, given.episode, **given.options(steps, by_name))
    gradient = torch.cat([flat(each) for each in gradients])
    vectors, expected = slopes(name, steps, by_name)
    return ((vectors @ gradient - expected).abs().max() / gradient.norm()).item()
