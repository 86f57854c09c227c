"""Does the factor in the inner rate of cbfinn/maml matter? MAML on glyphs with the printed rate and with N times that.

    python benchmarks/tools/inner_rate.py --output book/results/tools-inner-rate.json

MAML's preset ``quick`` for 400 outer steps, 5-way 1-shot: with the rate 0.4 on the *mean* of the support loss, as the
course has it, and with 2.0, which is what 0.4 means on the sum over five classes. Same start, same episodes; only the
rate differs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from course import runtime
from course.data import EpisodeSampler, load
from course.files import write_json
from course.meta_learning.evaluation import evaluate
from course.meta_learning.maml import MAML, MAMLConfig
from course.representation.cnn import Conv4

WAYS, SHOTS, QUERIES = 5, 1, 5
RATES = (0.4, 2.0)
STEPS = 400


def accuracies(sets: dict, rate: float, seed: int, tasks: int) -> tuple[float, float]:
    """The mean accuracy on test scripts before and after training with this inner rate."""
    config = replace(MAMLConfig.quick(), inner_lr=rate)
    train, test = (
        EpisodeSampler(each, n_way=WAYS, k_shot=SHOTS, n_query=QUERIES, tasks=count, seed=seed)
        for each, count in ((sets["train"], config.meta_batch), (sets["test"], 20))
    )
    maml = MAML(Conv4(WAYS, 1, config.filters, generator=runtime.generator(seed)), config)
    before = evaluate(maml.predictions, test, tasks).mean
    maml.train(train, steps=STEPS)
    return before, evaluate(maml.predictions, test, tasks).mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=200)
    options = parser.parse_args()
    sets = {split: load("glyphs", split=split) for split in ("train", "test")}
    found = {
        "steps": STEPS,
        "tasks": options.tasks,
        **{when: {str(rate): [] for rate in RATES} for when in ("untrained", "trained")},
    }
    for seed in range(options.seeds):
        for rate in RATES:
            for when, value in zip(("untrained", "trained"), accuracies(sets, rate, seed, options.tasks), strict=True):
                found[when][str(rate)].append(value)
                print(seed, rate, when, value, flush=True)
    write_json(options.output, found)


if __name__ == "__main__":
    main()
