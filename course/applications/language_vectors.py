r"""Texts of any language to vectors of one space, kept on disk by their content; and the mean of a language taken away.

A multilingual encoder puts *good film* near *bon film*, but not upon it: what is French about a text moves it, too. Of
that, the mean over a language's texts is the simplest part, and needs no label.

Sources: Wang et al., *Multilingual E5 text embeddings* (2024); Libovický, Rosa and Fraser, *On the language neutrality
of pre-trained multilingual representations* (2020) for the mean of a language.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

from course.files import write_whole
from course.representation.bert import Bert
from course.representation.sentences import SentenceEncoder
from course.runtime import generator, progress, quiet

E5, PREFIX = "intfloat/multilingual-e5-small", "query: "
LONGEST = 64  # tokens
CHUNK = 512  # texts that are stored together
DIMENSION = 384


def encoder(device: torch.device | str, *, pretrained: bool = True) -> SentenceEncoder:
    """multilingual-e5-small; or, as a control, the same network with weights that nobody trained."""
    found = SentenceEncoder.pretrained(E5, prefix=PREFIX, longest=LONGEST)
    if not pretrained:
        found.model = Bert(found.model.config, generator=generator(0))
    found.model.to(device)
    return found


def text_vectors(
    texts: Sequence[str],
    device: torch.device | str,
    folder: Path | None = None,
    *,
    pretrained: bool = True,
    stored: Iterable[Path] = (),
) -> Tensor:
    """The vector of each text, ``[n, 384]``, of length 1; equal texts are read once.

    Args:
        texts: in any of the about hundred languages that the encoder knows.
        device: where to compute.
        folder: keeps what is computed, 512 texts at a time, so that a killed run loses at most these.
        pretrained: False takes the encoder as it was before its training.
        stored: further folders to look into.
    """
    unique = sorted(set(texts), key=lambda text: (len(text), text))  # of equal length, so that batches are full
    read, found = None, []
    starts = range(0, len(unique), CHUNK)
    for start in progress(starts, desc="texts to vectors", disable=quiet() or folder is None):
        chunk = unique[start : start + CHUNK]
        name = hashlib.sha256("\0".join([E5, PREFIX, str(LONGEST), str(pretrained), *chunk]).encode()).hexdigest()
        paths = [each / f"{name[:16]}.safetensors" for each in (folder, *stored) if each is not None]
        if there := [path for path in paths if path.exists()]:
            vectors = load_file(there[0])["vectors"]
        else:
            read = read or encoder(device, pretrained=pretrained)
            vectors = read(chunk).cpu().contiguous()
            if folder is not None:
                write_whole(paths[0], save({"vectors": vectors}))
        found.append(vectors)
    row = {text: number for number, text in enumerate(unique)}
    return torch.cat(found)[[row[text] for text in texts]].to(device)


def language_means(x: Tensor, language: Tensor, count: int) -> Tensor:
    r"""The mean vector of each language: :math:`\mu_\ell = \frac1{n_\ell}\sum_{i:\,\ell_i=\ell} x_i`.

    Args:
        x: vectors ``[n, d]``; no label is needed.
        language: numbers of languages ``int64 [n]``, from 0 to ``count - 1``.
        count: of the languages.

    Returns:
        ``[count, d]``; the mean over the other languages for one that has no text.
    """
    sums = torch.zeros(count, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, language, x)
    counts = language.bincount(minlength=count)[:, None].to(x.dtype)
    means = sums / counts.clamp_min(1)
    present = counts[:, 0] > 0
    means[~present] = means[present].mean(0)
    return means


def centred(x: Tensor, language: Tensor, means: Tensor) -> Tensor:
    r"""Vectors without the mean of their language, at length 1: :eq:`crosslingual-centring`.

    .. math:: \tilde x = \frac{x - \mu_\ell}{\lVert x - \mu_\ell\rVert}

    Args:
        x: vectors ``[n, d]``.
        language: the number of each one's language, ``int64 [n]``.
        means: of :func:`language_means`, ``[languages, d]``.
    """
    return F.normalize(x - means[language], dim=-1)
