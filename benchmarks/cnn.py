"""Three ways to a convolution, ResNet-12 against a plain PyTorch one, and Conv4 against the textbook's.

    python benchmarks/cnn.py --output book/results/bench-cnn.json

Equality first, then times on one thread. A is measured, then B, then A again; the ratio is the median of neighbours'
ratios. The peer of im2col is the definition, entry by entry; that of the FFT is torch's own convolution. The plain
ResNet-12 has the same weights in torch's default layout, and its activation comes before its pooling, as in the paper.
"""

from collections.abc import Callable, Iterator

from measure import in_turn, main

KERNELS = (3, 7, 15, 31)  # sides
IMAGE = 128  # side, in pixels, of the image for the FFT
LOOP = ((2, 3, 16, 16), (8, 3, 3, 3))  # images and weights that the definition can wait for
BATCHES = (1, 16)  # images of 84 × 84 for ResNet-12
EPISODE = 75  # images of 28 × 28 for Conv4, as 5 ways of 15 queries


def require_equal(what: str, mine, other, tolerance: float) -> None:
    """Speed counts only where the numbers are the same."""
    difference = (mine - other).abs().max().item()
    if not difference <= tolerance:
        raise RuntimeError(f"{what}: the two differ by {difference}, more than {tolerance}")


def row(what: str, peer: str, own: Callable, other: Callable, repeats: int, tolerance: float, **goal: float) -> dict:
    """Milliseconds of two ways to one result."""
    require_equal(what, own(), other(), tolerance)
    return {"what": f"ms, {what}", "peer": peer} | in_turn(own, other, repeats, scale=1000) | goal


def convolutions(repeats: int) -> Iterator[dict]:
    """im2col against the loop, the FFT against torch over the size of the kernel."""
    import torch
    import torch.nn.functional as F

    from course.representation.convolution import conv2d_by_definition, conv2d_by_fft, conv2d_by_im2col

    generator = torch.Generator().manual_seed(0)
    x, w = (torch.rand(shape, generator=generator) for shape in LOOP)
    shapes = " and ".join(" × ".join(map(str, shape)) for shape in LOOP)
    forms = [lambda form=form: form(x, w) for form in (conv2d_by_im2col, conv2d_by_definition)]
    yield row(f"im2col, images and kernels {shapes}", "by definition", *forms, max(3, repeats // 4), 1e-4, goal=20)
    image = torch.rand(1, 1, IMAGE, IMAGE, generator=generator)
    for side in KERNELS:
        kernel = torch.rand(1, 1, side, side, generator=generator) / side**2
        forms = [lambda form=form, kernel=kernel: form(image, kernel) for form in (conv2d_by_fft, F.conv2d)]
        goal = {"goal": 1} if side == KERNELS[-1] else {}
        yield row(
            f"FFT, kernel {side} × {side}, image {IMAGE} × {IMAGE}", "torch's conv2d", *forms, repeats, 1e-4, **goal
        )


def plain_resnet(model):
    """The paper's order of layers, in torch's default layout."""
    import copy

    import torch
    import torch.nn.functional as F

    blocks = copy.deepcopy(model.blocks).to(memory_format=torch.contiguous_format)

    def forward(x):
        for block in blocks:
            inner, path = block.residual, block.shortcut
            h = F.leaky_relu(inner[1](inner[0](x)), 0.1)
            h = F.leaky_relu(inner[4](inner[3](h)), 0.1)
            x = F.max_pool2d(F.leaky_relu(inner[7](inner[6](h)) + path[1](path[0](x)), 0.1), 2)
        return model.head(x.mean((2, 3)))

    return forward


def plain_conv4(model):
    """Convolution, normalisation, ReLU, pooling, in torch's default layout."""
    import torch.nn.functional as F

    def forward(x):
        for block in (model.block1, model.block2, model.block3, model.block4):
            x = F.max_pool2d(block[1](block[0](x)).relu(), 2)
        return model.head(x.flatten(1))

    return forward


def networks(repeats: int) -> Iterator[dict]:
    """Forward passes of both backbones."""
    import torch

    from course.representation.cnn import Conv4
    from course.representation.resnet import ResNet12

    generator = torch.Generator().manual_seed(0)
    resnet, conv4 = ResNet12(5, generator=generator).eval(), Conv4(5, generator=generator)
    with torch.inference_mode():
        plain = plain_resnet(resnet)
        for n in BATCHES:
            x = torch.rand(n, 3, 84, 84, generator=generator)
            ways = [lambda net=net, x=x: net(x) for net in (resnet, plain)]
            yield row(f"ResNet-12, {n} of 84 × 84", "plain PyTorch", *ways, max(5, repeats // 2), 1e-3, goal=1)
        x, plain = torch.rand(EPISODE, 1, 28, 28, generator=generator), plain_conv4(conv4)
        ways = [lambda net=net: net(x) for net in (conv4, plain)]
        yield row(f"Conv4, {EPISODE} of 28 × 28", "plain PyTorch", *ways, repeats, 1e-3, goal=1)


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    yield from convolutions(repeats)
    yield from networks(repeats)


if __name__ == "__main__":
    main("cnn", __doc__, "float32, forward passes, one thread", measure, repeats=21)
