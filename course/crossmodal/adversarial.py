r"""A game between a generator and a critic, who is to tell its fakes from what is real.

What the critic leaves the generator to minimise is a distance between two distributions. Which one, and whether its
slope is of any use, depends on the losses. Shares of a finite set are exact here; networks see the same losses.

Sources: Goodfellow et al., *Generative adversarial nets* (2014); Mao et al., *Least squares generative adversarial
networks* (2017); Arjovsky, Chintala and Bottou, *Wasserstein GAN* (2017); Gulrajani et al., *Improved training of
Wasserstein GANs* (2017).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

GAMES = ("saturating", "non-saturating", "least squares", "wasserstein")


def require_game(game: str) -> None:
    """Raise ValueError, with all that there are, if there is no such game."""
    if game not in GAMES:
        raise ValueError(f"there is no game {game!r}; choose one of {', '.join(GAMES)}")


def critic_loss(real: Tensor, fake: Tensor, game: str) -> Tensor:
    r"""What a critic minimises, from its scores s of real and of made examples.

    This is minus :eq:`cyclegan-value`, or :eq:`cyclegan-least-squares`, or minus the difference of means.

    With :math:`D = 1 / (1 + e^{-s})` the two logarithmic games have
    :math:`-\mathbb E \ln D(y) - \mathbb E \ln(1 - D(\hat y))`; least squares has
    :math:`\mathbb E (s(y) - 1)^2 + \mathbb E s(\hat y)^2`; Wasserstein has
    :math:`\mathbb E s(\hat y) - \mathbb E s(y)`, and needs a penalty (:func:`gradient_penalty`).

    Args:
        real, fake: scores of any shapes, one for each example or for each patch of it.
        game: one of ``GAMES``.

    Returns:
        A scalar, a mean over the real scores plus one over the fake ones.

    Example:
        >>> scores = torch.tensor([0.0]), torch.tensor([0.0])
        >>> [round(critic_loss(*scores, game).item(), 4) for game in GAMES]  # twice ln 2, twice, a one, and nothing
        [1.3863, 1.3863, 1.0, 0.0]
    """
    require_game(game)
    if game == "least squares":
        return (real - 1).square().mean() + fake.square().mean()
    if game == "wasserstein":
        return fake.mean() - real.mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor, game: str) -> Tensor:
    r"""What a generator minimises, from the critic's scores s of what it made: :eq:`cyclegan-generator`.

    Saturating :math:`\ln(1 - D)`, non-saturating :math:`-\ln D`, least squares :math:`(s - 1)^2`, Wasserstein
    :math:`-s`, each as a mean.

    Args:
        fake: scores of any shape.
        game: one of ``GAMES``.

    Example:
        >>> score = torch.tensor([-6.0], requires_grad=True)  # the critic is sure that this is a fake
        >>> for game in GAMES:
        ...     [slope] = torch.autograd.grad(generator_loss(score, game), score)
        ...     print(f"{game:15} {slope.item():8.4f}")
        saturating       -0.0025
        non-saturating   -0.9975
        least squares   -14.0000
        wasserstein      -1.0000
    """
    require_game(game)
    if game == "least squares":
        return (fake - 1).square().mean()
    if game == "wasserstein":
        return -fake.mean()
    return -F.softplus(fake).mean() if game == "saturating" else F.softplus(-fake).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    r"""How far the critic's slope is from 1 between real and made examples: :eq:`cyclegan-penalty`.

    .. math:: \mathbb E\bigl(\lVert\nabla_z\, s(z)\rVert - 1\bigr)^2, \qquad z = u\,y + (1 - u)\,\hat y

    Args:
        critic: examples to scores. Those of an example are averaged, so that a critic of patches has one slope.
        real, fake: as many of both, ``[n, ...]``.
        share: u, ``[n]``, drawn uniformly from 0 to 1 by the caller.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> steep = lambda z: 3 * z.sum(1)  # a slope of 3 along each of 4 axes: a length of 6
        >>> gradient_penalty(steep, torch.ones(2, 4), torch.zeros(2, 4), torch.rand(2)).item()
        25.0
    """
    if real.shape != fake.shape or share.shape != (len(real),):
        raise ValueError(
            "as many real as made examples, and a share for each: got "
            f"{list(real.shape)}, {list(fake.shape)} and {list(share.shape)}"
        )
    between = torch.lerp(fake.detach(), real.detach(), share.view(-1, *[1] * (real.dim() - 1))).requires_grad_()
    scores = critic(between)
    each = scores.flatten(1).mean(1) if scores.dim() > 1 else scores
    [slope] = torch.autograd.grad(each.sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def require_shares(p: Tensor, q: Tensor) -> None:
    """Raise ValueError unless ``p`` and ``q`` are distributions on one finite set."""
    for name, each in {"p": p, "q": q}.items():
        if each.dim() != 1 or each.shape != p.shape or not (each >= 0).all() or abs(float(each.sum()) - 1) > 1e-5:
            raise ValueError(f"{name} must hold the shares of one set, from 0 on and 1 in sum; got {each.tolist()}")


def optimal_critic(p: Tensor, q: Tensor) -> Tensor:
    r"""The best critic of real examples p against made ones q: :eq:`cyclegan-optimal-critic`.

    .. math:: D^* = \frac{p}{p + q}

    It is best in the logarithmic games and, as a score, in that of least squares.

    Args:
        p, q: shares of the points of a finite set, ``[k]``.

    Returns:
        ``[k]``; NaN where neither has a share, since there any value is as good as another.

    Example:
        >>> optimal_critic(torch.tensor([0.75, 0.25, 0.0]), torch.tensor([0.25, 0.25, 0.5]))
        tensor([0.7500, 0.5000, 0.0000])
    """
    require_shares(p, q)
    return p / (p + q)


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    r"""The Jensen–Shannon divergence in nats, from 0 to :math:`\ln 2`: :eq:`cyclegan-jensen-shannon`.

    .. math:: \mathrm{JS}(p, q) = \tfrac12\,\mathrm{KL}(p \,\|\, m) + \tfrac12\,\mathrm{KL}(q \,\|\, m),
              \qquad m = \tfrac12(p + q)

    Args:
        p, q: shares of the points of a finite set, ``[k]``.

    Example:
        >>> apart = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.0, 1.0])
        >>> round(jensen_shannon(*apart).item(), 4)  # ln 2
        0.6931
    """
    require_shares(p, q)
    mean = (p + q) / 2
    return sum((torch.xlogy(each, each) - torch.xlogy(each, mean)).sum() for each in (p, q)) / 2


def triangular(p: Tensor, q: Tensor) -> Tensor:
    r"""The triangular discrimination, from 0 to 2, which least squares leave: :eq:`cyclegan-triangular`.

    .. math:: \Delta(p, q) = \sum_i \frac{(p_i - q_i)^2}{p_i + q_i}

    Args:
        p, q: shares of the points of a finite set, ``[k]``.
    """
    require_shares(p, q)
    total = p + q
    return ((p - q).square() / torch.where(total > 0, total, 1)).sum()


def wasserstein_line(p: Tensor, q: Tensor, places: Tensor) -> Tensor:
    r"""How far mass must travel on a line to turn p into q: :eq:`cyclegan-wasserstein`.

    .. math:: W_1(p, q) = \int \bigl|F_p(z) - F_q(z)\bigr|\,dz

    Args:
        p, q: shares, ``[k]``.
        places: where they lie, ``[k]``, ascending.

    Raises:
        ValueError: if places are not ascending.

    Example:
        >>> places = torch.tensor([0.0, 1.0, 5.0])
        >>> wasserstein_line(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), places)
        tensor(5.)
    """
    require_shares(p, q)
    if places.shape != p.shape or not (places.diff() > 0).all():
        raise ValueError(f"a place for each share, in ascending order; got {places.tolist()}")
    return ((p - q).cumsum(0)[:-1].abs() * places.diff()).sum()
