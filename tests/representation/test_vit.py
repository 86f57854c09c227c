"""Patches and the vision transformer: equal to a convolution, blind to order without positions, right in every size."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from course.representation.vit import VisionTransformer, ViTConfig, join_patches, patches, shuffle_patches

SMALL = ViTConfig(size=12, patch=4, channels=2, width=16, layers=2, heads=2, hidden=24, classes=5)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**options):
    return VisionTransformer(replace(SMALL, **options), generator=seeded()).double()


def images(n=3, height=12, width=12, seed=1):
    return torch.randn(n, 2, height, width, generator=seeded(seed), dtype=torch.float64)


# --- patches


def test_patches_are_read_row_by_row_and_each_by_channel_row_and_column():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    expected = [[x[0, c, 2 * i + a, 2 * j + b] for c in range(2) for a in range(2) for b in range(2)]
                for i in range(2) for j in range(2)]  # fmt: skip
    assert patches(x, 2)[0].tolist() == torch.tensor(expected).tolist()


sides = st.integers(1, 4)


@given(n=sides, channels=sides, rows=sides, columns=sides, size=sides)
def test_joining_undoes_cutting(n, channels, rows, columns, size):
    x = torch.rand(n, channels, rows * size, columns * size, generator=seeded())
    cut = patches(x, size)
    assert cut.shape == (n, rows * columns, channels * size**2)
    assert join_patches(cut, (rows, columns), channels).equal(x)


@pytest.mark.parametrize(("shape", "size"), [((2, 12, 12), 4), ((1, 2, 12, 10), 4), ((0, 2, 12, 12), 4)])
def test_what_cannot_be_cut_is_refused(shape, size):
    with pytest.raises(ValueError, match=r"images must be|do not fill"):
        patches(torch.zeros(shape), size)


@pytest.mark.parametrize("size", [0, 1.5, True])
def test_a_patch_has_a_whole_number_of_pixels(size):
    with pytest.raises(ValueError, match="size must be a whole number"):
        patches(images(), size)


@pytest.mark.parametrize("cut", [torch.zeros(1, 5, 8), torch.zeros(1, 4, 7), torch.zeros(4, 8)])
def test_what_cannot_be_joined_is_refused(cut):
    with pytest.raises(ValueError, match="patches of a grid of 2 × 2"):
        join_patches(cut, (2, 2), 2)


def test_patches_are_shuffled_as_the_order_says():
    x, order = images(), torch.randperm(9, generator=seeded(2))
    assert patches(shuffle_patches(x, 4, order), 4).equal(patches(x, 4)[:, order])


@pytest.mark.parametrize("order", [[0, 1, 2], [0] * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9]])
def test_an_order_is_a_permutation(order):
    with pytest.raises(ValueError, match="each number from 0 to 8 once"):
        shuffle_patches(images(), 4, torch.tensor(order))


# --- the model


def test_the_patch_embedding_is_a_strided_convolution():
    net = model(positions="none", pool="mean")
    kernel = net.patch.weight.unflatten(1, (2, 4, 4))
    expected = F.conv2d(images(), kernel, net.patch.bias, stride=4).flatten(2).mT
    torch.testing.assert_close(net.patch_tokens(images()), expected, rtol=0, atol=1e-12)


def test_a_score_is_the_definition():
    net, x = model(), images()
    tokens = torch.stack([torch.cat([net.class_token[None], net.patch(patches(one[None], 4)[0])]) for one in x])
    hidden = net.encoder(tokens + net.positions)
    torch.testing.assert_close(net(x), net.head(hidden[:, 0]))
    torch.testing.assert_close(net.hidden(x), hidden)


def test_the_mean_of_the_patches_can_stand_for_the_image():
    net, x = model(pool="mean"), images()
    assert net.hidden(x).shape == (3, 9, 16) and net.class_token is None
    torch.testing.assert_close(net.embed(x), net.hidden(x).mean(1))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_last_block_computes_what_is_read_and_the_trace_all(pool, positions):
    net, x = model(pool=pool, positions=positions), images()
    trace = net.trace(x)
    torch.testing.assert_close(trace.hidden[-1], net.hidden(x))
    read = trace.hidden[-1][:, 0] if pool == "class" else trace.hidden[-1].mean(1)
    torch.testing.assert_close(net.embed(x), read)
    assert len(trace.weights) == 2 and trace.weights[0].shape == (3, 2, 9 + net.leading, 9 + net.leading)


def test_the_gradient_is_that_of_all_tokens():
    net, x = model(), images()
    parameters = [p for p in net.parameters() if p.requires_grad]
    quick = torch.autograd.grad(net(x).square().sum(), parameters)
    slow = torch.autograd.grad(net.head(net.hidden(x)[:, 0]).square().sum(), parameters)
    for one, other in zip(quick, slow, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_without_positions_the_order_of_the_patches_is_invisible(pool):
    x, order = images(), torch.randperm(9, generator=seeded(3))
    shuffled = shuffle_patches(x, 4, order)
    blind = model(pool=pool, positions="none")
    torch.testing.assert_close(blind(shuffled), blind(x), rtol=0, atol=1e-12)
    for positions in ("learned", "sinusoidal", "rotary"):
        sees = model(pool=pool, positions=positions)
        assert (sees(shuffled) - sees(x)).abs().max() > 1e-6


def test_positions_shuffled_like_the_patches_undo_the_shuffle():
    """Why a network that has seen only shuffled pictures is none the worse."""
    x, order, net = images(), torch.randperm(9, generator=seeded(3)), model()
    expected = net(x)
    with torch.no_grad():
        net.positions[1:] = net.positions[1:][order]
    torch.testing.assert_close(net(shuffle_patches(x, 4, order)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
@pytest.mark.parametrize(("height", "width"), [(8, 20), (4, 4), (24, 12)])
def test_images_of_other_sizes_are_read(positions, height, width):
    net = model(positions=positions)
    assert net(images(2, height, width)).shape == (2, 5)


def test_rotary_positions_see_distances_alone():
    """A picture within a frame of zeros may move: no patch sees where the frame begins, if the frame is no token."""
    net, x = model(positions="rotary", pool="mean"), images()
    tokens = net.patch_tokens(x)
    shifted = net.angles((3, 3), x) + torch.tensor([0.7, 0.7, -1.3, -1.3], dtype=x.dtype)
    expected = net.encoder(tokens, angles=net.angles((3, 3), x))
    torch.testing.assert_close(net.encoder(tokens, angles=shifted), expected, rtol=0, atol=1e-12)


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other = model().state_dict(), model().state_dict()
    assert all(one[name].equal(other[name]) for name in one)
    assert torch.get_rng_state().equal(before)
    assert not VisionTransformer(SMALL, generator=seeded(1)).patch.weight.double().equal(one["patch.weight"])


@pytest.mark.parametrize(
    "wrong",
    [{"size": 10}, {"patch": 0}, {"pool": "max"}, {"positions": "absolute"}, {"classes": -1}, {"dropout": 1.0},
     {"pool": "mean", "pooler": True}, {"width": 2.5}, {"positions": "rotary", "heads": 8},
     {"positions": "sinusoidal", "width": 18, "heads": 3}],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"do not fill|whole number|choose one of|dropout|pooler|multiple of 4"):
        replace(SMALL, **wrong)


@pytest.mark.parametrize(
    "x",
    [torch.zeros(1, 1, 12, 12), torch.zeros(1, 2, 12, 10), torch.zeros(2, 12, 12),
     torch.zeros(1, 2, 12, 12, dtype=torch.uint8)],
)  # fmt: skip
def test_images_that_do_not_fit_are_refused(x):
    with pytest.raises(ValueError, match=r"images must be|do not fill"):
        VisionTransformer(SMALL)(x)


def test_a_pooler_is_there_if_it_was_asked_for():
    net, x = model(pooler=True), images()
    expected = torch.tanh(net.hidden(x)[:, 0] @ net.pooler.weight.T + net.pooler.bias)
    torch.testing.assert_close(net.pooled(net.hidden(x)), expected)
    with pytest.raises(ValueError, match="no pooler"):
        model().pooled(net.hidden(x))


def test_the_base_model_has_the_papers_number_of_weights():
    """86 million (Dosovitskiy et al., 2021, table 1)."""
    with torch.device("meta"):
        base = VisionTransformer(ViTConfig.full(classes=1000))
    assert sum(p.numel() for p in base.parameters()) == 86_567_656


def test_dropout_acts_in_training_only():
    net = model(dropout=0.5)
    assert not net(images()).equal(net(images()))
    net.eval()
    assert net(images()).equal(net(images()))


@pytest.mark.gpu
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_a_gpu_computes_the_same(positions):
    net, x = model(positions=positions), images()
    expected = net(x)
    torch.testing.assert_close(net.cuda()(x.cuda()).cpu(), expected)
    half = net.to(torch.bfloat16)(x.cuda().bfloat16())
    assert half.dtype == torch.bfloat16 and half.isfinite().all()
