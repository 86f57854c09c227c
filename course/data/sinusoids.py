r"""Sine waves as tasks: the smallest family of regression problems on which learning to learn pays.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning* (2017), section 5.1.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.episodes import Episode
from course.runtime import step_generator

POOL = 2**62  # the step that a sampler's own waves are drawn at; no episode has this number


@dataclass(frozen=True)
class SinusoidTasks:
    r"""The family of waves :math:`y = A \sin(x - \phi) + \varepsilon`, one wave a task (:eq:`maml-sinusoid`).

    Attributes:
        amplitude: range of the amplitude A, uniform.
        phase: range of the phase φ in radians, uniform.
        x: range of the inputs, uniform.
        noise: standard deviation of ε, the Gaussian noise of each target; the paper has none.
        waves: how many different waves a sampler has, drawn once for its seed; ``None``: a new one for each task.

    Example:
        >>> SinusoidTasks().sampler(k_shot=5, n_query=10, tasks=4)[0].query_x.shape
        torch.Size([4, 10, 1])
    """

    amplitude: tuple[float, float] = (0.1, 5.0)
    phase: tuple[float, float] = (0.0, pi)
    x: tuple[float, float] = (-5.0, 5.0)
    noise: float = 0.0
    waves: int | None = None

    def __post_init__(self):
        for name in ("amplitude", "phase", "x"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} must be a range (low, high), got {(low, high)}")
        if self.noise < 0:
            raise ValueError(f"noise is a standard deviation and cannot be negative, got {self.noise}")
        if self.waves is not None:
            require_whole("waves", self.waves)

    def sampler(
        self, k_shot: int, n_query: int, tasks: int = 1, *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> "SinusoidSampler":
        """Endless episodes of these tasks, each with ``k_shot`` support and ``n_query`` query points."""
        return SinusoidSampler(self, k_shot, n_query, tasks, seed, torch.device(device))


@dataclass(frozen=True)
class SinusoidSampler:
    """Episodes of sine waves by number: ``sampler[i]`` is always the same :class:`~course.data.Episode`.

    Inputs and targets are ``[T, k_shot, 1]`` in the support and ``[T, n_query, 1]`` in the query set. The numbers are
    drawn on the CPU, so that they are the same on every device.
    """

    family: SinusoidTasks
    k_shot: int
    n_query: int
    tasks: int
    seed: int
    device: torch.device

    def __post_init__(self):
        for name in ("k_shot", "n_query", "tasks"):
            require_whole(name, getattr(self, name))

    def __getitem__(self, number: int) -> Episode:
        """Episode ``number``, from 0 on."""
        if number < 0:
            raise IndexError(f"episodes are numbered from 0 on without end, got {number}")
        generator = step_generator(self.seed, number)
        points = self.k_shot + self.n_query

        def uniform(bounds: tuple[float, float], *shape: int, generator: np.random.Generator = generator) -> Tensor:
            return torch.from_numpy(generator.uniform(*bounds, shape)).float()

        if self.family.waves is None:
            amplitude, phase = (uniform(each, self.tasks, 1, 1) for each in (self.family.amplitude, self.family.phase))
        else:
            pool = step_generator(self.seed, POOL)
            drawn = torch.from_numpy(generator.integers(self.family.waves, size=self.tasks))
            amplitude, phase = (
                uniform(each, self.family.waves, 1, 1, generator=pool)[drawn]
                for each in (self.family.amplitude, self.family.phase)
            )
        x = uniform(self.family.x, self.tasks, points, 1)
        y = amplitude * (x - phase).sin()
        if self.family.noise:
            y = y + self.family.noise * torch.from_numpy(generator.standard_normal(y.shape, dtype=np.float32))
        x, y = x.to(self.device), y.to(self.device)
        split = self.k_shot
        return Episode(x[:, :split], y[:, :split], x[:, split:], y[:, split:])
