"""MAML against a plain loop over the tasks and against `higher`: time of a meta-gradient, and memory as the tasks grow.

    python benchmarks/maml.py --output book/results/bench-maml.json

All compute the same second-order meta-gradient in float32 on one thread, and their equality is checked in float64
first. The plain loop is what learn2learn does (which cannot be built for Python 3.11 and later): one task after the
other, `functional_call` and `torch.autograd.grad(create_graph=True)`, gradients added up. Its Conv4 is the textbook's:
ReLU, then pooling, in torch's default layout. Times are taken in turn (A, B, A, B, ...), and the ratio is the median of
the ratios of neighbours. Memory is the peak of a fresh process.
"""

from collections.abc import Callable
from functools import partial

from measure import in_fresh_process, in_turn, main, peak

WAVES = {"lr": 0.01, "steps": 5}
IMAGES = {"lr": 0.4, "steps": 1}
FEW, MANY = 32, 256  # Conv4 tasks, for memory
EQUAL = 1e-9


def waves(tasks: int):
    """The regression network of the paper and an episode of ``tasks`` sine waves."""
    import torch.nn.functional as F
    from torch import nn

    from course.data import SinusoidTasks

    model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    episode = SinusoidTasks().sampler(k_shot=10, n_query=10, tasks=tasks, seed=0)[0]
    return model, model, episode, {"loss": F.mse_loss, **WAVES}


def images(tasks: int, filters: int = 64, queries: int = 15, ways: int = 5):
    """The course's Conv4, the textbook's with the same weights, and 1-shot tasks of random images.

    ``queries`` is their number for each class; their sum decides how much there is to gain from the layout.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from course.data import Episode
    from course.representation.cnn import Conv4

    model = Conv4(ways, filters=filters, generator=torch.Generator().manual_seed(0))
    textbook = nn.Sequential()
    for name, layer in model.named_children():
        if name.startswith("block"):
            convolution, norm, pooling, relu = layer
            layer = nn.Sequential(convolution, norm, relu, pooling)
        if name != "layout":
            textbook.add_module(name, layer)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(tasks, ways * (1 + queries), 1, 28, 28, generator=generator)
    y = torch.arange(ways).repeat(1 + queries).expand(tasks, -1)
    episode = Episode(x[:, :ways], y[:, :ways], x[:, ways:], y[:, ways:])
    return model, textbook, episode, {"loss": F.cross_entropy, **IMAGES}


def by_course(model, episode, **options):
    from course.meta_learning.maml import meta_gradient

    return tuple(meta_gradient(model, dict(model.named_parameters()), episode, **options)[1].values())


def by_plain_loop(model, episode, *, loss, lr, steps):
    import torch
    from torch.func import functional_call

    names, start = zip(*model.named_parameters(), strict=True)
    gradient = [torch.zeros_like(parameter) for parameter in start]
    for task in range(episode.tasks):
        weights = start
        for _ in range(steps):
            predictions = functional_call(model, dict(zip(names, weights, strict=True)), episode.support_x[task])
            error = loss(predictions, episode.support_y[task])
            slopes = torch.autograd.grad(error, weights, create_graph=True)
            weights = tuple(weight - lr * slope for weight, slope in zip(weights, slopes, strict=True))
        predictions = functional_call(model, dict(zip(names, weights, strict=True)), episode.query_x[task])
        part = torch.autograd.grad(loss(predictions, episode.query_y[task]) / episode.tasks, start)
        gradient = [whole + each for whole, each in zip(gradient, part, strict=True)]
    return tuple(gradient)


def by_higher(model, episode, *, loss, lr, steps):
    import higher
    import torch

    inner, start = torch.optim.SGD(model.parameters(), lr), list(model.parameters())
    gradient = [torch.zeros_like(parameter) for parameter in start]
    for task in range(episode.tasks):
        with higher.innerloop_ctx(model, inner) as (patched, descent):
            for _ in range(steps):
                descent.step(loss(patched(episode.support_x[task]), episode.support_y[task]))
            outer = loss(patched(episode.query_x[task]), episode.query_y[task]) / episode.tasks
            part = torch.autograd.grad(outer, patched.parameters(time=0))
        gradient = [whole + each for whole, each in zip(gradient, part, strict=True)]
    return tuple(gradient)


PEERS: dict[str, Callable] = {"plain loop": by_plain_loop, "higher": by_higher}


def difference(problem: Callable, peer: str, tasks: int) -> float:
    """Largest relative difference of a gradient's entry between the course and the peer, in float64."""
    import copy

    from course.data import Episode

    model, textbook, episode, options = problem(tasks)
    own, other = copy.deepcopy(model).double(), copy.deepcopy(textbook).double()
    episode = Episode(episode.support_x.double(), episode.support_y, episode.query_x.double(), episode.query_y)
    if episode.support_y.is_floating_point():
        episode.support_y, episode.query_y = episode.support_y.double(), episode.query_y.double()
    found, expected = by_course(own, episode, **options), PEERS[peer](other, episode, **options)
    largest = max(each.abs().max().item() for each in expected)
    worst = max((a - b).abs().max().item() for a, b in zip(found, expected, strict=True)) / largest
    if worst > EQUAL:
        raise SystemExit(f"the course and {peer} differ by {worst:.1e} of the largest entry: nothing to compare")
    return worst


def compare(what: str, problem: Callable, peer: str, tasks: int, repeats: int) -> dict:
    """Median milliseconds of both and the median of the ratios peer / course, once they agree."""
    worst = difference(problem, peer, min(tasks, 25))
    model, textbook, episode, options = problem(tasks)
    own, other = partial(by_course, model, episode, **options), partial(PEERS[peer], textbook, episode, **options)
    row = {"what": f"ms for a meta-gradient, {what}", "peer": peer, "difference": worst}
    return row | in_turn(own, other, repeats, scale=1e3)


def memory_of_gradient(name: str, tasks: int) -> int:
    """Bytes above libraries, model and data that a Conv4 meta-gradient needs at its peak (in a fresh process)."""
    model, textbook, episode, options = images(tasks)
    before = peak()
    if name == "course":
        by_course(model, episode, **options)
    else:
        PEERS[name](textbook, episode, **options)
    return peak() - before


def memory_rows() -> list[dict]:
    """Peak memory for few and for many tasks, and by how much it grows."""
    megabytes = {
        (name, tasks): in_fresh_process("maml", f"memory_of_gradient({name!r}, {tasks})") / 1e6
        for name in ("course", "plain loop")
        for tasks in (FEW, MANY)
    }
    rows = []
    for tasks in (FEW, MANY):
        own, other = megabytes["course", tasks], megabytes["plain loop", tasks]
        row = {"what": f"MB above the data, Conv4, {tasks} tasks, 1 step", "peer": "plain loop", "repeats": 1}
        rows.append(row | {"course_value": own, "peer_value": other, "ratio": other / own})
    growth = megabytes["course", MANY] / megabytes["course", FEW]
    return [*rows, {"what": f"memory at {MANY} tasks / memory at {FEW}", "course_value": growth, "goal": 1.1}]


def measure(repeats: int) -> list[dict]:
    """All rows of the table; ``goal`` is the least ratio, or the largest value where there is no peer."""
    few, one_query = min(repeats, 7), partial(images, queries=1)
    return [
        compare("sine waves, 25 tasks, 5 steps", waves, "plain loop", 25, repeats) | {"goal": 8},
        compare("sine waves, 400 tasks, 5 steps", waves, "plain loop", 400, few) | {"goal": 18},
        compare("Conv4, 4 tasks, 1 step, 75 queries", images, "plain loop", 4, repeats) | {"goal": 1.35},
        compare("Conv4, 4 tasks, 1 step, 5 queries", one_query, "plain loop", 4, repeats),
        compare("sine waves, 25 tasks, 5 steps", waves, "higher", 25, few),
        compare("Conv4, 4 tasks, 1 step, 75 queries", images, "higher", 4, few),
        *memory_rows(),
    ]


SETTING = "second order, float32, one thread; Conv4 with 64 filters, 5-way 1-shot, 28 × 28 pixels"

if __name__ == "__main__":
    main("maml", __doc__, SETTING, measure, repeats=15)
