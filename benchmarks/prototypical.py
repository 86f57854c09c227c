"""Prototypical networks: the loss against all differences, and a training step against a plain implementation.

    python benchmarks/prototypical.py --output book/results/bench-prototypical.json

Equality first, then the CPU time of one thread, which other programs on the machine disturb little. A is measured, then
B, then A again; the ratio is the median of neighbours' ratios. The loss is timed with its gradient by the vectors; its
peer subtracts every prototype from every query. The peer of the training step is a stand-in in the manner of widely
used code, in our own words, with everything in memory: images picked one by one and stacked, a textbook Conv4 in
torch's default layout, a loop over the classes that looks up their images, and all differences. Both steps draw their
own episode; the comparison before uses one and the same.

The repository that is meant (orobix/Prototypical-Networks-for-Few-shot-Learning-PyTorch, commit df89808; one line of
its sampler changed for today's NumPy, the same images in memory) took 577 ms a step where the course took 304, 1.88
times as long (CPU time, median of 11 in turn).
"""

from collections.abc import Callable, Iterator
from time import process_time

from measure import in_turn, main

WAYS, QUERIES = 60, 5  # the paper's training on Omniglot, 1-shot
ASKED = 15  # queries of a class for the loss alone
VECTORS = {64: {}, 1600: {"goal": 20}}  # lengths: of Conv4 on 28 × 28 and on 84 × 84 pixels
IMAGES = (200, 20)  # classes, and images of each, of the set that the steps draw from
SHAPES = ((60, 1), (20, 3), (5, 12))  # ways and tasks of 360 images


def milliseconds(own: Callable, other: Callable, repeats: int) -> dict:
    """Both in turn, by the time that the processor spent."""
    return in_turn(own, other, repeats, scale=1000, clock=process_time)


def require_equal(what: str, mine, other, tolerance: float) -> None:
    """Speed counts only where the numbers are the same."""
    difference = ((mine - other).abs().max() / other.abs().max()).item()
    if not difference <= tolerance:
        raise RuntimeError(f"{what}: the two differ by {difference:.1e} of the largest, more than {tolerance}")


def by_differences(support, support_y, query, query_y, ways: int):
    """The loss of one task with all differences, ``[queries, ways, d]``."""
    import torch
    import torch.nn.functional as F

    means = torch.stack([support[support_y == label].mean(0) for label in range(ways)])
    distances = (query[:, None] - means[None]).square().sum(-1)
    return F.cross_entropy(-distances, query_y)


def vectors(d: int, dtype):
    """Support and query vectors that want their gradient, and their labels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    y, query_y = torch.arange(WAYS), torch.arange(WAYS).repeat_interleave(ASKED)
    x, query = (torch.randn(len(each), d, generator=generator, dtype=dtype) / d**0.5 for each in (y, query_y))
    return x.requires_grad_(), y, query.requires_grad_(), query_y


def losses(repeats: int) -> Iterator[dict]:
    """Milliseconds of the loss and its gradient."""
    import torch

    from course.meta_learning.prototypical import prototypical_loss

    for d, goal in VECTORS.items():
        for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
            x, y, query, query_y = vectors(d, dtype)
            ways = [
                lambda form=form, g=(x, y, query, query_y): gradient(form, *g)
                for form in (prototypical_loss, by_differences)
            ]
            mine, other = (each() for each in ways)
            require_equal(f"loss, d = {d}, {dtype}", mine, other, tolerance)
        what = f"ms for the loss and its gradient, {WAYS}-way 1-shot, {ASKED} queries of a class, vectors of {d}"
        yield (
            {"what": what, "peer": "all differences"} | in_turn(*ways, repeats, scale=1000, clock=process_time) | goal
        )


def gradient(form: Callable, x, y, query, query_y):
    """The gradient by the vectors as one."""
    import torch

    return torch.cat(torch.autograd.grad(form(x, y, query, query_y, WAYS), (x, query)))


def characters():
    """Noise in the place of characters: times do not depend on what is drawn."""
    import torch

    from course.data import LabelledSet

    classes, each = IMAGES
    pixels = torch.randint(
        256, (classes * each, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    names = tuple(map(str, range(classes)))
    return LabelledSet(pixels, torch.arange(classes).repeat_interleave(each), names, names, "noise", full=255)


class Plain:
    """A training step as it is often written."""

    def __init__(self, data, state: dict):
        import torch
        from torch import nn

        def block(inputs: int) -> nn.Sequential:
            conv = nn.Conv2d(inputs, 64, 3, padding=1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2))

        self.network = nn.Sequential(block(1), block(64), block(64), block(64), nn.Flatten())
        own = zip(self.network.state_dict(), state.values(), strict=True)
        self.network.load_state_dict({name: value.contiguous() for name, value in own})
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.images, self.labels = list(data.examples()), data.y

    def draw(self):
        """Images and labels of an episode, class by class and image by image."""
        import torch

        chosen = []
        for label in torch.randperm(len(self.labels.unique()))[:WAYS]:
            members = (self.labels == label).nonzero().flatten()
            chosen.append(members[torch.randperm(len(members))[: 1 + QUERIES]])
        chosen = torch.cat(chosen)
        return torch.stack([self.images[number] for number in chosen.tolist()]), self.labels[chosen]

    def loss(self, x, y):
        """The loss of an episode: the first image of a class is its support."""
        import torch

        vectors = self.network(x)
        classes = y.unique()
        rows = [(y == label).nonzero().flatten() for label in classes]
        means = torch.stack([vectors[each[:1]].mean(0) for each in rows])
        query = torch.cat([vectors[each[1:]] for each in rows])
        n, m, d = len(query), len(means), query.shape[1]
        distances = (query.unsqueeze(1).expand(n, m, d) - means.unsqueeze(0).expand(n, m, d)).pow(2).sum(2)
        own = torch.arange(m).repeat_interleave(QUERIES)
        return -(-distances).log_softmax(1).gather(1, own[:, None]).mean()

    def step(self):
        self.optimizer.zero_grad()
        self.loss(*self.draw()).backward()
        self.optimizer.step()


class Own:
    """A training step of the course."""

    def __init__(self, data, ways: int = WAYS, tasks: int = 1, device: str = "cpu"):
        import torch

        from course.data import EpisodeSampler
        from course.meta_learning.prototypical import PrototypicalConfig, PrototypicalNetwork, conv4_encoder

        encoder = conv4_encoder(generator=torch.Generator().manual_seed(0)).to(device)
        self.learner = PrototypicalNetwork(encoder, PrototypicalConfig())
        self.optimizer = self.learner.optimizer()
        self.sampler, self.number = EpisodeSampler(data, ways, 1, QUERIES, tasks, device=device), 0

    def step(self):
        self.optimizer.zero_grad()
        self.learner.episode_loss(self.sampler[self.number]).backward()
        self.optimizer.step()
        self.number += 1


def steps(repeats: int) -> Iterator[dict]:
    """Milliseconds of a training step."""
    import torch

    data = characters()
    own = Own(data)
    plain = Plain(data, own.learner.model.state_dict())
    episode = own.sampler[0]
    x = torch.cat([episode.support_x[0], episode.query_x[0]])
    y = torch.cat([episode.support_y[0], episode.query_y[0]])
    require_equal("training step", own.learner.episode_loss(episode), plain.loss(x, y), 1e-5)
    what = f"ms for a training step, Conv4 with 64 filters, {WAYS}-way 1-shot, {QUERIES} queries of a class"
    yield (
        {"what": what, "peer": "plain PyTorch, in memory"}
        | in_turn(own.step, plain.step, repeats, scale=1000, clock=process_time)
        | {"goal": 1.6}
    )
    for ways, tasks in SHAPES[1:]:
        other = Own(data, ways, tasks)
        what = f"ms for a training step of 360 images as {tasks} tasks of {ways} ways"
        yield {"what": what, "peer": f"1 task of {WAYS} ways"} | in_turn(
            other.step, own.step, repeats, scale=1000, clock=process_time
        )


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    yield from losses(repeats)
    yield from steps(max(5, repeats // 2))


if __name__ == "__main__":
    main("prototypical", __doc__, "float32, CPU time of one thread", measure, repeats=21)
