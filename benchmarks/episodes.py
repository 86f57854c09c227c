"""Episodes against easyfsl's sampler, both with all images in memory.

    python benchmarks/episodes.py --output book/results/bench-episodes.json

easyfsl draws one task at a time through a PyTorch ``DataLoader`` (no worker processes: images in memory are faster
without). The course draws one task, or 32 at once. Both hand out float images with labels from 0 on.
"""

from measure import in_turn, main

SHOTS, QUERIES, TASKS = 1, 15, 32


def images():
    """1,000 classes of 20 images, as large as Omniglot's."""
    import torch

    from course.data import LabelledSet

    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (20_000, 1, 28, 28), generator=generator, dtype=torch.uint8)
    names = tuple(map(str, range(1000)))
    return LabelledSet(x, torch.arange(1000).repeat_interleave(20), names, names, "noise", full=255)


def draw_easyfsl(data, n_way: int):
    """A function that draws 32 tasks with easyfsl, from images that are float already."""
    from easyfsl.datasets import FewShotDataset
    from easyfsl.samplers import TaskSampler
    from torch.utils.data import DataLoader, Sampler

    Sampler.__init__ = lambda self, data_source=None: None  # easyfsl 1.5 passes an argument that torch 2.11 dropped

    class InMemory(FewShotDataset):
        def __init__(self):
            self.x, self.y = data.x.float() / 255, data.y.tolist()

        def __getitem__(self, item):
            return self.x[item], self.y[item]

        def __len__(self):
            return len(self.y)

        def get_labels(self):
            return self.y

    dataset = InMemory()
    sampler = TaskSampler(dataset, n_way, SHOTS, QUERIES, TASKS)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)

    def draw():
        for support_x, support_y, query_x, query_y, _ in loader:
            check(n_way, support_x, support_y, query_x, query_y)

    return draw


def draw_course(data, n_way: int, tasks: int):
    """A function that draws 32 tasks with the course, ``tasks`` at once."""
    from course.data import EpisodeSampler

    sampler = EpisodeSampler(data, n_way, SHOTS, QUERIES, tasks)

    def draw():
        for number in range(TASKS // tasks):
            episode = sampler[number]
            parts = (episode.support_x, episode.support_y, episode.query_x, episode.query_y)
            check(n_way, *(part.flatten(0, 1) for part in parts), tasks=tasks)

    return draw


def check(n_way, support_x, support_y, query_x, query_y, tasks=1) -> None:
    """Both sides hand out the same kind of thing."""
    classes = tasks * n_way
    assert support_x.shape == (classes * SHOTS, 1, 28, 28) and query_x.shape == (classes * QUERIES, 1, 28, 28)
    assert support_x.is_floating_point() and query_x[0].max() <= 1
    assert len(support_y) == classes * SHOTS and len(query_y) == classes * QUERIES


def measure(repeats: int) -> list[dict]:
    data, rows = images(), []
    for n_way in (5, 20):
        peer = draw_easyfsl(data, n_way)
        for tasks in (1, TASKS):
            own = draw_course(data, n_way, tasks)
            what = f"ms a task, {n_way}-way {SHOTS}-shot, {QUERIES} queries, {tasks} at once"
            rows.append({"what": what, "peer": "easyfsl"} | in_turn(own, peer, repeats, scale=1000 / TASKS))
        rows[-1]["goal"] = 5
    return rows


if __name__ == "__main__":
    main("episodes", __doc__, "20,000 images of 28 × 28 in memory, one thread", measure, repeats=15)
