"""The gradient of one outer step of MAML in PyTorch, by the course; and the problem that all three are given."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from course.data import Episode, SinusoidTasks
from course.meta_learning.maml import meta_gradient

SIZES = (1, 40, 40, 1)  # the network of the paper's sine waves
SHOTS, TASKS, ALPHA = 10, 25, 0.01  # shots and rate of the paper, tasks of its code


def network() -> nn.Sequential:
    layers = [nn.Linear(n, m) for n, m in pairwise(SIZES)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def problem(seed: int) -> tuple[list, list]:
    """Weights (``[in, out]``, then ``[out]``, for each layer) and the four arrays of an episode, in float64."""
    torch.manual_seed(seed)
    params = [p.detach().double().mT if p.dim() == 2 else p.detach().double() for p in network().parameters()]
    episode = SinusoidTasks().sampler(SHOTS, SHOTS, TASKS, seed=seed)[0]
    arrays = (episode.support_x, episode.support_y, episode.query_x, episode.query_y)
    return [p.numpy().copy() for p in params], [a.double().numpy() for a in arrays]


def tensors(arrays, dtype=torch.float64) -> list:
    return [torch.as_tensor(each, dtype=dtype) for each in arrays]


def gradient(params, episode, alpha, tasks="auto"):
    """The same call as in the other two frameworks: a linear layer of PyTorch keeps its weights as ``[out, in]``."""
    model = network()
    names = [name for name, _ in model.named_parameters()]
    own = {name: p.mT.contiguous() if p.dim() == 2 else p for name, p in zip(names, params, strict=True)}
    options = {"loss": F.mse_loss, "lr": alpha, "steps": 1, "tasks": tasks}
    value, found = meta_gradient(model, own, Episode(*episode), **options)
    return value, [g.mT if g.dim() == 2 else g for g in found.values()]
