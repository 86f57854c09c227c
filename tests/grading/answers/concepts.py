"""Answers to the exercises on concepts: mistakes, which must earn nothing, and other right ways."""

BITS = "p * math.log2(fibre[table[x]] / p) for x, p in chances.items() if p > 0"  # of left_open
SAME = "np.allclose(belief, old, rtol=1e-9, atol=0)"  # of mergeable
BETWEEN = "counts @ ((own - centre) ** 2).sum(1)"  # of whole_defect

WRONG = {
    "left_open": {
        "as if all were as likely": {
            "fibre[y] += chances[x]": "fibre[y] += 1",
            BITS: "math.log2(fibre[table[x]]) for x in table",
            "sum(chances.values())": "len(table)",
        },
        "the sizes of fibres, met with their chances": {
            "fibre[y] += chances[x]": "fibre[y] += 1",
            "math.log2(fibre[table[x]] / p)": "math.log2(fibre[table[x]])",
        },
        "the bits of the element": {"fibre[table[x]] / p": "sum(chances.values()) / p"},
        "the bits of the value": {"fibre[table[x]] / p": "sum(chances.values()) / fibre[table[x]]"},
        "natural logarithms": {"math.log2": "math.log"},
        "counts are taken as shares": {" / sum(chances.values())": ""},
        "the logarithm of zero": {" if p > 0": ""},
        "the sign": {"fibre[table[x]] / p)": "p / fibre[table[x]])"},
        "a plain mean over the values": """
def left_open(table, chances):
    bits = []
    for value in set(table.values()):
        own = [chances[x] for x in table if table[x] == value and chances[x] > 0]
        bits.append(sum(p / sum(own) * math.log2(sum(own) / p) for p in own))
    return sum(bits) / len(bits)
""",
    },
    "widest": {
        "one input alone": {"2 * np": "np"},
        "what the matrix keeps": {"[rank:]": "[:rank]"},
        "the whole question": {"forgotten @ question": "question"},
        "all rows count as independent": {"np.linalg.matrix_rank(matrix)": "len(matrix)"},
        "a threshold in units": {"matrix_rank(matrix)": "matrix_rank(matrix, tol=1e-3)"},
        "no threshold": {"np.linalg.matrix_rank(matrix)": "(np.linalg.svd(matrix)[1] > 0).sum()"},
        "the thin decomposition": {"svd(matrix)": "svd(matrix, full_matrices=False)"},
        "lengths are added": {"forgotten @ question)": "forgotten @ question, 1)"},
        "the square": {"float(2 * np.linalg.norm(forgotten @ question))": "2 * ((forgotten @ question) ** 2).sum()"},
        "the columns of U": {"svd(matrix)[2][rank:]": "svd(matrix.T)[2][rank:] @ matrix"},
    },
    "both_know": {
        "one round": {"while number != before:": "for _ in range(1):"},
        "three rounds": {"while number != before:": "for _ in range(3):"},
        "what f knows": {"in (f, g):": "in (f,):"},
        "what g knows": {"in (f, g):": "in (g,):"},
        "not counted anew": {"[order[own] for own in number]": "number"},
        "counted from one": {"[order[own]": "[order[own] + 1"},
        "what they know together": """
def both_know(f, g):
    order = {}
    return [order.setdefault(pair, len(order)) for pair in zip(f, g)]
""",
        "values in common are links": """
def both_know(f, g):
    above = {}

    def top(value):
        while above.setdefault(value, value) != value:
            value = above[value]
        return value

    for a, b in zip(f, g):
        above[top(a)] = top(b)
    order = {}
    return [order.setdefault(top(a), len(order)) for a in f]
""",
        "both must agree": """
def both_know(f, g):
    order = {}
    for i in range(len(f)):
        same = [j for j in range(i) if f[j] == f[i] and g[j] == g[i]]
        order[i] = order[same[0]] if same else len(set(order.values()))
    return list(order.values())
""",
        "linked to the first that is near": """
def both_know(f, g):
    found = []
    for i in range(len(f)):
        near = [j for j in range(i) if f[j] == f[i] or g[j] == g[i]]
        found.append(found[near[0]] if near else len(set(found)))
    return found
""",
    },
    "mergeable": {
        "equal columns": {"belief = column / column.sum()": "belief = column"},
        "products with the first entries": {SAME: "np.allclose(belief * old[0], old * belief[0], rtol=1e-9, atol=0)"},
        "to nine decimals": {SAME: "(belief.round(9) == old.round(9)).all()"},
        "the same favourite": {SAME: "belief.argmax() == old.argmax()"},
        "the same zeros": {SAME: "((belief > 0) == (old > 0)).all()"},
        "to the last bit": {SAME: "(belief == old).all()"},
        "nearly": {"rtol=1e-9, atol=0": "rtol=1e-9, atol=0.1"},
        "NumPy's own tolerance": {", rtol=1e-9, atol=0": ""},
        "rare is never": {"not column.any()": "column.sum() < 1e-9"},
        "never is a value": {
            "if not column.any():": "if False:",
            "column / column.sum()": "column / max(column.sum(), 1e-300)",
        },
        "never is left out": {"numbers.append(-1)": "pass"},
        "rows": {"np.asarray(kernel).T": "np.asarray(kernel)"},
        "only neighbours": {
            "for i, old in enumerate(seen) if ": "for i, old in enumerate(seen) if i == len(seen) - 1 and "
        },
        "the first entry alone": {SAME: "abs(belief[0] - old[0]) < 1e-9"},
    },
    "whole_defect": {
        "machines count alike": {"counts @ own / n": "own.mean(0)"},
        "a mean over the coordinates": {
            "** 2).sum(1)": "** 2).mean(1)",
            "((centres[0] - centres[1]) ** 2).sum()": "((centres[0] - centres[1]) ** 2).mean()",
        },
        "no spread between machines": {f" + {BETWEEN}": ""},
        "the spread between machines, not weighed": {BETWEEN: "((own - centre) ** 2).sum()"},
        "no spread within machines": {"sum(each[within] for each in reports) + ": ""},
        "the pairs of one element": {"(pairs - apart)": "pairs"},
        "all n squared pairs": {"(n * (n - 1))": "n**2"},
        "one centre for both routes": {" + n**2 * ((centres[0] - centres[1]) ** 2).sum()": ""},
        "one route's spread": {"((1, 3), (2, 4))": "((2, 4), (1, 3))", "spread +=": "spread ="},
        "a sum over a mean": {"(apart / n)": "apart"},
        "squares of places": """
def whole_defect(reports):
    n, apart = sum(each[0] for each in reports), sum(each[5] for each in reports)
    squares = sum(su + sv + k * (mu @ mu + mv @ mv) for k, mu, mv, su, sv, _ in reports)
    one, other = (sum(each[0] * each[i] for each in reports) for i in (1, 2))
    pairs = n * squares - 2 * one @ other
    return float((apart / n) / ((pairs - apart) / (n * (n - 1))))
""",
        "the mean of the machines' defects": """
def whole_defect(reports):
    total = weight = 0
    for n, mu, mv, su, sv, apart in reports:
        others = n * (su + sv) + n**2 * ((mu - mv) ** 2).sum() - apart
        if n > 1 and others > 0:
            total += n * (apart / n) / (others / (n * (n - 1)))
            weight += n
    return total / max(weight, 1)
""",
        "only pairs within machines": """
def whole_defect(reports):
    own = pairs = count = 0
    for n, mu, mv, su, sv, apart in reports:
        own += apart
        pairs += n * (su + sv) + n**2 * ((mu - mv) ** 2).sum() - apart
        count += n * (n - 1)
    return (own / sum(each[0] for each in reports)) / (pairs / max(count, 1)) if pairs else 0.0
""",
    },
}

RIGHT = {
    "left_open": {
        "fibre by fibre": """
def left_open(table, chances):
    total, bits = sum(chances.values()), 0.0
    for value in set(table.values()):
        own = np.array([chances[x] for x in table if table[x] == value], dtype=float) / total
        own = own[own > 0]
        bits += float((own * np.log2(own.sum() / own)).sum())
    return bits
""",
        "bits of the element less bits of the value": """
from scipy.stats import entropy

def left_open(table, chances):
    values = {}
    for x, value in table.items():
        values[value] = values.get(value, 0) + chances[x]
    return entropy(list(chances.values()), base=2) - entropy(list(values.values()), base=2)
""",
    },
    "widest": {
        "by least squares": """
def widest(matrix, question):
    told = matrix.T @ np.linalg.lstsq(matrix.T, question, rcond=None)[0]
    return 2 * np.linalg.norm(question - told)
""",
        "by the null space of course": """
from course.representation.projection import null_space

def widest(matrix, question):
    basis = null_space(torch.from_numpy(matrix))
    return 2 * (basis.T @ torch.from_numpy(question)).norm().item()
""",
        "by the pseudo-inverse": """
def widest(matrix, question):
    scaled = matrix / (np.abs(matrix).max() or 1.0)
    return 2 * np.linalg.norm(question - np.linalg.pinv(scaled, rcond=1e-12) @ (scaled @ question))
""",
    },
    "both_know": {
        "by a graph": """
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

def both_know(f, g):
    left = {value: i for i, value in enumerate(dict.fromkeys(f))}
    right = {value: len(left) + i for i, value in enumerate(dict.fromkeys(g))}
    size = len(left) + len(right)
    edges = [left[value] for value in f], [right[value] for value in g]
    _, component = connected_components(coo_array((np.ones(len(f)), edges), shape=(size, size)), directed=False)
    order = {}
    return [order.setdefault(component[left[value]], len(order)) for value in f]
""",
        "by a search": """
def both_know(f, g):
    number, count = [None] * len(f), 0
    for start in range(len(f)):
        if number[start] is not None:
            continue
        waiting = [start]
        number[start] = count
        while waiting:
            i = waiting.pop()
            for j in range(len(f)):
                if number[j] is None and (f[i] == f[j] or g[i] == g[j]):
                    number[j] = count
                    waiting.append(j)
        count += 1
    return number
""",
    },
    "mergeable": {
        "unit vectors": """
def mergeable(kernel):
    lengths = np.linalg.norm(kernel, axis=0)
    units, first, numbers = kernel / np.where(lengths > 0, lengths, 1), [], []
    for y in range(kernel.shape[1]):
        if lengths[y] == 0:
            numbers.append(-1)
            continue
        found = [n for n, z in enumerate(first) if np.allclose(units[:, y], units[:, z], rtol=1e-9, atol=1e-15)]
        if not found:
            found = [len(first)]
            first.append(y)
        numbers.append(found[0])
    return numbers
""",
        "by products across": """
def mergeable(kernel):
    n, m = kernel.shape
    first, numbers = [], []
    for y in range(m):
        a = kernel[:, y]
        if a.max() == 0:
            numbers.append(-1)
            continue
        for number, z in enumerate(first):
            left, right = np.outer(a, kernel[:, z]), np.outer(kernel[:, z], a)
            if (np.abs(left - right) <= 1e-9 * np.maximum(left, right)).all():
                numbers.append(number)
                break
        else:
            numbers.append(len(first))
            first.append(y)
    return numbers
""",
    },
    "whole_defect": {
        "pairs of machines": """
def whole_defect(reports):
    n = sum(each[0] for each in reports)
    apart = sum(each[5] for each in reports)
    pairs = 0.0
    for k, mean_u, _, spread_u, _, _ in reports:
        for m, _, mean_v, _, spread_v, _ in reports:
            pairs += m * spread_u + k * spread_v + k * m * ((mean_u - mean_v) ** 2).sum()
    return float((apart / n) / ((pairs - apart) / (n * (n - 1))))
""",
        "one machine after another": """
def whole_defect(reports):
    n, mu, mv, su, sv, apart = reports[0]
    for k, nu, nv, tu, tv, more in reports[1:]:
        weight = n * k / (n + k)
        su = su + tu + weight * ((nu - mu) ** 2).sum()
        sv = sv + tv + weight * ((nv - mv) ** 2).sum()
        mu, mv = mu + (nu - mu) * k / (n + k), mv + (nv - mv) * k / (n + k)
        n, apart = n + k, apart + more
    pairs = n * (su + sv) + n**2 * ((mu - mv) ** 2).sum()
    return (n - 1) * apart / (pairs - apart)
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
