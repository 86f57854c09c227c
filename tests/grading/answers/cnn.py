"""Answers to the exercises on CNN.

Mistakes must earn nothing, and other right ways must not lose.
"""

WRONG = {
    "same_padding": {
        "the extra zero before": {"total // 2, total - total // 2": "total - total // 2, total // 2"},
        "outputs rounded down": {"-(-size // stride)": "size // stride"},
        "without dilation": {"dilation * (kernel - 1)": "(kernel - 1)"},
        "negative zeros": {"max(0, needed - size)": "needed - size"},
        "half the kernel, whatever the stride": {"needed - size": "dilation * (kernel - 1)"},
        "floats": {"total // 2, total - total // 2": "total / 2 // 1, total - total // 2"},
        "as many on both sides": {"total // 2, total - total // 2": "total // 2, total // 2"},
    },
    "fold_norm": {
        "without the root": {"np.sqrt(variance + eps)": "(variance + eps)"},
        "eps after the root": {"np.sqrt(variance + eps)": "(np.sqrt(variance) + eps)"},
        "eps is forgotten": {"variance + eps": "variance"},
        "the bias is not scaled": {"(before - mean) * factor": "before - mean * factor"},
        "the mean is not scaled": {"(before - mean) * factor": "before * factor - mean"},
        "along the channels": {"factor[:, None, None, None]": "factor[: weight.shape[1], None, None]"},
        "another eps, if none is given": {"eps=1e-5": "eps=1e-3"},
        "the bias in place": {"(before - mean)": "np.subtract(before, mean, out=before)"},
        "the old bias is dropped": {"(before - mean)": "(0 - mean)"},
        "in place": {
            "return weight * factor[:, None, None, None]": "weight *= factor[:, None, None, None]\n    return weight"
        },
    },
    "seen": {
        "all pixels between the ends": {
            "sorted(places)": "list(range(min(places), max(places) + 1)) if places else []"
        },
        "padding counts as pixels": {"if 0 <= place < count": "if True"},
        "clipped for a kernel of one weight only": {"if 0 <= place < count": "if 0 <= place < count or k > 1"},
        "the upper end is the image's": {"if 0 <= place < count": "if 0 <= place < size"},
        "the lower end only": {"if 0 <= place < count": "if 0 <= place"},
        "a set": {"sorted(places)": "places"},
        "only the image has ends": {"if 0 <= place < count": "if 0 <= place < size or k"},
        "thrown away at the image only": """
def seen(layers, size, output):
    places = {output}
    for k, s, p, d in layers[::-1]:
        places = {s * i + d * m - p for i in places for m in range(k)}
    return sorted(place for place in places if 0 <= place < size)
""",
        "from the first layer": {"zip(layers[::-1], counts[-2::-1]": "zip(layers, counts[:-1]"},
        "dilation is forgotten": {"s * i + d * m - p": "s * i + m - p"},
        "padding the other way": {"s * i + d * m - p": "s * i + d * m + p"},
        "one weight too many": {"range(k)}": "range(k + 1)}"},
    },
    "merged_kernel": {
        "correlated instead": {"second[:, :, a, b]": "second[:, :, p - 1 - a, q - 1 - b]"},
        "the stride is forgotten": {
            "stride * a : stride * a + k": "a : a + k",
            "stride * b : stride * b + width": "b : b + width",
        },
        "stride in the place only of rows": {"stride * b : stride * b + width": "b : b + width"},
        "large enough for the plain sum": {
            "k + stride * (p - 1), width + stride * (q - 1)": "k + stride * p, width + stride * q"
        },
        "overwritten": {"] += part": "] = part"},
        "channels added up": {
            "om,mckl->ockl": "om,mckl->okl",
            "part =": "part = np.zeros_like(merged[..., :k, :width]) +",
            "first)\n": "first)[:, None]\n",
        },
    },
    "turning_layer": {
        "not turned": {"np.rot90(kernel, r, (1, 2))": "kernel"},
        "not passed on": {"np.roll(np.rot90(kernel, r, (1, 2)), r, axis=0)": "np.rot90(kernel, r, (1, 2))"},
        "passed on the other way": {"(1, 2)), r, axis=0)": "(1, 2)), -r, axis=0)"},
        "turned the other way": {"np.rot90(kernel, r, (1, 2))": "np.rot90(kernel, -r, (1, 2))"},
        "turned with the directions": {"np.rot90(kernel, r, (1, 2))": "np.rot90(kernel, r, (2, 1))"},
        "the maps are turned, too, and not back": {"maps[None]": "np.stack([np.rot90(m, 2) for m in maps])[None]"},
    },
}

RIGHT = {
    "same_padding": {
        "by the rest": """
def same_padding(size, kernel, stride=1, dilation=1):
    span = dilation * (kernel - 1) + 1
    rest = size % stride
    total = max(span - (rest if rest else stride), 0)
    return total // 2, (total + 1) // 2
""",
        "by trying": """
def same_padding(size, kernel, stride=1, dilation=1):
    span, zeros = dilation * (kernel - 1) + 1, 0
    while (size + zeros - span) // stride + 1 < -(-size // stride) or size + zeros < span:
        zeros += 1
    return zeros // 2, zeros - zeros // 2
""",
    },
    "fold_norm": {
        "torch": """
def fold_norm(weight, bias, mean, variance, scale, shift, eps=1e-5):
    w, m, v, g, b = (torch.from_numpy(each) for each in (weight, mean, variance, scale, shift))
    factor = g * torch.rsqrt(v + eps)
    new = -m * factor + b
    if bias is not None:
        new = new + torch.from_numpy(bias) * factor
    return (w * factor.reshape(-1, 1, 1, 1)).numpy(), new.numpy()
""",
        "einsum": """
def fold_norm(weight, bias, mean, variance, scale, shift, eps=1e-5):
    factor = scale * (variance + eps) ** -0.5
    if bias is None:
        bias = 0.0
    return np.einsum("f,fckl->fckl", factor, weight), shift + factor * (bias - mean)
""",
    },
    "seen": {
        "by recursion": """
def seen(layers, size, output):
    if not layers:
        return [output]
    *before, (k, s, p, d) = layers
    count = size
    for k0, s0, p0, d0 in before:
        count = (count + 2 * p0 - d0 * (k0 - 1) - 1) // s0 + 1
    inputs = [s * output + d * m - p for m in range(k)]
    return sorted({pixel for i in inputs if 0 <= i < count for pixel in seen(before, size, i)})
""",
        "by pushing every pixel forwards": """
def seen(layers, size, output):
    found = []
    for pixel in range(size):
        row = torch.zeros(1, 1, size, dtype=torch.float64)
        row[0, 0, pixel] = 1
        for k, s, p, d in layers:
            ones = torch.ones(1, 1, k, dtype=torch.float64)
            row = torch.nn.functional.conv1d(row, ones, stride=s, padding=p, dilation=d)
        if row[0, 0, output] > 0:
            found.append(pixel)
    return found
""",
    },
    "merged_kernel": {
        "answers to unit images": """
def merged_kernel(first, second, stride=1):
    height = first.shape[2] + stride * (second.shape[2] - 1)
    width = first.shape[3] + stride * (second.shape[3] - 1)
    channels = first.shape[1]
    merged = np.zeros((len(second), channels, height, width))
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                x = np.zeros((1, channels, height, width))
                x[0, c, i, j] = 1
                merged[:, c, i, j] = layer(layer(x, first, stride=stride), second)[0, :, 0, 0]
    return merged
""",
        "a true convolution of spread kernels": """
from scipy.signal import convolve2d

def merged_kernel(first, second, stride=1):
    p, q = second.shape[2:]
    wide = np.zeros((*second.shape[:2], stride * (p - 1) + 1, stride * (q - 1) + 1))
    wide[:, :, ::stride, ::stride] = second
    return np.array([[sum(convolve2d(first[m, c], wide[o, m]) for m in range(len(first)))
                      for c in range(first.shape[1])] for o in range(len(second))])
""",
    },
    "turning_layer": {
        "turn back, look, turn on": """
def turning_layer(maps, kernel):
    out = []
    for r in range(4):
        back = np.stack([np.rot90(maps[(s + r) % 4], -r) for s in range(4)])
        out.append(np.rot90(layer(back[None], kernel[None])[0, 0], r))
    return np.stack(out)
""",
        "part by part": """
def turning_layer(maps, kernel):
    k = kernel.shape[1]
    out = np.zeros((4, maps.shape[1] - k + 1, maps.shape[2] - k + 1))
    for r in range(4):
        for s in range(4):
            part = np.rot90(kernel[s], r)
            for m in range(k):
                for n in range(k):
                    seen = maps[(s + r) % 4, m : m + out.shape[1], n : n + out.shape[2]]
                    out[r] += part[m, n] * seen
    return out
""",
    },
}

HIDDEN_ONLY = {}
