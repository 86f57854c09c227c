"""Answers to the exercises on Images never seen.

Mistakes must earn nothing, and other right ways must not lose.
"""

WRONG = {
    "hub_share": {
        "the rarest answers": {"[::-1]": ""},
        "the share of the classes": {"len(scores))": "scores.shape[1])"},
        "the columns are asked": {"scores.argmax(1)": "scores.argmax(0) % scores.shape[1]"},
        "the first classes": {"np.sort(counts)[::-1]": "counts"},
        "one class only": {"[:top].sum()": "[top - 1]"},
        "the last of equal ones": {"scores.argmax(1)": "scores.shape[1] - 1 - scores[:, ::-1].argmax(1)"},
    },
    "per_class_both": {
        "every picture counts once": {
            "    return float(np.mean(shares[False])), float(np.mean(shares[True]))": (
                "    return float(right[~seen[labels]].mean()), float(right[seen[labels]].mean())"
            )
        },
        "a tie is right": {"own > rest": "own >= rest"},
        "the other way around": {
            "float(np.mean(shares[False])), float(np.mean(shares[True]))": (
                "float(np.mean(shares[True])), float(np.mean(shares[False]))"
            )
        },
        "classes without pictures count as wrong": {
            "float(np.mean(shares[False]))": "float(np.sum(shares[False]) / (~seen).sum())"
        },
        "among the own kind only": {
            "    right = own > rest.max(1)": (
                "    rest = np.where(seen[None] == seen[labels][:, None], rest, -np.inf)\n    right = own > rest.max(1)"
            )
        },
        "the argument is changed": {"scores.astype(float)": "scores"},
    },
    "indirect_attributes": {
        "missing attributes do not count": {" + missing @ (1 - has).T": ""},
        "without the prior": {"np.log(q / prior), np.log((1 - q) / (1 - prior))": "np.log(q), np.log(1 - q)"},
        "the prior of the new classes": {"prior = seen_has.mean(0)": "prior = new_has.mean(0)"},
        "without the mixing": {"0.99 * (p @ seen_has[:, kept]) + 0.01 * prior": "p @ seen_has[:, kept]"},
        "mixed with one half": {"0.01 * prior": "0.01 * 0.5"},
        "all attributes": {"(prior > 0) & (prior < 1)": "prior >= 0"},
        "the most likely class only": {"(p @ seen": "(np.eye(p.shape[1])[p.argmax(1)] @ seen"},
    },
    "worth_of_text": {
        "no correction": {" - within / pictures.shape[1]": ""},
        "the biased variance": {"ddof=1": "ddof=0"},
        "corrected by the whole variance": {"within / pictures.shape[1]": "within"},
        "the other way around": {"float(within / between)": "float(between / within)"},
        "standard deviations": {"float(within / between)": "float((within / between) ** 0.5)"},
        "no infinity": {'if between > 0 else float("inf")': "if between > 0 else 0.0"},
        "the distance of pictures": {"(pictures.mean(1) - text) ** 2": "(pictures - text[:, None]) ** 2"},
        "one class": {"pictures.var(1, ddof=1)": "pictures.reshape(-1, pictures.shape[2]).var(0, ddof=1)"},
    },
    "seen_unseen_area": {
        "the other sign": {"gaps = best_seen - best_unseen": "gaps = best_unseen - best_seen"},
        "steps without trapezoids": {"(s[1:] + s[:-1]) / 2": "s[1:]"},
        "one picture after the other": {
            "for g in np.unique(gaps):\n        moved = gaps <= g": (
                "for j in range(1, len(gaps) + 1):\n"
                "        moved = np.isin(np.arange(len(gaps)), np.argsort(gaps, kind='stable')[:j])"
            )
        },
        "shares of all pictures": {"/ kind.sum())": "/ len(kind))"},
        "the start is forgotten": {"u, s = [0.0], [right[kind].mean()]": "u, s = [], []"},
        "right among all classes": {"np.where(kind, own >= best_seen, own >= best_unseen)": "own >= scores.max(1)"},
        "a grid of ten": {"for g in np.unique(gaps):": "for g in np.linspace(gaps.min(), gaps.max(), 10):"},
    },
}

RIGHT = {
    "hub_share": {
        "with a counter": """
from collections import Counter

def hub_share(scores, top):
    answers = Counter(int(row.argmax()) for row in scores)
    return sum(count for _, count in answers.most_common(top)) / len(scores)
""",
        "in torch": """
def hub_share(scores, top):
    answers = torch.from_numpy(scores.argmax(1))
    counts = torch.bincount(answers, minlength=scores.shape[1])
    return counts.topk(top).values.sum().item() / len(scores)
""",
    },
    "per_class_both": {
        "picture by picture": """
def per_class_both(scores, labels, seen):
    hits = {}
    for row, label in zip(scores, labels):
        others = [value for number, value in enumerate(row) if number != label]
        hits.setdefault(int(label), []).append(row[label] > max(others))
    means = {label: sum(each) / len(each) for label, each in hits.items()}
    sides = [[value for label, value in means.items() if bool(seen[label]) == kind] for kind in (False, True)]
    return tuple(sum(side) / len(side) for side in sides)
""",
        "with bincounts": """
def per_class_both(scores, labels, seen):
    own = scores[np.arange(len(labels)), labels]
    right = (scores >= own[:, None]).sum(1) == 1
    counts = np.bincount(labels, minlength=len(seen))
    sums = np.bincount(labels, weights=right, minlength=len(seen))
    there = counts > 0
    share = sums / np.maximum(counts, 1)
    return share[there & ~seen].mean(), share[there & seen].mean()
""",
    },
    "indirect_attributes": {
        "attribute by attribute": """
def indirect_attributes(p, seen_has, new_has):
    scores = np.zeros((len(p), len(new_has)))
    for m in range(seen_has.shape[1]):
        prior = seen_has[:, m].mean()
        if prior == 0 or prior == 1:
            continue
        q = 0.99 * p @ seen_has[:, m] + 0.01 * prior
        for c, has in enumerate(new_has[:, m]):
            scores[:, c] += np.log(q / prior) if has else np.log((1 - q) / (1 - prior))
    return scores
""",
        "with einsum": """
def indirect_attributes(p, seen_has, new_has):
    prior = seen_has.mean(0)
    use = np.flatnonzero(prior * (1 - prior))
    prior, new = prior[use], new_has[:, use]
    q = 0.99 * np.einsum("ns,sm->nm", p, seen_has[:, use]) + 0.01 * prior
    terms = np.where(new[None] == 1, np.log(q / prior)[:, None], np.log((1 - q) / (1 - prior))[:, None])
    return terms.sum(2)
""",
    },
    "worth_of_text": {
        "by sums": """
def worth_of_text(text, pictures):
    c, k, d = pictures.shape
    means = pictures.sum(1) / k
    within = ((pictures - means[:, None]) ** 2).sum() / (c * d * (k - 1))
    between = ((means - text) ** 2).sum() / (c * d) - within / k
    return within / between if between > 0 else np.inf
""",
        "in torch": """
def worth_of_text(text, pictures):
    x, t = torch.from_numpy(pictures), torch.from_numpy(text)
    within = x.var(1).mean().item()
    between = (x.mean(1) - t).square().mean().item() - within / x.shape[1]
    return float("inf") if between <= 0 else within / between
""",
    },
    "seen_unseen_area": {
        "by middles of the gaps": """
def seen_unseen_area(scores, labels, seen):
    gaps = np.unique(scores[:, seen].max(1) - scores[:, ~seen].max(1))
    places = np.concatenate([[gaps[0] - 1], (gaps[1:] + gaps[:-1]) / 2, [gaps[-1] + 1]])
    kind, rows, points = seen[labels], np.arange(len(labels)), []
    for place in places:
        given = scores - place * seen
        right = given[rows, labels] >= given.max(1)
        points.append((right[~kind].mean(), right[kind].mean()))
    area = 0.0
    for (a, b), (c, d) in zip(points[:-1], points[1:]):
        area += (c - a) * (b + d) / 2
    return area
""",
        "with cumulative sums": """
def seen_unseen_area(scores, labels, seen):
    inside = [np.where(part, scores, -np.inf) for part in (seen, ~seen)]
    best = [part.max(1) for part in inside]
    kind = seen[labels]
    own = scores[np.arange(len(labels)), labels]
    right = own >= np.where(kind, best[0], best[1])
    values, place = np.unique(best[0] - best[1], return_inverse=True)
    gained = np.bincount(place, weights=right & ~kind, minlength=len(values)) / (~kind).sum()
    lost = np.bincount(place, weights=right & kind, minlength=len(values)) / kind.sum()
    after = right[kind].mean() - np.cumsum(lost)
    return float((gained * (after + lost / 2)).sum())
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
