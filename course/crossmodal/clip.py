r"""CLIP in the modules of this course: a vision transformer and a causal text transformer on one sphere.

Both towers are built from the blocks of :mod:`course.representation.transformer`. Weights that others trained load from
the files of Hugging Face; nothing is downloaded here.

Source: Radford et al., *Learning transferable visual models from natural language supervision* (2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from course.arguments import require_whole
from course.crossmodal.dual_encoder import DualEncoder
from course.data import DataError, padded
from course.data.sets import described
from course.representation.pretrained import filled, find_checkpoint, load_tokenizer, read_json, read_weights, renamed
from course.representation.transformer import Encoder, initialise
from course.representation.vit import patches

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of its training pictures
PARTS = {"x_tower": "vision_model", "y_tower": "text_model"}


class QuickGELU(nn.Module):
    r"""The activation :math:`x\,\sigma(1.702\,x)` that CLIP was trained with, near to GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": QuickGELU, "gelu": nn.GELU}


@dataclass(frozen=True)
class TowerConfig:
    """The sizes of the transformer in a tower.

    Attributes:
        width, layers, heads, hidden, eps: as in :class:`~course.representation.transformer.Encoder`.
        activation: ``"quick_gelu"`` or ``"gelu"``.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    eps: float = 1e-5
    activation: str = "quick_gelu"

    def encoder(self) -> Encoder:
        """Pre-norm blocks with this activation."""
        encoder = Encoder(self.layers, self.width, self.heads, self.hidden, pre_norm=True, eps=self.eps)
        for block in encoder.blocks:
            block.network[1] = ACTIVATIONS[self.activation]()
        return encoder


@dataclass(frozen=True)
class ClipConfig:
    """The sizes of a CLIP. Without arguments: ViT-B/32, 151 million numbers.

    Attributes:
        image, text: the transformers.
        dimension: of the shared space.
        size, patch, channels: of the pictures, in pixels.
        vocabulary, longest: of the texts, in tokens.
        end: the token that ends a text, whose vector stands for it; 2, as old files say, means the largest number.
    """

    image: TowerConfig = TowerConfig(768, 12, 12, 3072)
    text: TowerConfig = TowerConfig(512, 12, 8, 2048)
    dimension: int = 512
    size: int = 224
    patch: int = 32
    channels: int = 3
    vocabulary: int = 49_408
    longest: int = 77
    end: int = 49_407

    def __post_init__(self):
        for name in ("dimension", "size", "patch", "channels", "vocabulary", "longest"):
            require_whole(name, getattr(self, name))
        if self.size % self.patch:
            raise ValueError(f"patches of {self.patch} pixels do not fill {self.size}: let size be a multiple of patch")

    @classmethod
    def quick(cls, vocabulary: int = 1000) -> "ClipConfig":
        """Two narrow layers a tower, for drawings of 32 × 32 pixels."""
        tower = TowerConfig(64, 2, 4, 128)
        return cls(tower, tower, 32, 32, 8, vocabulary=vocabulary, longest=16, end=vocabulary - 1)

    @classmethod
    def full(cls) -> "ClipConfig":
        """The paper's ViT-B/32."""
        return cls()


class ImageTower(nn.Module):
    """Pictures ``[n, channels, size, size]`` to vectors ``[n, dimension]``: a class token reads the patches."""

    def __init__(self, config: ClipConfig):
        super().__init__()
        self.size, self.cut, width = config.size, config.patch, config.image.width
        self.patch = nn.Linear(config.channels * config.patch**2, width, bias=False)
        self.class_token = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positions = nn.Parameter(torch.randn(1 + (config.size // config.patch) ** 2, width) * width**-0.5)
        self.norm = nn.LayerNorm(width, config.image.eps)
        self.encoder = config.image.encoder()
        self.project = nn.Linear(width, config.dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.size, self.size):
            raise ValueError(f"pictures must be [n, channels, {self.size}, {self.size}], got {described(x)}")
        read = self.patch(patches(x, self.cut))
        tokens = torch.cat([self.class_token.expand(len(read), 1, -1), read], 1) + self.positions
        return self.project(self.encoder.first(self.norm(tokens)))


class TextTower(nn.Module):
    """Token ids ``[n, length]`` to vectors ``[n, dimension]``: each token sees those before it, the last one counts.

    What stands after the end of a text is seen by nothing that counts, so padding needs no mask.
    """

    def __init__(self, config: ClipConfig):
        super().__init__()
        width, self.end = config.text.width, config.end
        self.tokens = nn.Embedding(config.vocabulary, width)
        self.positions = nn.Parameter(torch.randn(config.longest, width) * 0.01)
        self.encoder = config.text.encoder()
        self.project = nn.Linear(width, config.dimension, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length, longest = tokens.shape[1], len(self.positions)
        if length > longest:
            raise ValueError(f"a text has {length} tokens, this CLIP reads {longest}: cut the text")
        causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        hidden = self.encoder(self.tokens(tokens) + self.positions[:length], causal)
        ends = tokens.argmax(1) if self.end == 2 else (tokens == self.end).int().argmax(1)
        return self.project(hidden[torch.arange(len(tokens), device=tokens.device), ends])


class Clip(DualEncoder):
    """Pictures and texts as unit vectors of one space.

    Args:
        config: the sizes.
        generator: of the first weights of the linear layers and tables; ``None`` is torch's global one.

    Example:
        >>> model = Clip(ClipConfig.quick(), generator=torch.Generator().manual_seed(0))
        >>> pictures, texts = model(torch.rand(2, 3, 32, 32), torch.tensor([[1, 7, 999], [1, 999, 0]]))
        >>> pictures.shape, texts.shape
        (torch.Size([2, 32]), torch.Size([2, 32]))
    """

    def __init__(self, config: ClipConfig, *, generator: torch.Generator | None = None):
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            if generator is not None:
                torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            super().__init__(ImageTower(config), TextTower(config))
        initialise(self, generator)
        self.config = config


def load_clip(source: str | Path) -> Clip:
    """A pretrained CLIP in this course's :class:`Clip`, in evaluation mode.

    Args:
        source: the folder of a checkpoint of ``transformers.CLIPModel``, or a name on the Hugging Face hub, such as
            ``openai/clip-vit-base-patch32``, whose files are in the hub's cache on this machine.

    Raises:
        DataError: if there is no such checkpoint, it is damaged or of another architecture, or weights are missing,
            surplus or of another shape. The message names them.
    """
    path = find_checkpoint(source)
    config, weights = read_config(path), flattened(read_weights(path))
    with torch.device("meta"):  # no memory, no random numbers
        model = Clip(config)
    return filled(model, path, weights, origins(model))


def read_config(folder: Path) -> ClipConfig:
    """The sizes that a folder's ``config.json`` names."""
    file, read = read_json(folder)
    if read.get("model_type") != "clip":
        raise DataError(f"{file}: model_type {read.get('model_type')!r} cannot be loaded, only clip")
    names = {"width": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads",
             "hidden": "intermediate_size"}  # fmt: skip
    towers = []
    for part in ("vision_config", "text_config"):
        own = read.get(part) or {}
        activation = own.get("hidden_act", "quick_gelu")
        if activation not in ACTIVATIONS:
            raise DataError(f"{file}: hidden_act is {activation!r}, only {', '.join(ACTIVATIONS)} can be loaded")
        towers.append(TowerConfig(**renamed(file, own, names), eps=own.get("layer_norm_eps", 1e-5),
                                  activation=activation))  # fmt: skip
    vision, text = read["vision_config"], read["text_config"]
    pictures = {"size": "image_size", "patch": "patch_size"}
    return ClipConfig(
        *towers,
        **renamed(file, read, {"dimension": "projection_dim"}),
        **renamed(file, vision, pictures),
        **renamed(file, text, {"vocabulary": "vocab_size", "longest": "max_position_embeddings"}),
        channels=vision.get("num_channels", 3),
        end=text.get("eos_token_id", 2),
    )


def flattened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the numbers of positions that old files hold; the kernel of the patches as a matrix."""
    kept = {name: tensor for name, tensor in weights.items() if not name.endswith("position_ids")}
    kernel = "vision_model.embeddings.patch_embedding.weight"
    return {name: tensor.flatten(1) if name == kernel else tensor for name, tensor in kept.items()}


def origins(model: Clip) -> dict[str, tuple[str, ...]]:
    """For each parameter of our model those of Hugging Face's that it is made of, one below the other."""
    layers = {
        "x_tower.patch": "vision_model.embeddings.patch_embedding",
        "x_tower.norm": "vision_model.pre_layrnorm",
        "x_tower.encoder.norm": "vision_model.post_layernorm",
        "x_tower.project": "visual_projection",
        "y_tower.tokens": "text_model.embeddings.token_embedding",
        "y_tower.encoder.norm": "text_model.final_layer_norm",
        "y_tower.project": "text_projection",
    }
    inside = {"attention.output": "self_attn.out_proj", "attention_norm": "layer_norm1", "network_norm": "layer_norm2",
              "network.0": "mlp.fc1", "network.2": "mlp.fc2"}  # fmt: skip
    whole = {
        "log_scale": "logit_scale",
        "x_tower.class_token": "vision_model.embeddings.class_embedding",
        "x_tower.positions": "vision_model.embeddings.position_embedding.weight",
        "y_tower.positions": "text_model.embeddings.position_embedding.weight",
    }
    found = {}
    for name, _ in model.named_parameters():
        layer, _, kind = name.rpartition(".")
        if name in whole:
            found[name] = (whole[name],)
        elif ".blocks." in name:
            tower, number, part = layer.split(".")[0], layer.split(".")[3], ".".join(layer.split(".")[4:])
            block = f"{PARTS[tower]}.encoder.layers.{number}"
            if part == "attention.project":
                found[name] = tuple(f"{block}.self_attn.{each}_proj.{kind}" for each in "qkv")
            else:
                found[name] = (f"{block}.{inside[part]}.{kind}",)
        else:
            found[name] = (f"{layers[layer]}.{kind}",)
    return found


class ClipReader:
    """What turns raw pictures and texts into what a CLIP reads.

    Args:
        model: whose sizes count.
        tokenizer: its own.

    Example:
        >>> from tokenizers import models
        >>> reader = ClipReader(Clip(ClipConfig.quick()), Tokenizer(models.WordLevel({"cat": 1}, unk_token="cat")))
        >>> reader.pictures(torch.rand(2, 3, 72, 72)).shape, reader.texts(["cat", "dog"]).shape
        (torch.Size([2, 32]), torch.Size([2, 32]))
    """

    def __init__(self, model: Clip, tokenizer: Tokenizer):
        self.model, self.config, self.tokenizer = model, model.config, tokenizer

    @classmethod
    def pretrained(cls, source: str | Path) -> "ClipReader":
        """Model and tokenizer from one checkpoint; see :func:`load_clip`."""
        return cls(load_clip(source), load_tokenizer(source))

    @torch.no_grad()
    def pictures(self, x: Tensor) -> Tensor:
        """Unit vectors ``[n, d]`` of square pictures ``[n, 3, side, side]`` with values from 0 to 1."""
        if x.dim() != 4 or x.shape[1] != 3 or x.shape[2] != x.shape[3]:
            raise ValueError(f"pictures must be squares [n, 3, side, side] from 0 to 1, got {described(x)}")
        x = F.interpolate(x, self.config.size, mode="bicubic", antialias=True).clamp(0, 1)
        mean, deviation = (x.new_tensor(each)[:, None, None] for each in (MEAN, DEVIATION))
        return F.normalize(self.model.x_tower((x - mean) / deviation), dim=1)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors ``[n, d]`` of texts; what is too long is cut, its end kept."""
        rows = [text.ids for text in self.tokenizer.encode_batch(list(texts))]
        longest = self.config.longest
        rows = [row if len(row) <= longest else [*row[: longest - 1], row[-1]] for row in rows]
        tokens = padded(rows, 0).to(self.model.log_scale.device)
        return F.normalize(self.model.y_tower(tokens), dim=1)
