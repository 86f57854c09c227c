"""Answers to the exercises on BERT: mistakes, which must earn nothing, and other right ways, which must not lose."""

WRONG = {
    "whole_word_choice": {
        "each token for itself": {
            'word += not special and not token.startswith("##")': "word += not special",
            "draws[word] < share": "draws[min(word, len(draws) - 1)] < share",
        },
        "special tokens count as words": {
            "word += not special and not": "word += not",
            "draws[word] < share": "draws[min(word, len(draws) - 1)] < share",
        },
        "a bracket is special": {'len(token) > 2 and token[0] == "[" and token[-1] == "]"': 'token[0] == "["'},
        "special tokens are chosen": {
            "bool(not special and draws[word] < share)": "bool(word >= 0 and draws[word] < share)"
        },
        "the draw may equal the share": {"draws[word] < share": "draws[word] <= share"},
        "the others": {"draws[word] < share": "draws[word] >= share"},
        "a list of special tokens": {
            'token[0] == "[" and token[-1] == "]"': 'token in ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")'
        },
        "one sign # makes a piece": {'startswith("##")': 'startswith("#")'},
        "signs # anywhere make a piece": {'token.startswith("##")': '"##" in token'},
        "a bracket and more is special": {' and token[-1] == "]"': ""},
    },
    "local_mask": {
        "the first token has no part": {" | (i == 0) | (j == 0)": ""},
        "the first sees all, but is not seen": {" | (j == 0)": ""},
        "the first is seen, but does not see": {" | (i == 0)": ""},
        "a window of one less": {"<= window": "< window"},
        "padding sees nothing": {" | (~real[:, :, None] & (i == j))": ""},
        "padding is seen": {"real[:, :, None] & real[:, None, :]": "real[:, :, None] & np.ones_like(real)[:, None, :]"},
        "only to the left": {"abs(i - j) <= window": "(i - j <= window) & (i >= j)"},
        "numbers": {"return (both": "return 1.0 * ((both", "(i == j))": "(i == j)))"},
        "at least two places": {"max(lengths)": "max(2, *lengths)"},
    },
    "rollout": {
        "from the right": {"(identity + each.mean(0)) / 2 @ result": "result @ (identity + each.mean(0)) / 2"},
        "without the residual": {"(identity + each.mean(0)) / 2": "each.mean(0)"},
        "rows that sum to two": {"(identity + each.mean(0)) / 2": "(identity + each.mean(0))"},
        "the first head only": {"each.mean(0)": "each[0]"},
        "one layer too late": {"start - 1 :": "start:"},
        "the largest head": {"each.mean(0)": "each.max(0)"},
        "always from the first layer": {"weights[start - 1 :]": "weights"},
    },
    "streamed_attention": {
        "no maximum": {"new = np.maximum(largest, scores.max(1))": "new = np.zeros(len(query))"},
        "the sums are not rescaled": {"total * old": "total", "mixed * old[:, None]": "mixed"},
        "the mixture is not rescaled": {"mixed * old[:, None]": "mixed"},
        "the maximum of the block alone": {
            "np.maximum(largest, scores.max(1))": "scores.max(1)",
            "np.exp(largest - new), ": "np.ones(len(query)), ",
        },
        "without the root": {" / np.sqrt(query.shape[1])": ""},
        "the logarithm without the maximum": {"largest + np.log(total)": "np.log(total)"},
        "the root of the number of keys": {"np.sqrt(query.shape[1])": "np.sqrt(len(keys))"},
        "a maximum that begins too high": {"np.full(len(query), -np.inf)": "np.full(len(query), -1000.0)"},
        "all blocks at once": """
def streamed_attention(query, blocks):
    keys, values = (np.concatenate(parts) for parts in zip(*blocks))
    scores = query @ keys.T / np.sqrt(query.shape[1])
    return softmax(scores) @ values, np.logaddexp.reduce(scores, axis=1)
""",
        "the mean of the blocks": """
def streamed_attention(query, blocks):
    mixed, logs = [], []
    for keys, values in blocks:
        scores = query @ keys.T / np.sqrt(query.shape[1])
        mixed.append(softmax(scores) @ values)
        logs.append(scores.max(1))
    return np.mean(mixed, axis=0), np.max(logs, axis=0)
""",
    },
    "best_update": {
        "not balanced": {"u[:, :rank] * root, root[:, None] * vt[:rank]": "u[:, :rank] * s[:rank], vt[:rank]"},
        "the smallest singular values": {
            "root = np.sqrt(s[:rank])": "u, s, vt = u[:, ::-1], s[::-1], vt[::-1]\n    root = np.sqrt(s[:rank])"
        },
        "a share of norms, not of squares": {"(s**2).sum()": "s.sum()", "(s[:rank] ** 2).sum()": "s[:rank].sum()"},
        "nothing changed gives nan": {" if whole > 0 else 1.0": ""},
        "the change has the wrong sign": {"after - before": "before - after"},
        "of the matrix, not of the change": {"after - before": "after"},
        "nothing changed gives no factors": {
            "u, s, vt": "if np.array_equal(before, after):\n        return None, None, 1.0\n    u, s, vt"
        },
        "unit vectors divided by singular values": {
            "u[:, :rank] * root,": "(after - before) @ vt[:rank].T / s[:rank] * root,"
        },
        "a small change is none": {"whole > 0": "not np.isclose(whole, 0)"},
        "nearly equal is equal": {"whole > 0": "not np.allclose(before, after)"},
        "rank 0 is refused": {"root = np.sqrt": "assert rank > 0\n    root = np.sqrt"},
    },
}

RIGHT = {
    "whole_word_choice": {
        "by words": """
def whole_word_choice(tokens, draws, share):
    groups, chosen = [], [False] * len(tokens)
    for i, token in enumerate(tokens):
        if len(token) > 2 and token.startswith("[") and token.endswith("]"):
            continue
        if token.startswith("##"):
            groups[-1].append(i)
        else:
            groups.append([i])
    for group, draw in zip(groups, draws):
        for i in group:
            chosen[i] = draw < share
    return chosen
""",
        "cumulative sums": """
def whole_word_choice(tokens, draws, share):
    special = np.array([len(t) > 2 and t[0] + t[-1] == "[]" for t in tokens])
    begins = np.array([not t.startswith("##") for t in tokens]) & ~special
    word = np.cumsum(begins) - 1
    hit = np.append(np.array(draws) < share, False)
    return (hit[word] & ~special).tolist()
""",
    },
    "local_mask": {
        "three loops": """
def local_mask(lengths, window):
    longest = max(lengths)
    mask = np.zeros((len(lengths), longest, longest), dtype=bool)
    for b, n in enumerate(lengths):
        for i in range(longest):
            for j in range(longest):
                mask[b, i, j] = i == j if i >= n else j < n and (abs(i - j) <= window or 0 in (i, j))
    return mask
""",
        "torch, by slices": """
import torch

def local_mask(lengths, window):
    longest = max(lengths)
    mask = torch.eye(longest, dtype=torch.bool).repeat(len(lengths), 1, 1)
    for each, n in zip(mask, lengths):
        ones = torch.ones(n, n, dtype=torch.bool)
        near = ones.triu(-window) & ones.tril(window)
        near[0], near[:, 0] = True, True
        each[:n, :n] = near
    return mask
""",
    },
    "rollout": {
        "the product of a list": """
from functools import reduce

def rollout(weights, start=1):
    n = weights[0].shape[-1]
    factors = [0.5 * np.eye(n) + 0.5 * np.mean(each, axis=0) for each in weights[start - 1:]]
    return reduce(lambda done, factor: factor @ done, factors, np.eye(n))
""",
        "vectors carried back": """
def rollout(weights, start=1):
    n = weights[0].shape[-1]
    rows = np.eye(n)
    for each in weights[start - 1:][::-1]:
        rows = 0.5 * rows + 0.5 * rows @ each.mean(0)
    return rows
""",
    },
    "streamed_attention": {
        "logarithms of sums": """
def streamed_attention(query, blocks):
    logs, mixed = None, None
    for keys, values in blocks:
        scores = query @ keys.T * query.shape[1] ** -0.5
        here = np.logaddexp.reduce(scores, axis=1)
        part = np.exp(scores - here[:, None]) @ values
        if logs is None:
            logs, mixed = here, part
            continue
        both = np.logaddexp(logs, here)
        mixed = np.exp(logs - both)[:, None] * mixed + np.exp(here - both)[:, None] * part
        logs = both
    return mixed, logs
""",
        "key by key": """
def streamed_attention(query, blocks):
    states = [(-np.inf, 0.0, 0.0)] * len(query)
    for keys, values in blocks:
        for i, q in enumerate(query):
            top, total, mixed = states[i]
            for k, v in zip(keys, values):
                score = q @ k / len(q) ** 0.5
                if score > top:
                    total, mixed, top = total * np.exp(top - score), mixed * np.exp(top - score), score
                total, mixed = total + np.exp(score - top), mixed + np.exp(score - top) * v
            states[i] = top, total, mixed
    return np.array([mixed / total for _, total, mixed in states]), np.array([t + np.log(s) for t, s, _ in states])
""",
    },
    "best_update": {
        "torch": """
import torch

def best_update(before, after, rank):
    u, s, vh = torch.linalg.svd(torch.as_tensor(after - before), full_matrices=False)
    root = s[:rank].sqrt()
    whole = s.square().sum()
    share = 1.0 if whole == 0 else (s[:rank].square().sum() / whole).item()
    return -u[:, :rank] * root, -vh[:rank] * root[:, None], share
""",
        "eigenvectors of the smaller product": """
def best_update(before, after, rank):
    change = after - before
    flip = change.shape[0] > change.shape[1]
    m = change.T if flip else change
    values, vectors = np.linalg.eigh(m @ m.T)
    u = vectors[:, ::-1][:, :rank]
    right = u.T @ m
    norms = np.linalg.norm(right, axis=1)
    root = np.sqrt(norms)
    safe = np.where(root > 0, root, 1)
    left, right = u * root, right / safe[:, None]
    whole = (change ** 2).sum()
    share = 1.0 if whole == 0 else float((norms ** 2).sum() / whole)
    return (right.T, left.T, share) if flip else (left, right, share)
""",
    },
}

# Edge cases that the statement names: the visible tests do not look for them.
HIDDEN_ONLY = {
    "whole_word_choice": [
        "a list of special tokens",
        "one sign # makes a piece",
        "signs # anywhere make a piece",
        "a bracket and more is special",
    ],
    "local_mask": ["at least two places"],
    "streamed_attention": ["a maximum that begins too high", "all blocks at once"],
    "best_update": [
        "nothing changed gives no factors",
        "unit vectors divided by singular values",
        "a small change is none",
        "nearly equal is equal",
    ],
}
