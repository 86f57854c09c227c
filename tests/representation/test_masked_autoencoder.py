"""The masked autoencoder: what is hidden is not seen, the loss is of hidden patches alone, and training helps."""

import pytest
import torch

from course.representation.masked_autoencoder import MaskedAutoencoder, train_autoencoder
from course.representation.vit import ViTConfig, patches
from course.runtime import step_generator

CONFIG = ViTConfig(size=12, patch=3, channels=1, width=16, layers=2, heads=2, hidden=32, pool="mean")


def model(share=0.75, **options):
    config = ViTConfig(**{**CONFIG.__dict__, **options})
    return MaskedAutoencoder(config, share, (8, 1, 2), generator=torch.Generator().manual_seed(0))


def images(n=4):
    return torch.rand(n, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def chosen(made, n=4, step=0):
    return made.choose(n, step_generator(seed=0, step=step))


@pytest.mark.parametrize(("share", "seen"), [(0.75, 4), (0.5, 8), (0.1, 14), (0.94, 1)])
def test_so_many_patches_are_seen_each_once_and_in_order(share, seen):
    visible = chosen(model(share), 50)
    assert visible.shape == (50, seen) and (visible.diff(dim=1) > 0).all()
    assert visible.min() >= 0 and visible.max() <= 15
    if seen > 1:
        assert len({tuple(row) for row in visible.tolist()}) > 10


def test_every_patch_is_seen_equally_often():
    counts = torch.bincount(chosen(model(), 8_000).flatten(), minlength=16) / 8_000
    torch.testing.assert_close(counts, torch.full((16,), 0.25), rtol=0, atol=0.025)


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_hidden_pixels_change_nothing_and_visible_ones_do(pool):
    made, x = model(pool=pool), images()
    visible = chosen(made)
    before = made(x, visible)
    seen = made.is_visible(visible)
    noise = torch.rand(4, 16, 9, generator=torch.Generator().manual_seed(5))
    for where, changes in ((~seen, False), (seen, True)):
        cut = torch.where(where[:, :, None], noise, patches(x, 3))
        altered = cut.view(4, 4, 4, 1, 3, 3).permute(0, 3, 1, 4, 2, 5).reshape(4, 1, 12, 12)
        assert made(altered, visible).equal(before) != changes


def test_the_loss_is_the_mean_error_of_the_hidden_patches():
    made, x = model(), images()
    visible = chosen(made)
    painted, true = made(x, visible), patches(x, 3)
    errors = [(painted[i, j] - true[i, j]).square().mean()
              for i in range(4) for j in range(16) if j not in visible[i].tolist()]  # fmt: skip
    assert len(errors) == 48
    torch.testing.assert_close(made.loss(x, visible), torch.stack(errors).mean())


def test_pictures_show_what_is_seen_and_what_is_painted():
    made, x = model(), images()
    visible = chosen(made)
    shown, painted = made.reconstruct(x, visible)
    seen, true = made.is_visible(visible), patches(x, 3)
    assert patches(shown, 3)[seen].equal(true[seen]) and (patches(shown, 3)[~seen] == 0.5).all()
    assert patches(painted, 3)[seen].equal(true[seen])
    torch.testing.assert_close(patches(painted, 3)[~seen], made(x, visible)[~seen].clamp(0, 1))


def test_training_beats_the_best_constant_picture():
    """On pictures of one bar each, what is visible tells the rest: a patch of the bar, or patches beside it."""
    x = torch.zeros(40, 1, 12, 12)
    for i in range(40):
        x[i, :, :, 3 * (i % 4) : 3 * (i % 4) + 3] = 1
    made = MaskedAutoencoder(CONFIG, 0.5, (16, 2, 2), generator=torch.Generator().manual_seed(0))
    history = train_autoencoder(made, x, steps=250, batch_size=40, rate=3e-3)
    constant = 0.25 * 0.75  # the variance of a pixel that is 1 in a quarter of the pictures
    assert history.train_loss[0] > constant and sum(history.train_loss[-10:]) / 10 < 0.3 * constant


def test_a_run_can_be_repeated():
    runs = [train_autoencoder(model(), images(), steps=3, batch_size=4, seed=seed).train_loss for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("share", [0, 1, 0.01, 0.99, -1])
def test_some_patches_are_hidden_not_all(share):
    with pytest.raises(ValueError, match="some, not all"):
        model(share)


@pytest.mark.parametrize("shape", [(1, 1, 15, 12), (1, 1, 24, 24)])
def test_images_of_another_size_are_refused(shape):
    made = model()
    with pytest.raises(ValueError, match="squares of 12 pixels"):
        made(torch.zeros(shape), chosen(made, 1))


def test_half_precision_is_allowed():
    made, x = model(), images()
    visible = chosen(made)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = made.loss(x, visible)
    torch.testing.assert_close(loss.float(), made.loss(x, visible), rtol=0.05, atol=0.02)


def test_rotary_positions_are_refused():
    with pytest.raises(ValueError, match="learned or sinusoidal"):
        model(positions="rotary")


def test_steps_are_whole():
    with pytest.raises(ValueError, match="steps must be a whole number"):
        train_autoencoder(model(), images(), steps=0, batch_size=4)
