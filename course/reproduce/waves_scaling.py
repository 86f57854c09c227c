"""Recipe ``waves-scaling``: how the error on new waves falls with the number of different waves in training.

Both learners see as many tasks and points as in ``waves-in-context``; what changes is how many waves there are to be
seen. The rates are those that were best there with the first seed's endless waves.
"""

from pathlib import Path
from typing import ClassVar

from course.data import SinusoidTasks
from course.reproduce.waves_in_context import (
    ERROR,
    IN_CONTEXT,
    INSIDE,
    MODEL_AGNOSTIC,
    NOISE,
    WavesInContext,
    in_context,
    model_agnostic,
    share_of_zero,
    train,
)

COUNTS = (1, 2, 4, 8, 16, 64, 256)
ROWS = {f"{count:,} waves" if count > 1 else "1 wave": count for count in COUNTS}
RATE, INNER_RATE, TEST_STEPS = 4e-3, 0.01, 10


class WavesScaling(WavesInContext):
    """Two learners, each with 1 to 256 different waves."""

    name = "waves-scaling"
    methods = tuple(ROWS)
    settings = (MODEL_AGNOSTIC, IN_CONTEXT)
    units: ClassVar = {ERROR: ""}
    differences = ()

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The error on new waves of the family."""
        family = SinusoidTasks(noise=NOISE, waves=ROWS[method])
        make, rate = (in_context, RATE) if setting == IN_CONTEXT else (model_agnostic, INNER_RATE)
        learner = train(make(self.config, rate, seed, self.device), self.config, family, seed, folder)
        steps = {"steps": TEST_STEPS} if setting == MODEL_AGNOSTIC else {}
        return {ERROR: share_of_zero(lambda e: learner.predictions(e, **steps), self.drawn(INSIDE, seed=2))}
