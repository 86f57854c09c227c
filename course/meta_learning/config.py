"""Settings of MAML: few numbers, of which the inner rate and the number of inner steps matter most.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning* (2017), appendix A.1.
"""

from dataclasses import dataclass

from course.arguments import require_whole


@dataclass(frozen=True)
class MAMLConfig:
    """Settings of MAML and of its training run; see :meth:`quick` and :meth:`full` for two sets that work.

    Attributes:
        inner_lr: step size α of the inner loop.
        inner_steps: inner steps K while training; 0 makes it training on all tasks jointly.
        test_steps: inner steps when a finished model meets a new task.
        outer_lr: step size of the outer optimiser.
        meta_batch: tasks per outer step.
        iterations: outer steps.
        first_order: drop the second derivatives.
        filters: filters of each convolution of :class:`course.representation.cnn.Conv4`.

    Raises:
        ValueError: if a rate is not positive, or a number of steps, tasks or filters is not a whole number in range.
    """

    inner_lr: float = 0.4
    inner_steps: int = 1
    test_steps: int = 3
    outer_lr: float = 1e-3
    meta_batch: int = 32
    iterations: int = 60_000
    first_order: bool = False
    filters: int = 64

    def __post_init__(self):
        for name in ("inner_lr", "outer_lr"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} is a step size and must be positive and finite, got {value!r}")
        least = {"inner_steps": 0, "test_steps": 0, "meta_batch": 1, "iterations": 1, "filters": 1}
        for name, low in least.items():
            require_whole(name, getattr(self, name), low)

    @classmethod
    def quick(cls) -> "MAMLConfig":
        """One or two minutes on a laptop's CPU: fewer filters, tasks and iterations, a larger outer rate."""
        return cls(test_steps=1, outer_lr=3e-3, meta_batch=4, iterations=1_000, filters=16)

    @classmethod
    def full(cls, n_way: int = 5) -> "MAMLConfig":
        """The paper's setting for Omniglot, for 5-way or 20-way tasks.

        Raises:
            ValueError: for any other number of classes.
        """
        if n_way == 5:
            return cls()
        if n_way == 20:
            return cls(inner_lr=0.1, inner_steps=5, test_steps=5, meta_batch=16)
        raise ValueError(f"the paper has settings for 5-way and 20-way tasks, not for {n_way}-way: use MAMLConfig(...)")
