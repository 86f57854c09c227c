r"""Direct attribute prediction: recognise a class by its properties, each of which was seen in other classes.

An attribute here is a word that several training classes have in their names. A classifier for each attribute looks at
the picture; a class that was never seen is the one whose attributes fit best.

Source: Lampert, Nickisch and Harmeling, *Learning to detect unseen object classes by between-class attribute transfer*
(2009).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.crossmodal.dual_encoder import Centred
from course.data.sets import described

WORD = re.compile(r"[^\W\d_]+")


def words(text: str) -> frozenset[str]:
    """The words of a text in lower case, without digits and signs.

    Example:
        >>> sorted(words("Cyrillic small letter Zhe, No. 2"))
        ['cyrillic', 'letter', 'no', 'small', 'zhe']
    """
    return frozenset(WORD.findall(text.lower()))


def vocabulary(classes: Iterable[frozenset[str]], least: int) -> tuple[str, ...]:
    """The words that at least ``least`` classes have but not all of them, in alphabetical order.

    Example:
        >>> vocabulary([words("red heart"), words("blue heart"), words("red apple")], 2)
        ('heart', 'red')
    """
    require_whole("least", least)
    classes = list(classes)
    counts = Counter(word for each in classes for word in each)
    return tuple(sorted(word for word, count in counts.items() if least <= count < len(classes)))


def indicators(classes: Sequence[frozenset[str]], attributes: Sequence[str]) -> Tensor:
    """Which class has which attribute: ``[C, M]`` of zeros and ones."""
    return torch.tensor([[float(word in each) for word in attributes] for each in classes]).reshape(len(classes), -1)


def principal_directions(x: Tensor, count: int) -> Tensor:
    """The first directions of the largest variance of centred rows ``[n, p]``, or all that there are: ``[p, k]``."""
    if len(x) < x.shape[1]:
        values, vectors = torch.linalg.eigh(x @ x.T)
        kept = (values > 1e-6 * values[-1]).nonzero().flatten()[-count:].flip(0)
        return x.T @ (vectors[:, kept] / values[kept].sqrt())
    values, vectors = torch.linalg.eigh(x.T @ x)
    return vectors[:, (values > 1e-6 * values[-1]).nonzero().flatten()[-count:].flip(0)]


class AttributeClassifier:
    r"""A logistic regression for each attribute, and classes scored by theirs.

    .. math:: \min_{w_m,b_m}\ \frac1n\sum_i\ell\bigl(a_{im},w_m^\top z_i+b_m\bigr)+\frac\lambda2\|w_m\|^2

    with z the picture's vector in the first principal directions of the training pictures.

    Args:
        x: training pictures ``[n, p]``.
        has: the attributes of each picture's class, ``[n, M]`` of zeros and ones; each occurs, and is missing.
        penalty: :math:`\lambda`.
        directions: principal directions that are kept, or all that there are.

    Raises:
        ValueError: if the shapes do not fit, or an attribute is the same for all pictures, so that nothing is learned.

    Example:
        >>> pictures = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
        >>> model = AttributeClassifier(pictures, (pictures[:, :2] > 0).float(), penalty=0.1)
        >>> model.scores(pictures[:3], torch.tensor([[1.0, 0.0], [0.0, 1.0]])).shape
        torch.Size([3, 2])
    """

    def __init__(self, x: Tensor, has: Tensor, penalty: float, *, directions: int = 128):
        if has.dim() != 2 or len(has) != len(x) or has.shape[1] == 0:
            raise ValueError(f"attributes must be [n, M] for pictures [n, p], got {described(has)} and {described(x)}")
        self.prior = has.mean(0)
        if not ((self.prior > 0) & (self.prior < 1)).all():
            raise ValueError("each attribute must be there in some pictures and missing in others")
        self.centre = Centred(x)
        self.basis = principal_directions(self.centre(x), directions)
        z, has = self.project(x), has.to(x)
        self.weights = x.new_zeros(z.shape[1], has.shape[1]).requires_grad_()
        self.bias = torch.logit(self.prior.to(x)).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [self.weights, self.bias], max_iter=100, tolerance_grad=1e-7, tolerance_change=1e-12,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def loss() -> Tensor:
            optimizer.zero_grad()
            surprise = F.binary_cross_entropy_with_logits(z @ self.weights + self.bias, has, reduction="sum") / len(z)
            total = surprise + penalty / 2 * self.weights.square().sum()
            total.backward()
            return total

        optimizer.step(loss)
        self.weights, self.bias = self.weights.detach(), self.bias.detach()

    def project(self, x: Tensor) -> Tensor:
        """Pictures ``[n, p]`` in the principal directions, each of mean square one over all of them together."""
        return self.centre(x) @ self.basis

    def log_odds(self, x: Tensor) -> Tensor:
        """The log odds of each attribute in new pictures: ``[m, M]``."""
        return self.project(x) @ self.weights + self.bias

    def scores(self, x: Tensor, has: Tensor) -> Tensor:
        r"""How well each class fits each picture: :eq:`zeroshot-dap`.

        .. math:: s_{ic}=\sum_m\ln\frac{p(a_m=a_m^c\mid x_i)}{p(a_m=a_m^c)}

        Args:
            x: pictures ``[m, p]``.
            has: attributes of the classes, ``[C, M]``.

        Returns:
            ``[m, C]``; classes of the same attributes have exactly the same scores.
        """
        odds, prior = self.log_odds(x), self.prior.to(x)
        there, missing = F.logsigmoid(odds) - prior.log(), F.logsigmoid(-odds) - (1 - prior).log()
        # Each combination once: rounding would otherwise decide between classes that nothing tells apart
        rows, owner = torch.unique(has.to(x), dim=0, return_inverse=True)
        return (there @ rows.T + missing @ (1 - rows).T)[:, owner]
