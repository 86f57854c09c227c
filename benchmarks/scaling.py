"""What a step of MAML costs as tasks, ways, inner steps and processes grow, and how far a straight line tells it.

    python benchmarks/scaling.py --output book/results/bench-scaling.json

The line goes through the first two measurements of an axis; the later ones are predicted, not
fitted. With two processes, each computes the gradients of half of the tasks on one thread, and `course.training.fit`
averages them; that both end with the weights of one process is checked in float64 first.
"""

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from maml import by_course, images, waves
from measure import in_fresh_process, main, peak, seconds

TASKS, WAYS, STEPS = (2, 4, 8, 16, 32), (2, 5, 10, 20), (1, 2, 4, 8)
WAVE_TASKS = (25, 100, 400, 1600, 6400)
PROCESSES, SHARED, CHECKED, TIMED = (1, 2), 16, 2, 6  # SHARED tasks in each step; steps that are compared, and timed
EQUAL = 1e-9


def problem(kind: str, tasks: int = 4, ways: int = 5, steps: int = 1):
    """A model, episodes of it, and the options of its meta-gradient."""
    make = {"waves": waves, "images": partial(images, queries=5, ways=ways)}[kind]
    model, _, episode, options = make(tasks)
    return model, episode, options | {"steps": steps}


def milliseconds(kind: str, repeats: int, **sizes) -> float:
    """The median time of a meta-gradient."""
    model, episode, options = problem(kind, **sizes)
    act = partial(by_course, model, episode, **options)
    act()
    return 1e3 * median(seconds(act) for _ in range(repeats))


def megabytes(kind: str, sizes: dict) -> float:
    """What a meta-gradient needs at its peak above libraries, model and data, in a fresh process."""
    model, episode, options = problem(kind, **sizes)
    before = peak()
    by_course(model, episode, **options)
    return (peak() - before) / 1e6


def predicted(counts: tuple[int, ...], values: list[float], count: int) -> float:
    """The value at ``count`` on the line through the first two points."""
    (x, a), (z, b) = zip(counts[:2], values[:2], strict=True)
    return a + (count - x) * (b - a) / (z - x)


def axis(kind: str, name: str, counts: tuple[int, ...], what: str, repeats: int, **fixed) -> Iterator[dict]:
    """A row of time for each count, from the third on beside what the line says, and rows of memory at both ends."""
    values = []
    for place, count in enumerate(counts):
        values.append(milliseconds(kind, repeats, **fixed, **{name: count}))
        row = {"what": f"ms, {what.format(count)}", "course_value": values[-1], "repeats": repeats}
        if place > 1:
            line = predicted(counts, values, count)
            row |= {"peer": f"line through {counts[0]} and {counts[1]}", "peer_value": line, "ratio": line / values[-1]}
        yield row
    for count in (counts[0], counts[-1]):
        used = in_fresh_process("scaling", f"megabytes({kind!r}, {fixed | {name: count}})", float)
        yield {"what": f"MB, {what.format(count)}", "course_value": used, "repeats": 1}


def train(folder: Path, processes: int, double: bool) -> None:
    """Some steps of MAML whose tasks are dealt to the processes; the main one writes its weights and seconds a step."""
    import torch
    from accelerate import Accelerator

    from course import training
    from course.data import Episode
    from course.meta_learning.maml import meta_gradient

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    model, episode, options = problem("images", tasks=SHARED)
    if double:
        model = model.double()
        episode = Episode(episode.support_x.double(), episode.support_y, episode.query_x.double(), episode.query_y)
    share = SHARED // processes

    def closure(number: int):
        first = number % processes * share
        own = Episode(*(part[first : first + share] for part in vars(episode).values()))
        loss, gradient = meta_gradient(model, dict(model.named_parameters()), own, **options)
        for name, parameter in model.named_parameters():
            parameter.grad = gradient[name].detach()
        return loss.detach()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = partial(training.fit, model, closure, optimizer, accelerator=accelerator)
    step(steps=CHECKED)
    times = []
    for _ in range(0 if double else TIMED):
        start = perf_counter()
        step(steps=1)
        times.append(perf_counter() - start)
    if accelerator.is_main_process:
        weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        found = {"weights": weights.tolist() if double else [], "seconds": median(times) if times else 0.0}
        (folder / f"{processes}.json").write_text(json.dumps(found))


def launched(processes: int, double: bool) -> dict:
    """What :func:`train` wrote, from processes of its own."""
    from accelerate import debug_launcher

    with tempfile.TemporaryDirectory() as folder:
        debug_launcher(train, (Path(folder), processes, double), num_processes=processes)
        return json.loads((Path(folder) / f"{processes}.json").read_text())


def process_rows() -> Iterator[dict]:
    """Milliseconds of a whole step with one and with two processes, once they agree."""
    import torch

    one, two = (torch.tensor(launched(each, True)["weights"], dtype=torch.float64) for each in PROCESSES)
    difference = ((one - two).abs().max() / one.abs().max()).item()
    if not difference <= EQUAL:
        raise SystemExit(f"two processes end with other weights than one, by {difference:.1e} of the largest")
    alone, shared = (1e3 * launched(each, False)["seconds"] for each in PROCESSES)
    what = f"ms, a whole step with {SHARED} image tasks"
    yield {"what": f"{what}, one process", "course_value": alone, "repeats": TIMED}
    yield {
        "what": f"{what}, two processes", "course_value": shared, "peer": "half of one process",
        "peer_value": alone / 2, "ratio": alone / 2 / shared, "difference": difference, "repeats": TIMED,
    }  # fmt: skip


def measure(repeats: int) -> Iterator[dict]:
    """All rows; processes first, as a fork wants a process that has not yet computed."""
    yield from process_rows()
    yield from axis("waves", "tasks", WAVE_TASKS, "{} sine waves, 5 steps", repeats, steps=5)
    yield from axis("images", "tasks", TASKS, "{} image tasks, 5-way, 1 step", repeats)
    yield from axis("images", "ways", WAYS, "4 image tasks, {}-way, 1 step", repeats)
    yield from axis("images", "steps", STEPS, "4 image tasks, 5-way, inner steps: {}", repeats)


SETTING = (
    "meta-gradient of second order, float32, one thread for each process; images of 28 × 28 pixels, Conv4 with 64 "
    "filters, one example and five questions of each class; waves with ten examples and ten questions"
)

if __name__ == "__main__":
    main("scaling", __doc__, SETTING, measure, repeats=5)
