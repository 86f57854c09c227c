"""Answers to the exercises on Transfer: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "verdict": {
        "denominator n": {"ddof=1": "ddof=0"},
        "normal quantile": {"stats.t.ppf(0.975, n - 1)": "1.96"},
        "one-sided": {"0.975": "0.95"},
        "unpaired": {
            "differences.std(ddof=1)": "np.sqrt(np.var(np.asarray(a), ddof=1) + np.var(np.asarray(b), ddof=1))"
        },
        "the other way round": {
            "np.asarray(a, float) - np.asarray(b, float)": "np.asarray(b, float) - np.asarray(a, float)"
        },
        "not divided by the root": {" / np.sqrt(n)": ""},
        "who has the larger mean": {"if mean - half > 0:": "if mean > 0:"},
        "zero counts": {"if mean - half > 0:": "if mean - half >= 0:"},
    },
    "best_single_accuracy": {
        "each task by itself": {"counts[example][label] += 1": "counts[example, label][label] += 1"},
        "number of examples": {"sum(len(task) for task in tasks)": "len(counts)"},
        "the last label": {"counts[example][label] += 1": "counts[example] = Counter({label: 1})"},
        "the rarest": {"most_common(1)[0][1]": "most_common()[-1][1]"},
        "one or none": {"/ total": "// total"},
        "mean over examples": """
def best_single_accuracy(tasks):
    counts = {}
    for task in tasks:
        for example, label in task.items():
            counts.setdefault(example, []).append(label)
    return sum(max(map(each.count, each)) / len(each) for each in counts.values()) / len(counts)
""",
    },
    "crossings": {
        "straight over the shots": {
            "np.log(np.asarray(shots, float))": "np.asarray(shots, float)",
            "float(np.exp(logs[zero]))": "float(logs[zero])",
            "float(np.exp(logs[i - 1] + part": "float((logs[i - 1] + part",
        },
        "the middle": {"d[i - 1] / (d[i - 1] - value)": "0.5"},
        "the last zero": {"zero = i if zero is None else zero": "zero = i"},
        "the measurement after": {"logs[i - 1] + part * (logs[i] - logs[i - 1])": "logs[i]"},
        "touching is crossing": {
            "if sign and np.sign(value) != sign:": "if sign and (zero is not None or np.sign(value) != sign):"
        },
        "only the first": {"return found": "return found[:1]"},
        "products of neighbours": """
def crossings(shots, a, b):
    logs, d = np.log(np.asarray(shots, float)), np.asarray(a, float) - np.asarray(b, float)
    return [
        float(np.exp(logs[i] + d[i] / (d[i] - d[i + 1]) * (logs[i + 1] - logs[i])))
        for i in range(len(d) - 1)
        if d[i] * d[i + 1] < 0
    ]
""",
    },
    "leave_one_out": {
        "the fit to all": {"return (fitted - leverage * y) / (1 - leverage)": "return fitted"},
        "the sign": {"(fitted - leverage * y)": "(fitted + leverage * y)"},
        "residuals": {"return (fitted - leverage * y) / (1 - leverage)": "return (y - fitted) / (1 - leverage)"},
        "the mean leverage": {"(x * inverse_x.T).sum(1)[:, None]": "(x * inverse_x.T).sum() / len(x)"},
        "no penalty": {"ridge * np.eye(x.shape[1])": "1e-9 * np.eye(x.shape[1])"},
        "centred": {"a = x.T @ x": "x = x - x.mean(0)\n    a = x.T @ x"},
    },
    "feature_motion": {
        "the head first": {
            "head, b = head - rate * residual.T @ x @ b.T,": "head = head - rate * residual.T @ x @ b.T\n        b ="
        },
        "features frozen": {"b - rate * head.T @ residual.T @ x": "b"},
        "uphill": {"b - rate * head.T": "b + rate * head.T"},
        "squared": {"float(np.linalg.norm(b - start))": "float(np.linalg.norm(b - start)) ** 2"},
        "the mean over examples": {"residual = x @ b.T @ head.T - y": "residual = (x @ b.T @ head.T - y) / len(x)"},
        "without the start": {"return moved": "return moved[1:]"},
        "the largest singular value": {"np.linalg.norm(b - start)": "np.linalg.norm(b - start, 2)"},
        "the features change in place": {
            "start, head = b,": "start, head = b.copy(),",
            "head, b = head": "head, b[:] = head",
        },
    },
}

RIGHT = {
    "verdict": {
        "scipy's interval": """
def verdict(a, b):
    d = np.array(a) - np.array(b)
    half = stats.t.interval(0.95, len(d) - 1)[1] * stats.sem(d)
    mean = sum(d) / len(d)
    return mean, half, ["second", "open", "first"][1 + int(mean > half) - int(mean < -half)]
""",
        "the course's interval": """
from course.metrics import t_interval95

def verdict(a, b):
    mean, half = (float(each) for each in t_interval95([x - y for x, y in zip(a, b)]))
    word = "first" if mean > half else "second" if -mean > half else "open"
    return [mean, half, word]
""",
    },
    "best_single_accuracy": {
        "lists": """
def best_single_accuracy(tasks):
    pairs = [pair for task in tasks for pair in task.items()]
    best = 0
    for example in {example for example, _ in pairs}:
        labels = [label for other, label in pairs if other == example]
        best += max(labels.count(label) for label in labels)
    return best / len(pairs)
""",
        "one function that is built": """
def best_single_accuracy(tasks):
    seen = {}
    for task in tasks:
        for example in task:
            seen.setdefault(example, []).append(task[example])
    said = {example: max(sorted(labels), key=labels.count) for example, labels in seen.items()}
    right = [said[example] == label for task in tasks for example, label in task.items()]
    return np.mean(right)
""",
    },
    "crossings": {
        "nonzero entries in pairs": """
def crossings(shots, a, b):
    s, d = np.array(shots, float), np.array(a, float) - np.array(b, float)
    kept = np.flatnonzero(d)
    found = []
    for i, j in zip(kept[:-1], kept[1:]):
        if d[i] * d[j] < 0:
            if j == i + 1:
                t = d[i] / (d[i] - d[j])
                found.append(s[i] ** (1 - t) * s[j] ** t)
            else:
                found.append(s[i + 1])
    return np.array(found)
""",
        "weights of the other end": """
import math

def crossings(shots, a, b):
    found, last = [], None
    for i in range(len(shots)):
        gap = a[i] - b[i]
        if gap == 0:
            continue
        if last is not None and (gap > 0) != (a[last] - b[last] > 0):
            before = a[last] - b[last]
            if last + 1 < i:
                found.append(float(shots[last + 1]))
            else:
                mean = (abs(gap) * math.log(shots[last]) + abs(before) * math.log(shots[i])) / (abs(gap) + abs(before))
                found.append(math.exp(mean))
        last = i
    return found
""",
    },
    "leave_one_out": {
        "a fit for each example": """
def leave_one_out(x, y, ridge):
    found = []
    for i in range(len(x)):
        others, targets = np.delete(x, i, 0), np.delete(y, i, 0)
        weights = np.linalg.inv(others.T @ others + ridge * np.eye(x.shape[1])) @ others.T @ targets
        found.append(x[i] @ weights)
    return np.array(found)
""",
        "by the kernel": """
def leave_one_out(x, y, ridge):
    inverse = np.linalg.inv(x @ x.T + ridge * np.eye(len(x)))
    return y - (inverse @ y) / np.diag(inverse)[:, None]
""",
        "by the singular values": """
def leave_one_out(x, y, ridge):
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    share = s ** 2 / (s ** 2 + ridge)
    hat = (u * share) @ u.T
    h = np.diag(hat)[:, None]
    return y + (hat @ y - y) / (1 - h)
""",
    },
    "feature_motion": {
        "autograd": """
import torch

def feature_motion(b, x, y, rate, steps):
    first, x, y = (torch.tensor(each) for each in (b, x, y))
    head = torch.zeros(y.shape[1], first.shape[0], dtype=first.dtype, requires_grad=True)
    weights = [first.clone().requires_grad_(), head]
    moved = [0.0]
    for _ in range(steps):
        loss = (x @ weights[0].T @ weights[1].T - y).square().sum() / 2
        slopes = torch.autograd.grad(loss, weights)
        weights = [(w - rate * g).detach().requires_grad_() for w, g in zip(weights, slopes)]
        moved.append((weights[0] - first).norm().item())
    return moved
""",
        "by the moments": """
def feature_motion(b, x, y, rate, steps):
    cxx, cyx = x.T @ x, y.T @ x
    w, now, out = np.zeros((y.shape[1], len(b))), b.copy(), np.zeros(steps + 1)
    for k in range(1, steps + 1):
        slope = w @ now @ cxx - cyx  # by the product of head and features
        w, now = w - rate * slope @ now.T, now - rate * w.T @ slope
        out[k] = np.sqrt(np.sum((now - b) ** 2))
    return out
""",
    },
}

# Edge cases that the statement names: the visible tests do not look for them.
HIDDEN_ONLY = {"verdict": ["zero counts"], "crossings": ["the last zero"]}
