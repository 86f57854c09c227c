"""Distillation: the loss against its definition and its limits, and a student that learns from a teacher alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.representation.classifier import accuracy, train_classifier
from course.representation.distillation import distillation_loss, taught_by


def scores(n=6, classes=4, seed=0):
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def test_the_loss_is_the_definition():
    z, t = scores(), scores(seed=1)
    p, q = (t / 2.5).softmax(1), (z / 2.5).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    expected = 0.3 * F.cross_entropy(z, LABELS) + 0.7 * 2.5**2 * divergence
    torch.testing.assert_close(distillation_loss(z, LABELS, t, 0.7, 2.5), expected)


def test_without_a_share_it_is_the_cross_entropy_and_an_equal_teacher_adds_nothing():
    z = scores()
    torch.testing.assert_close(distillation_loss(z, LABELS, scores(seed=1), 0.0, 3.0), F.cross_entropy(z, LABELS))
    assert distillation_loss(z, LABELS, z + 5, 1.0, 3.0).item() == pytest.approx(0)


def test_at_a_high_temperature_the_gradient_is_that_of_matching_centred_scores():
    """(z - t) / classes, both centred (Hinton et al., section 2.1): it does not vanish, thanks to the factor."""
    z, t = scores().requires_grad_(), scores(seed=1)
    [slope] = torch.autograd.grad(distillation_loss(z, LABELS, t, 1.0, 1e4), z)
    difference = (z - t) - (z - t).mean(1, keepdim=True)
    torch.testing.assert_close(slope, difference.detach() / 4 / 6, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("share", "temperature"), [(-0.1, 1), (1.1, 1), (0.5, 0), (float("nan"), 1)])
def test_shares_and_temperatures_out_of_range_are_refused(share, temperature):
    with pytest.raises(ValueError, match="share is from 0 to 1"):
        distillation_loss(scores(), LABELS, scores(), share, temperature)


def test_a_teacher_of_other_classes_is_refused():
    with pytest.raises(ValueError, match="the same classes"):
        distillation_loss(scores(), LABELS, scores(classes=5), 0.5, 1.0)


class Linear(nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.layer = nn.Linear(4, 2, bias=False)
        nn.init.zeros_(self.layer.weight)
        if weight is not None:
            self.layer.weight.data = torch.tensor(weight)

    def forward(self, x):
        return self.layer(x.flatten(1))


def pictures():
    x = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(3))
    return x, (x[:, 0, 0, 0] > 0).long()


def test_a_student_follows_its_teacher_against_wrong_labels():
    x, y = pictures()
    teacher, model = Linear([[-3.0, 0, 0, 0], [3.0, 0, 0, 0]]), Linear()
    before = teacher.layer.weight.clone()
    loss = taught_by(teacher, share=1.0)
    train_classifier(model, x, 1 - y, steps=60, rate=0.1, batch_size=32, loss=loss)
    assert accuracy(model, x, y) > 0.9
    assert teacher.layer.weight.equal(before) and teacher.layer.weight.grad is None


def test_the_teacher_reads_the_images_of_the_batch():
    x, y = pictures()
    teacher, scores = Linear([[1.0, 2, 3, 4], [4, 3, 2, 1]]), torch.zeros(64, 2)
    expected = distillation_loss(scores, y, teacher(x).detach(), 0.4, 2.0)
    torch.testing.assert_close(taught_by(teacher, 0.4, 2.0)(scores, x, y), expected)
