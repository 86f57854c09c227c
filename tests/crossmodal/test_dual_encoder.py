"""Two towers: what is trained, in one piece or in two passes; prototypes made of text."""

import math

import pytest
import torch
from torch import nn

from course.crossmodal.contrastive import cosine_scores, sigmoid_loss, symmetric_loss, without_twins
from course.crossmodal.dual_encoder import DualEncoder, accumulate, class_vectors, in_chunks, linear_heads, train_pairs
from course.metrics import better_candidates


def towers(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), nn.Linear(5, 3)


def pairs(n=60, noise=0.1, seed=0):
    """Two linear views of the same hidden vectors."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.Generator().manual_seed(7)
    hidden = torch.randn(n, 3, generator=generator)
    views = [hidden @ torch.randn(3, width, generator=mix) for width in (4, 5)]
    return [view + noise * torch.randn(view.shape, generator=generator) for view in views]


def test_vectors_have_length_one_and_the_loss_is_that_of_their_scores():
    model, (x, y) = DualEncoder(*towers(), temperature=0.2), pairs()
    zx, zy = model(x, y)
    torch.testing.assert_close(zx.norm(dim=1), torch.ones(60))
    torch.testing.assert_close(model.loss(x, y), symmetric_loss(cosine_scores(zx, zy, 0.2)))
    groups = torch.arange(60) // 2
    expected = symmetric_loss(without_twins(cosine_scores(zx, zy, 0.2), groups))
    torch.testing.assert_close(model.loss(x, y, groups), expected)


def test_with_a_bias_the_loss_is_the_sigmoid_loss():
    model, (x, y) = DualEncoder(*towers(), temperature=0.1, bias=-10.0), pairs()
    torch.testing.assert_close(model.loss(x, y), sigmoid_loss(cosine_scores(*model(x, y), 0.1), -10.0))
    model.loss(x, y).backward()
    assert model.bias.grad is not None


def test_a_learned_temperature_is_never_below_a_hundredth():
    model = DualEncoder(*towers(), temperature=0.02)
    with torch.no_grad():
        model.log_scale.fill_(20)
    assert model.temperature.item() == pytest.approx(0.01)
    fixed = DualEncoder(*towers(), temperature=1e-4, learned=False)
    assert fixed.temperature.item() == pytest.approx(1e-4)
    assert not fixed.log_scale.requires_grad


def test_training_finds_partners_that_were_never_seen():
    torch.manual_seed(0)
    model, (x, y), new = DualEncoder(nn.Linear(4, 3), nn.Linear(5, 3)), pairs(200), pairs(50, seed=1)
    before = (better_candidates(*model(*new)) == 0).double().mean()
    history = train_pairs(
        model, x, y, steps=150, batch_size=50, rate=0.02, validation=tuple(new), validate_every=50, seed=0
    )
    after = (better_candidates(*model(*new)) == 0).double().mean()
    assert before < 0.2
    assert after > 0.6
    assert history.validation[-1]["loss"] < 0.6 * math.log(50)
    assert len(history.validation) == 3


def test_the_temperature_does_not_decay_and_is_learned_only_if_asked():
    x, y = pairs()
    for learned in (True, False):
        model = DualEncoder(*towers(), temperature=0.5, learned=learned)
        train_pairs(model, x, y, steps=5, batch_size=20, rate=1e-4, weight_decay=1000.0)
        assert (model.temperature.item() != 0.5) == learned
        assert model.temperature.item() == pytest.approx(0.5, abs=1e-3)  # decay would pull the logarithm to 0, τ to 1


def test_two_passes_leave_the_gradients_of_one():
    model, (x, y) = DualEncoder(*towers()), pairs(17)
    model.loss(x, y).backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    loss = accumulate(model, x, y, chunk=5)
    torch.testing.assert_close(loss, model.loss(x, y).detach())
    assert not loss.requires_grad
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_two_passes_hold_the_graph_of_one_chunk_at_a_time():
    model, (x, y) = DualEncoder(*towers()), pairs(17)
    sizes = []
    model.x_tower.register_forward_hook(lambda _, given, __: sizes.append((len(given[0]), torch.is_grad_enabled())))
    accumulate(model, x, y, chunk=5)
    assert sizes == [(5, False)] * 3 + [(2, False)] + [(5, True)] * 3 + [(2, True)]


def test_accumulated_small_batches_are_something_else():
    """The reason for two passes: the negatives of a chunk are not those of the batch."""
    model, (x, y) = DualEncoder(*towers()), pairs(20)
    parts = [model.loss(a, b) for a, b in zip(x.split(5), y.split(5), strict=True)]
    assert torch.stack(parts).mean() < model.loss(x, y) - 0.5


def test_a_prototype_is_the_direction_of_the_mean_of_unit_vectors():
    table = {"a cat": [3.0, 0.0], "cat!": [0.0, 1.0], "a dog": [0.0, -2.0], "dog!": [0.0, -1.0]}

    def encode(texts):
        return torch.tensor([table[text] for text in texts])

    found = class_vectors(encode, ["cat", "dog"], ["a {}", "{}!"])
    torch.testing.assert_close(found, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, -1.0]]))


def test_heads_see_centred_vectors_of_mean_length_one_and_copies_are_the_same():
    x, y = pairs()
    heads = linear_heads(x, 5 + y, 3, generator=torch.Generator().manual_seed(0))
    again = linear_heads(x, 5 + y, 3, generator=torch.Generator().manual_seed(0))
    seen = heads[1][0](5 + y)
    torch.testing.assert_close(seen.mean(0), torch.zeros(5), rtol=0, atol=1e-5)
    assert seen.square().sum(1).mean().item() == pytest.approx(1, rel=1e-5)
    assert all(torch.equal(a[2].weight, b[2].weight) for a, b in zip(heads, again, strict=True))
    assert [name for name, _ in DualEncoder(*heads).named_parameters()] == [
        "log_scale",
        "x_tower.2.weight",
        "y_tower.2.weight",
    ]


def test_in_chunks_is_the_whole_in_evaluation_mode():
    tower = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    x = torch.rand(11, 4)
    torch.testing.assert_close(in_chunks(tower, x, 4), tower[0](x).detach())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: DualEncoder(*towers(), temperature=0.0), "temperature must be positive"),
        (lambda: DualEncoder(*towers(), temperature=1e-3), "at least 0.01, got 0.001: set learned=False"),
        (lambda: train_pairs(DualEncoder(*towers()), torch.rand(4, 4), torch.rand(3, 5), steps=1, batch_size=2),
         "4 things and y 3"),
        (lambda: accumulate(DualEncoder(*towers()), *pairs(4), 0), "chunk must be"),
        (lambda: class_vectors(lambda t: t, ["a"], ["no place"]), "needs one {} for the name, got 'no place'"),
        (lambda: class_vectors(lambda t: t, ["a"], "{}"), "must be lists"),
        (lambda: class_vectors(lambda t: t, [], ["{}"]), "must be lists"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_what_came(call, said):
    with pytest.raises(ValueError, match=said):
        call()
