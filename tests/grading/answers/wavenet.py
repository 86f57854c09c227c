"""Answers to the exercises on WaveNet: mistakes, which must earn nothing, and other ways that are right."""

WRONG = {
    "layers_for": {
        "a logarithm of floats": """
def layers_for(samples, kernel):
    return max(1, math.ceil(math.log(samples) / math.log(kernel)))
""",
        "a logarithm of floats and a little less": """
def layers_for(samples, kernel):
    return max(1, math.ceil(math.log(samples, kernel) - 1e-12))
""",
        "more than asked for": {"seen < samples": "seen <= samples"},
        "no layer for one sample": {"layers, seen = 1, kernel": "layers, seen = 0, 1"},
        "dilations that double whatever the kernel": {"seen * kernel": "seen * 2"},
        "each layer adds the same": {"seen * kernel": "seen + kernel - 1"},
    },
    "inputs_needed": {
        "the last layer first": {"counts[::-1]": "counts"},
        "from the first layer on": {"in reversed(dilations)": "in dilations"},
        "each way counts": """
def inputs_needed(dilations, kernel):
    return [kernel ** (len(dilations) - layer) for layer in range(len(dilations))]
""",
        "the whole reach": """
def inputs_needed(dilations, kernel):
    return [1 + (kernel - 1) * sum(dilations[layer:]) for layer in range(len(dilations))]
""",
        "two taps only": {"range(kernel)": "(0, kernel - 1)"},
        "the outputs of the layers": {
            "seen = {back + i * d for back in seen for i in range(kernel)}\n        counts.append(len(seen))": (
                "counts.append(len(seen))\n        seen = {back + i * d for back in seen for i in range(kernel)}"
            )
        },
    },
    "best_temperature": {
        "its inverse": {"math.exp(-middle)": "math.exp(middle)"},
        "the wrong direction": {".mean() <= 0": ".mean() > 0"},
        "too few halvings": {"range(60)": "range(5)"},
        "infinite for large scores": {"scores = scores - scores.max(1, keepdims=True)": "scores = scores * 1.0"},
        "a short range": {"math.log(0.01), math.log(100)": "math.log(0.1), math.log(10)"},
        "the arguments change": {
            "scores = scores - scores.max(1, keepdims=True)": "scores -= scores.max(1, keepdims=True)"
        },
        "back where the slope is rounded to 0": {".mean() <= 0": ".mean() < 0"},
        "a difference that cancels": {
            "(weights * (scores - true[:, None])).sum(1) / weights.sum(1)": (
                "(weights * scores).sum(1) / weights.sum(1) - true"
            ),
            "scores = scores - scores.max(1, keepdims=True)": "above = scores.max(1, keepdims=True)",
            "np.exp(math.exp(middle) * scores)": "np.exp(math.exp(middle) * (scores - above))",
            ".mean() <= 0": ".mean() < 0",
        },
        "the likeliest code instead of the true one": {"scores[np.arange(len(codes)), codes]": "scores.max(1)"},
    },
    "mixture_bits": {
        "a difference of sigmoids": """
def mixture_bits(c, weights, means, widths, codes):
    place, half = 2 * c[:, None] / (codes - 1) - 1, 1 / (codes - 1)
    with np.errstate(all="ignore"):
        a, b = (1 / (1 + np.exp(-(place + s * half - means) / widths)) for s in (-1, 1))
        a, b = np.where(c[:, None] == 0, 0, a), np.where(c[:, None] == codes - 1, 1, b)
        return -np.log2(((b - a) * weights).sum(1))
""",
        "the density": {"np.log(-np.expm1(a - b))": "np.log(2 * half / widths) + (a - b) / 2"},
        "the ends are not special": {"logs = np.where(c[:, None] == 0, -np.logaddexp(0, -b), logs)\n    ": ""},
        "nats": {" / math.log(2)": ""},
        "without weights": {" + np.log(weights)": " - np.log(len(weights))"},
        "half as wide": {"1 / (codes - 1)\n": "0.5 / (codes - 1)\n"},
        "the mean of the bits": {"-np.logaddexp.reduce(logs + np.log(weights), axis=1)": "-(logs * weights).sum(1)"},
        "the upper end forgotten": {"\n    logs = np.where(c[:, None] == codes - 1, -np.logaddexp(0, a), logs)": ""},
    },
    "shortest_bits": {
        "a point, not an interval": {"m + 1 <= (low + width) * 2**n": "m < (low + width) * 2**n"},
        "always one bit more": {'format(m, f"0{n}b") if n else ""': 'format(2 * m, f"0{n + 1}b")'},
        "leading zeros are lost": {'f"0{n}b"': '"b"'},
        "rounded down": {"math.ceil(low * 2**n)": "math.floor(low * 2**n)"},
        "floats": {"low, width = Fraction(0), Fraction(1)": "low, width = 0.0, 1.0"},
        "from right to left": {"shares[:code]": "shares[code + 1 :]"},
        "the width is not kept": {"width *= shares[code]": "width = shares[code]"},
        "a zero for nothing": {'format(m, f"0{n}b") if n else ""': 'format(m, f"0{n}b")'},
    },
}

RIGHT = {
    "layers_for": {
        "powers": """
def layers_for(samples, kernel):
    return next(layers for layers in range(1, 99) if kernel**layers >= samples)
""",
        "division": """
def layers_for(samples, kernel):
    layers, rest = 0, samples - 1
    while rest:
        layers, rest = layers + 1, rest // kernel
    return max(1, layers)
""",
    },
    "inputs_needed": {
        "masks": """
def inputs_needed(dilations, kernel):
    reach = 1 + (kernel - 1) * sum(dilations)
    needed = np.zeros(reach, dtype=bool)
    needed[0] = True
    counts = []
    for d in dilations[::-1]:
        below = needed.copy()
        for i in range(1, kernel):
            below[i * d :] |= needed[: reach - i * d]
        needed = below
        counts.insert(0, int(needed.sum()))
    return counts
""",
        "by recursion": """
def inputs_needed(dilations, kernel):
    def places(layers):
        if not layers:
            return {0}
        return {back + i * layers[0] for back in places(layers[1:]) for i in range(kernel)}

    return [len(places(dilations[first:])) for first in range(len(dilations))]
""",
    },
    "best_temperature": {
        "a minimiser of scipy": """
def best_temperature(scores, codes):
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    true = scores[np.arange(len(codes)), codes]

    def loss(t):
        beta = np.exp(-t)
        return (logsumexp(beta * scores, axis=1) - beta * true).mean()

    ends = (np.log(0.01), np.log(100))
    inside = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-9}).x
    return float(np.exp(min((*ends, inside), key=loss)))
""",
        "Newton steps and halves in turn": """
def best_temperature(scores, codes):
    scores = scores - scores[np.arange(len(codes)), codes][:, None]
    low, high = 0.01, 100.0
    beta = 1.0
    for turn in range(200):
        scaled = beta * scores
        p = np.exp(scaled - scaled.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        mean = (p * scores).sum(1)
        slope, bend = mean.mean(), ((p * scores**2).sum(1) - mean**2).mean()
        low, high = (beta, high) if slope <= 0 else (low, beta)
        step = beta - slope / bend if bend > 0 else math.inf
        beta = step if turn % 2 and low < step < high else math.sqrt(low * high)
    return 1 / beta
""",
    },
    "mixture_bits": {
        "by symmetry": """
def mixture_bits(c, weights, means, widths, codes):
    from scipy.special import log_expit, logsumexp

    place, half = 2 * c[:, None] / (codes - 1) - 1, 1 / (codes - 1)
    a, b = (place - half - means) / widths, (place + half - means) / widths
    inner = log_expit(-a) + log_expit(b) + np.log1p(-np.exp(-(2 * half / widths)))
    logs = np.select([c[:, None] == 0, c[:, None] == codes - 1], [log_expit(b), log_expit(-a)], inner)
    return -logsumexp(logs, b=weights, axis=1) / np.log(2)
""",
        "in torch": """
def mixture_bits(c, weights, means, widths, codes):
    c, weights, means, widths = (torch.from_numpy(np.array(each)) for each in (c, weights, means, widths))
    place, half = 2 * c[:, None].double() / (codes - 1) - 1, 1 / (codes - 1)
    a, b = (place - half - means) / widths, (place + half - means) / widths

    def log_one_plus_exp(x):
        return torch.logaddexp(x, torch.zeros_like(x))

    logs = b + torch.log(-torch.expm1(a - b)) - log_one_plus_exp(a) - log_one_plus_exp(b)
    logs = torch.where(c[:, None] == 0, -log_one_plus_exp(-b), logs)
    logs = torch.where(c[:, None] == codes - 1, -log_one_plus_exp(a), logs)
    return (-torch.logsumexp(logs + weights.log(), 1) / math.log(2)).numpy()
""",
    },
    "shortest_bits": {
        "bit by bit": """
def shortest_bits(probabilities, codes):
    low, high = Fraction(0), Fraction(1)
    for shares, code in zip(probabilities, codes):
        span = high - low
        below = sum(shares[:code], Fraction(0))
        low, high = low + span * below, low + span * (below + shares[code])
    for n in range(10_000):
        unit = Fraction(1, 2**n)
        m = -(-low // unit)
        if (m + 1) * unit <= high:
            return bin(2**n + m)[3:]
""",
        "whole numbers only": """
def shortest_bits(probabilities, codes):
    low, width, scale = 0, 1, 1
    for shares, code in zip(probabilities, codes):
        common = math.lcm(*(share.denominator for share in shares))
        counts = [int(share * common) for share in shares]
        low, width, scale = low * common + width * sum(counts[:code]), width * counts[code], scale * common
    n = 0
    while True:
        m = -(-low * 2**n // scale)
        if (m + 1) * scale <= (low + width) * 2**n:
            return "".join(str(m >> place & 1) for place in reversed(range(n)))
        n += 1
""",
    },
}

# The statement forbids it, and the visible tests do not look for it.
HIDDEN_ONLY = {"best_temperature": ["the arguments change"]}
