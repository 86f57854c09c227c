r"""CycleGAN: a map between two kinds of examples, learned without a single pair.

Two generators, one each way, and two critics, one for each kind. The critics ask that what a generator makes has the
distribution of the real thing, which leaves the map undetermined; the way there and back shall end where it began,
which excludes maps that lose something; and what is of the right kind already shall stay as it is.

Source: Zhu, Park, Isola and Efros, *Unpaired image-to-image translation using cycle-consistent adversarial networks*
(2017). The pool of old fakes is that of Shrivastava et al., *Learning from simulated and unsupervised images through
adversarial training* (2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.crossmodal.adversarial import critic_loss, generator_loss, gradient_penalty, require_game
from course.crossmodal.translation_networks import PatchCritic, Translator
from course.data import Batches
from course.history import History
from course.runtime import generator as seeded
from course.runtime import step_generator
from course.training import fit

POOLS = 2**40  # from here on the seeds of pools and penalties


@dataclass(frozen=True)
class CycleGANConfig:
    """How a CycleGAN is trained.

    Attributes:
        cycle, identity: the weights of the two losses beside the adversarial one; 0 leaves a loss out.
        game: a name in ``course.crossmodal.adversarial.GAMES``.
        penalty: weight of the gradient penalty, which Wasserstein's game needs.
        pool: old fakes that are kept for each critic; 0 keeps none.
        rate: of Adam, constant for half of the steps, then falling to 0 along a line.
        batch_size: examples of each kind in a step.
        width, blocks: of the translators (for pictures).
        critic_width, halvings: of the critics of patches (for pictures).

    Example:
        >>> CycleGANConfig.quick(cycle=3.0).cycle, CycleGANConfig.full().cycle
        (3.0, 10.0)
    """

    cycle: float = 10.0
    identity: float = 5.0
    game: str = "least squares"
    penalty: float = 0.0
    pool: int = 50
    rate: float = 2e-4
    batch_size: int = 1
    width: int = 64
    blocks: int = 9
    critic_width: int = 64
    halvings: int = 3

    def __post_init__(self):
        require_game(self.game)
        for name in ("cycle", "identity", "penalty"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is a weight and cannot be negative, got {getattr(self, name)}")
        if not self.rate > 0:
            raise ValueError(f"rate must be positive, got {self.rate}")
        require_whole("pool", self.pool, 0)
        require_whole("batch_size", self.batch_size)

    @classmethod
    def quick(cls, **changes: Any) -> "CycleGANConfig":
        """For pictures of 16 × 16 pixels on a laptop: a minute or two, and a rate of 1e-3."""
        small = {"width": 16, "blocks": 1, "critic_width": 16, "halvings": 2, "batch_size": 16, "rate": 1e-3}
        return cls(**small | changes)

    @classmethod
    def full(cls, **changes: Any) -> "CycleGANConfig":
        """The sizes and constants of the paper; its networks halve the side once more than ours."""
        return cls(**changes)


class Pool(nn.Module):
    r"""Old fakes, mixed among the new ones that a critic sees, so that it does not forget what was tried before.

    The first fakes fill the pool. After that, each new one is either shown itself, or changes places with one from the
    pool, by the toss of a coin. The pool is a buffer of the model, so a checkpoint keeps it.

    Args:
        size: fakes kept; 0 shows the new ones as they are.
        shape: of a fake.

    Example:
        >>> pool = Pool(4, (1,))
        >>> shown = [pool.exchange(torch.full((2, 1), float(step)), step).flatten().tolist() for step in range(3)]
        >>> shown[:2]  # the pool is being filled
        [[0.0, 0.0], [1.0, 1.0]]
    """

    def __init__(self, size: int, shape: Sequence[int]):
        require_whole("size", size, 0)
        super().__init__()
        self.register_buffer("fakes", torch.zeros(size, *shape))

    @torch.no_grad()
    def exchange(self, new: Tensor, step: int, seed: int = 0) -> Tensor:
        """What the critic is shown instead of ``new [n, ...]``: as many, some of them old.

        Args:
            new: the fakes of a step, the same number in each, at most ``size``.
            step: from 0 on, each once and in order; with the seed it decides what is drawn.

        Raises:
            ValueError: if there are more fakes than places.
        """
        size, n = len(self.fakes), len(new)
        if size == 0:
            return new
        if n > size:
            raise ValueError(f"a pool of {size} cannot exchange {n} fakes at once: make it {n} or larger")
        free = size - step * n
        if free >= n:
            self.fakes[step * n : (step + 1) * n] = new
            return new
        draw = step_generator(seed, step)
        if free > 0:  # the last places
            self.fakes[step * n :] = new[:free]
        places = torch.from_numpy(draw.permutation(size)[:n])
        old = torch.from_numpy(draw.random(n) < 0.5) & (torch.arange(n) >= free)
        places, old = (each.to(new.device, non_blocking=True) for each in (places, old))
        mask = old.view(-1, *[1] * (new.dim() - 1))
        kept = self.fakes[places]
        self.fakes[places] = torch.where(mask, new, kept)
        return torch.where(mask, kept, new)


class CycleGAN(nn.Module):
    r"""Generators G: X → Y (``there``) and F: Y → X (``back``), critics of both kinds, and their pools of old fakes.

    Args:
        there, back: modules that map examples of one kind to the other.
        critic_x, critic_y: modules that map examples to scores, of any shape.
        config: weights, game and pool.
        shape_x, shape_y: of an example of each kind.

    Example:
        >>> config = CycleGANConfig.quick(width=2, blocks=0, critic_width=2, pool=4, batch_size=2)
        >>> model = CycleGAN.for_pictures((1, 16, 16), config, seed=0)
        >>> x, y = torch.rand(2, 6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> history = train_cyclegan(model, x, y, steps=3)
        >>> model.there(x).shape, sorted(history.train), len(history.train["critics"].values)
        (torch.Size([6, 1, 16, 16]), ['critics', 'cycle', 'fooling', 'generators'], 3)
    """

    def __init__(
        self,
        there: nn.Module,
        back: nn.Module,
        critic_x: nn.Module,
        critic_y: nn.Module,
        config: CycleGANConfig,
        shape_x: Sequence[int],
        shape_y: Sequence[int],
    ):
        super().__init__()
        self.there, self.back, self.critic_x, self.critic_y = there, back, critic_x, critic_y
        self.pool_x, self.pool_y = Pool(config.pool, shape_x), Pool(config.pool, shape_y)
        self.config = config

    @classmethod
    def for_pictures(cls, shape: Sequence[int], config: CycleGANConfig, *, seed: int = 0) -> "CycleGAN":
        """Translators and critics of patches for pictures of a shape ``(channels, side, side)``."""
        draw = seeded(seed)
        translators = [Translator(shape[0], config.width, config.blocks, generator=draw) for _ in range(2)]
        critics = [PatchCritic(shape[0], config.critic_width, config.halvings, generator=draw) for _ in range(2)]
        return cls(*translators, *critics, config, shape, shape)

    def parameter_groups(self) -> list[dict]:
        """The two sides of the game, by name: :func:`course.training.fit` leads each loss to its own side alone."""
        sides = {"generators": (self.there, self.back), "critics": (self.critic_x, self.critic_y)}
        return [
            {"params": [weight for module in modules for weight in module.parameters()], "name": name}
            for name, modules in sides.items()
        ]

    def losses(self, x: Tensor, y: Tensor, step: int, seed: int = 0) -> dict[str, Tensor]:
        r"""The losses of one step: :eq:`cyclegan-objective`.

        Both sides move at once, from the same weights.

        Args:
            x, y: as many examples of each kind; row i of both have nothing to do with each other.
            step, seed: decide what the pools draw.

        Returns:
            ``generators`` and ``critics``, which are minimised, each by its own side; ``fooling`` and ``cycle``, the
            adversarial and the cycle part of the first without weights, to be recorded only.
        """
        config = self.config
        made_y, made_x = self.there(x), self.back(y)
        fooling = generator_loss(self.critic_y(made_y), config.game) + generator_loss(
            self.critic_x(made_x), config.game
        )
        with torch.set_grad_enabled(torch.is_grad_enabled() and config.cycle > 0):  # otherwise it is only recorded
            cycle = distance(self.back(made_y), x) + distance(self.there(made_x), y)
        total = fooling + config.cycle * cycle if config.cycle else fooling
        if config.identity:
            total = total + config.identity * (distance(self.there(y), y) + distance(self.back(x), x))
        own = POOLS + 4 * seed  # no batch is drawn with such a seed
        critics = self.critics(y, made_y, self.critic_y, self.pool_y, step, own)
        critics = critics + self.critics(x, made_x, self.critic_x, self.pool_x, step, own + 1)
        return {"generators": total, "critics": critics, "fooling": fooling.detach(), "cycle": cycle.detach()}

    def critics(self, real: Tensor, made: Tensor, critic: nn.Module, pool: Pool, step: int, seed: int) -> Tensor:
        """The loss of one critic, which is shown old and new fakes."""
        shown = pool.exchange(made.detach(), step, seed)
        loss = critic_loss(critic(real), critic(shown), self.config.game)
        if self.config.penalty:
            share = torch.from_numpy(step_generator(seed + 2, step).random(len(real))).to(real)
            loss = loss + self.config.penalty * gradient_penalty(critic, real, shown, share)
        return loss


def distance(one: Tensor, other: Tensor) -> Tensor:
    """The mean absolute difference, entry by entry: of :eq:`cyclegan-cycle` and :eq:`cyclegan-identity`."""
    return (one - other).abs().mean()


def train_cyclegan(model: CycleGAN, x: Tensor, y: Tensor, *, steps: int, seed: int = 0, **options: Any) -> History:
    """Let both sides play for so many steps.

    Args:
        model: trained in place.
        x, y: all examples of each kind, ``[n, ...]`` and ``[m, ...]``, on the model's device.
        steps: of both sides.
        seed: of the batches, of the pools and of the penalty's places: what a step draws depends on it and the step.
        options: further ones of :func:`course.training.fit`, such as ``checkpoint`` and ``resume``.

    Returns:
        The losses by name, see :meth:`CycleGAN.losses`.

    Raises:
        ValueError: if there are fewer examples than a batch has, or the pool is smaller than a batch.
    """
    config = model.config
    if config.pool and config.pool < config.batch_size:
        raise ValueError(f"the pool keeps {config.pool} fakes, a batch has {config.batch_size}: make it as large, or 0")
    batches = [
        Batches(len(each), config.batch_size, seed=2 * seed + number, device=each.device)
        for number, each in enumerate((x, y))
    ]
    optimizer = torch.optim.Adam(model.parameter_groups(), lr=config.rate, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / max(steps, 1)))

    def closure(step: int) -> dict[str, Tensor]:
        return model.losses(x[batches[0][step]], y[batches[1][step]], step, seed)

    return fit(model.train(), closure, optimizer, steps=steps, scheduler=schedule, **options)


def train_paired(
    translator: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    rate: float,
    batch_size: int = 32,
    seed: int = 0,
    **options: Any,
) -> History:
    r"""What pairs would give: minimise the mean :math:`\lvert G(x_i) - y_i\rvert`; the ceiling for a map without them.

    Args:
        translator: trained in place.
        x, y: pairs: row i of both belongs together.
        steps, rate, batch_size, seed, options: as for :func:`train_cyclegan`.
    """
    if len(x) != len(y):
        raise ValueError(f"pairs needed: x has {len(x)} rows and y {len(y)}")
    batches = Batches(len(x), batch_size, seed=seed, device=x.device)
    optimizer = torch.optim.Adam(translator.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / max(steps, 1)))

    def closure(step: int) -> Tensor:
        chosen = batches[step]
        return distance(translator(x[chosen]), y[chosen])

    return fit(translator.train(), closure, optimizer, steps=steps, scheduler=schedule, **options)
