"""Answers to the exercises on CycleGAN: mistakes, which must earn nothing, and other right ways."""

WRONG = {
    "unequal_critic": {
        "the chapter's critic": {"d = a / (a + b)": "d = p / (p + q)"},
        "the shares exchanged": {"a, b = real * p, (1 - real) * q": "a, b = (1 - real) * p, real * q"},
        "the loss without the shares": {"(xlogy(a, d) + xlogy(b, 1 - d))": "(xlogy(p, d) + xlogy(q, 1 - d))"},
        "the sign": {"loss = -(": "loss = ("},
        "made ones are left out": {"xlogy(a, d) + xlogy(b, 1 - d)": "xlogy(a, d)"},
        "zeros are not a number": {"xlogy(a, d) + xlogy(b, 1 - d)": "a * np.log(d) + b * np.log(1 - d)"},
        "the value for equal shares": {"return d, float(loss)": "return p / (p + q), float(loss)"},
    },
    "shown_ages": {
        "half of the batch is forgotten": {"batch / (2 * size)": "batch / size"},
        "a power too many": {"(ages - 1)": "ages"},
        "as if all were old": {"[0.5], 0.5 * change": "[0.0], change"},
        "all ages alike": {"(1 - change) ** (ages - 1)": "1.0 + 0 * ages"},
        "one age too few": {"np.arange(1, oldest + 1)": "np.arange(1, oldest)"},
        "the batch is one": {"batch / (2 * size)": "1 / (2 * size)"},
        "scaled to what is asked for": {
            "return np.concatenate([[0.5], 0.5 * change * (1 - change) ** (ages - 1)])": (
                "every = np.concatenate([[0.5], 0.5 * change * (1 - change) ** (ages - 1)])\n"
                "    return every / every.sum()"
            )
        },
    },
    "symmetries": {
        "shares do not count": {"if kept and ": "if "},
        "distances do not count": {
            "if kept and np.allclose(distances[np.ix_(order, order)], distances, rtol=0, atol=tolerance):": "if kept:"
        },
        "one tolerance for all sizes": {"tolerance = 1e-9 * distances.max()": "tolerance = 1e-6"},
        "rotations only": {
            "            found.append(g)": (
                "            c = points - points.mean(0)\n            if np.linalg.det(c.T @ c[order]) >= -1e-9:\n"
                "                found.append(g)"
            )
        },
        "neighbours only": {
            "np.allclose(distances[np.ix_(order, order)], distances, rtol=0, atol=tolerance)": (
                "np.allclose(distances[order, np.roll(order, 1)],"
                " distances[range(len(order)), np.roll(range(len(order)), 1)], rtol=0, atol=tolerance)"
            )
        },
        "rows moved, columns not": {"distances[np.ix_(order, order)]": "distances[order]"},
        "not itself": {"    return found\n": "    return found[1:]\n"},
        "the centre at the origin": {
            "    for g in permutations": (
                "    points = points + 0.0\n    distances = np.abs(np.linalg.norm(points, axis=1)[:, None] - "
                "np.linalg.norm(points, axis=1))\n    for g in permutations"
            )
        },
    },
    "nearest_map": {
        "the guess is not read": {" @ guess.T @ ": " @ "},
        "the guess transposed": {"guess.T": "guess"},
        "the turn transposed": {"q = vt.T * signs @ u.T": "q = u * signs @ vt"},
        "no turn": {"q = vt.T * signs @ u.T": "q = np.eye(len(u))"},
        "reflections always": {"if proper and ": "if False and "},
        "reflections never": {"if proper and ": "if "},
        "the largest direction is turned around": {"signs[-1] = -1": "signs[0] = -1"},
        "everything is turned around": {"signs[-1] = -1": "signs[:] = -1"},
        "the roots exchanged": {
            "root(cov_x, 0.5) @ guess": "root(cov_y, 0.5) @ guess",
            "guess.T @ root(cov_y, 0.5)": "guess.T @ root(cov_x, 0.5)",
        },
        "without the covariances": {"root(cov_x, 0.5) @ guess.T @ root(cov_y, 0.5)": "guess.T"},
    },
    "slope_one_critic": {
        "the sign": {"steps = -np.sign": "steps = np.sign"},
        "not by the distance": {" * np.diff(places)": ""},
        "the signs of the shares": {"np.cumsum(p - q)[:-1]": "(p - q)[:-1]"},
        "the differences themselves": {"-np.sign(np.cumsum(p - q)[:-1])": "-np.cumsum(p - q)[:-1]"},
        "a step late": {"np.cumsum(p - q)[:-1]": "np.cumsum(p - q)[1:]"},
        "always upwards": {"-np.sign(np.cumsum(p - q)[:-1])": "1.0"},
        "from the left end on": {"[[0.0], np.cumsum(steps)]": "[[places[0]], places[0] + np.cumsum(steps)]"},
    },
}

RIGHT = {
    "unequal_critic": {
        "point by point": """
def unequal_critic(p, q, real):
    critic, loss = [], 0.0
    for a, b in zip(p, q):
        d = real * a / (real * a + (1 - real) * b)
        critic.append(d)
        loss -= real * a * np.log(d) if a > 0 else 0.0
        loss -= (1 - real) * b * np.log(1 - d) if b > 0 else 0.0
    return np.array(critic), loss
""",
        "by the odds, in torch": """
def unequal_critic(p, q, real):
    a, b = torch.from_numpy(p) * real, torch.from_numpy(q) * (1 - real)
    d = a / (a + b)
    loss = -(torch.special.xlogy(a, d) + torch.special.xlogy(b, b / (a + b))).sum()
    return d.numpy(), loss.item()
""",
    },
    "shown_ages": {
        "step by step": """
def shown_ages(size, batch, oldest):
    out, left = [0.5], 1.0
    for _ in range(oldest):
        out.append(0.5 * left * batch / size / 2)
        left -= left * batch / size / 2
    return np.array(out)
""",
        "a geometric distribution": """
from scipy.stats import geom

def shown_ages(size, batch, oldest):
    old = geom.pmf(np.arange(oldest + 1), batch / size / 2) / 2
    old[0] = 0.5
    return old
""",
    },
    "symmetries": {
        "corner by corner": """
def symmetries(points, shares):
    k = len(points)
    d = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    close = 1e-9 * d.max()
    out = []
    def grow(g):
        i = len(g)
        if i == k:
            out.append(tuple(g))
            return
        for j in range(k):
            if j in g or abs(shares[i] - shares[j]) > 1e-9:
                continue
            if all(abs(d[i, m] - d[j, g[m]]) <= close for m in range(i)):
                grow(g + [j])
    grow([])
    return out
""",
        "in torch, sorted at the end": """
from itertools import permutations

def symmetries(points, shares):
    x = torch.from_numpy(points)
    far = (x[:, None] - x).norm(dim=-1)
    out = set()
    for g in permutations(range(len(x))):
        p = torch.tensor(g)
        same = (far[p][:, p] - far).abs().max() <= 1e-9 * far.max()
        if same and np.abs(shares[list(g)] - shares).max() < 1e-9:
            out.add(g)
    return sorted(out)
""",
    },
    "nearest_map": {
        "by Cholesky factors": """
def nearest_map(cov_x, cov_y, guess, proper=False):
    lx, ly = np.linalg.cholesky(cov_x), np.linalg.cholesky(cov_y)
    u, _, vt = np.linalg.svd(lx.T @ guess.T @ ly)
    v = vt.T.copy()
    if proper and np.linalg.det(v) * np.linalg.det(u) < 0:
        v[:, -1] *= -1
    return ly @ v @ u.T @ np.linalg.inv(lx)
""",
        "scipy's rotation of least squares": """
from scipy.linalg import sqrtm, svd

def nearest_map(cov_x, cov_y, guess, proper=False):
    a, b = np.real(sqrtm(cov_x)), np.real(sqrtm(cov_y))
    u, s, vt = svd(b @ guess @ a)
    e = np.diag([1.0] * (len(s) - 1) + [np.sign(np.linalg.det(u @ vt)) if proper else 1.0])
    return b @ u @ e @ vt @ np.linalg.inv(a)
""",
    },
    "slope_one_critic": {
        "from place to place": """
def slope_one_critic(p, q, places):
    s, ahead = [0.0], 0.0
    for i in range(len(places) - 1):
        ahead += p[i] - q[i]
        s.append(s[-1] + (places[i + 1] - places[i]) * (-1 if ahead > 0 else 1))
    return np.array(s)
""",
        "a linear program": """
from scipy.optimize import linprog

def slope_one_critic(p, q, places):
    k = len(places)
    if k == 1:
        return np.zeros(1)
    gap = np.diff(places)
    step = np.eye(k)[1:] - np.eye(k)[:-1]
    free = [(0, 0)] + [(None, None)] * (k - 1)
    s = linprog(q - p, np.vstack([step, -step]), np.concatenate([gap, gap]), bounds=free).x
    return s - s[0]
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
