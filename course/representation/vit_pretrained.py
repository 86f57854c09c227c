"""Vision transformers that others trained, in the modules of this course: checkpoints in the files of Hugging Face.

As in :mod:`course.representation.pretrained`, nothing is downloaded here: a checkpoint is a folder with ``config.json``
and ``model.safetensors``, or a name that the hub's own tools have fetched.
"""

from pathlib import Path

import torch
from torch import Tensor

from course.data import DataError
from course.representation.pretrained import filled, find_checkpoint, read_json, read_weights, renamed
from course.representation.vit import VisionTransformer, ViTConfig


def load_vit(source: str | Path) -> VisionTransformer:
    """A pretrained encoder of images in :class:`~course.representation.vit.VisionTransformer`, in evaluation mode.

    Args:
        source: the folder of a checkpoint of ``transformers.ViTModel`` or ``ViTForImageClassification``, or a name on
            the Hugging Face hub, such as ``google/vit-base-patch16-224-in21k``, whose files are in the hub's cache.

    Returns:
        The encoder in float32, on the CPU. It has a pooler if the checkpoint has one; a head for classes is left out.

    Raises:
        DataError: if there is no such checkpoint, it is damaged or of another architecture, or weights are missing,
            surplus or of another shape. The message names them.
    """
    path = find_checkpoint(source)
    weights = flattened(read_weights(path))
    config = ViTConfig(**read_config(path), pooler="pooler.dense.weight" in weights)
    with torch.device("meta"):  # no memory, no random numbers
        model = VisionTransformer(config)
    return filled(model, path, weights, origins(model))


def read_config(folder: Path) -> dict:
    """The options of :class:`~course.representation.vit.ViTConfig` that a folder's ``config.json`` names."""
    file, read = read_json(folder)
    if read.get("model_type") != "vit":
        raise DataError(f"{file}: model_type {read.get('model_type')!r} cannot be loaded, only vit")
    expected = {"hidden_act": "gelu", "qkv_bias": True, "pooler_act": "tanh",
                "pooler_output_size": read.get("hidden_size")}  # fmt: skip
    for name, known in expected.items():
        if read.get(name, known) != known:
            raise DataError(f"{file}: {name} is {read[name]!r}, only {known!r} can be loaded")
    names = {
        "size": "image_size", "patch": "patch_size", "channels": "num_channels", "width": "hidden_size",
        "layers": "num_hidden_layers", "heads": "num_attention_heads", "hidden": "intermediate_size",
        "eps": "layer_norm_eps", "dropout": "hidden_dropout_prob",
    }  # fmt: skip
    return renamed(file, read, names)


def flattened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in the shapes of a linear map of patches and plain rows: a kernel is a matrix, a batch of one is none."""
    shapes = {
        "embeddings.patch_embeddings.projection.weight": lambda kernel: kernel.flatten(1),
        "embeddings.cls_token": lambda token: token.flatten(),
        "embeddings.position_embeddings": lambda table: table.flatten(0, 1),
    }
    return {name: shapes[name](tensor) if name in shapes else tensor for name, tensor in weights.items()}


def origins(model: VisionTransformer) -> dict[str, tuple[str, ...]]:
    """For each parameter of our model those of Hugging Face's that it is made of, one below the other."""
    layers = {
        "patch": "embeddings.patch_embeddings.projection", "encoder.norm": "layernorm", "pooler": "pooler.dense",
    }  # fmt: skip
    for i in range(model.config.layers):
        ours, theirs = f"encoder.blocks.{i}", f"encoder.layer.{i}"
        layers |= {
            f"{ours}.attention.output": f"{theirs}.attention.output.dense",
            f"{ours}.attention_norm": f"{theirs}.layernorm_before",
            f"{ours}.network.0": f"{theirs}.intermediate.dense",
            f"{ours}.network.2": f"{theirs}.output.dense",
            f"{ours}.network_norm": f"{theirs}.layernorm_after",
        }
    tables = {"class_token": "embeddings.cls_token", "positions": "embeddings.position_embeddings"}
    found = {}
    for name, _ in model.named_parameters():
        layer, _, kind = name.rpartition(".")
        if layer.endswith("attention.project"):
            number = layer.split(".")[-3]
            parts = ("query", "key", "value")
            found[name] = tuple(f"encoder.layer.{number}.attention.attention.{part}.{kind}" for part in parts)
        else:
            found[name] = (tables.get(name) or f"{layers[layer]}.{kind}",)
    return found
