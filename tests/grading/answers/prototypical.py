"""Answers to the exercises on prototypical networks: mistakes, which must earn nothing, and other right ways."""

WRONG = {
    "log_odds_layer": {
        "the variance is forgotten in the weights": {"(c1 - c2) / sigma**2": "c1 - c2"},
        "sigma, not its square": {"w = (c1 - c2) / sigma**2": "w = (c1 - c2) / sigma"},
        "class 2 against class 1": {"return w, float(b)": "return -w, -float(b)"},
        "the share is a factor": {"np.log(share / (1 - share))": "share"},
        "the share of one class only": {"np.log(share / (1 - share))": "np.log(share)"},
        "prototypes as in the chapter": {"return w, float(b)": "return 2 * c1, -float(c1 @ c1)"},
    },
    "left_out_distances": {
        "nothing is left out": {"distances[i, k] * (sizes[k] / (sizes[k] - 1)) ** 2": "distances[i, k]"},
        "not squared": {"(sizes[k] / (sizes[k] - 1)) ** 2": "(sizes[k] / (sizes[k] - 1))"},
        "the factor turned around": {"(sizes[k] / (sizes[k] - 1)) ** 2": "((sizes[k] - 1) / sizes[k]) ** 2"},
        "alone is at distance 0": {"np.inf if alone": "0.0 if alone"},
        "distances are not squared": {"return distances": "return np.sqrt(distances)"},
        "left out of every class": {
            "    return distances\n": "    return distances * ((sizes / np.maximum(sizes - 1, 1)) ** 2)\n"
        },
        "labels taken to be sorted": {"    sizes = ": "    y = np.sort(y)\n    sizes = "},
        "squares multiplied out, far from the origin": {
            "((x[:, None] - means) ** 2).sum(-1)": "(x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)"
        },
    },
    "divergence_layer": {
        "weights without the factor 2": {"2 * c, -(c**2)": "c, -(c**2)"},
        "kl as if rows added up to one": {"np.log(c), -c.sum(1)": "np.log(c), 0 * c.sum(1)"},
        "kl exchanged": {"np.log(c), -c.sum(1)": "-1 / c, -c.sum(1)"},
        "no bias": {"-(c**2).sum(1)": "0 * c.sum(1)"},
        "the logarithm is forgotten": {"-1 / c, -np.log(c).sum(1)": "-1 / c, 0 * c.sum(1)"},
        "the sign of the logarithm": {"-1 / c, -np.log(c).sum(1)": "-1 / c, np.log(c).sum(1)"},
    },
    "support_gradient": {
        "the sum, not the mean": {") / len(query)": ")"},
        "the sign": {"p - np.eye(n_way)[query_y]": "np.eye(n_way)[query_y] - p"},
        "not shared among the examples": {"by_prototype[y] / sizes[y][:, None]": "by_prototype[y]"},
        "the factor 2": {"by_prototype = 2 * (": "by_prototype = ("},
        "an overflow": {"scores = scores - scores.max(1, keepdims=True)": "pass"},
        "the means do not move": {" - g.sum(0)[:, None] * means": ""},
        "the queries' gradient": {"return by_prototype[y] / sizes[y][:, None]": "return (2 * g @ means)[: len(y)]"},
        "shared among all examples": {"sizes[y][:, None]": "len(y)"},
        "labels taken to be sorted": {
            "by_prototype[y] / sizes[y][:, None]": "(by_prototype / sizes[:, None]).repeat(sizes, 0)"
        },
        "not a number, called zero": {
            "    scores = scores - scores.max(1, keepdims=True)\n": "",
            "p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)": (
                "p = np.nan_to_num(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))"
            ),
        },
        "a tiny number in the denominator": {
            "    scores = scores - scores.max(1, keepdims=True)\n": "",
            "np.exp(scores).sum(1, keepdims=True)": "(np.exp(scores).sum(1, keepdims=True) + 1e-30)",
        },
        "scores cut off": {"scores - scores.max(1, keepdims=True)": "np.clip(scores, -700, 0)"},
        "one maximum for all queries": {"scores.max(1, keepdims=True)": "scores.max()"},
    },
    "kl_clusters": {
        "the arguments exchanged": {"rel_entr(x[:, None], centres)": "rel_entr(centres, x[:, None])"},
        "without the masses": {" - x.sum(1)[:, None] + centres.sum(1)": ""},
        "squared distances": {
            "rel_entr(x[:, None], centres).sum(-1) - x.sum(1)[:, None] + centres.sum(1)": (
                "((x[:, None] - centres) ** 2).sum(-1)"
            )
        },
        "an empty cluster becomes zero": {
            "            if (nearest == k).any():\n                centres[k] = x[nearest == k].mean(0)": (
                "            centres[k] = x[nearest == k].sum(0) / max((nearest == k).sum(), 1)"
            )
        },
        "the start changes": {"start.copy()": "start"},
        "the sum after the move": {"    return centres, sums\n": "    return centres, sums[1:] + sums[-1:]\n"},
        "zeros are not a number": {
            "rel_entr(x[:, None], centres).sum(-1)": "(x[:, None] * np.log(x[:, None] / centres)).sum(-1)"
        },
        "the geometric mean": {"x[nearest == k].mean(0)": "np.exp(np.log(x[nearest == k] + 1e-9).mean(0))"},
        "a tiny number in the logarithm": {
            "rel_entr(x[:, None], centres).sum(-1)": (
                "(x[:, None] * np.log((x[:, None] + 1e-12) / (centres + 1e-12))).sum(-1)"
            )
        },
        "centres kept above zero": {"x[nearest == k].mean(0)": "np.maximum(x[nearest == k].mean(0), 1e-9)"},
        "of equal centres the last": {
            "divergence.argmin(1)": "divergence.shape[1] - 1 - divergence[:, ::-1].argmin(1)"
        },
        "stops when the sum stays": {
            "        for k in range": (
                "        if len(sums) > 1 and sums[-1] == sums[-2]:\n            break\n        for k in range"
            )
        },
    },
}

RIGHT = {
    "log_odds_layer": {
        "by differences of scores": """
def log_odds_layer(c1, c2, sigma, share):
    def layer(c, p):
        return c / sigma**2, -np.sum(c**2) / (2 * sigma**2) + np.log(p)
    (w1, b1), (w2, b2) = layer(c1, share), layer(c2, 1 - share)
    return w1 - w2, b1 - b2
""",
        "by the midpoint, in torch": """
def log_odds_layer(c1, c2, sigma, share):
    a, b = torch.from_numpy(c1), torch.from_numpy(c2)
    w = (a - b) / sigma**2
    return w.numpy(), float(-w @ (a + b) / 2 + np.log(share) - np.log1p(-share))
""",
    },
    "left_out_distances": {
        "a mean for each": """
def left_out_distances(x, y, n_way):
    out = np.full((len(x), n_way), np.inf)
    for i in range(len(x)):
        for k in range(n_way):
            keep = (y == k) & (np.arange(len(x)) != i)
            if keep.any():
                out[i, k] = ((x[i] - x[keep].mean(0)) ** 2).sum()
    return out
""",
        "sums minus the example": """
def left_out_distances(x, y, n_way):
    members = np.eye(n_way)[y]
    sums, sizes = members.T @ x, members.sum(0)
    without = sums[None] - members[:, :, None] * x[:, None]
    left = sizes[None] - members
    means = without / np.maximum(left, 1)[:, :, None]
    return np.where(left > 0, ((x[:, None] - means) ** 2).sum(-1), np.inf)
""",
        "squares multiplied out after centring": """
def left_out_distances(x, y, n_way):
    x = x - x.mean(0)
    means = np.array([x[y == k].mean(0) for k in range(n_way)])
    out = (x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)
    rows, sizes = np.arange(len(x)), np.bincount(y)[y]
    factor = sizes / np.maximum(sizes - 1, 1)
    out[rows, y] = np.where(sizes > 1, out[rows, y] * factor**2, np.inf)
    return out
""",
    },
    "divergence_layer": {
        "the general formula": """
def divergence_layer(prototypes, name):
    phi, slope = {
        "squared": (lambda c: (c**2).sum(1), lambda c: 2 * c),
        "kl": (lambda c: (c * np.log(c)).sum(1), lambda c: np.log(c) + 1),
        "itakura_saito": (lambda c: -np.log(c).sum(1), lambda c: -1 / c),
    }[name]
    w = slope(prototypes)
    return w, phi(prototypes) - (w * prototypes).sum(1)
""",
        "by automatic differentiation": """
def divergence_layer(prototypes, name):
    c = torch.from_numpy(prototypes.copy()).requires_grad_()
    phi = {"squared": (c**2).sum(1), "kl": (c * c.log()).sum(1), "itakura_saito": -c.log().sum(1)}[name]
    w = torch.autograd.grad(phi.sum(), c)[0]
    return w.numpy(), (phi - (w * c).sum(1)).detach().numpy()
""",
    },
    "support_gradient": {
        "by automatic differentiation": """
def support_gradient(support, y, query, query_y, n_way):
    leaf = torch.from_numpy(support.copy()).requires_grad_()
    means = torch.stack([leaf[y == k].mean(0) for k in range(n_way)])
    scores = -torch.cdist(torch.from_numpy(query), means) ** 2
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(query_y))
    return torch.autograd.grad(loss, leaf)[0].numpy()
""",
        "query by query": """
from scipy.special import softmax as soft

def support_gradient(support, y, query, query_y, n_way):
    means = np.array([support[y == k].mean(0) for k in range(n_way)])
    total = np.zeros_like(means)
    for e, label in zip(query, query_y):
        p = soft(-((e - means) ** 2).sum(1))
        for k in range(n_way):
            total[k] += 2 * (p[k] - (k == label)) * (e - means[k])
    return np.array([total[k] / (y == k).sum() for k in y]) / len(query)
""",
    },
    "kl_clusters": {
        "scipy's kl_div": """
from scipy.special import kl_div

def kl_clusters(x, start, steps):
    centres, sums = np.array(start), []
    for _ in range(steps):
        d = np.array([[kl_div(row, m).sum() for m in centres] for row in x])
        own = d.argmin(1)
        sums.append(d[np.arange(len(x)), own].sum())
        centres = np.array([x[own == k].mean(0) if k in own else m for k, m in enumerate(centres)])
    return centres, sums
""",
        "where, in place of a library": """
def kl_clusters(x, start, steps):
    centres, sums = start.astype(float).copy(), []
    rows = x[:, None]
    for _ in range(steps):
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(rows > 0, rows * np.log(rows / centres), 0.0) - rows + centres
        divergence = terms.sum(2)
        own = np.argmin(divergence, 1)
        sums += [np.min(divergence, 1).sum()]
        for k in set(own.tolist()):
            centres[k] = x[own == k].mean(0)
    return centres, sums
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
