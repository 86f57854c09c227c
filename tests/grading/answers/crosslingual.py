"""Answers to the exercises on Text across languages.

Mistakes must earn nothing, and other right ways must not lose.
"""

WRONG = {
    "spread": {
        "distances that are not squared": {"** 2": ".abs()"},
        "the sum of them": {".mean()": ".sum()"},
        "around the origin": {"x - centroid(x)": "x"},
    }
}

RIGHT = {
    "spread": {
        "by the lengths": "def spread(x):\n    return ((x - x.mean(0)).norm(dim=1) ** 2).mean()\n",
        "by the variances": "def spread(x):\n    return x.var(0, correction=0).sum()\n",
    }
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
