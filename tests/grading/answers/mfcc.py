"""Answers to the exercises on MFCC: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "heard": {
        "not mirrored": {"alias = min(rest, rate - rest)": "alias = rest"},
        "mirrored always": {"alias = min(rest, rate - rest)": "alias = rate - rest"},
        "the last tone wins": {"found.get(alias, 0.0) + float(a)": "float(a)"},
        "harmonics from 0 on": {"enumerate(amplitudes, 1)": "enumerate(amplitudes)"},
        "sizes add up": {"+ float(a)": "+ abs(float(a))"},
        "silent tones are left out": {"    return found": "    return {f: a for f, a in found.items() if a}"},
        "folded once only": {
            "rest = (h * f0) % rate\n        alias = min(rest, rate - rest)": (
                "f = h * f0\n        alias = f if 2 * f <= rate else abs(rate - f)"
            )
        },
    },
    "overlap": {
        "the sum of the window": {"return g.mean()": "return g.sum()"},
        "the ripple is not relative": {"(g.max() - g.min()) / g.mean()": "g.max() - g.min()"},
        "relative to the largest": {"(g.max() - g.min()) / g.mean()": "(g.max() - g.min()) / g.max()"},
        "only whole hops": {
            "g = np.array([window": "window = window[: len(window) // hop * hop]\n    g = np.array([window"
        },
        "squared windows": {"window[n::hop].sum()": "(window[n::hop] ** 2).sum()"},
        "the middle between smallest and largest": {
            "return g.mean(), (g.max() - g.min()) / g.mean()": (
                "middle = (g.max() + g.min()) / 2\n    return middle, (g.max() - g.min()) / middle"
            )
        },
        "gaps are not seen": {"for n in range(hop)])": "for n in range(min(hop, len(window)))])"},
    },
    "warping_distance": {
        "no diagonal step": {", table[i, j])": ")"},
        "only diagonal steps count": {"min(table[i, j + 1], table[i + 1, j], table[i, j])": "table[i, j]"},
        "squared distances": {"np.linalg.norm(a[:, None] - b, axis=-1)": "((a[:, None] - b) ** 2).sum(-1)"},
        "not divided": {"table[n, m] / (n + m)": "table[n, m]"},
        "divided by the longer one": {"/ (n + m)": "/ max(n, m)"},
        "the beginning is free": {"table[0, 0] = 0": "table[0, :] = 0"},
        "city blocks": {"np.linalg.norm(a[:, None] - b, axis=-1)": "np.abs(a[:, None] - b).sum(-1)"},
        "always on to the nearest pair": """
def warping_distance(a, b):
    distance = np.linalg.norm(a[:, None] - b, axis=-1)
    (n, m), i, j = distance.shape, 0, 0
    cost = distance[0, 0]
    while (i, j) != (n - 1, m - 1):
        steps = [(x, y) for x, y in ((i + 1, j + 1), (i + 1, j), (i, j + 1)) if x < n and y < m]
        i, j = min(steps, key=lambda step: distance[step])
        cost += distance[i, j]
    return cost / (n + m)
""",
    },
    "tube_cepstrum": {
        "without the fraction": {"(n - i) / n * ": ""},
        "the fraction of the other one": {"(n - i) / n": "i / n"},
        "the sign of a": {"+= (n - i)": "-= (n - i)"},
        "from order 0": {"return c[1:]": "return c[:-1]"},
        "ends with the order of the filter": {
            "for i in range(1, min(p, n - 1) + 1)": "for i in range(1, n if n <= p else 1)"
        },
        "the sum is one short": {"min(p, n - 1) + 1": "min(p, n - 1)"},
        "divided by n": {"return c[1:]": "return c[1:] / np.arange(1, count + 1)"},
        "a Fourier transform of 512 points": """
def tube_cepstrum(a, count):
    size = np.abs(np.fft.rfft(np.concatenate([[1.0], -a]), 512))
    return 2 * np.fft.irfft(-np.log(size))[1 : count + 1]
""",
    },
    "motion": {
        "a straight line": {"np.stack([k**0, k, k**2], 1)": "np.stack([k**0, k, 0 * k], 1)"},
        "half of the bend": {"2 * found[2]": "found[2]"},
        "a symmetric window at the ends": {
            "k = np.arange(": "reach = min(reach, max(t, 1), max(len(features) - 1 - t, 1))\n        k = np.arange("
        },
        "the slope at the first neighbour": {
            "slopes[t], bends[t] = found[1]": "slopes[t], bends[t] = found[1] + 2 * k[0] * found[2]"
        },
        "one neighbour too few": {"len(features) - 1 - t) + 1": "len(features) - 1 - t)"},
        "a full window pushed inwards at the ends": {
            "k = np.arange(max(-reach, -t), min(reach, len(features) - 1 - t) + 1)": (
                "size = min(2 * reach + 1, len(features))\n"
                "        k = np.arange(size) + min(max(t - reach, 0), len(features) - size) - t"
            )
        },
        "the ends repeated": """
def motion(features, reach):
    k = np.arange(-reach, reach + 1)
    powers = np.stack([k**0, k, k**2], 1).astype(float)
    padded = np.concatenate([features[:1]] * reach + [features] + [features[-1:]] * reach)
    parts = [np.linalg.lstsq(powers, padded[t : t + 2 * reach + 1], rcond=None)[0] for t in range(len(features))]
    return np.stack([part[1] for part in parts]), np.stack([2 * part[2] for part in parts])
""",
        "whole numbers": {"np.zeros_like(features), np.zeros_like(features)": "np.zeros((2, *features.shape), int)"},
    },
}

RIGHT = {
    "heard": {
        "with the course's function": """
from course.representation.sampling import folded

def heard(f0, amplitudes, rate):
    harmonics = f0 * torch.arange(1, len(amplitudes) + 1, dtype=torch.float64)
    aliases = [round(float(each)) for each in folded(harmonics, rate)]
    return {alias: sum(a for other, a in zip(aliases, amplitudes) if other == alias) for alias in aliases}
""",
        "a distance to the nearest multiple": """
from collections import Counter

def heard(f0, amplitudes, rate):
    found = Counter()
    for h in range(len(amplitudes)):
        f = (h + 1) * f0
        found[abs(f - rate * ((2 * f + rate) // (2 * rate)))] += amplitudes[h]
    return dict(found)
""",
    },
    "overlap": {
        "zeros and a reshape": """
def overlap(window, hop):
    rows = -(-len(window) // hop)
    padded = np.zeros(rows * hop)
    padded[: len(window)] = window
    total = padded.reshape(rows, hop).sum(0)
    return float(total.mean()), float(np.ptp(total) / total.mean())
""",
        "many windows, torch": """
def overlap(window, hop):
    w = torch.from_numpy(window)
    total = torch.zeros(hop, dtype=torch.float64)
    total.index_add_(0, torch.arange(len(w)) % hop, w)
    mean = total.sum() / hop
    return mean, (total.max() - total.min()) / mean
""",
    },
    "warping_distance": {
        "recursion with a memory": """
from functools import cache

def warping_distance(a, b):
    @cache
    def cost(i, j):
        here = np.sqrt(((a[i] - b[j]) ** 2).sum())
        if i == j == 0:
            return here
        return here + min(cost(x, y) for x, y in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if x >= 0 and y >= 0)

    return cost(len(a) - 1, len(b) - 1) / (len(a) + len(b))
""",
        "one row at a time": """
def warping_distance(a, b):
    row = None
    for x in a:
        d = np.linalg.norm(b - x, axis=1)
        new = np.empty(len(b))
        for j in range(len(b)):
            ways = [] if row is None else [row[j]] + ([row[j - 1]] if j else [])
            ways += [new[j - 1]] if j else []
            new[j] = d[j] + min(ways, default=0.0)
        row = new
    return row[-1] / (len(a) + len(b))
""",
    },
    "tube_cepstrum": {
        "sums over poles": """
def tube_cepstrum(a, count):
    poles = np.roots(np.concatenate([[1.0], -a]))
    n = np.arange(1, count + 1)
    return np.real((poles[:, None] ** n / n).sum(0))
""",
        "a division of power series": """
def tube_cepstrum(a, count):
    from scipy.signal import lfilter

    top = np.zeros(count)
    known = min(len(a), count)
    top[:known] = np.arange(1, known + 1) * a[:known]
    derivative = lfilter([1.0], np.concatenate([[1.0], -a]), top)
    return derivative / np.arange(1, count + 1)
""",
    },
    "motion": {
        "normal equations": """
def motion(features, reach):
    slopes, bends = [], []
    frames = np.arange(len(features))
    for t in frames:
        near = frames[np.abs(frames - t) <= reach]
        x = np.vander(near - t, 3).astype(float)
        gamma, beta, _ = np.linalg.solve(x.T @ x, x.T @ features[near])
        slopes.append(beta)
        bends.append(2 * gamma)
    return np.array(slopes), np.array(bends)
""",
        "a pseudo-inverse, torch": """
def motion(features, reach):
    x = torch.from_numpy(features)
    found = []
    for t in range(len(x)):
        near = torch.arange(max(0, t - reach), min(len(x), t + reach + 1))
        k = (near - t).double()
        found.append(torch.linalg.pinv(torch.stack([torch.ones_like(k), k, k * k], 1)) @ x[near])
    found = torch.stack(found)
    return found[:, 1], 2 * found[:, 2]
""",
    },
}

# Edge cases that the statement names: the visible tests do not look for them.
HIDDEN_ONLY = {"warping_distance": ["the beginning is free"]}
