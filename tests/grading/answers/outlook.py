"""Answers to the exercises of the outlook: mistakes, which must earn nothing, and other right ways."""

LOGS = "np.log(prior) - 0.5 * misses - len(places) * np.log(noise * np.sqrt(2 * np.pi))"  # of ideal_reader
SIZE = 'n * ((e1 - floor) / (target - floor)) ** (1 / exponent) if target > floor else float("inf")'  # of size_needed
STEP = "max(low - angle, angle - high, 0.0), np.pi - abs(np.pi - turn - angle)"  # of end_to_end
LENGTHS = "pi * (1 - 2 * pi + (pi**2).sum())"  # of best_baseline

WRONG = {
    "size_needed": {
        "no floor": {"(shrink * e3 - e2) / (shrink - 1)": "0.0"},
        "rounded up": {"float(size)\n": "float(np.ceil(size))\n"},
        "at the floor, too": {"if target > floor": "if target >= floor"},
        "the last error is the floor": {"(shrink * e3 - e2) / (shrink - 1)": "e3"},
        "errors in place of falls": {"(e1 - e2) / (e2 - e3)": "e1 / e2"},
        "the ratio of sizes is forgotten": {"np.log(shrink) / np.log(q)": "np.log(shrink)"},
        "as if the sizes were q and q squared apart": {"np.log(shrink) / np.log(q)": "np.log(shrink) / np.log(q * q)"},
        "the sign of the exponent": {"float(exponent), ": "-float(exponent), "},
        "how many times as many": {SIZE: SIZE.removeprefix("n * ")},
        "from the last size": {"size = n * ((e1 - floor)": "size = n * ((e3 - floor)"},
        "the floor left in": {SIZE: SIZE.replace("(e1 - floor) / (target - floor)", "e1 / target")},
        "the power upside down": {"(1 / exponent)": "exponent"},
        "a target below the floor": {SIZE: SIZE.replace("target - floor", "abs(target - floor)").split(" if ")[0]},
        "no number below the floor": {'float("inf")': 'float("nan")'},
    },
    "ideal_reader": {
        "the products underflow": {"evidence = logsumexp(logs)": "evidence = np.log(np.exp(logs).sum())"},
        "the prior is forgotten": {"np.log(prior) - 0.5": "-0.5"},
        "the evidence of an even prior": {
            "float(evidence)": "float(logsumexp(logs - np.log(prior)) - np.log(len(prior)))"
        },
        "the prior counts with each example": {"np.log(prior) - 0.5": "max(len(places), 1) * np.log(prior) - 0.5"},
        "all at the first place": {"curves[:, places]": "curves[:, 0 * places]"},
        "noise is a variance": {"(y - curves[:, places]) / noise)": "(y - curves[:, places]) / noise**0.5)"},
        "noise is 1": {" / noise) ** 2": ") ** 2"},
        "the best curve alone": {"np.exp(logs - evidence) @ curves": "curves[logs.argmax()]"},
        "one example stands for all": {"** 2).sum(1)": "** 2).mean(1)"},
        "a place counts once": {
            "np.asarray(seen, dtype=int)": "np.unique(seen).astype(int)",
            "(y - ": "(y[: len(places)] - ",
        },
        "the density without its peak": {LOGS: "np.log(prior) - 0.5 * misses"},
        "the evidence of an example": {"float(evidence)": "float(evidence) / max(len(places), 1)"},
        "the evidence of the best curve": {"float(evidence)": "float(logs.max())"},
        "minus the evidence": {"float(evidence)": "-float(evidence)"},
        "the evidence itself": {"float(evidence)": "float(np.exp(evidence))"},
        "no half": {"0.5 * misses": "misses"},
    },
    "guarded_weights": {
        "nobody pushes": {" + np.diag(variances[kept])": ""},
        "centred": {"    inputs = x[:, kept]": "    inputs, y = x[:, kept] - x[:, kept].mean(0), y - y.mean()"},
        "infinite is very large": {
            "kept = np.isfinite(variances)": "variances = np.minimum(variances, 1e12); kept = variances > -1"
        },
        "the sum of the rows": {
            "inputs.T @ inputs / len(x)": "inputs.T @ inputs",
            "inputs.T @ y / len(x)": "inputs.T @ y",
        },
        "standard deviations": {"np.diag(variances[kept])": "np.diag(variances[kept] ** 0.5)"},
        "squared again": {"np.diag(variances[kept])": "np.diag(variances[kept] ** 2)"},
        "the same for all": {"np.diag(variances[kept])": "variances[kept].mean() * np.eye(kept.sum())"},
        "pushed in twos": {"np.diag(variances[kept])": "2 * np.diag(variances[kept])"},
        "set to zero afterwards": {
            "kept = np.isfinite(variances)\n": "kept = np.ones(len(variances), bool)\n",
            "np.diag(variances[kept])": "np.diag(np.where(np.isfinite(variances), variances, 0))",
            "    return weights": "    return np.where(np.isfinite(variances), weights, 0)",
        },
        "the causes alone": {"np.isfinite(variances)\n": "variances == 0\n"},
        "nearly zero": {
            "kept = np.isfinite(variances)\n": "kept = np.ones(len(variances), bool)\n",
            "np.diag(variances[kept])": "np.diag(np.minimum(variances, 100.0))",
        },
    },
    "end_to_end": {
        "the product": {STEP: "low + angle, low + angle", "np.cos(high)": "np.prod(correlations)"},
        "the ends of the interval alone": {
            STEP: (
                "min(abs(low - angle), abs(high - angle)), "
                "max(np.pi - abs(np.pi - low - angle), np.pi - abs(np.pi - high - angle))"
            )
        },
        "angles only add": {STEP: "low + angle, high + angle"},
        "half a turn as soon as one goes beyond": {
            STEP: STEP.replace(
                "np.pi - abs(np.pi - turn - angle)", "min(np.pi, high + angle) if low + angle < np.pi else np.pi"
            )
        },
        "beyond half a turn": {STEP: "max(low - angle, angle - high, 0.0), min(high + angle, np.pi)"},
        "never back": {STEP: "max(low - angle, angle - high, 0.0), high + angle"},
        "the least from one side": {"max(low - angle, angle - high, 0.0)": "max(low - angle, 0.0)"},
        "the least from the other side": {"max(low - angle, angle - high, 0.0)": "max(angle - high, 0.0)"},
        "degrees": {"np.arccos(np.asarray(correlations, dtype=float))": "np.rad2deg(np.arccos(correlations))"},
        "the largest first": {"float(np.cos(high)), float(np.cos(low))": "float(np.cos(low)), float(np.cos(high))"},
        "the angles": {"float(np.cos(high)), float(np.cos(low))": "float(low), float(high)"},
        "the last link is left out": {"angles[1:]": "angles[1:-1]"},
        "the longest against the others": {
            "    return float(np.cos(high))": (
                "    low, high = max(0.0, 2 * angles.max() - angles.sum()), min(np.pi, angles.sum())\n"
                "    return float(np.cos(high))"
            )
        },
    },
    "best_baseline": {
        "the mean reward": {"(weights @ arms) / weights.sum()": "pi @ arms"},
        "no baseline": {"(weights @ arms) / weights.sum()": "0.0"},
        "half": {"(weights @ arms) / weights.sum()": "0.5"},
        "not divided by the lengths": {"(weights @ arms) / weights.sum()": "weights @ arms"},
        "lengths that are not squared": {LENGTHS: "pi * np.sqrt(1 - 2 * pi + (pi**2).sum())"},
        "one entry": {LENGTHS: "pi * (1 - pi) ** 2"},
        "the lengths of the score's own entry": {LENGTHS: "pi * (1 - pi)"},
        "the gradient is forgotten": {"second - (gradient**2).sum()": "second"},
        "not the second moment of the reward": {"arms - 2 * baseline * arms": "arms**2 - 2 * baseline * arms"},
        "pulls do not help": {" / pulls)": ")"},
        "pulls help too much": {" / pulls)": " / pulls**2)"},
        "the deviation": {
            "float((second - (gradient**2).sum()) / pulls)": "float((second - (gradient**2).sum()) / pulls) ** 0.5"
        },
        "the mean of the entries": {" / pulls)": " / pulls / len(arms))"},
        "large logits overflow": {"np.exp(theta - theta.max())": "np.exp(theta)"},
        "not a softmax": {"np.exp(theta - theta.max())": "np.abs(theta) + 1"},
    },
}

RIGHT = {
    "size_needed": {
        "by Aitken's formula": """
from math import inf, log

def size_needed(n, q, errors, target):
    first, second, third = map(float, errors)
    floor = (first * third - second**2) / (first + third - 2 * second)
    exponent = log((second - floor) / (third - floor)) / log(q)
    factor = (first - floor) * n**exponent
    return floor, exponent, (factor / (target - floor)) ** (1 / exponent) if target > floor else inf
""",
        "in logarithms": """
def size_needed(n, q, errors, target):
    falls = -np.diff(np.array(errors, dtype=float))
    rate = np.log(falls[0]) - np.log(falls[1])
    floor = errors[2] - falls[1] / (np.exp(rate) - 1)
    if target <= floor:
        return floor, rate / np.log(q), np.inf
    steps = (np.log(errors[0] - floor) - np.log(target - floor)) / rate
    return floor, rate / np.log(q), n * np.exp(steps * np.log(q))
""",
    },
    "ideal_reader": {
        "one example after another": """
from scipy.stats import norm

def ideal_reader(prior, curves, seen, y, noise):
    logs, evidence = np.log(prior), 0.0
    for place, value in zip(seen, y):
        logs = logs + norm.logpdf(value, curves[:, place], noise)
        step = np.logaddexp.reduce(logs)
        logs, evidence = logs - step, evidence + step
    return np.exp(logs) @ curves, evidence
""",
        "with torch": """
def ideal_reader(prior, curves, seen, y, noise):
    each = torch.distributions.Normal(torch.tensor(curves[:, seen]), float(noise)).log_prob(torch.tensor(y))
    logs = torch.tensor(prior).log() + each.sum(1)
    return (logs.softmax(0) @ torch.tensor(curves)).numpy(), logs.logsumexp(0).item()
""",
    },
    "guarded_weights": {
        "by rows that stand for the pushes": """
def guarded_weights(x, y, variances):
    n, p = x.shape
    kept = [j for j in range(p) if variances[j] < np.inf]
    pushes = np.sqrt(n) * np.diag(np.sqrt(variances[kept]))
    rows, targets = np.vstack([x[:, kept], pushes]), np.append(y, np.zeros(len(kept)))
    weights = np.zeros(p)
    if kept:
        weights[kept] = np.linalg.lstsq(rows, targets, rcond=None)[0]
    return weights
""",
        "the others are taken out one by one": """
def guarded_weights(x, y, variances):
    matrix, right = x.T @ x, x.T @ y
    for j, v in enumerate(variances):
        if np.isinf(v):
            matrix[j, :], matrix[:, j], right[j] = 0, 0, 0
            matrix[j, j] = 1
        else:
            matrix[j, j] += len(y) * v
    return np.linalg.inv(matrix) @ right
""",
    },
    "end_to_end": {
        "with the bound of the chapter": """
from course.crossmodal.triangles import third_correlation

def end_to_end(correlations):
    low = high = correlations[0]
    for link in correlations[1:]:
        least = third_correlation(float(np.clip(-link, low, high)), link)[0]
        low, high = least, third_correlation(float(np.clip(link, low, high)), link)[1]
    return low, high
""",
        "all angles that are possible": """
from math import acos, cos, pi

def end_to_end(correlations):
    low, high = acos(correlations[0]), acos(correlations[0])
    for r in correlations[1:]:
        angle = acos(r)
        nearest = 0.0 if low <= angle <= high else min(abs(low - angle), abs(high - angle))
        furthest = pi if low <= pi - angle <= high else max(pi - abs(pi - end - angle) for end in (low, high))
        low, high = nearest, furthest
    return cos(high), cos(low)
""",
    },
    "best_baseline": {
        "arm by arm": """
from math import exp

def best_baseline(theta, arms, pulls):
    raw = [exp(t - max(theta)) for t in theta]
    pi = [each / sum(raw) for each in raw]
    number = range(len(pi))
    s = [[(a == k) - pi[k] for k in number] for a in number]
    squared = [sum(each * each for each in row) for row in s]
    above = sum(pi[a] * arms[a] * squared[a] for a in number)
    below = sum(pi[a] * squared[a] for a in number)
    b = above / below
    mean = [sum(pi[a] * arms[a] * s[a][k] for a in number) for k in number]
    total = 0.0
    for a in number:
        for r, chance in ((1, arms[a]), (0, 1 - arms[a])):
            total += pi[a] * chance * sum(((r - b) * s[a][k] - mean[k]) ** 2 for k in number)
    return b, total / pulls
""",
        "from the parabola": """
def best_baseline(theta, arms, pulls):
    pi = torch.tensor(theta).softmax(0).numpy()
    s = np.eye(len(pi)) - pi
    mean = (pi * arms) @ s

    def total(b):
        second = pi * (arms * (1 - b) ** 2 + (1 - arms) * b**2) * (s**2).sum(1)
        return second.sum() - mean @ mean

    left, middle, right = total(-1.0), total(0.0), total(1.0)
    b = (left - right) / (2 * (left + right - 2 * middle))
    return b, total(b) / pulls
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
