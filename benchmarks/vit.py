"""Our vision transformer against transformers' and vit-pytorch's: a pass forward and back, equality first.

    python benchmarks/vit.py --output book/results/bench-vit.json

The networks have equal sizes; transformers computes with its own fused attention (sdpa). What is asked for is the
vector of the class token and its gradient by all weights; ours computes no other token in the last block. The rows
"all tokens" say
what is left of the difference where all are asked for. A is measured, then B, then A again; the ratio is the median of
neighbours' ratios.
"""

import tempfile
from collections.abc import Callable, Iterator

from measure import in_turn, main

SIZES = {  # name: (size, patch, channels, width, layers, heads, hidden), pictures of a batch
    "ViT-Tiny/16, 224 × 224": ((224, 16, 3, 192, 12, 3, 768), 8),
    "4 blocks of width 64, 28 × 28 by 4": ((28, 4, 1, 64, 4, 4, 128), 64),
}
GOAL = 1.05


def models(sizes: tuple[int, ...]):
    """Our network and transformers' with the same random weights, and vit-pytorch's of the same sizes."""
    import transformers
    from vit_pytorch import ViT

    from course.representation.vit_pretrained import load_vit

    transformers.utils.logging.disable_progress_bar()
    size, patch, channels, width, layers, heads, hidden = sizes
    config = transformers.ViTConfig(
        image_size=size, patch_size=patch, num_channels=channels, hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=heads, intermediate_size=hidden, attn_implementation="sdpa",
    )  # fmt: skip
    theirs = transformers.ViTModel(config, add_pooling_layer=False)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_vit(folder).train()
    third = ViT(
        image_size=size, patch_size=patch, channels=channels, dim=width, depth=layers, heads=heads,
        dim_head=width // heads, mlp_dim=hidden, num_classes=width,
    )  # fmt: skip
    return ours, theirs.train(), third


def step(model, read: Callable) -> Callable:
    """A pass forward and back. (The square of normalised vectors is constant and would have no gradient: the cube.)"""

    def go():
        model.zero_grad()
        read().pow(3).mean().backward()

    return go


def require_equal(ours, theirs) -> None:
    """Speed counts only where the gradients are the same."""
    mine, other = ours.patch.weight.grad, theirs.embeddings.patch_embeddings.projection.weight.grad.flatten(1)
    difference = ((mine - other).abs().max() / other.abs().max()).item()
    if not difference <= 1e-3:
        raise RuntimeError(f"the gradients differ by {difference} of their size")


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, (sizes, count) in SIZES.items():
        ours, theirs, third = models(sizes)
        x = torch.rand(count, sizes[2], sizes[0], sizes[0])
        own = step(ours, lambda ours=ours, x=x: ours.embed(x))
        own_all = step(ours, lambda ours=ours, x=x: ours.hidden(x))
        other = step(theirs, lambda theirs=theirs, x=x: theirs(x).last_hidden_state[:, 0])
        other_all = step(theirs, lambda theirs=theirs, x=x: theirs(x).last_hidden_state)
        own()
        other()
        require_equal(ours, theirs)
        what = f"ms for a step of {count} pictures, {name}"
        for peer, mine, their, words, goal in (
            ("transformers, sdpa", own, other, "class token", {"goal": GOAL}),
            ("vit-pytorch", own, step(third, lambda third=third, x=x: third(x)), "class token", {"goal": GOAL}),
            ("transformers, sdpa", own_all, other_all, "all tokens", {}),
        ):
            yield {"what": f"{what}, {words}", "peer": peer} | in_turn(mine, their, repeats, scale=1000) | goal


if __name__ == "__main__":
    main("vit", __doc__, "forward and backward, float32, one thread", measure, repeats=15)
