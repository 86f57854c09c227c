"""The contrastive loss in tiles against the whole matrix: memory and time, by the size of the batch.

    python benchmarks/contrastive.py --output book/results/bench-contrastive.json

Equality first, in double precision. The peer is the loss as it is usually written, with all scores at once. Memory is
the growth of the process's peak over what it has before the loss, each in a fresh process. Times are CPU times of one
thread, taken in turn. Vectors have 128 numbers; loss and gradients by both sides and the temperature are computed.
"""

from collections.abc import Callable, Iterator
from time import process_time

from measure import in_fresh_process, in_turn, main, peak

WIDTH, TILE = 128, 512
MEMORY = {2048: {}, 4096: {}, 8192: {"goal": 10}}  # pairs
TIMES = {512: {}, 2048: {}, 4096: {}}


def sides(n: int, dtype=None):
    """Vectors of both sides and a temperature, which want their gradients."""
    import torch

    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, WIDTH, generator=generator, dtype=dtype).requires_grad_() for _ in range(2))
    return x, y, torch.tensor(0.07, dtype=dtype, requires_grad=True)


def whole(x, y, temperature):
    """The usual way."""
    import torch
    import torch.nn.functional as F

    scores = F.normalize(x, dim=1) @ F.normalize(y, dim=1).T / temperature
    own = torch.arange(len(x))
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def tiles(x, y, temperature):
    """The course's."""
    from course.crossmodal.contrastive import tiled_loss

    return tiled_loss(x, y, temperature, tile=TILE)


FORMS = {"tiles": tiles, "whole": whole}


def gradients(form: Callable, leaves) -> list:
    """Of both sides and the temperature."""
    import torch

    return torch.autograd.grad(form(*leaves), leaves)


def growth(form: str, n: int) -> float:
    """MB that a loss and its gradients add to the peak of this process."""
    gradients(FORMS[form], sides(64))  # what is loaded and laid out once does not count
    leaves = sides(n)
    before = peak()
    gradients(FORMS[form], leaves)
    return (peak() - before) / 1e6


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    leaves = sides(700, torch.float64)
    for mine, other in zip(*(gradients(form, leaves) for form in FORMS.values()), strict=True):
        difference = ((mine - other).abs().max() / other.abs().max()).item()
        if not difference <= 1e-12:
            raise RuntimeError(f"the gradients differ by {difference:.1e} of the largest")
    for n, goal in MEMORY.items():
        mine, other = (in_fresh_process("contrastive", f"growth({form!r}, {n})", float) for form in FORMS)
        what = f"MB for loss and gradients of {n:,} pairs, tiles of {TILE}"
        values = {"course_value": mine, "peer_value": other, "ratio": other / mine, "repeats": 1}
        yield {"what": what, "peer": "all scores at once"} | values | goal
    for n, goal in TIMES.items():
        leaves = sides(n)
        ways = [lambda form=form, leaves=leaves: gradients(form, leaves) for form in FORMS.values()]
        what = f"ms for loss and gradients of {n:,} pairs, tiles of {TILE}"
        times = in_turn(*ways, max(5, repeats if n < 1000 else repeats // 3), scale=1000, clock=process_time)
        yield {"what": what, "peer": "all scores at once"} | times | goal


if __name__ == "__main__":
    main("contrastive", __doc__, "float32, one thread, vectors of 128", measure, repeats=21)
