"""Answers to the exercises on Word2Vec: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "window_pairs": {
        "the word itself": {"if j != i:": "if True:"},
        "a window too short": {"i + window + 1)": "i + window)"},
        "a negative index counts from the end": {"max(0, i - window)": "i - window"},
        "equal words are no pair": {"if j != i:": "if document[j] != centre:"},
        "over the ends of documents": """
def window_pairs(documents, window):
    text = [word for document in documents for word in document]
    near = range(len(text))
    return [(text[i], text[j]) for i in near for j in near if 1 <= abs(i - j) <= window]
""",
        "each pair once": {"if j != i:": "if j > i:"},
        "after the centre, as the source text has it": {"range(max(0, i - window), ": "range(i, "},
        "context first": {"(centre, document[j])": "(document[j], centre)"},
        "documents are used up": {"return pairs": "documents.clear()\n    return pairs"},
    },
    "tree_probabilities": {
        "left and right exchanged": {"-score[m] if left else score[m]": "score[m] if left else -score[m]"},
        "the first step only": {"in path)": "in path[:1])"},
        "always left": {"-score[m] if left else score[m]": "-score[m]"},
        "logarithms": {"np.exp(np.array(logs))": "np.array(logs)"},
        "one minus, which loses digits": """
def tree_probabilities(v, nodes, paths):
    p = sigmoid(nodes @ v)
    return np.array([np.prod([p[m] if left else 1 - p[m] for m, left in path]) for path in paths])
""",
        "infinite above 709": """
def tree_probabilities(v, nodes, paths):
    score = nodes @ v
    steps = [[score[m] if left else -score[m] for m, left in path] for path in paths]
    return np.array([np.prod([np.exp(x) / (1 + np.exp(x)) for x in path]) for path in steps])
""",
        "the nodes change": {"score = nodes @ v": "nodes *= 2\n    score = nodes @ v / 2"},
        "normalised scores": """
def tree_probabilities(v, nodes, paths):
    score = nodes @ v
    total = np.array([sum(score[m] if left else -score[m] for m, left in path) for path in paths])
    weights = np.exp(total - total.max())
    return weights / weights.sum()
""",
    },
    "expected_gradient": {
        "without k": {"- k * ": "- "},
        "the power is ignored": {" ** power": ""},
        "not normalised": {"noise = noise / noise.sum()": ""},
        "the sign of the score": {"counts * sigmoid(-score)": "counts * sigmoid(score)"},
        "words that never occur as noise": {" * (column > 0)": ""},
        "sums below 1 become 1": {"np.where(column > 0, column, 1)": "np.maximum(column, 1)"},
        "rows and columns exchanged": {"counts.sum(1), counts.sum(0)": "counts.sum(0), counts.sum(1)"},
        "descent": {"return slope @ u, slope.T @ v": "return -slope @ u, -slope.T @ v"},
        "not transposed": {"slope.T @ v": "slope @ v"},
        "noise once for each word": {"np.outer(row, noise)": "np.outer(row > 0, noise)"},
    },
    "csls_nearest": {
        "the nearest by cosine": {" - of_y": ""},
        "half of it": {"2 * cosine": "cosine"},
        "the farthest": {"[-k:]": "[:k]"},
        "no lengths": {" / np.linalg.norm(y, axis=1, keepdims=True)": ""},
        "for each y": {"argmax(1)": "argmax(0)"},
        "one neighbour whatever k": {"[-k:]": "[-1:]"},
        "the sum": {".mean(0)": ".sum(0)"},
        "all rows, not the k nearest": {"[-k:]": ""},
    },
    "glove_step": {
        "without weights": {"np.minimum(1, (row[seen] / n_max) ** 0.75)": "np.ones(seen.sum())"},
        "weights without a ceiling": {"np.minimum(1, (row[seen] / n_max) ** 0.75)": "(row[seen] / n_max) ** 0.75"},
        "another power": {"0.75": "0.5"},
        "the bias of the contexts is forgotten": {" - context_bias[seen]": ""},
        "counts, not logarithms": {"np.log(row[seen])": "row[seen]"},
        "without a ridge": {" + ridge * np.eye(z.shape[1])": " + 1e-12 * np.eye(z.shape[1])"},
        "the bias of the contexts changes": {
            "found = []": "context_bias += 1\n    context_bias = context_bias - 1\n    found = []"
        },
        "weights squared": {"(f * target)": "(f * f * target)"},
        "a word without counts is left out": {
            "seen = row > 0": "seen = row > 0\n        if not seen.any():\n            continue"
        },
    },
}

RIGHT = {
    "window_pairs": {
        "a list comprehension": """
def window_pairs(documents, window):
    return [
        (text[i], text[j])
        for text in documents
        for i in range(len(text))
        for j in range(len(text))
        if 0 < abs(j - i) <= window
    ]
""",
        "left and right parts, lists for tuples": """
def window_pairs(documents, window):
    found = []
    for text in documents:
        for i in range(len(text)):
            left, right = text[max(i - window, 0):i], text[i + 1:i + 1 + window]
            found.extend([text[i], other] for other in [*left, *right])
    return found
""",
    },
    "tree_probabilities": {
        "a product of stable sigmoids": """
from scipy.special import expit

def tree_probabilities(v, nodes, paths):
    score = nodes @ v
    return np.array([np.prod([expit(score[m] if left else -score[m]) for m, left in path]) for path in paths])
""",
        "torch": """
import torch

def tree_probabilities(v, nodes, paths):
    score = torch.from_numpy(nodes @ v)
    left, right = torch.nn.functional.logsigmoid(score), torch.nn.functional.logsigmoid(-score)
    return torch.stack([sum(left[m] if go else right[m] for m, go in path) for path in paths]).exp()
""",
    },
    "expected_gradient": {
        "autograd": """
import torch
import torch.nn.functional as F

def expected_gradient(v, u, counts, k, power):
    v, u = (torch.tensor(each, requires_grad=True) for each in (v, u))
    n = torch.tensor(counts)
    column = n.sum(0)
    noise = torch.where(column > 0, column ** power, torch.zeros_like(column))
    noise = noise / noise.sum()
    score = v @ u.T
    value = (n * F.logsigmoid(score) + k * n.sum(1)[:, None] * noise * F.logsigmoid(-score)).sum()
    return torch.autograd.grad(value, (v, u))
""",
        "word by word": """
def expected_gradient(v, u, counts, k, power):
    column = counts.sum(axis=0)
    noise = np.zeros(len(column))
    noise[column > 0] = column[column > 0] ** power
    noise /= noise.sum()
    by_v, by_u = np.zeros_like(v), np.zeros_like(u)
    for w in range(len(v)):
        x = u @ v[w]
        slope = counts[w] - (counts[w] + k * counts[w].sum() * noise) * sigmoid(x)
        by_v[w] = slope @ u
        by_u += slope[:, None] * v[w]
    return by_v, by_u
""",
    },
    "csls_nearest": {
        "both terms": """
def csls_nearest(x, y, k):
    a, b = (each / np.sqrt((each ** 2).sum(1))[:, None] for each in (x, y))
    c = a @ b.T
    r_x = -np.partition(-c, k - 1, axis=1)[:, :k].mean(1)
    r_y = -np.partition(-c, k - 1, axis=0)[:k].mean(0)
    return np.argmax(2 * c - r_x[:, None] - r_y[None, :], axis=1)
""",
        "torch, a list": """
import torch

def csls_nearest(x, y, k):
    a, b = (torch.nn.functional.normalize(torch.from_numpy(each), dim=1) for each in (x, y))
    c = a @ b.T
    return (c - c.topk(k, dim=0).values.mean(0) / 2).argmax(1).tolist()
""",
    },
    "glove_step": {
        "least squares with rows for the ridge": """
def glove_step(u, context_bias, counts, n_max, ridge):
    z = np.hstack([u, np.ones((len(u), 1))])
    d = z.shape[1]
    v, bias = np.zeros((len(counts), d - 1)), np.zeros(len(counts))
    for w, row in enumerate(counts):
        seen = np.flatnonzero(row)
        root = np.sqrt(np.clip((row[seen] / n_max) ** 0.75, None, 1))
        left = np.vstack([root[:, None] * z[seen], np.sqrt(ridge) * np.eye(d)])
        right = np.concatenate([root * (np.log(row[seen]) - context_bias[seen]), np.zeros(d)])
        theta = np.linalg.lstsq(left, right, rcond=None)[0]
        v[w], bias[w] = theta[:-1], theta[-1]
    return v, bias
""",
        "all words at once": """
def glove_step(u, context_bias, counts, n_max, ridge):
    z = np.c_[u, np.ones(len(u))]
    f = np.minimum(1, (counts / n_max) ** 0.75)
    t = np.where(counts > 0, np.log(np.where(counts > 0, counts, 1)) - context_bias, 0)
    normal = np.einsum("wc,ci,cj->wij", f, z, z) + ridge * np.eye(z.shape[1])
    theta = np.linalg.solve(normal, ((f * t) @ z)[..., None])[..., 0]
    return [theta[:, :-1], theta[:, -1]]
""",
    },
}

# Edge cases that the statement names: the visible tests do not look for them.
HIDDEN_ONLY = {
    "window_pairs": ["documents are used up"],
    "tree_probabilities": ["infinite above 709"],
    "expected_gradient": ["words that never occur as noise", "sums below 1 become 1"],
}
