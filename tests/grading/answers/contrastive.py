"""Answers to the exercises on contrastive learning: mistakes, which must earn nothing, and other right ways."""

FOUND = "expit(scores[~own] + middle).sum() < expit(-scores[own] - middle).sum():"  # of best_bias

WRONG = {
    "recall_at": {
        "ties for the query": {"scores >= best[:, None]": "scores > best[:, None]"},
        "own candidates stand in the way": {" & ~own)": ")"},
        "the worst of the own": {"np.where(own, scores, -np.inf).max(1)": "np.where(own, scores, np.inf).min(1)"},
        "the diagonal is the partner": {
            "best = np.where(own, scores, -np.inf).max(1)": "best = np.diag(scores)[: len(scores)]"
        },
        "one place too many": {"before < k": "before <= k"},
        "distances": {"scores >= best[:, None]": "scores <= best[:, None]"},
        "zero where it is not the own": {"np.where(own, scores, -np.inf)": "np.where(own, scores, 0)"},
        "the share of right candidates": {"float((before < k).mean())": "float(np.minimum(own.sum(1), k).mean() / k)"},
    },
    "best_bias": {
        "the sum of all must be N": {FOUND: "expit(scores + middle).sum() < n:"},
        "as for equal scores": {
            "    return float((low + high) / 2)": "    return float(-np.log(n - 1) - scores.mean())"
        },
        "the number of cells": {FOUND: "expit(scores + middle).sum() < n * n / 2:"},
        "one yes in the batch": {FOUND: "expit(scores + middle).sum() < 1:"},
        "the sign": {"return float((low": "return -float((low"},
        "too few steps": {"range(200)": "range(12)"},
        "a fixed range": {
            "low, high = -np.log(n - 1) - scores.max() - 1, -np.log(n - 1) - scores.min() + 1": "low, high = -50, 50"
        },
        "the diagonal only": {FOUND: "expit(np.diag(scores) + middle).sum() < n / 2:"},
        "what lacks to 1, rounded": {"expit(-scores[own] - middle)": "(1 - expit(scores[own] + middle))"},
        "SigLIP's start": {"    return float((low + high) / 2)": "    return -10.0"},
    },
    "sphere_gradient": {
        "as if the vectors were free": {"(g - (g * u).sum(1, keepdims=True) * u) / length": "g / length"},
        "the length is forgotten": {" * u) / length": " * u)"},
        "the temperature is forgotten": {"(len(x) * temperature)": "len(x)"},
        "the sum over rows": {"(len(x) * temperature)": "temperature"},
        "the sign": {"(p @ v - v)": "(v - p @ v)"},
        "columns in place of rows": {
            "/ np.exp(scores).sum(1, keepdims=True)": "/ np.exp(scores).sum(0, keepdims=True)"
        },
        "an overflow": {"scores = scores - scores.max(1, keepdims=True)": "pass"},
        "one maximum for all rows": {"scores.max(1, keepdims=True)": "scores.max()"},
        "y is not normalised": {"p @ v - v": "p @ y - y"},
        "mixed by x": {"p @ v - v": "p @ u - u"},
        "projected on x, not on u": {"(g * u).sum(1, keepdims=True) * u": "(g * x).sum(1, keepdims=True) * x"},
        "scores cut off": {"scores = scores - scores.max(1, keepdims=True)": "scores = np.clip(scores, -700, 700)"},
    },
    "all_positives": {
        "the sum over partners": {".sum(1) / counts)": ".sum(1))"},
        "the own partner only": {"own = groups[:, None] == groups": "own = np.eye(len(groups), dtype=bool)"},
        "the least is zero": {"float(np.log(counts).mean())": "0.0"},
        "the logarithm of the mean": {"np.log(counts).mean()": "np.log(counts.mean())"},
        "the partner is not counted": {"counts = own.sum(1)": "counts = np.maximum(own.sum(1) - 1, 1)"},
        "probabilities are added up": {
            "loss = -(np.where(own, log_p, 0).sum(1) / counts).mean()": (
                "loss = -np.log(np.where(own, np.exp(log_p), 0).sum(1)).mean()"
            )
        },
        "twins left out": {"logsumexp(scores, axis": "logsumexp(np.where(own, -np.inf, scores), axis"},
        "columns": {"axis=1": "axis=0"},
        "a tiny number in the logarithm": {
            "log_p = scores - logsumexp(scores, axis=1, keepdims=True)": (
                "e = np.exp(scores - scores.max(1, keepdims=True))\n"
                "    log_p = np.log(e / e.sum(1, keepdims=True) + 1e-12)"
            )
        },
        "the mean over all partners at once": {
            "-(np.where(own, log_p, 0).sum(1) / counts).mean()": "-log_p[own].mean()"
        },
    },
    "streamed_loss": {
        "the sums are not rescaled": {"a, b = c * a, c * (b + shift * a)": "pass"},
        "the second sum is not shifted": {"c * (b + shift * a)": "c * b"},
        "the sign of the entropy": {"np.log(a) - b / a": "b / a - np.log(a)"},
        "the sign of the second sum": {"np.log(a) - b / a": "np.log(a) + b / a"},
        "the maximum is lost": {"(m + np.log(a) - own)": "(np.log(a) - own)"},
        "no maximum": {"new = np.maximum(m, block.max(1))": "new = np.maximum(np.zeros(n), m)"},
        "the maximum of the whole block": {"block.max(1)": "block.max()"},
        "the last block only": {"    n = len(own)\n": "    n = len(own)\n    blocks = list(blocks)[-1:]\n"},
        "the sum over rows": {"(m + np.log(a) - own).mean()": "(m + np.log(a) - own).sum()"},
        "minus infinity is not a number": {
            "np.where(weights > 0, weights * np.where(np.isfinite(terms), terms, 0.0), 0.0)": "(weights * terms)"
        },
        "everything is kept": {
            "    n = len(own)\n": "    n = len(own)\n    blocks = [np.concatenate(list(blocks), 1)]\n"
        },
        "rows without anything yet": {"np.where(some, new, 0.0)": "new"},
    },
}

RIGHT = {
    "recall_at": {
        "query by query": """
def recall_at(scores, query_groups, candidate_groups, k):
    hits = 0
    for row, group in zip(scores, query_groups):
        best = row[candidate_groups == group].max()
        hits += (row[candidate_groups != group] >= best).sum() < k
    return hits / len(scores)
""",
        "by sorting with a second key": """
def recall_at(scores, query_groups, candidate_groups, k):
    own = query_groups[:, None] == candidate_groups[None]
    order = np.stack([np.lexsort((o, -s)) for s, o in zip(scores, own)])[:, :k]
    return np.take_along_axis(own, order, 1).any(1).mean()
""",
    },
    "best_bias": {
        "by a root finder": """
from scipy.optimize import brentq
from scipy.special import expit

def best_bias(scores):
    own = np.diag(np.ones(len(scores))) > 0
    ends = sorted(-np.log(len(scores) - 1) - s for s in (scores.max() + 1, scores.min() - 1))

    def excess(b):
        return expit(scores[~own] + b).sum() - expit(-scores[own] - b).sum()

    return brentq(excess, *ends, xtol=1e-10, rtol=1e-14)
""",
        "bisection in torch": """
def best_bias(scores):
    s = torch.from_numpy(scores.copy())
    n = len(s)
    sign = 1 - 2 * torch.eye(n, dtype=s.dtype)
    low, high = -s.max() - np.log(n) - 40, -s.min() + 40
    for _ in range(300):
        b = (low + high) / 2
        low, high = (b, high) if (sign * torch.sigmoid(sign * (s + b))).sum() < 0 else (low, b)
    return b.item()
""",
    },
    "sphere_gradient": {
        "by automatic differentiation": """
def sphere_gradient(x, y, temperature):
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    u, v = leaf / leaf.norm(dim=1, keepdim=True), torch.from_numpy(y) / torch.from_numpy(y).norm(dim=1, keepdim=True)
    loss = torch.nn.functional.cross_entropy(u @ v.T / temperature, torch.arange(len(x)))
    return torch.autograd.grad(loss, leaf)[0].numpy()
""",
        "row by row with the projector": """
from scipy.special import softmax

def sphere_gradient(x, y, temperature):
    v = np.array([row / np.sqrt(row @ row) for row in y])
    out = np.zeros_like(x)
    for i, row in enumerate(x):
        length = np.sqrt(row @ row)
        u = row / length
        p = softmax(v @ u / temperature)
        pull = (p @ v - v[i]) / (temperature * len(x))
        out[i] = (np.eye(len(u)) - np.outer(u, u)) @ pull / length
    return out
""",
    },
    "all_positives": {
        "by torch's soft targets": """
def all_positives(scores, groups):
    target = torch.from_numpy((groups[:, None] == groups).astype(float))
    target = target / target.sum(1, keepdim=True)
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(scores), target)
    return loss.item(), torch.special.entr(target).sum(1).mean().item()
""",
        "row by row": """
def all_positives(scores, groups):
    loss = least = 0.0
    for row, group in zip(scores, groups):
        top = row.max()
        total = top + np.log(np.exp(row - top).sum())
        mine = row[groups == group]
        loss += (total - mine.mean()) / len(scores)
        least += np.log(len(mine)) / len(scores)
    return loss, least
""",
    },
    "streamed_loss": {
        "row by row, number by number": """
def streamed_loss(blocks, own):
    n = len(own)
    m, a, b = [-np.inf] * n, [0.0] * n, [0.0] * n
    for block in blocks:
        for i in range(n):
            row = block[i][block[i] > -np.inf]
            if not len(row):
                continue
            top = max(m[i], row.max())
            if m[i] > -np.inf:
                c = np.exp(m[i] - top)
                a[i], b[i] = c * a[i], c * (b[i] + (m[i] - top) * a[i])
            e = np.exp(row - top)
            a[i], b[i], m[i] = a[i] + e.sum(), b[i] + (e * (row - top)).sum(), top
    m, a, b = map(np.array, (m, a, b))
    return (m + np.log(a) - own).mean(), (np.log(a) - b / a).mean()
""",
        "logarithms of sums and running means": """
def streamed_loss(blocks, own):
    total = np.full(len(own), -np.inf)
    mean = np.zeros(len(own))
    for block in blocks:
        part = np.logaddexp.reduce(block, axis=1)
        inside = np.exp(block - np.where(np.isfinite(part), part, 0.0)[:, None])
        value = (inside * np.where(np.isfinite(block), block, 0.0)).sum(1)
        new = np.logaddexp(total, part)
        safe = np.where(np.isfinite(new), new, 0.0)
        mean = np.exp(total - safe) * mean + np.exp(part - safe) * value
        total = new
    return (total - own).mean(), (total - mean).mean()
""",
    },
}

HIDDEN_ONLY = {}
