"""Where and how code runs: the device, the random generators, the precision, and whether progress is shown.

Nothing here changes a global setting. Every function answers a question that a notebook, a recipe or the command line
asks once; the rest of the package takes device and type from the tensors that it is given.
"""

import os
import platform
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from course import __version__
from course.arguments import require_whole
from course.errors import CourseError

DEVICES = ("cuda", "mps", "cpu")  # in the order of preference


def device(name: str | torch.device | None = None) -> torch.device:
    """The device to compute on.

    Args:
        name: ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``. ``None`` takes the environment variable
            ``COURSE_DEVICE`` if it is set, otherwise the first of CUDA, MPS and CPU that this machine has.

    Raises:
        CourseError: if the name is not that of a device, or the device is not there.
    """
    origin = ""
    if name is None and os.environ.get("COURSE_DEVICE"):
        name, origin = os.environ["COURSE_DEVICE"], " (from $COURSE_DEVICE)"
    if name is None:
        return torch.device(next(kind for kind in DEVICES if count(kind)))
    try:
        chosen = torch.device(name)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in DEVICES:
        raise CourseError(f"unknown device {str(name)!r}{origin}: choose cuda, cuda:N, mps or cpu")
    if (chosen.index or 0) >= count(chosen.type):
        here = [f"{kind} ({count(kind)})" for kind in DEVICES if count(kind)]
        raise CourseError(
            f"device {str(name)!r}{origin} is not available to torch {torch.__version__}; "
            f"this machine offers {', '.join(here)}: choose one of them, or none for the best"
        )
    return chosen


def count(kind: str) -> int:
    """How many devices of a kind torch can use here."""
    if kind == "cuda":
        return torch.cuda.device_count()
    return int(kind == "cpu" or torch.backends.mps.is_available())


def generator(seed: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A random generator of its own, started from ``seed``; the global generators stay as they are.

    Numbers drawn on the CPU are the same on every machine. To have the same numbers on a GPU, draw there and move them.
    """
    return torch.Generator(device).manual_seed(seed)


def step_generator(seed: int, step: int) -> np.random.Generator:
    """The generator of one step, which depends on nothing before it: a resumed run draws the same numbers.

    Philox, a generator made to be numbered: no two pairs (seed, step) share one. ``torch.Generator`` on a CPU would
    keep 32 bits of a seed, so that two steps of a long run are likely to see the same numbers.

    Args:
        seed, step: whole numbers from 0 to 2**63 - 1.
    """
    for name, value in (("seed", seed), ("step", step)):
        require_whole(name, value, 0, 2**63 - 1)
    return np.random.Generator(np.random.Philox(key=[int(seed), int(step)]))


def autocast(device: str | torch.device, *, enabled: bool = True) -> AbstractContextManager:
    """A context in which matrix products and convolutions run in bfloat16, where that is both allowed and quick.

    That is on CUDA devices with bfloat16 units; anywhere else, and with ``enabled=False``, the context does nothing.
    bfloat16 has the range of float32, so that gradients need no scaling.
    """
    kind = torch.device(device).type
    if enabled and kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast(kind, dtype=torch.bfloat16)
    return nullcontext()


def progress(iterable: Iterable | None = None, **tqdm_options) -> tqdm:
    """A progress bar over ``iterable``, drawn only where somebody may be watching (see :func:`quiet`).

    Args:
        tqdm_options: as for ``tqdm.tqdm``; ``disable=True`` or ``False`` decides for itself.
    """
    screen = {"ncols": 80, "nrows": 24} if without_size() else {"dynamic_ncols": True}
    return tqdm(iterable, **{"disable": quiet(), "leave": False, **screen, **tqdm_options})


def without_size() -> bool:
    """Whether standard error is a terminal of 0 columns and lines: one that was never told its size, as in a container.

    tqdm would take the zeros at their word and draw nothing.
    """
    try:
        return 0 in os.get_terminal_size(sys.stderr.fileno())
    except OSError:  # no terminal
        return False


def quiet() -> bool:
    """Whether to draw no progress bars.

    True in continuous integration (``CI``), while the book is executed (``COURSE_QUIET``), and where standard error is
    neither a terminal nor a notebook.
    """
    if any(os.environ.get(variable, "0").lower() not in ("", "0", "false") for variable in ("CI", "COURSE_QUIET")):
        return True
    return not (sys.stderr.isatty() or "ipykernel.zmqshell" in sys.modules)


def environment() -> dict[str, str | int | None]:
    """The hardware and the versions that a result was measured with; nothing that identifies the machine or its owner.

    Returns:
        ``cpu`` and ``gpu`` (model names; ``gpu`` is None without one), ``cores`` (that this process may use),
        ``threads`` (that torch uses), ``system``, and the versions ``python``, ``torch`` and ``course``.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return {
        "cpu": cpu_name(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "course": __version__,
    }


def cpu_name() -> str:
    """The processor's model name where the system tells it, otherwise its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpu_name() -> str | None:
    """The model name of this machine's (current) GPU, or None without one; a run may still have used the CPU."""
    if count("cuda"):
        return torch.cuda.get_device_name()
    return "Apple GPU" if count("mps") else None
