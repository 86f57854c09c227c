"""What a training image costs each training, and a new task each contender: milliseconds of processor time.

    python benchmarks/transfer.py --output book/results/bench-transfer.json

The peer of a training is ordinary classification, that of a contender the linear probe. Processor time, on one thread,
does not count what other programs do meanwhile; both sides of a row are taken in turn all the same.
"""

from collections.abc import Callable
from time import process_time

from measure import in_turn, main

IMAGES = 640  # of a training that is timed
SETTING = "processor time, float32, one thread; Conv4 with 32 filters, 28 × 28 pixels, 5-way tasks with 50 queries"


def drawings():
    from course.data.renderings import render

    return render("ABCDEFGHIJKLMNOPQRST", 60)


def milliseconds(own: Callable, other: Callable, repeats: int, share: float = 1) -> dict:
    """Both in turn, by the time that the processor spent; ``share`` of it is asked for."""
    return in_turn(own, other, repeats, scale=1000 * share, clock=process_time)


def measure(repeats: int):
    from course.data import EpisodeSampler
    from course.meta_learning.transfer import CONTENDERS, EPISODIC, TRAININGS, new_network
    from course.reproduce.glyphs_transfer import OPTIONS

    data = drawings()

    def training(name):
        network = new_network(name, 5 if name in EPISODIC else 1_000)
        return lambda: TRAININGS[name](network, data, images=IMAGES, rate=1e-3, seed=0)

    for name in TRAININGS:
        if name != "classifier":
            times = milliseconds(training(name), training("classifier"), repeats, 1 / IMAGES)
            yield {"what": f"ms for a training image, {name}", "peer": "classifier", **times}

    def adaptation(name, k):
        contender = CONTENDERS[name]
        network = new_network(contender.training, 5 if contender.training in EPISODIC else 1_000).eval()
        episode = EpisodeSampler(data, 5, k, 10)[0]
        return lambda: contender.on(network, OPTIONS[name][-1])(episode)

    for k in (1, 50):
        for name in CONTENDERS:
            if name != "linear probe":
                times = milliseconds(adaptation(name, k), adaptation("linear probe", k), repeats)
                yield {"what": f"ms for a task, {k} shot{'s' * (k > 1)}, {name}", "peer": "linear probe", **times}


if __name__ == "__main__":
    main("transfer", __doc__, SETTING, measure, repeats=5)
