"""For the tests of exercises, which run in one process in JupyterLab, and in two when answers are graded.

There, the tests are in another process than the answer. An asked function is a stand-in: it sends its arguments and
brings back values. Three helpers say what that cannot guess; in JupyterLab they do nothing.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any

# The grader sets both: what runs a function in the process of the answers, and the number of the submission's draw.
THERE: Callable[..., Any] | None = None
DRAW = 0


class BlackBox:
    """See :func:`black_box`."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.function(*arguments, **options)


def black_box(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for an answer to call, and not to look into: it stays with the tests, and its memory, too.

    Without this a function travels to the answer's process, where autograd can go through it and its variables can be
    read, and where it leaves what it notes down.

    Example:
        >>> tried = []
        >>> @black_box
        ... def watched(x):
        ...     tried.append(x)
        ...     return x * x
        >>> watched(3.0), tried
        (9.0, [3.0])
    """
    return BlackBox(function)


def by_the_answer(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the tests that needs the answer's result with its graph, for a derivative; its values come back.

    Example:
        >>> import torch
        >>> @by_the_answer
        ... def slope(answer, x):
        ...     return torch.autograd.grad(answer(x), x)[0]
        >>> slope(torch.square, torch.tensor(3.0, requires_grad=True))
        tensor(6.)
    """

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        return (THERE or _here)(function, *arguments, **options)

    return run


def _here(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return function(*arguments, **options)


def drawn(seed: int) -> int:
    """A seed for hidden tests: this one in JupyterLab, another one for each graded submission.

    Example:
        >>> drawn(51)
        51
    """
    return zlib.crc32(f"{DRAW} {seed}".encode()) if DRAW else seed
