"""Our BERT against transformers' and sentence-transformers' on the weights of MiniLM, equality first.

    python benchmarks/bert.py --output book/results/bench-bert.json

The peer computes with its own fused attention (sdpa). Both hold the same weights in float32 and compute without
gradients, one thread each. A is measured, then B, then A again; the ratio is the median of neighbours' ratios.
"""

from collections.abc import Iterator

from measure import in_turn, main

NAME = "sentence-transformers/all-MiniLM-L6-v2"
BATCHES = ((1, 16), (8, 32), (32, 32), (8, 128))  # sentences, tokens of each
MIXED = 128  # sentences of mixed length
PADDED = 32  # in a batch of the peer


def models():
    """Our encoder and the peer's."""
    import transformers

    from course.representation.pretrained import find_checkpoint, load_pretrained

    transformers.utils.logging.disable_progress_bar()
    theirs = transformers.BertModel.from_pretrained(find_checkpoint(NAME), attn_implementation="sdpa").eval()
    return load_pretrained(NAME), theirs


def require_equal(what: str, mine, other, tolerance: float) -> None:
    """Speed counts only where the numbers are the same."""
    difference = (mine - other).abs().max().item()
    if not difference <= tolerance:
        raise RuntimeError(f"{what}: the two differ by {difference}, more than {tolerance}")


def random_batch(sentences: int, length: int, padded: bool):
    """Token ids, and the mask that transformers wants; with ``padded`` half of the rows are half as long."""
    import torch

    tokens = torch.randint(1000, 20_000, (sentences, length), generator=torch.Generator().manual_seed(0))
    if padded:
        tokens[sentences // 2 :, length // 2 :] = 0
    return tokens, (tokens != 0).long()


def same_batch(ours, theirs, sentences: int, length: int, repeats: int, padded: bool = False) -> dict:
    """Seconds for one batch."""
    import torch

    tokens, mask = random_batch(sentences, length, padded)
    with torch.inference_mode():
        expected = theirs(tokens, attention_mask=mask).last_hidden_state
        require_equal(f"{sentences} × {length}", ours(tokens)[mask.bool()], expected[mask.bool()], 1e-4)
        row = in_turn(lambda: ours(tokens), lambda: theirs(tokens, attention_mask=mask), repeats, scale=1000)
    what = f"ms for a batch of {sentences} × {length} tokens{', a quarter of them padding' if padded else ''}"
    return {"what": what, "peer": "transformers, sdpa"} | row


def mixed_sentences() -> list[str]:
    """Sentences of the test split of ``prose``, as they come: a few words to some dozens."""
    from course.data import load
    from course.data.segmentation import sentences

    found = [sentence for text in load("prose", split="test").texts for sentence in sentences(text)]
    return found[:MIXED]


def sentence_vectors(ours, theirs, repeats: int) -> Iterator[dict]:
    """Milliseconds a sentence, tokenizer included: padded as they come, and with a peer that sorts by length, too."""
    import torch
    import torch.nn.functional as F
    from sentence_transformers import SentenceTransformer

    from course.data import padded
    from course.representation.pretrained import find_checkpoint, load_tokenizer
    from course.representation.sentences import SentenceEncoder, mean_of_tokens

    texts, tokenizer = mixed_sentences(), load_tokenizer(NAME)
    encode = SentenceEncoder(ours, tokenizer, longest=256)
    peer = SentenceTransformer(str(find_checkpoint(NAME)), device="cpu")

    def as_they_come():
        with torch.inference_mode():
            rows, found = encode.tokens(texts), []
            for start in range(0, len(rows), PADDED):
                tokens = padded(rows[start : start + PADDED], 0)
                mask = tokens != 0
                hidden = theirs(tokens, attention_mask=mask.long()).last_hidden_state
                found.append(F.normalize(mean_of_tokens(hidden, mask), dim=1))
            return torch.cat(found)

    def sorted_by_length():
        return peer.encode(texts, batch_size=PADDED, convert_to_tensor=True, show_progress_bar=False)

    for name, other, goal in (
        (f"transformers, sdpa, {PADDED} as they come", as_they_come, {"goal": 1.5}),
        ("sentence-transformers, sorted by length", sorted_by_length, {}),
    ):
        require_equal(name, encode(texts), other(), 1e-5)
        what = f"ms a sentence, {len(texts)} sentences of prose"
        row = in_turn(lambda: encode(texts), other, repeats, scale=1000 / len(texts))
        yield {"what": what, "peer": name} | row | goal


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    ours, theirs = models()
    for size in BATCHES:
        yield same_batch(ours, theirs, *size, repeats) | {"goal": 1}
    yield same_batch(ours, theirs, 32, 32, repeats, padded=True) | {"goal": 1}
    yield from sentence_vectors(ours, theirs, max(3, repeats // 4))


if __name__ == "__main__":
    main("bert", __doc__, "MiniLM (6 layers, 384 wide), float32, no gradients, one thread", measure, repeats=21)
