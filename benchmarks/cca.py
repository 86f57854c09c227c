"""CCA against cca-zoo and scikit-learn: time, memory above the data, and a stream that does not fit into memory.

    python benchmarks/cca.py --output book/results/bench-cca.json

All fit the same arrays and ask for the same number of pairs, with default settings, one thread each (scikit-learn
stops at its default limit of 500 iterations for some pairs, and says so). Times are taken in
turn (A, B, A, B, ...), and the ratio is the median of the ratios of neighbours. Memory is the peak of a fresh process.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

PAIRS = 10
COLUMNS = 100
STREAMED = 2_000_000
BLOCK = 10_000


def data(n: int):
    """Two views ``[n, 100]`` with ten common causes."""
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = np.empty((n, COLUMNS)), np.empty((n, COLUMNS))
    mixing = rng.standard_normal((2, PAIRS, COLUMNS)) / 2
    for start in range(0, n, 1000):
        rows = slice(start, start + 1000)
        cause = rng.standard_normal((len(x[rows]), PAIRS))
        for view, mix in zip((x, y), mixing, strict=True):
            view[rows] = cause @ mix + rng.standard_normal((len(cause), COLUMNS))
    return x, y


def fit_course(x, y, k=PAIRS):
    from course.crossmodal.cca import CCA

    return CCA(k).fit(x, y).correlations


def fit_cca_zoo(x, y, k=PAIRS):
    from cca_zoo.linear import CCA

    return CCA(n_components=k).fit([x, y]).weights_


def fit_sklearn(x, y, k=PAIRS):
    from sklearn.cross_decomposition import CCA

    return CCA(n_components=k).fit(x, y).x_rotations_


FITS: dict[str, Callable] = {"course": fit_course, "cca-zoo": fit_cca_zoo, "scikit-learn": fit_sklearn}


def seconds(action: Callable) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def compare(peer: str, n: int, repeats: int, k: int = PAIRS) -> dict:
    """Median seconds of both and the median of the ratios peer / course."""
    x, y = data(n)
    for name in ("course", peer):
        FITS[name](x[:1000], y[:1000])  # imports and first calls
    own, other = fit_course, FITS[peer]
    times = [(seconds(lambda: own(x, y, k)), seconds(lambda: other(x, y, k))) for _ in range(repeats)]
    return {
        "what": f"seconds to fit, n={n:,}, {k} pairs",
        "peer": peer,
        "course_value": median(own for own, _ in times),
        "peer_value": median(other for _, other in times),
        "ratio": median(other / own for own, other in times),
        "repeats": repeats,
    }


def accuracy() -> dict:
    """Largest difference of each library's correlations from the exact ones (QR and SVD of the data), n = 10,000."""
    import numpy as np
    from cca_zoo.linear import CCA as ZooCCA
    from sklearn.cross_decomposition import CCA as SklearnCCA

    x, y = data(10_000)
    qx, qy = (np.linalg.qr(view - view.mean(0))[0] for view in (x, y))
    exact = np.linalg.svd(qx.T @ qy, compute_uv=False)[:PAIRS]

    def of_variates(zx, zy):
        return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(zx.T, zy.T, strict=True)])

    found = {
        "course": fit_course(x, y),
        "cca-zoo": of_variates(*ZooCCA(n_components=PAIRS).fit([x, y]).transform([x, y])),
        "scikit-learn": of_variates(*SklearnCCA(n_components=PAIRS).fit(x, y).transform(x, y)),
    }
    return {name: float(abs(np.sort(values)[::-1] - exact).max()) for name, values in found.items()}


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


def memory_of_fit(name: str, n: int) -> int:
    """Bytes above libraries and data that a fit needs at its peak (in this process, which must be fresh)."""
    import numpy as np

    rng = np.random.default_rng(0)
    FITS[name](*rng.standard_normal((2, 100, 12)))  # loads the libraries, and frees next to nothing for later use
    x, y = np.empty((n, COLUMNS)), np.empty((n, COLUMNS))
    rng.standard_normal(out=x)
    rng.standard_normal(out=y)
    before = peak()
    FITS[name](x, y)
    return peak() - before


def memory_of_stream(n: int) -> int:
    """Bytes above the start (libraries loaded) to stream n rows, the blocks of data included."""
    import numpy as np

    from course.crossmodal.cca import CCA

    before = peak()
    rng = np.random.default_rng(0)
    model, x, y = CCA(PAIRS), np.empty((BLOCK, COLUMNS)), np.empty((BLOCK, COLUMNS))
    for _ in range(n // BLOCK):
        rng.standard_normal(out=x)
        rng.standard_normal(out=y)
        y += x
        model.partial_fit(x, y)
    assert abs(model.correlations[0] - 0.5**0.5) < 0.05
    return peak() - before


def in_fresh_process(call: str) -> int:
    """The number that ``call`` gives in a process of its own."""
    code = f"import cca; print(cca.{call})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{call} failed:\n{done.stderr}")
    return int(done.stdout)


def compare_memory(peer: str, n: int) -> dict:
    own, other = (in_fresh_process(f"memory_of_fit({name!r}, {n})") for name in ("course", peer))
    row = {"what": f"MB above the data to fit, n={n:,}", "peer": peer, "repeats": 1}
    return row | {"course_value": own / 1e6, "peer_value": other / 1e6, "ratio": other / own}


def measure(repeats: int) -> list[dict]:
    """All rows of the table; ``goal`` is the least ratio, or the largest value where there is no peer."""
    stream = in_fresh_process(f"memory_of_stream({STREAMED})") / 1e6
    short = in_fresh_process(f"memory_of_stream({STREAMED // 20})") / 1e6
    return [
        compare("cca-zoo", 10_000, repeats) | {"goal": 3},
        compare("scikit-learn", 10_000, min(repeats, 3)) | {"goal": 100},
        compare("cca-zoo", 100_000, min(repeats, 7)) | {"goal": 5},
        compare("cca-zoo", 100_000, min(repeats, 5), k=COLUMNS),
        compare_memory("cca-zoo", 100_000) | {"goal": 8},
        {"what": f"MB above the start to stream {STREAMED:,} rows", "course_value": stream, "goal": 100},
        {"what": f"MB above the start to stream {STREAMED // 20:,} rows", "course_value": short, "goal": 100},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before a library that computes is loaded, here and in the processes started
    rows = measure(options.repeats)

    from course import runtime

    result = {
        "benchmark": "cca",
        "setting": f"p = q = {COLUMNS}, float64, one thread",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "environment": runtime.environment(),
        "rows": rows,
        "error_of_correlations": accuracy(),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    for row in rows:
        print(row)
    print("largest error of a correlation:", result["error_of_correlations"])


if __name__ == "__main__":
    main()
