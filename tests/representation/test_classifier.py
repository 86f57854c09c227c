"""The training of a classifier: it learns, it can be repeated, and its accuracy is a count. A nearest neighbour."""

import pytest
import torch
from torch import nn

from course.representation.classifier import AT_ONCE, NearestNeighbour, accuracy, scores_of, train_classifier
from course.representation.cnn import Conv4
from course.representation.shifts import shifted


def corners(n=60):
    """Noisy images with a bright spot in one of four corners, the class."""
    generator = torch.Generator().manual_seed(0)
    images, labels = 0.3 * torch.rand(n, 1, 16, 16, generator=generator), torch.arange(n) % 4
    for image, label in zip(images, labels, strict=True):
        image[0, 8 * (label // 2) : 8 * (label // 2) + 8, 8 * (label % 2) : 8 * (label % 2) + 8] += 1
    return images, labels


def network(seed=0):
    return Conv4(4, filters=4, size=16, averages=True, generator=torch.Generator().manual_seed(seed))


def test_it_learns_and_is_left_in_evaluation_mode():
    model, (images, labels) = network(), corners()
    before = accuracy(model.eval(), images, labels)
    history = train_classifier(model, images, labels, steps=60, rate=1e-2, batch_size=20)
    assert before < 0.6
    assert accuracy(model, images, labels) > 0.95
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert not model.training


def test_the_seed_decides_the_run():
    images, labels = corners()
    runs = []
    for seed in (1, 1, 2):
        model = network()
        train_classifier(model, images, labels, steps=5, rate=1e-2, batch_size=20, move=2, seed=seed)
        runs.append(model.head.weight)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_moved_images_are_what_it_learns_from():
    """A linear model cannot know spots that no image shows, unless the images of the training move."""
    x = torch.zeros(2, 1, 1, 9)
    x[0, 0, 0, 4], x[1, 0, 0, 4] = 1, -1
    labels, found = torch.tensor([0, 1]), []
    for move in (0, 2):
        model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
        nn.init.zeros_(model[1].weight)
        train_classifier(model, x, labels, steps=100, rate=0.1, move=move)
        found.append(accuracy(model, shifted(x, 0, 2), labels))
    assert found == [0.5, 1.0]


def test_the_rate_falls_to_nothing():
    images, labels = corners()
    rates = []
    model = network()
    optimizer_step = torch.optim.Adam.step

    def noting(self, *arguments, **options):
        rates.append(self.param_groups[0]["lr"])
        return optimizer_step(self, *arguments, **options)

    torch.optim.Adam.step = noting
    try:
        train_classifier(model, images, labels, steps=10, rate=0.1)
    finally:
        torch.optim.Adam.step = optimizer_step
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert rates[-1] < 0.005


def test_accuracy_counts_over_all_parts():
    model = nn.Sequential(nn.Flatten())
    scores = torch.eye(3)[torch.arange(AT_ONCE + 7) % 3]
    labels = torch.arange(AT_ONCE + 7) % 3
    labels[-1] = (labels[-1] + 1) % 3
    assert torch.equal(scores_of(model, scores), scores)
    assert accuracy(model, scores, labels) == pytest.approx(1 - 1 / (AT_ONCE + 7))


def test_a_nearest_neighbour_scores_a_class_by_minus_the_distance_to_its_nearest_example():
    images, labels = corners(24)
    asked = corners(60)[0][24:]
    for encode in (None, nn.Sequential(nn.AvgPool2d(2), nn.Flatten())):
        found = NearestNeighbour(images, labels, encode)(asked)
        read = encode or nn.Flatten()
        for row, image in zip(found, read(asked), strict=True):
            for number, score in enumerate(row):
                own = read(images)[labels == number]
                nearest = min((image - other).square().sum().sqrt() for other in own)
                torch.testing.assert_close(-score, nearest, rtol=1e-4, atol=1e-3)
