"""Answers to the exercises on text across languages: mistakes, which must earn nothing, and other right ways."""

RULE = "item not in items and same(text) not in texts"  # of clean_rows
EXCESS = "shares / shares.sum() - reference / reference.sum()"  # of fair_centre
ROWS = "[row[np.isfinite(row)].mean() for row in a - b if np.isfinite(row).any()]"  # of paired

WRONG = {
    "clean_rows": {
        "the item alone": {RULE: "item not in items"},
        "the text alone": {RULE: "same(text) not in texts"},
        "both must be the same": {RULE: "item not in items or same(text) not in texts"},
        "lower case": {"text.casefold()": "text.lower()"},
        "only the ends": {'" ".join(text.casefold().split())': "text.casefold().strip()"},
        "no white space at all": {'" ".join(': '"".join('},
        "the rows, not their numbers": {"[row for row, (text, item)": "[(text, item) for row, (text, item)"},
        "what is twice": {RULE: "item in items or same(text) in texts"},
        "the test in place of the training": {"enumerate(train)": "enumerate(test)"},
    },
    "fair_centre": {
        "the plain mean": {" - excess @ class_means": ""},
        "the sign": {"x.mean(0) - excess": "x.mean(0) + excess"},
        "the reference is forgotten": {EXCESS: "shares / shares.sum()"},
        "the shares are forgotten": {EXCESS: "-reference / reference.sum()"},
        "counts are taken as shares": {EXCESS: "shares - reference"},
        "as if the sources were balanced": {"reference / reference.sum()": "1 / len(shares)"},
        "the sum of the texts": {"x.mean(0)": "x.sum(0)"},
    },
    "new_shares": {
        "the mean posterior": {
            "range(200_000)": "range(0)",
            "np.full(len(before), 1 / len(before))": "posteriors.mean(0)",
        },
        "a single round": {"range(200_000)": "range(1)"},
        "a few rounds": {"range(200_000)": "range(30)"},
        "stopped early": {"moved < 1e-13": "moved < 1e-4"},
        "the shares of the training are forgotten": {"posteriors / before": "posteriors"},
        "multiplied by them": {"posteriors / before": "posteriors * before"},
        "counted by the best class": {
            "(joint / joint.sum(1, keepdims=True)).mean(0)": "np.eye(len(before))[joint.argmax(1)].mean(0)"
        },
        "not normalised by text": {"(joint / joint.sum(1, keepdims=True)).mean(0)": "joint.mean(0) / joint.sum()"},
        "the shares before": {"    return shares": "    return before"},
    },
    "remembering_prototypes": {
        "variances exchanged": {
            "(within * found[c] + between * own.sum(0)) / (within + len(own) * between)": (
                "(between * found[c] + within * own.sum(0)) / (between + len(own) * within)"
            )
        },
        "the mean of the examples counts once": {
            "between * own.sum(0)) / (within + len(own) * between)": "between * own.mean(0)) / (within + between)"
        },
        "halfway": {
            "(within * found[c] + between * own.sum(0)) / (within + len(own) * between)": "(found[c] + own.mean(0)) / 2"
        },
        "the examples alone": {
            "(within * found[c] + between * own.sum(0)) / (within + len(own) * between)": "own.mean(0)"
        },
        "the sources alone": {"if len(own):": "if False:"},
        "zero without examples": {"if len(own):": "if not len(own):\n            found[c] = 0\n        else:"},
        "standard deviations": {
            "found[c] = (within": "between, within = between**0.5, within**0.5\n            found[c] = (within"
        },
        "the sources are changed": {"np.array(source_means, dtype=float)": "source_means"},
        "one size for all classes": {"len(own) * between": "len(x) / len(found) * between"},
    },
    "paired": {
        "over all runs": {ROWS: "(a - b)[np.isfinite(a - b)]"},
        "over seeds": {"for row in a - b": "for row in (a - b).T"},
        "each method by itself": {ROWS: "[r for r in np.nanmean(a, 1) - np.nanmean(b, 1) if np.isfinite(r)]"},
        "the sign": {"in a - b if": "in b - a if"},
        "a normal quantile": {
            "    mean, half = t_interval95(rows)": (
                "    mean, half = np.mean(rows), 1.96 * np.std(rows, ddof=1) / len(rows) ** 0.5"
            )
        },
        "the population's deviation": {"float(half)": "float(half) * ((len(rows) - 1) / len(rows)) ** 0.5"},
        "the whole width": {"float(half)": "2 * float(half)"},
        "only languages without a gap": {"if np.isfinite(row).any()": "if np.isfinite(row).all()"},
        "a failed run counts zero": {ROWS: "[np.nan_to_num(row).mean() for row in a - b]"},
        "the spread, not the interval": {"float(half)": "float(np.std(rows, ddof=1))"},
        "medians over seeds": {"row[np.isfinite(row)].mean()": "np.median(row[np.isfinite(row)])"},
        "sizes of the differences": {"in a - b if": "in abs(a - b) if"},
    },
}

RIGHT = {
    "clean_rows": {
        "row by row": """
def clean_rows(train, test):
    kept = []
    for number in range(len(train)):
        text, item = train[number]
        twin = any(item == other or text.casefold().split() == said.casefold().split() for said, other in test)
        if not twin:
            kept.append(number)
    return kept
""",
        "by a regular expression": """
import re

def clean_rows(train, test):
    def key(text):
        return re.sub(r"\\s+", " ", text.casefold()).strip()

    known = {("text", key(text)) for text, _ in test} | {("item", item) for _, item in test}
    return [n for n, (text, item) in enumerate(train) if not {("text", key(text)), ("item", item)} & known]
""",
    },
    "fair_centre": {
        "class by class": """
def fair_centre(x, shares, class_means, reference):
    centre = x.mean(axis=0).astype(float)
    for c, mean in enumerate(class_means):
        centre = centre - (shares[c] / sum(shares) - reference[c] / sum(reference)) * mean
    return centre
""",
        "the shift first": """
def fair_centre(x, shares, class_means, reference):
    shift = np.mean(x, 0) - np.average(class_means, 0, weights=shares)
    return shift + np.average(class_means, 0, weights=reference)
""",
    },
    "new_shares": {
        "by a minimiser": """
from scipy.optimize import minimize

def new_shares(posteriors, before):
    ratio = posteriors / before

    def loss(free):
        free = np.append(free, 0.0)
        weights = np.exp(free - free.max())
        shares = weights / weights.sum()
        mixed = ratio @ shares
        slope = -(ratio / mixed[:, None]).mean(0)
        slope = shares * (slope - slope @ shares)
        return -np.log(mixed).mean(), slope[:-1]

    free = minimize(loss, np.zeros(len(before) - 1), jac=True, method="BFGS", options={"gtol": 1e-11}).x
    weights = np.exp(np.append(free, 0.0) - max(free.max(), 0.0))
    return weights / weights.sum()
""",
        "from the mean posterior": {"np.full(len(before), 1 / len(before))": "posteriors.mean(0)"},
    },
    "remembering_prototypes": {
        "by one-hot columns": """
def remembering_prototypes(x, y, source_means, between, within):
    members = np.eye(len(source_means))[y]
    count = members.sum(0)[:, None]
    below = within + count * between
    found = (within * source_means + between * (members.T @ x)) / np.where(below > 0, below, 1)
    return np.where(count > 0, found, source_means)
""",
        "one example after another": """
def remembering_prototypes(x, y, source_means, between, within):
    found = np.array(source_means, dtype=float)
    for c in range(len(found)):
        variance = between
        for row in x[y == c]:
            gain = variance / (variance + within) if variance + within else 0.0
            if within == 0 and variance == 0:
                continue
            found[c] += gain * (row - found[c])
            variance = variance * within / (variance + within)
        if within == 0 and (y == c).any():
            found[c] = x[y == c].mean(0)
    return found
""",
    },
    "paired": {
        "with masked arrays": """
from scipy import stats

def paired(a, b):
    rows = np.ma.masked_invalid(a - b).mean(1).compressed()
    half = stats.t.ppf(0.975, len(rows) - 1) * stats.sem(rows)
    return rows.mean(), half
""",
        "by loops": """
from scipy.stats import t

def paired(a, b):
    rows = []
    for one, other in zip(a, b):
        d = [p - q for p, q in zip(one, other) if not (np.isnan(p) or np.isnan(q))]
        if d:
            rows.append(sum(d) / len(d))
    n, mean = len(rows), sum(rows) / len(rows)
    s = (sum((r - mean) ** 2 for r in rows) / (n - 1)) ** 0.5
    return mean, float(t.ppf(0.975, n - 1)) * s / n**0.5
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
