"""Answers to the exercises on CCA: mistakes, which must earn nothing, and other right ways, which must not lose."""

WRONG = {
    "canonical_loadings": [
        (
            "covariances, not correlations",
            """
def canonical_loadings(x, z):
    return (x - x.mean(0)).T @ (z - z.mean(0)) / (len(x) - 1)
""",
        ),
        (
            "not centred",
            """
def canonical_loadings(x, z):
    norms = np.outer(np.linalg.norm(x, axis=0), np.linalg.norm(z, axis=0))
    return np.divide(x.T @ z, norms, out=np.zeros_like(norms), where=norms > 0)
""",
        ),
        (
            "constant columns give nan",
            """
def canonical_loadings(x, z):
    xc, zc = x - x.mean(0), z - z.mean(0)
    return (xc.T @ zc) / np.outer(np.linalg.norm(xc, axis=0), np.linalg.norm(zc, axis=0))
""",
        ),
        (
            "only x scaled",
            """
def canonical_loadings(x, z):
    xc = x - x.mean(0)
    spread = xc.std(0)
    spread[np.ptp(x, axis=0) == 0] = 1
    return (xc / spread).T @ (z - z.mean(0)) / len(x)
""",
        ),
        (
            "transposed",
            """
def canonical_loadings(x, z):
    p = x.shape[1]
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.corrcoef(x.T, z.T)[p:, :p])
""",
        ),
        (
            "absolute values",
            """
def canonical_loadings(x, z):
    p = x.shape[1]
    constant = np.ptp(x, axis=0) == 0
    with np.errstate(all="ignore"):
        loadings = abs(np.corrcoef(x.T, z.T)[:p, p:])
    loadings[constant] = 0
    return loadings
""",
        ),
        ("the toy value", "def canonical_loadings(x, z):\n    return np.full((4, 2), 0.5984)"),
        (
            "z is not centred",
            """
def canonical_loadings(x, z):
    constant = np.ptp(x, axis=0) == 0
    xc = x - x.mean(0)
    norms = np.outer(np.linalg.norm(xc, axis=0), np.linalg.norm(z, axis=0))
    norms[constant] = 1
    loadings = xc.T @ z / norms
    loadings[constant] = 0
    return loadings
""",
        ),
        (
            "constant by a threshold",
            """
def canonical_loadings(x, z):
    xc, zc = x - x.mean(0), z - z.mean(0)
    lengths = np.linalg.norm(xc, axis=0)
    varies = lengths > 1e-6
    return np.where(varies, 1 / np.where(varies, lengths, 1), 0)[:, None] * (xc.T @ (zc / np.linalg.norm(zc, axis=0)))
""",
        ),
    ],
    "forget": [
        (
            "sign of the correction",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays < 1:
        raise ValueError("none would stay")
    mean_b = rows.mean(0)
    new_mean = (count * mean - m * mean_b) / stays
    delta = mean_b - new_mean
    c = rows - mean_b
    return stays, new_mean, scatter - c.T @ c + stays * m / count * np.outer(delta, delta)
""",
        ),
        (
            "scatter about the old mean",
            """
def forget(count, mean, scatter, rows):
    stays = count - len(rows)
    if stays < 1:
        raise ValueError("none would stay")
    c = rows - mean
    return stays, (count * mean - rows.sum(0)) / stays, scatter - c.T @ c
""",
        ),
        (
            "sums of squares, which cancel",
            """
def forget(count, mean, scatter, rows):
    stays = count - len(rows)
    if stays < 1:
        raise ValueError("none would stay")
    new_mean = (count * mean - rows.sum(0)) / stays
    raw = scatter + count * np.outer(mean, mean) - rows.T @ rows
    return stays, new_mean, raw - stays * np.outer(new_mean, new_mean)
""",
        ),
        (
            "changes its arguments",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays < 1:
        raise ValueError("none would stay")
    shift = rows.mean(0) - mean
    c = rows - rows.mean(0)
    scatter -= c.T @ c
    scatter -= np.outer(shift, shift) * count * m / stays
    mean -= shift * m / stays
    return stays, mean, scatter
""",
        ),
        (
            "no error when nothing stays",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays < 1:
        return 0, mean * 0, scatter * 0
    shift = rows.mean(0) - mean
    c = rows - rows.mean(0)
    return stays, mean - shift * m / stays, scatter - c.T @ c - np.outer(shift, shift) * count * m / stays
""",
        ),
        (
            "the mean is kept",
            """
def forget(count, mean, scatter, rows):
    if len(rows) >= count:
        raise ValueError("none would stay")
    c = rows - rows.mean(0)
    return count - len(rows), mean, scatter - c.T @ c
""",
        ),
        (
            "an error only when exactly none stays",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays == 0:
        raise ValueError("none would stay")
    shift = rows.mean(0) - mean
    scatter_b = (rows - rows.mean(0)).T @ (rows - rows.mean(0))
    return stays, mean - shift * m / stays, scatter - scatter_b - np.outer(shift, shift) * count * m / stays
""",
        ),
        (
            "a covariance, which one row does not have",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays < 1:
        raise ValueError("none would stay")
    shift = rows.mean(0) - mean
    scatter_b = (m - 1) * np.cov(rows.T)
    return stays, mean - shift * m / stays, scatter - scatter_b - np.outer(shift, shift) * count * m / stays
""",
        ),
        (
            "an error when one row stays",
            """
def forget(count, mean, scatter, rows):
    m = len(rows)
    stays = count - m
    if stays < 2:
        raise ValueError("none would stay")
    shift = rows.mean(0) - mean
    scatter_b = (rows - rows.mean(0)).T @ (rows - rows.mean(0))
    return stays, mean - shift * m / stays, scatter - scatter_b - np.outer(shift, shift) * count * m / stays
""",
        ),
    ],
    "predict_y": [
        (
            "least squares whatever k",
            """
def predict_y(x, y, x_new, k):
    slope = np.linalg.lstsq(x - x.mean(0), y - y.mean(0), rcond=None)[0]
    return y.mean(0) + (x_new - x.mean(0)) @ slope
""",
        ),
        (
            "new rows centred by themselves",
            """
def predict_y(x, y, x_new, k):
    model = CCA(k).fit(x, y)
    z_new = (x_new - x_new.mean(0)) @ model.x_weights
    return model.y_mean + (z_new * model.correlations) @ (np.atleast_2d(np.cov(y.T)) @ model.y_weights).T
""",
        ),
        (
            "without the covariance of y",
            """
def predict_y(x, y, x_new, k):
    model = CCA(k).fit(x, y)
    z_new = (x_new - model.x_mean) @ model.x_weights
    return model.y_mean + (z_new * model.correlations) @ model.y_weights.T
""",
        ),
        (
            "without the correlations",
            """
def predict_y(x, y, x_new, k):
    model = CCA(k).fit(x, y)
    z_new = (x_new - model.x_mean) @ model.x_weights
    return model.y_mean + z_new @ (np.atleast_2d(np.cov(y.T)) @ model.y_weights).T
""",
        ),
        (
            "without the mean of y",
            """
def predict_y(x, y, x_new, k):
    z = CCA(k).fit(x, y)
    slope = np.linalg.lstsq((x - z.x_mean) @ z.x_weights, y - z.y_mean, rcond=None)[0]
    return (x_new - z.x_mean) @ z.x_weights @ slope
""",
        ),
        (
            "principal components of x",
            """
def predict_y(x, y, x_new, k):
    xc = x - x.mean(0)
    v = np.linalg.svd(xc, full_matrices=False)[2][:max(k, 1)].T
    slope = np.linalg.lstsq(xc @ v, y - y.mean(0), rcond=None)[0]
    return y.mean(0) + (x_new - x.mean(0)) @ v @ slope
""",
        ),
        (
            "np.cov of one column is a number",
            """
def predict_y(x, y, x_new, k):
    model = CCA(k).fit(x, y)
    z_new = (x_new - model.x_mean) @ model.x_weights
    return model.y_mean + (z_new * model.correlations) @ (np.cov(y.T) @ model.y_weights).T
""",
        ),
        (
            "one column as a vector",
            """
def predict_y(x, y, x_new, k):
    model = CCA(k).fit(x, y)
    z, z_new = (x - model.x_mean) @ model.x_weights, (x_new - model.x_mean) @ model.x_weights
    return (model.y_mean + z_new @ np.linalg.lstsq(z, y - model.y_mean)[0]).squeeze()
""",
        ),
    ],
    "choose_ridge": [
        (
            "the training correlation",
            """
def choose_ridge(x, y, ridges, folds):
    return max(ridges, key=lambda ridge: CCA(1, ridge).fit(x, y).score(x, y)[0])
""",
        ),
        (
            "learned from all rows",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)
    def value(ridge):
        model = CCA(1, ridge).fit(x, y)
        return np.mean([model.score(x[part], y[part])[0] for part in parts])
    return max(ridges, key=value)
""",
        ),
        (
            "learned from the fold, scored outside",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)
    def value(ridge):
        return np.mean([
            CCA(1, ridge).fit(x[p], y[p]).score(np.delete(x, p, 0), np.delete(y, p, 0))[0] for p in parts
        ])
    return max(ridges, key=value)
""",
        ),
        (
            "one fold only",
            """
def choose_ridge(x, y, ridges, folds):
    p = np.array_split(np.arange(len(x)), folds)[-1]
    return max(
        ridges, key=lambda r: CCA(1, r).fit(np.delete(x, p, 0), np.delete(y, p, 0)).score(x[p], y[p])[0]
    )
""",
        ),
        (
            "the position, not the ridge",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)
    means = [
        np.mean([CCA(1, r).fit(np.delete(x, p, 0), np.delete(y, p, 0)).score(x[p], y[p])[0] for p in parts])
        for r in ridges
    ]
    return int(np.argmax(means))
""",
        ),
        (
            "the worst",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)
    means = [
        np.mean([CCA(1, r).fit(np.delete(x, p, 0), np.delete(y, p, 0)).score(x[p], y[p])[0] for p in parts])
        for r in ridges
    ]
    return ridges[int(np.argmin(means))]
""",
        ),
        ("always one", "def choose_ridge(x, y, ridges, folds):\n    return sorted(ridges)[len(ridges) // 2]"),
        (
            "without the sign",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.mean(np.abs(scores))

    return max(ridges, key=value)
""",
        ),
        (
            "shuffled rows",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.random.default_rng(0).permutation(len(x)), folds)

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.mean(scores)

    return max(ridges, key=value)
""",
        ),
        (
            "every so manyth row",
            """
def choose_ridge(x, y, ridges, folds):
    parts = [np.arange(len(x))[f::folds] for f in range(folds)]

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.mean(scores)

    return max(ridges, key=value)
""",
        ),
        (
            "the rows that are left over in no fold",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.arange(len(x) // folds * folds).reshape(folds, -1)

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.mean(scores)

    return max(ridges, key=value)
""",
        ),
        (
            "the rows that are left over in the last fold",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.split(np.arange(len(x)), [f * (len(x) // folds) for f in range(1, folds)])

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.mean(scores)

    return max(ridges, key=value)
""",
        ),
        (
            "the median",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)

    def value(ridge):
        scores = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            scores.append(model.score(x[p], y[p])[0])
        return np.median(scores)

    return max(ridges, key=value)
""",
        ),
        (
            "one correlation for all folds",
            """
def choose_ridge(x, y, ridges, folds):
    parts = np.array_split(np.arange(len(x)), folds)

    def value(ridge):
        variates = []
        for p in parts:
            model = CCA(1, ridge).fit(np.delete(x, p, 0), np.delete(y, p, 0))
            variates.append(np.hstack(model.transform(x[p], y[p])))
        return np.corrcoef(np.concatenate(variates).T)[0, 1]

    return max(ridges, key=value)
""",
        ),
    ],
    "cca_by_qr": [
        (
            "not centred",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x), np.linalg.qr(y)
    u, rho, vt = np.linalg.svd(qx.T @ qy, full_matrices=False)
    s = np.sqrt(len(x) - 1)
    return rho, np.linalg.solve(rx, u) * s, np.linalg.solve(ry, vt.T) * s
""",
        ),
        (
            "weights of the bases, not of the data",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy, full_matrices=False)
    s = np.sqrt(len(x) - 1)
    return rho, u * s, vt.T * s
""",
        ),
        (
            "variates of length one, not of variance one",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy, full_matrices=False)
    return rho, np.linalg.solve(rx, u), np.linalg.solve(ry, vt.T)
""",
        ),
        (
            "divided by n",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy, full_matrices=False)
    s = np.sqrt(len(x))
    return rho, np.linalg.solve(rx, u) * s, np.linalg.solve(ry, vt.T) * s
""",
        ),
        (
            "through covariances",
            """
def cca_by_qr(x, y):
    model = CCA(min(x.shape[1], y.shape[1])).fit(x, y)
    return model.correlations, model.x_weights, model.y_weights
""",
        ),
        (
            "Cholesky of the covariances",
            """
def cca_by_qr(x, y):
    xc, yc = x - x.mean(0), y - y.mean(0)
    lx = np.linalg.cholesky(np.atleast_2d(np.cov(x.T)) + 1e-12 * np.eye(x.shape[1]))
    ly = np.linalg.cholesky(np.atleast_2d(np.cov(y.T)))
    k = np.linalg.solve(lx, xc.T @ yc / (len(x) - 1)) @ np.linalg.inv(ly).T
    u, rho, vt = np.linalg.svd(k, full_matrices=False)
    return rho, np.linalg.solve(lx.T, u), np.linalg.solve(ly.T, vt.T)
""",
        ),
        (
            "rows of V instead of columns",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy, full_matrices=False)
    s = np.sqrt(len(x) - 1)
    b = np.linalg.solve(ry, vt) if vt.shape[0] == vt.shape[1] else np.linalg.solve(ry, vt.T)
    return rho, np.linalg.solve(rx, u) * s, b * s
""",
        ),
        (
            "only b is cut to k columns",
            """
def cca_by_qr(x, y):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy)
    s = np.sqrt(len(x) - 1)
    return rho, np.linalg.solve(rx, u) * s, np.linalg.solve(ry, vt[: len(rho)].T) * s
""",
        ),
    ],
    "probabilistic_cca": [
        (
            "the weights as loadings",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    root = np.sqrt(model.correlations)
    w_x, w_y = model.x_weights * root, model.y_weights * root
    return w_x, w_y, np.atleast_2d(np.cov(x.T)) - w_x @ w_x.T, np.atleast_2d(np.cov(y.T)) - w_y @ w_y.T
""",
        ),
        (
            "P instead of its root",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    w_x, w_y = s_x @ model.x_weights * model.correlations, s_y @ model.y_weights * model.correlations
    return w_x, w_y, s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
        (
            "no P at all",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    w_x, w_y = s_x @ model.x_weights, s_y @ model.y_weights
    return w_x, w_y, s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
        (
            "all of P on one side",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    w_x, w_y = s_x @ model.x_weights * model.correlations, s_y @ model.y_weights
    return w_x, w_y, s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
        (
            "diagonal noise",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = np.sqrt(model.correlations)
    w_x, w_y = s_x @ model.x_weights * root, s_y @ model.y_weights * root
    return w_x, w_y, np.diag(np.diag(s_x - w_x @ w_x.T)), np.diag(np.diag(s_y - w_y @ w_y.T))
""",
        ),
        (
            "all pairs whatever k",
            """
def probabilistic_cca(x, y, k):
    model = CCA(min(x.shape[1], y.shape[1])).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = np.sqrt(model.correlations)
    w_x, w_y = s_x @ model.x_weights * root, s_y @ model.y_weights * root
    return w_x[:, :k], w_y[:, :k], s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
        (
            "k is ignored",
            """
def probabilistic_cca(x, y, k):
    model = CCA(min(x.shape[1], y.shape[1])).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = np.sqrt(model.correlations)
    w_x, w_y = s_x @ model.x_weights * root, s_y @ model.y_weights * root
    return w_x, w_y, s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
        (
            "the whole covariance as noise",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.atleast_2d(np.cov(x.T)), np.atleast_2d(np.cov(y.T))
    root = np.sqrt(model.correlations)
    w_x, w_y = s_x @ model.x_weights * root, s_y @ model.y_weights * root
    return w_x, w_y, s_x, s_y
""",
        ),
        (
            "np.cov of one column is a number",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    s_x, s_y = np.cov(x.T), np.cov(y.T)
    root = np.sqrt(model.correlations)
    w_x, w_y = s_x @ model.x_weights * root, s_y @ model.y_weights * root
    return w_x, w_y, s_x - w_x @ w_x.T, s_y - w_y @ w_y.T
""",
        ),
    ],
}

# Edge cases that the statement names; only the hidden tests look for them.
HIDDEN_ONLY = {
    "canonical_loadings": ["constant by a threshold"],
    "forget": ["an error when one row stays"],
}

RIGHT = {
    "canonical_loadings": [
        (
            "entry by entry",
            """
def canonical_loadings(x, z):
    result = np.zeros((x.shape[1], z.shape[1]))
    for j in range(x.shape[1]):
        if x[:, j].min() == x[:, j].max():
            continue
        for i in range(z.shape[1]):
            result[j, i] = np.corrcoef(x[:, j], z[:, i])[0, 1]
    return result
""",
        ),
        (
            "torch, single precision",
            """
import torch

def canonical_loadings(x, z):
    alive = torch.from_numpy(np.ptp(x, axis=0) > 0)
    spread = [torch.from_numpy(((v - v.mean(0)) / np.where(np.ptp(v, axis=0) > 0, v.std(0), 1)).astype("float32"))
              for v in (x, z)]
    return spread[0].T @ spread[1] / len(x) * alive[:, None]
""",
        ),
    ],
    "forget": [
        (
            "weighted means",
            """
def forget(count, mean, scatter, rows):
    left = count - rows.shape[0]
    if left <= 0:
        raise ValueError("no row would stay")
    shifted = rows - mean                        # small numbers, although the mean is large
    change = -shifted.sum(axis=0) / left
    return left, mean + change, scatter - shifted.T @ shifted - left * np.outer(change, change)
""",
        ),
        (
            "row by row",
            """
def forget(count, mean, scatter, rows):
    if len(rows) >= count:
        raise ValueError(f"only {count} rows are there")
    mean, scatter = mean.copy(), scatter.copy()
    for row in rows:
        before = row - mean
        mean = mean - before / (count - 1)
        scatter = scatter - np.outer(before, row - mean)
        count = count - 1
    return [count, mean, scatter]
""",
        ),
    ],
    "predict_y": [
        (
            "regression on the variates",
            """
def predict_y(x, y, x_new, k):
    model = CCA(n_components=k)
    model.fit(x, y)
    z = (x - x.mean(axis=0)) @ model.x_weights
    slope, *_ = np.linalg.lstsq(z, y - y.mean(axis=0), rcond=None)
    return (x_new - x.mean(axis=0)) @ model.x_weights @ slope + y.mean(axis=0)
""",
        ),
        (
            "whitened least squares, own linear algebra",
            """
def root(s, power):
    values, vectors = np.linalg.eigh(s)
    return vectors * values ** power @ vectors.T

def predict_y(x, y, x_new, k):
    n, mx, my = len(x), x.mean(0), y.mean(0)
    sxx, syy = (x - mx).T @ (x - mx) / n, (y - my).T @ (y - my) / n
    sxy = (x - mx).T @ (y - my) / n
    u, s, vt = np.linalg.svd(root(sxx, -0.5) @ sxy @ root(syy, -0.5))
    slope = root(sxx, -0.5) @ (u[:, :k] * s[:k]) @ vt[:k] @ root(syy, 0.5)
    return my + (x_new - mx) @ slope
""",
        ),
    ],
    "choose_ridge": [
        (
            "two loops",
            """
def choose_ridge(x, y, ridges, folds):
    best, best_value = None, -np.inf
    for ridge in ridges:
        total = 0.0
        for fold in np.array_split(np.arange(len(x)), folds):
            outside = np.ones(len(x), dtype=bool)
            outside[fold] = False
            model = CCA(1, regularization=ridge).fit(x[outside], y[outside])
            zx, zy = model.transform(x[fold], y[fold])
            total += np.corrcoef(zx[:, 0], zy[:, 0])[0, 1]
        if total > best_value:
            best, best_value = ridge, total
    return best
""",
        ),
        (
            "numpy only",
            """
from scipy.linalg import eigh

def first_pair(x, y, ridge):
    p = x.shape[1]
    s = np.cov(x.T, y.T)
    a, b = np.zeros_like(s), np.zeros_like(s)
    a[:p, p:], a[p:, :p] = s[:p, p:], s[p:, :p]
    b[:p, :p], b[p:, p:] = s[:p, :p], s[p:, p:]
    w = eigh(a, b + ridge * np.eye(len(s)))[1][:, -1]
    return w[:p], w[p:]

def choose_ridge(x, y, ridges, folds):
    table = np.zeros((len(ridges), folds))
    for f, fold in enumerate(np.array_split(np.arange(len(x)), folds)):
        for r, ridge in enumerate(ridges):
            a, b = first_pair(np.delete(x, fold, axis=0), np.delete(y, fold, axis=0), ridge)
            table[r, f] = np.corrcoef(x[fold] @ a, y[fold] @ b)[0, 1]
    return float(ridges[table.mean(axis=1).argmax()])
""",
        ),
    ],
    "cca_by_qr": [
        (
            "SVD bases",
            """
def cca_by_qr(x, y):
    def basis(v):
        u, s, vt = np.linalg.svd(v - v.mean(0), full_matrices=False)
        return u, vt.T / s
    (ux, tx), (uy, ty) = basis(x), basis(y)
    u, rho, vt = np.linalg.svd(ux.T @ uy)
    k = len(rho)
    c = (len(x) - 1) ** 0.5
    return rho, tx @ u[:, :k] * c, ty @ vt[:k].T * c
""",
        ),
        (
            "torch, the other sign, triangular solves",
            """
import torch

def cca_by_qr(x, y):
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    (qx, rx), (qy, ry) = torch.linalg.qr(x - x.mean(0)), torch.linalg.qr(y - y.mean(0))
    u, rho, vh = torch.linalg.svd(qx.T @ qy, full_matrices=False)
    c = -(len(x) - 1) ** 0.5
    a = torch.linalg.solve_triangular(rx, u * c, upper=True)
    b = torch.linalg.solve_triangular(ry, vh.T * c, upper=True)
    return rho, a, b
""",
        ),
    ],
    "probabilistic_cca": [
        (
            "through the variates",
            """
def probabilistic_cca(x, y, k):
    model = CCA(k).fit(x, y)
    zx, zy = model.transform(x, y)
    n = len(x)
    w_x = (x - x.mean(0)).T @ zx / (n - 1) @ np.diag(model.correlations ** 0.5)
    w_y = (y - y.mean(0)).T @ zy / (n - 1) @ np.diag(model.correlations ** 0.5)
    return (w_x, w_y, np.cov(x, rowvar=False).reshape(x.shape[1], -1) - w_x @ w_x.T,
            np.cov(y, rowvar=False).reshape(y.shape[1], -1) - w_y @ w_y.T)
""",
        ),
        (
            "rotated cause, own linear algebra",
            """
def probabilistic_cca(x, y, k):
    (qx, rx), (qy, ry) = np.linalg.qr(x - x.mean(0)), np.linalg.qr(y - y.mean(0))
    u, rho, vt = np.linalg.svd(qx.T @ qy)
    n = len(x) - 1
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((k, k)))[0]
    w_x = rx.T @ u[:, :k] * rho[:k] ** 0.5 @ rotation / n ** 0.5
    w_y = ry.T @ vt[:k].T * rho[:k] ** 0.5 @ rotation / n ** 0.5
    return w_x, w_y, rx.T @ rx / n - w_x @ w_x.T, ry.T @ ry / n - w_y @ w_y.T
""",
        ),
    ],
}
