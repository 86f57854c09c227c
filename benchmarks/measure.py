"""What the benchmarks share: times taken in turn, the peak of memory, and the file that the book reads."""

import argparse
import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter


def seconds(action: Callable, clock: Callable = perf_counter) -> float:
    start = clock()
    action()
    return clock() - start


def in_turn(own: Callable, other: Callable, repeats: int, scale: float = 1.0, clock: Callable = perf_counter) -> dict:
    """Median seconds of both, taken in turn (A, B, A, B, ...), and the median of the ratios of neighbours.

    ``scale`` turns the seconds into another unit; ``clock`` may be ``time.process_time``. Both are called once before:
    imports and first calls do not count.
    """
    own()
    other()
    times = [(seconds(own, clock), seconds(other, clock)) for _ in range(repeats)]
    return {
        "course_value": scale * median(mine for mine, _ in times),
        "peer_value": scale * median(theirs for _, theirs in times),
        "ratio": median(theirs / mine for mine, theirs in times),
        "repeats": repeats,
    }


def peak() -> int:
    """The largest resident memory of this process so far, in bytes.

    Linux: not ``getrusage``, which starts from the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def in_fresh_process(module: str, call: str, kind: type = int) -> float:
    """The number that ``call`` to a benchmark ``module`` gives in a process of its own."""
    code = f"import {module}; print({module}.{call})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{call} failed:\n{done.stderr}")
    return kind(done.stdout)


def command_line(description: str, repeats: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--repeats", type=int, default=repeats)
    return parser


def write(path: Path, name: str, setting: str, rows: Iterable[dict], *, gpu: bool = False) -> None:
    """Print the rows, each as soon as it is measured, and write the table that the book's page `results` shows.

    Each row has ``what``, ``course_value`` and, against a ``peer``, ``peer_value`` and ``ratio``; ``goal`` is the least
    ratio, or the largest value where there is no peer. ``gpu`` says whether one was measured.
    """
    measured = []
    for row in rows:
        print(row, flush=True)
        measured.append(row)

    from course import runtime
    from course.files import write_json

    result = {
        "benchmark": name,
        "setting": setting,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "environment": runtime.environment() | ({} if gpu else {"gpu": None}),
        "rows": measured,
    }
    write_json(path, result)


def main(name: str, description: str, setting: str, measure: Callable[[int], Iterable[dict]], repeats: int) -> None:
    """The command line of a benchmark on one thread of a CPU."""
    options = command_line(description, repeats).parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before a library that computes is loaded, here and in the processes started
    write(options.output, name, setting, measure(options.repeats))
