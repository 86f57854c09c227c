"""Answers to the exercises on fusion: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "fused_place": {
        "the mean of the estimates": {
            "np.linalg.solve(precision, pull), np": "np.mean([estimates[m] for m in there], axis=0), np"
        },
        "covariances add up": {"np.linalg.inv(precision)\n": "sum(covariances[m] for m in there)\n"},
        "the mean of the covariances": {
            "np.linalg.inv(precision)\n": "sum(covariances[m] for m in there) / len(there)\n"
        },
        "a missing sense counts": {
            "precision = sum(inverses)": "precision = sum(np.linalg.inv(c) for c in covariances)"
        },
        "precisions without their directions": {
            "np.linalg.inv(covariances[m]) for m in there]": "np.diag(1 / np.diag(covariances[m])) for m in there]"
        },
        "weighted by the covariance": {"inverse @ estimates[m]": "covariances[m] @ estimates[m]"},
    },
    "belief": {
        "the first value counts as missing": {"if read is None": "if not read"},
        "the channel the other way round": {"channel[:, read]": "channel[read]"},
        "what is read is believed": {"channel[:, read]": "(np.arange(len(channel)) == read) * 1.0"},
        "no division": {"joint / joint.sum()": "joint"},
        "a missing sense is read as the most frequent": {
            "np.ones(len(channel)) if": "(np.arange(len(channel)) == p.sum((0, 2)).argmax()) * 1.0 if"
        },
        "the posteriors are averaged, without their weights": {
            "joint = weights @ p[a]": "joint = weights @ (p[a] / p[a].sum(1, keepdims=True))"
        },
        "a is summed away": {"p[a]": "p.sum(0)"},
    },
    "gate_gradients": {
        "the gate is forgotten in the scores": {"np.outer(gates, r)": "np.outer(np.ones(len(own)), r)"},
        "not through the softmax of the gate": {"gates * ((own - z) @ r)": "own @ r"},
        "the mean is not subtracted": {"(own - z) @ r": "own @ r"},
        "the mean of the scores, not weighted by the gates": {"(own - z) @ r": "(own - own.mean(0)) @ r"},
        "infinite for large numbers": {"np.exp(scores - scores.max())": "np.exp(scores)"},
        "missing modalities have a gate": {"softmax(logits[present])": "softmax(logits)[present]"},
        "the label is forgotten": {"r[y] -= 1": "pass"},
        "the sign": {"by_logits[present] = gates": "by_logits[present] = -gates"},
    },
    "late_answer": {
        "always an answer": {"return None": "pass"},
        "never an answer": {"if not np.all(ordered[:-1] <= ordered[1:])": "if True"},
        "zeros on the border": {"0.5 - u": "0.0 - u"},
        "the rows are not sorted": {'table[np.argsort(u, kind="stable")]': "table"},
        "an empty column gets no number of its own": {"-table.shape[1] - 0.5": "0.0"},
        "the largest sum, not the least": {"].min()": "].max()"},
        "only neighbours in sum are compared": {
            "np.all(ordered[:-1] <= ordered[1:])": "np.all(ordered.sum(1)[:-1] <= ordered.sum(1)[1:])"
        },
        "signs alone": {"return u.astype(float), v": "return np.sign(u - u.mean()), np.sign(v)"},
    },
    "clock_factors": {
        "the offset is forgotten": {"2 * np.pi * gamma / n - turn": "-turn"},
        "the offset with the wrong sign": {"2 * np.pi * gamma / n - turn": "-2 * np.pi * gamma / n - turn"},
        "the class turns the wrong way": {"gamma / n - turn": "gamma / n + turn"},
        "only for a sum": {"np.cos(beta * turn), np.sin(beta * turn)": "np.cos(turn), np.sin(turn)"},
        "a difference of angles": {"np.stack([-s, -c], 1)": "np.stack([s, c], 1)"},
        "one product alone": {"np.stack([c, -s], 1)": "np.stack([c, 0 * s], 1)"},
        "half a turn": {"turn = 2 * np.pi / n": "turn = np.pi / n"},
    },
}

RIGHT = {
    "fused_place": {
        "one after the other, as a Kalman filter": """
def fused_place(estimates, covariances):
    mean = cov = None
    for x, s in zip(estimates, covariances):
        if x is None:
            continue
        if mean is None:
            mean, cov = x.copy(), s.copy()
            continue
        gain = cov @ np.linalg.inv(cov + s)
        mean = mean + gain @ (x - mean)
        cov = cov - gain @ cov
    return mean, cov
""",
        "least squares": """
def fused_place(estimates, covariances):
    rows, told = [], []
    for x, s in zip(estimates, covariances):
        if x is not None:
            half = np.linalg.inv(np.linalg.cholesky(s))
            rows.append(half)
            told.append(half @ x)
    rows = np.concatenate(rows)
    return np.linalg.lstsq(rows, np.concatenate(told), rcond=None)[0], np.linalg.pinv(rows.T @ rows)
""",
    },
    "belief": {
        "the whole joint distribution": """
def belief(p, channel, a, read):
    if read is None:
        joint = p.sum(1)[a]
    else:
        joint = np.einsum("aby,br->ary", p, channel)[a, read]
    return joint / joint.sum()
""",
        "loops": """
def belief(p, channel, a, read):
    total = np.zeros(p.shape[2])
    for b in range(p.shape[1]):
        for y in range(p.shape[2]):
            total[y] += p[a, b, y] * (1.0 if read is None else channel[b, read])
    return total / sum(total)
""",
    },
    "gate_gradients": {
        "with the matrix of the softmax": """
from scipy.special import softmax

def gate_gradients(s, logits, present, y):
    here = np.flatnonzero(present)
    g = softmax(logits[here])
    r = softmax(g @ s[here]) - np.eye(s.shape[1])[y]
    jacobian = np.diag(g) - np.outer(g, g)
    ds, dl = np.zeros_like(s), np.zeros(len(s))
    ds[here] = g[:, None] * r
    dl[here] = jacobian @ (s[here] @ r)
    return ds, dl
""",
        "modality by modality": """
def gate_gradients(s, logits, present, y):
    names = [m for m in range(len(s)) if present[m]]
    top = max(logits[m] for m in names)
    g = {m: np.exp(logits[m] - top) for m in names}
    total = sum(g.values())
    g = {m: each / total for m, each in g.items()}
    z = sum(g[m] * s[m] for m in names)
    p = np.exp(z - np.logaddexp.reduce(z))
    p[y] -= 1
    ds = [g[m] * p if m in g else np.zeros(s.shape[1]) for m in range(len(s))]
    dl = [g[m] * float(p @ (s[m] - z)) if m in g else 0.0 for m in range(len(s))]
    return np.array(ds), np.array(dl)
""",
    },
    "late_answer": {
        "peeling off": """
def late_answer(table):
    table = np.array(table)
    A, B = table.shape
    rows, columns = list(range(A)), list(range(B))
    u, v, level = np.zeros(A), np.zeros(B), float(A + B + 1)
    while rows and columns:
        part = table[np.ix_(rows, columns)]
        if (part.all(1) | ~part.any(1)).any():
            i = int(np.flatnonzero(part.all(1) | ~part.any(1))[0])
            u[rows[i]] = level if part[i].all() else -level
            rows.pop(i)
        elif (part.all(0) | ~part.any(0)).any():
            j = int(np.flatnonzero(part.all(0) | ~part.any(0))[0])
            v[columns[j]] = level if part[:, j].all() else -level
            columns.pop(j)
        else:
            return None
        level -= 1
    for i in rows:
        u[i] = 0.25
    for j in columns:
        v[j] = 0.25
    return u, v
""",
        "a linear program": """
from scipy.optimize import linprog

def late_answer(table):
    A, B = table.shape
    sign = np.where(table == 1, 1.0, -1.0)
    rows = np.zeros((A * B, A + B))
    for a in range(A):
        for b in range(B):
            rows[a * B + b, a] = rows[a * B + b, A + b] = -sign[a, b]
    found = linprog(np.zeros(A + B), A_ub=rows, b_ub=-np.ones(A * B), bounds=(None, None))
    return (found.x[:A], found.x[A:]) if found.status == 0 else None
""",
    },
    "clock_factors": {
        "complex numbers": """
def clock_factors(n, alpha, beta, gamma):
    k = np.arange(n)
    a, b, c = (np.exp(2j * np.pi * each / n) for each in (alpha * k, beta * k, gamma - k))
    basis = np.array([1, 1j])
    core = (c[:, None, None] * np.outer(basis, basis)).real
    return np.stack([a.real, a.imag], 1), np.stack([b.real, b.imag], 1), core
""",
        "the offset in the first clock": """
def clock_factors(n, alpha, beta, gamma):
    t = 2 * np.pi * np.arange(n) / n
    one, two = alpha * t + 2 * np.pi * gamma / n, beta * t
    first, second = (np.array([np.cos(x), np.sin(x)]).T for x in (one, two))
    core = np.zeros((n, 2, 2))
    core[:, 0, 0], core[:, 1, 1] = np.cos(t), -np.cos(t)
    core[:, 0, 1] = core[:, 1, 0] = np.sin(t)
    return first, second, core
""",
    },
}

HIDDEN_ONLY = {}
