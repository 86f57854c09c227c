"""Answers to the exercises on emotion in speech: mistakes, which must earn nothing, and other right ways."""

WRONG = {
    "fair_accuracy": {
        "the share of all recordings": {"    return float(np.mean(means))": "    return float(np.mean(y == found))"},
        "emotions do not count the same": {
            "np.mean([np.mean(found[own & (y == label)] == label) for label in np.unique(y[own])])": (
                "np.mean(found[own] == y[own])"
            )
        },
        "speakers do not count the same": {
            "    return float(np.mean(means))": (
                "    return float(np.mean([np.mean(found[y == label] == label) for label in np.unique(y)]))"
            )
        },
        "absent emotions count as wrong": {
            "np.mean([np.mean(found[own & (y == label)] == label) for label in np.unique(y[own])])": (
                "np.sum([np.mean(found[own & (y == label)] == label) for label in np.unique(y[own])])"
                " / len(np.unique(y))"
            )
        },
        "by what was answered": {
            "np.mean(found[own & (y == label)] == label)": "np.mean(y[own & (found == label)] == label)"
        },
    },
    "flattery": {
        "the own recording is a neighbour": {"np.eye(len(x), dtype=bool)": "np.zeros((len(x), len(x)), dtype=bool)"},
        "the same twice": {"speakers[:, None] == speakers[None]": "np.eye(len(x), dtype=bool)"},
        "only the own speaker": {"speakers[:, None] == speakers[None]": "speakers[:, None] != speakers[None]"},
        "the other order": {"return tuple(accuracies)": "return tuple(accuracies[::-1])"},
        "the farthest": {"np.where(forbidden, np.inf, d).argmin(1)": "np.where(forbidden, -np.inf, d).argmax(1)"},
        "the last of equal ones": {
            "np.where(forbidden, np.inf, d).argmin(1)": (
                "len(x) - 1 - np.where(forbidden, np.inf, d)[:, ::-1].argmin(1)"
            )
        },
        "squares before differences": {
            "((x[:, None] - x[None]) ** 2).sum(2)": ("(x**2).sum(1)[:, None] - 2 * x @ x.T + (x**2).sum(1)")
        },
    },
    "balanced_scale": {
        "recordings count the same": {
            "(p[:, kept] / mass[kept]).mean(1) if kept.any() else np.full(len(x), 1 / len(x))": (
                "np.full(len(x), 1 / len(x))"
            )
        },
        "rare emotions are kept": {"mass >= 0.5": "mass > 0"},
        "the sum over emotions": {".mean(1) if": ".sum(1) if"},
        "the plain mean": {"m = w @ x": "m = x.mean(0)"},
        "the plain variance": {"v = w @ (x - m) ** 2": "v = x.var(0)"},
        "the deviation is forgotten": {"(x - m) / np.sqrt(np.where(constant, 1.0, v))": "x - m"},
        "divided by the variance": {"np.sqrt(np.where(constant, 1.0, v))": "np.where(constant, 1.0, v)"},
        "not a number": {
            "np.where(constant, 0.0, (x - m) / np.sqrt(np.where(constant, 1.0, v)))": "(x - m) / np.sqrt(v)"
        },
        "over all emotions, none left out": {"(p[:, kept] / mass[kept]).mean(1)": "(p / mass).mean(1)"},
        "nothing is kept": {" if kept.any() else np.full(len(x), 1 / len(x))": ""},
    },
    "forgetting_scale": {
        "the recording itself is used": {
            "        z.append(away / np.sqrt(v))\n        m = m + away / memory\n"
            "        v = (1 - 1 / memory) * (v + away**2 / memory)": (
                "        m = m + away / memory\n        v = (1 - 1 / memory) * (v + away**2 / memory)\n"
                "        z.append((row - m) / np.sqrt(v))"
            )
        },
        "no root": {"np.sqrt(v)": "v"},
        "the new mean in the variance": {"away**2 / memory)": "(row - m)**2 / memory)"},
        "the factor is forgotten": {"(1 - 1 / memory) * (v + away**2 / memory)": "v + (away**2 - v) / memory"},
        "the arguments change": {
            "m, v, z = m0.copy(), v0.copy(), []": "m, v, z = m0, v0, []",
            "m = m + away / memory": "m += away / memory",
        },
        "the variance stays": {"v = (1 - 1 / memory) * (v + away**2 / memory)": "pass"},
        "the mean stays": {"m = m + away / memory": "pass"},
        "squares of large numbers": {
            "m, v, z = m0.copy(), v0.copy(), []": "m, v, z = m0.copy(), v0.copy(), []\n    q = v + m**2",
            "v = (1 - 1 / memory) * (v + away**2 / memory)": (
                "q = q + (row**2 - q) / memory\n        v = np.maximum(q - m**2, 1e-9)"
            ),
        },
    },
    "between_variance": {
        "the mean number of all": {"v = b + 1 / n": "v = b + 1 / n.mean()"},
        "noise of one recording": {"v = b + 1 / n": "v = b + 1.0"},
        "by moments": {
            "    top = squares.max() / d": "    return float(max(0.0, (squares / d - 1 / n).mean()))\n    top = 1"
        },
        "dimensions are forgotten": {"(d * np.log(v) + squares / v)": "(np.log(v) + squares / v)"},
        "the precision": {
            "return float(fine.x if fine.fun < values[best] else grid[best])": "return float(1 / max(fine.x, 1e-12))"
        },
        "the first maximum from one": {
            "    grid = np.concatenate": (
                "    fine = minimize_scalar(surprise, bounds=(0.5, 2 * top), method='bounded')\n"
                "    return float(fine.x)\n    grid = np.concatenate"
            )
        },
        "a fixed range": {"np.concatenate([[0.0], np.geomspace(1e-9 * top, top, 4000)])": "np.linspace(0, 10, 4000)"},
        "a negative variance": {
            "    top = squares.max() / d": (
                "    if np.ptp(n) == 0:\n        return squares.mean() / d - 1 / n[0]\n    top = squares.max() / d"
            )
        },
    },
}

RIGHT = {
    "fair_accuracy": {
        "with a table": """
def fair_accuracy(y, found, speakers):
    pairs = np.stack([speakers, y], 1)
    kinds, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.ravel()
    share = np.bincount(place, weights=(y == found)) / np.bincount(place)
    return np.mean([share[kinds[:, 0] == s].mean() for s in np.unique(kinds[:, 0])])
""",
        "in torch": """
def fair_accuracy(y, found, speakers):
    y, found, speakers = (torch.from_numpy(np.asarray(each)) for each in (y, found, speakers))
    right = (y == found).double()
    of_speakers = []
    for s in speakers.unique():
        mine = speakers == s
        of_speakers.append(torch.stack([right[mine & (y == k)].mean() for k in y[mine].unique()]).mean())
    return torch.stack(of_speakers).mean().item()
""",
    },
    "flattery": {
        "recording by recording": """
def flattery(x, y, speakers):
    right = [0, 0]
    for i in range(len(x)):
        d = ((x - x[i]) ** 2).sum(1)
        for way, allowed in enumerate((np.arange(len(x)) != i, speakers != speakers[i])):
            places = np.flatnonzero(allowed)
            right[way] += y[places[np.argmin(d[places])]] == y[i]
    return right[0] / len(x), right[1] / len(x)
""",
        "by distances of scipy": """
from scipy.spatial.distance import cdist

def flattery(x, y, speakers):
    d = cdist(x, x, "sqeuclidean")
    one, two = d.copy(), d.copy()
    np.fill_diagonal(one, np.inf)
    two[speakers[:, None] == speakers] = np.inf
    return [np.mean(y[each.argmin(1)] == y) for each in (one, two)]
""",
    },
    "balanced_scale": {
        "mean of the means": """
def balanced_scale(x, p):
    kept = [k for k in range(p.shape[1]) if p[:, k].sum() >= 0.5]
    columns = [p[:, k] / p[:, k].sum() for k in kept] or [np.ones(len(x)) / len(x)]
    m = np.mean([c @ x for c in columns], 0)
    v = np.mean([c @ (x - m) ** 2 for c in columns], 0)
    still = x.max(0) == x.min(0)
    v[still] = 1
    z = (x - m) / np.sqrt(v)
    z[:, still] = 0
    return z
""",
        "in torch": """
def balanced_scale(x, p):
    x, p = torch.from_numpy(x.copy()), torch.from_numpy(p.copy())
    kept = p.sum(0) >= 0.5
    w = (p[:, kept] / p.sum(0)[kept]).sum(1) / kept.sum() if kept.any() else torch.ones(len(x)).double() / len(x)
    m = (w[:, None] * x).sum(0)
    v = (w[:, None] * (x - m) ** 2).sum(0)
    still = (x == x[0]).all(0)
    return torch.where(still, 0.0, (x - m) / torch.where(still, 1.0, v).sqrt()).numpy()
""",
    },
    "forgetting_scale": {
        "a table that is filled": """
def forgetting_scale(x, memory, m0, v0):
    z, rate = np.empty(x.shape), 1 / memory
    m, v = np.array(m0), np.array(v0)
    for t in range(len(x)):
        z[t] = (x[t] - m) / v**0.5
        step = rate * (x[t] - m)
        v = (1 - rate) * (v + (x[t] - m) * step)
        m = m + step
    return z
""",
        "in torch": """
def forgetting_scale(x, memory, m0, v0):
    m, v, rows = torch.from_numpy(m0.copy()), torch.from_numpy(v0.copy()), []
    for row in torch.from_numpy(x.copy()):
        rows.append((row - m) / v.sqrt())
        v = (1 - 1 / memory) * (v + (row - m).square() / memory)
        m = m + (row - m) / memory
    return torch.stack(rows).numpy()
""",
    },
    "between_variance": {
        "a grid that is refined": """
def between_variance(u, n):
    d, q = u.shape[1], (u**2).sum(1)
    def likelihood(b):
        v = np.asarray(b)[:, None] + 1 / n
        return -(d * np.log(v) + q / v).sum(1) / 2
    top = q.max() / d + 1e-300
    grid = np.concatenate([[0.0], np.geomspace(1e-10 * top, top, 5000)])
    for _ in range(12):
        best = int(likelihood(grid).argmax())
        grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 201)
    return grid[likelihood(grid).argmax()]
""",
        "from many starts": """
from scipy.optimize import minimize_scalar

def between_variance(u, n):
    d, q = u.shape[1], (u**2).sum(1)
    def surprise(b):
        return ((d * np.log(b + 1 / n) + q / (b + 1 / n)) / 2).sum()
    top, best = q.max() / d, (surprise(0.0), 0.0)
    edges = np.concatenate([[0.0], np.geomspace(1e-9 * top, top, 400)])
    for left, right in zip(edges[:-2], edges[2:]):
        found = minimize_scalar(surprise, bounds=(left, right), method="bounded", options={"xatol": 1e-12 * right})
        best = min(best, (found.fun, found.x))
    return float(best[1])
""",
    },
}

HIDDEN_ONLY = {}
