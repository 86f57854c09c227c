"""Fusion: products of low rank against the tensor that they stand for, and the parts of information by Newton's method.

    python benchmarks/fusion.py --output book/results/bench-fusion.json

Equality first, then the CPU time of one thread, which other programs on the machine disturb little. A is measured, then
B, then A again; the ratio is the median of neighbours' ratios. A step is scores, cross-entropy and all gradients. The
least information of given margins has the plainest algorithm for it as its peer, projections in turn, which stops when
a sweep gains less than 1e-9 bits; both start from independence given the class. (SLSQP of scipy, a general optimiser,
ended outside of the margins or above the minimum in our trials.)
"""

from collections.abc import Iterator
from functools import partial
from time import process_time

from measure import in_turn, main

BATCH, SIZE, CLASSES = 128, 64, 10
SHAPES = ((2, 128), (3, 64), (3, 128))  # modalities and width; the short vectors have a quarter of it
CELLS = ((2, 3, 2), (3, 3, 3), (4, 4, 3))  # values of A, of B, and classes


def require_equal(what: str, mine: float, other: float, tolerance: float) -> None:
    """Speed counts only where the numbers are the same."""
    if not abs(mine - other) <= tolerance:
        raise RuntimeError(f"{what}: {mine} and {other} differ by more than {tolerance}")


def step(model, inputs: dict, labels) -> float:
    """The loss of a step, its gradients computed."""
    import torch.nn.functional as F

    model.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    return loss.item()


def steps(repeats: int) -> Iterator[dict]:
    """Milliseconds of a training step."""
    import torch

    from course.crossmodal.fusion_kinds import weights_of
    from course.crossmodal.fusion_products import LowRank, TensorFusion

    for modalities, width in SHAPES:
        generator = torch.Generator().manual_seed(0)
        sizes = {str(number): SIZE for number in range(modalities)}
        inputs = {name: torch.randn(BATCH, SIZE, generator=generator) for name in sizes}
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        low, full = (kind(sizes, CLASSES, width, generator=generator) for kind in (LowRank, TensorFusion))
        own = {name: value for name, value in low.state_dict().items() if name.startswith("own")}
        full.load_state_dict(own | {"head.weight": low.tensor().flatten(1), "head.bias": low.bias.detach()})
        counts = f"{weights_of(low):,} and {weights_of(full):,} weights"
        what = f"ms for a step of low-rank fusion, {modalities} modalities, short vectors of {width // 4}; {counts}"
        require_equal(what, step(low, inputs, labels), step(full, inputs, labels), 1e-4)
        ways = [partial(step, model, inputs, labels) for model in (low, full)]
        times = in_turn(*ways, repeats, scale=1000, clock=process_time)
        yield {"what": what, "peer": "the tensor itself, R = 4"} | times | ({"goal": 1.5} if modalities > 2 else {})


def by_projections(p) -> float:
    """The least information by projecting in turn: to the right margins by scaling, then to the nearest mixture."""
    import numpy as np

    from course.crossmodal.information import information

    pa, pb = p.sum(1), p.sum(0)
    q, before = pa[:, None] * pb[None] / p.sum((0, 1)), np.inf
    while True:
        q = np.repeat(q.sum(2, keepdims=True), p.shape[2], 2)
        while abs(q.sum(1) - pa).max() > 1e-10:
            q = q * (pa / q.sum(1))[:, None]
            q = q * (pb / q.sum(0))[None]
        found = information(q.reshape(-1, p.shape[2]))
        if before - found < 1e-9:
            return found
        before = found


def parts(repeats: int) -> Iterator[dict]:
    """Milliseconds for the least information of given margins."""
    import numpy as np

    from course.crossmodal.information import least_information

    for cells in CELLS:
        p = np.random.default_rng(0).random(cells) + 0.02
        p /= p.sum()
        what = f"ms for the least information, {' × '.join(map(str, cells))} cells"
        require_equal(what, least_information(p), by_projections(p), 1e-5)
        ways = [partial(function, p) for function in (least_information, by_projections)]
        yield {"what": what, "peer": "projections in turn"} | in_turn(*ways, repeats, scale=1000, clock=process_time)


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    yield from steps(repeats)
    yield from parts(max(5, repeats // 3))


if __name__ == "__main__":
    main("fusion", __doc__, "float32, CPU time of one thread", measure, repeats=31)
