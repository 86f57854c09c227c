"""CCA against cca-zoo and scikit-learn: time, memory above the data, and a stream that does not fit into memory.

    python benchmarks/cca.py --output book/results/bench-cca.json

All fit the same arrays and ask for the same number of pairs, with default settings, one thread each (scikit-learn
stops at its default limit of 500 iterations for some pairs, and says so). Memory is the peak of a fresh process.
"""

from collections.abc import Callable

from measure import in_fresh_process, in_turn, main, peak

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


def variates_cca_zoo(x, y):
    from cca_zoo.linear import CCA

    return CCA(n_components=PAIRS).fit([x, y]).transform([x, y])


def variates_sklearn(x, y):
    from sklearn.cross_decomposition import CCA

    return CCA(n_components=PAIRS).fit(x, y).transform(x, y)


VARIATES: dict[str, Callable] = {"cca-zoo": variates_cca_zoo, "scikit-learn": variates_sklearn}
FITS: dict[str, Callable] = {"course": fit_course, "cca-zoo": fit_cca_zoo, "scikit-learn": fit_sklearn}


def compare(peer: str, n: int, repeats: int, k: int = PAIRS) -> dict:
    """Median seconds of both and the median of the ratios peer / course."""
    x, y = data(n)
    row = {"what": f"seconds to fit, n={n:,}, {k} pairs", "peer": peer}
    return row | in_turn(lambda: fit_course(x, y, k), lambda: FITS[peer](x, y, k), repeats)


def compare_accuracy(peer: str) -> dict:
    """Largest difference of the correlations from the exact ones (QR and SVD of the data), n = 10,000."""
    import numpy as np

    x, y = data(10_000)
    qx, qy = (np.linalg.qr(view - view.mean(0))[0] for view in (x, y))
    exact = np.linalg.svd(qx.T @ qy, compute_uv=False)[:PAIRS]
    zx, zy = VARIATES[peer](x, y)
    theirs = np.sort([np.corrcoef(a, b)[0, 1] for a, b in zip(zx.T, zy.T, strict=True)])[::-1]
    own, other = (float(abs(values - exact).max()) for values in (fit_course(x, y), theirs))
    row = {"what": "largest error of a correlation, n=10,000", "peer": peer, "repeats": 1}
    return row | {"course_value": own, "peer_value": other, "ratio": other / own}


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


def compare_memory(peer: str, n: int) -> dict:
    own, other = (in_fresh_process("cca", f"memory_of_fit({name!r}, {n})") for name in ("course", peer))
    row = {"what": f"MB above the data to fit, n={n:,}", "peer": peer, "repeats": 1}
    return row | {"course_value": own / 1e6, "peer_value": other / 1e6, "ratio": other / own}


def measure(repeats: int) -> list[dict]:
    """All rows of the table; ``goal`` is the least ratio, or the largest value where there is no peer."""
    stream = in_fresh_process("cca", f"memory_of_stream({STREAMED})") / 1e6
    short = in_fresh_process("cca", f"memory_of_stream({STREAMED // 20})") / 1e6
    return [
        compare("cca-zoo", 10_000, repeats) | {"goal": 3},
        compare("scikit-learn", 10_000, min(repeats, 3)) | {"goal": 100},
        compare("cca-zoo", 100_000, min(repeats, 7)) | {"goal": 5},
        compare("cca-zoo", 100_000, min(repeats, 5), k=COLUMNS),
        compare_accuracy("cca-zoo"),
        compare_accuracy("scikit-learn"),
        compare_memory("cca-zoo", 100_000) | {"goal": 8},
        {"what": f"MB above the start to stream {STREAMED:,} rows", "course_value": stream, "goal": 100},
        {"what": f"MB above the start to stream {STREAMED // 20:,} rows", "course_value": short, "goal": 100},
    ]


if __name__ == "__main__":
    main("cca", __doc__, f"p = q = {COLUMNS}, float64, one thread", measure, repeats=15)
