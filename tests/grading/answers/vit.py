"""Answers to the exercises on ViT: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "overlapping_patches": {
        "the last window is forgotten": {"range(0, width - size + 1, stride)": "range(0, width - size, stride)"},
        "the stride is the size": {"range(0, height - size + 1, stride)": "range(0, height - size + 1, size)"},
        "columns first": {
            "image[:, top : top + size, left : left + size].ravel()": (
                "image[:, top : top + size, left : left + size].transpose(0, 2, 1).ravel()"
            )
        },
        "the channels last": {
            "image[:, top : top + size, left : left + size].ravel()": (
                "image[:, top : top + size, left : left + size].transpose(1, 2, 0).ravel()"
            )
        },
        "windows over the border": {
            "range(0, width - size + 1, stride)": "range(0, width, stride)",
            ".ravel())": ".ravel()[: len(image) * size * size])",
        },
        "no channels": {"return np.array(windows)": "return np.array(windows)[:, : size * size]"},
    },
    "offset_bias": {
        "query and key exchanged": {
            "row[None, :] - row[:, None]": "row[:, None] - row[None, :]",
            "column[None, :] - column[:, None]": "column[:, None] - column[None, :]",
        },
        "not shifted: negative indices wrap around": {" + rows - 1": "", " + columns - 1": ""},
        "rows and columns exchanged": {
            "np.divmod(np.arange(rows * columns), columns)": "np.divmod(np.arange(rows * columns), rows)"
        },
        "the distance, not the offset": {"row[None, :] - row[:, None]": "abs(row[None, :] - row[:, None])"},
        "a column for the row": {"table[down, across]": "table[down, down]"},
        "the mean of both directions": {
            "return table[down, across]": "return (lambda b: (b + b.T) / 2)(table[down, across])"
        },
    },
    "distillation_gradient": {
        "the square of the temperature": {"temperature * (softmax": "temperature**2 * (softmax"},
        "no factor": {"temperature * (softmax": "(softmax"},
        "the sum, not the mean": {") / len(z)": ")"},
        "the mean over the classes": {") / len(z)": ") / z.shape[1]"},
        "the teacher is not softened": {"softmax(t / temperature)": "softmax(t)"},
        "the shares exchanged": {"(1 - share) * hard + share * soft": "share * hard + (1 - share) * soft"},
        "the sign of the teacher": {
            "softmax(z / temperature) - softmax(t / temperature)": "softmax(t / temperature) - softmax(z / temperature)"
        },
        "infinite at large scores": {"np.exp(scores - scores.max(1, keepdims=True))": "np.exp(scores)"},
        "the labels are forgotten": {"hard = softmax(z) - truth": "hard = softmax(z)"},
    },
    "resized_embedding": {
        "enlarged like a picture": {"inverse = np.linalg.pinv(b)": "inverse = b.T"},
        "enlarged and divided": {"inverse = np.linalg.pinv(b)": "inverse = b.T * b.shape[1] / b.shape[0]"},
        "normalised column by column": {"inverse = np.linalg.pinv(b)": "inverse = b.T / (b**2).sum(0)[:, None]"},
        "another solution, not the smallest": {
            "inverse = np.linalg.pinv(b)": (
                "p = b.shape[1]\n    inverse = np.zeros(b.shape[::-1])\n    inverse[:, :p] = np.linalg.inv(b[:p])"
            )
        },
        "a ridge": {"np.linalg.pinv(b)": "np.linalg.solve(b.T @ b + 0.01 * np.eye(b.shape[1]), b.T)"},
    },
    "merge_tokens": {
        "means that forget the sizes": {
            "size_a, size_b = sizes[::2], sizes[1::2]": "size_a, size_b = np.ones(len(a)), np.ones(len(b))"
        },
        "the last proposal wins": {
            "np.add.at(total, partner[merged], size_a[merged, None] * a[merged])": (
                "total[partner[merged]] += size_a[merged, None] * a[merged]"
            )
        },
        "dot products for cosines": {"cosine = unit_a @ unit_b.T": "cosine = a @ b.T"},
        "the least similar": {"np.argsort(-cosine.max(1))": "np.argsort(cosine.max(1))"},
        "unit vectors are merged": {"size_a[merged, None] * a[merged])": "size_a[merged, None] * unit_a[merged])"},
        "by similarity, not in the old order": {"np.sort(order[r:])": "order[r:]"},
        "what is left stays normalised": {
            "if r == 0:": "if not len(b):",
            "np.concatenate([a[kept], total": "np.concatenate([unit_a[kept], total",
        },
        "sizes are not added": {"np.add.at(size, partner[merged], size_a[merged])": "pass"},
        "first halves": {"a, b = x[::2], x[1::2]": "a, b = x[: (len(x) + 1) // 2], x[(len(x) + 1) // 2 :]"},
        "sums, not means": {"total / size[:, None]": "total"},
    },
}

RIGHT = {
    "overlapping_patches": {
        "views": """
def overlapping_patches(image, size, stride):
    seen = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return seen.transpose(1, 2, 0, 3, 4).reshape(-1, len(image) * size * size)
""",
        "torch": """
import torch.nn.functional as F

def overlapping_patches(image, size, stride):
    return F.unfold(torch.from_numpy(image.copy())[None], size, stride=stride)[0].T.numpy()
""",
    },
    "offset_bias": {
        "four loops": """
def offset_bias(table):
    R, S = table.shape[0] // 2 + 1, table.shape[1] // 2 + 1
    bias = np.zeros((R * S, R * S))
    for r in range(R):
        for s in range(S):
            for rr in range(R):
                for ss in range(S):
                    bias[r * S + s, rr * S + ss] = table[R - 1 + rr - r, S - 1 + ss - s]
    return bias
""",
        "one window of the table for each query": """
def offset_bias(table):
    R, S = (n // 2 + 1 for n in table.shape)
    rows = [table[R - 1 - r : 2 * R - 1 - r, S - 1 - s : 2 * S - 1 - s].ravel() for r in range(R) for s in range(S)]
    return np.stack(rows)
""",
    },
    "distillation_gradient": {
        "scipy": """
from scipy.special import softmax

def distillation_gradient(z, t, y, share, temperature):
    g = (1 - share) * softmax(z, axis=1) + share * temperature * softmax(z / temperature, axis=1)
    g -= share * temperature * softmax(t / temperature, axis=1)
    g[np.arange(len(y)), y] -= 1 - share
    return g / len(y)
""",
        "row by row, with logarithms": """
def distillation_gradient(z, t, y, share, temperature):
    rows = []
    for scores, taught, label in zip(z, t, y):
        def shares(s):
            return np.exp(s - np.logaddexp.reduce(s))
        row = share * temperature * (shares(scores / temperature) - shares(taught / temperature))
        row = row + (1 - share) * shares(scores)
        row[label] -= 1 - share
        rows.append(row / len(z))
    return np.array(rows)
""",
    },
    "resized_embedding": {
        "normal equations": """
def resized_embedding(e, b):
    return np.linalg.solve(b.T @ b, e.T).T @ b.T
""",
        "least squares": """
def resized_embedding(e, b):
    return np.linalg.lstsq(b.T, e.T, rcond=None)[0].T
""",
        "the QR factors": """
def resized_embedding(e, b):
    q, r = np.linalg.qr(b)
    return np.linalg.solve(r.T, e.T).T @ q.T
""",
    },
    "merge_tokens": {
        "lists of groups": """
def merge_tokens(x, sizes, r):
    n = len(x)
    unit = x / np.sqrt((x ** 2).sum(1))[:, None]
    offers = {i: max((unit[i] @ unit[j], j) for j in range(1, n, 2)) for i in range(0, n, 2)} if n > 1 else {}
    taken = sorted(offers, key=lambda i: -offers[i][0])[:r]
    groups = [[i] for i in range(0, n, 2) if i not in taken]
    groups += [[j, *(i for i in taken if offers[i][1] == j)] for j in range(1, n, 2)]
    tokens = [np.average(x[group], axis=0, weights=sizes[group]) for group in groups]
    return np.array(tokens), [sizes[group].sum() for group in groups]
""",
        "a matrix of sums": """
def merge_tokens(x, sizes, r):
    n = len(x)
    even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
    kept = list(even)
    home = np.eye(n)
    if r:
        u = x / np.linalg.norm(x, axis=1)[:, None]
        c = u[even] @ u[odd].T
        for k in np.argsort(c.max(1))[::-1][:r]:
            home[odd[c[k].argmax()], even[k]] = 1
            kept.remove(even[k])
    rows = home[[*kept, *odd]] * sizes
    return rows @ x / rows.sum(1, keepdims=True), rows.sum(1)
""",
    },
}

HIDDEN_ONLY = {}
