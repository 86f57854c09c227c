"""Modality dropout keeps its promises, and a training is one recipe for all kinds."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.fusion import Early, Late
from course.crossmodal.fusion_training import fusion_accuracy, gradient_norm, modality_dropout, train_fusion

SIZES = {"a": 2, "b": 3}


def problem(n=200):
    generator = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(n, size, generator=generator) for name, size in SIZES.items()}
    return inputs, (inputs["a"][:, 0] * inputs["b"][:, 0] > 0).long()


def fusion(kind=Early):
    return kind(SIZES, 2, 16, generator=torch.Generator().manual_seed(1))


@given(st.integers(1, 50), st.integers(1, 4), st.floats(0, 0.95), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_row_keeps_a_modality(n, modalities, share, step):
    kept = modality_dropout(n, modalities, share, step)
    assert kept.shape == (n, modalities)
    assert kept.dtype == torch.bool
    assert kept.any(1).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_dropped_modalities_have_their_probability(share):
    kept = modality_dropout(100_000, 2, share, step=0)
    expected = 1 - share + share**2 / 2  # kept, or lost with the other and then saved
    torch.testing.assert_close(kept.float().mean(0), torch.full((2,), expected), atol=0.01, rtol=0)


def test_steps_and_seeds_draw_anew_and_repeat_themselves():
    drawn = [modality_dropout(50, 2, 0.5, step, seed=seed) for step, seed in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[3])


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_no_probability_is_refused(share):
    with pytest.raises(ValueError, match="share of dropped modalities"):
        modality_dropout(5, 2, share, step=0)


def test_training_learns_what_needs_both_and_watching_changes_nothing():
    inputs, labels = problem()
    plain, watched = fusion(), fusion()
    history = train_fusion(plain, inputs, labels, steps=150, rate=0.02)
    seen = train_fusion(watched, inputs, labels, steps=150, rate=0.02, watch={"all": watched})
    assert fusion_accuracy(plain, inputs, labels) > 0.95
    assert not plain.training
    torch.testing.assert_close(plain.state_dict(), watched.state_dict())
    assert history.train_loss == pytest.approx(seen.train["loss"].values)
    assert len(seen.train["all"].values) == 150


def test_a_watched_norm_is_that_of_the_gradient():
    inputs, labels = problem()
    model = fusion(Late)
    start = fusion(Late)
    F.cross_entropy(start(inputs), labels).backward()
    expected = torch.cat([p.grad.flatten() for p in start.networks["a"].parameters()]).norm()
    torch.testing.assert_close(gradient_norm(start.networks["a"]), expected)
    watch = {name: model.networks[name] for name in SIZES}
    history = train_fusion(model, inputs, labels, steps=1, rate=0.01, batch_size=1000, watch=watch)
    assert history.train["a"].values == pytest.approx([expected.item()], rel=1e-5)


def test_with_dropout_the_network_sees_rows_without_a_modality(monkeypatch):
    inputs, labels = problem()
    model, seen = fusion(), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x, present=None: (seen.append(present), forward(x, present))[1])
    train_fusion(model, inputs, labels, steps=3, rate=0.01, dropout=0.5, seed=4)
    for step, present in enumerate(seen):
        assert torch.equal(present, modality_dropout(128, 2, 0.5, step, seed=4))
    seen.clear()
    train_fusion(model, inputs, labels, steps=2, rate=0.01)
    assert seen == [None, None]
