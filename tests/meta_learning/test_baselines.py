"""The competitors: nearest neighbour by hand, pretraining, fine-tuning as adaptation, and the choice of a rate."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import WAYS, blobs, generator, mlp, normal, waves
from torch import nn
from torch.func import functional_call

from course.data import Episode, LabelledSet
from course.meta_learning.baselines import best_rate, fine_tuning, nearest_neighbour, pretrain, with_new_head
from course.meta_learning.maml import adapt
from course.representation.cnn import Conv4

# --- nearest neighbour


def test_the_nearest_neighbour_is_the_support_example_in_the_same_direction():
    query = torch.tensor([[[9.0, 1.0], [0.1, 0.2], [0.1, 0.3], [2.0, 1.0]]])  # the second is near the first in length
    episode = Episode(torch.eye(2)[None], torch.tensor([[0, 1]]), query, torch.tensor([[0, 1, 1, 1]]))
    scores = nearest_neighbour(episode, nn.Identity())
    torch.testing.assert_close(scores, F.normalize(query, dim=-1))
    assert scores.argmax(-1).tolist() == [[0, 1, 1, 0]]


def test_a_class_of_several_examples_has_the_score_of_the_most_similar():
    labels = torch.stack([torch.arange(3).repeat(4)[torch.randperm(12, generator=generator(t))] for t in range(2)])
    episode, sizes = Episode(normal(2, 12, 5), labels, normal(2, 7, 5, seed=1), torch.zeros(2, 7)), []
    scores = nearest_neighbour(episode, lambda x: sizes.append(len(x)) or x.tanh())
    assert scores.shape == (2, 7, 3) and sizes == [12 + 7] * 2  # support and query as one batch for each task
    for x, y, query, found in zip(episode.support_x, labels, episode.query_x, scores, strict=True):
        similarity = torch.cosine_similarity(query.tanh()[:, None], x.tanh(), dim=-1)
        assert torch.equal(found.argmax(1), y[similarity.argmax(1)])
        torch.testing.assert_close(found.amax(1), similarity.amax(1))


# --- pretraining and fine-tuning


def patterns(scale=255, classes=27, copies=6):
    """Images of random pixels, each in noisy copies; ``uint8`` if the largest value is 255."""
    shapes = torch.rand(classes, 1, 1, 16, 16, generator=generator())
    noise = torch.rand(copies, 1, 16, 16, generator=generator(1))
    x = scale * (0.6 * shapes + 0.4 * noise).flatten(0, 1)
    names = tuple(map(str, range(classes)))
    y = torch.arange(classes).repeat_interleave(copies)
    bytes_of_pictures = {"x": x.to(torch.uint8), "full": 255} if scale == 255 else {"x": x}
    return LabelledSet(y=y, classes=names, groups=names, name="patterns", **bytes_of_pictures)


def linear():
    """A classifier that begins with zeros."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 27))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    return network


def test_pretraining_learns_the_classes_and_depends_on_the_seed_alone():
    def pretrained(seed):
        network = linear()
        return network[1].weight, pretrain(network, patterns(), steps=60, batch_size=40, seed=seed)

    (weight, history), (again, _), (other, _) = map(pretrained, (0, 0, 1))
    assert len(history.train_loss) == 60 and history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert torch.equal(again, weight) and not torch.equal(other, weight)


@pytest.mark.parametrize(("scale", "largest"), [(255, 1.0), (5.0, 5.0)])
def test_only_bytes_are_scaled_and_the_optimizer_may_be_another(scale, largest):
    seen, data = [], patterns(scale)
    network = linear()
    network.register_forward_pre_hook(lambda _, inputs: seen.append(*inputs))
    pretrain(network, data, steps=1, batch_size=len(data), optimizer=torch.optim.SGD(network.parameters(), lr=0.5))
    assert seen[0].dtype == torch.float32 and 0.9 * largest < seen[0].max() <= largest
    assert torch.equal(network[1].weight, -0.5 * network[1].weight.grad)


def test_a_new_head_gives_all_classes_one_score_and_the_network_stays():
    network, images = Conv4(22, filters=4, size=16, generator=generator()).double(), normal(6, 1, 16, 16)
    before = network(images)
    fresh = with_new_head(network, 5)
    assert torch.equal(fresh(images), torch.zeros(6, 5, dtype=torch.float64))
    assert torch.equal(fresh.embed(images), network.embed(images))
    fresh.block1[0].weight.data.zero_()
    assert torch.equal(network(images), before)
    with pytest.raises(ValueError, match="'block1' is a Sequential"):
        with_new_head(network, 5, head="block1")


@pytest.mark.parametrize("way", WAYS)
def test_fine_tuning_is_adaptation_from_the_weights_of_the_network(way):
    network, episode = mlp(2, 3), blobs()
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    predictions = fine_tuning(network, lr=0.3, steps=4, tasks=way)(episode)
    for found, x, y, query_x, _ in zip(predictions, *vars(episode).values(), strict=True):
        adapted = adapt(network, start, x, y, loss=F.cross_entropy, lr=0.3, steps=4)
        torch.testing.assert_close(found, functional_call(network, adapted, (query_x,)))
    assert all(torch.equal(value, start[name]) for name, value in network.named_parameters())
    with pytest.raises(ValueError, match="'parallel'"):
        fine_tuning(network, lr=0.3, steps=4, tasks="parallel")(episode)


# --- the choice of a rate


def test_the_best_rate_has_the_highest_accuracy_or_the_lowest_loss():
    def classifier(rate):
        return lambda episode: F.one_hot(episode.query_y + (rate != 0.1), 4)

    assert best_rate((0.01, 0.1, 1.0), classifier, [blobs()] * 2, 5) == 0.1
    errors = {0.01: 2.0, 0.1: torch.nan, 0.3: 1.0, 1.0: torch.inf, 2.0: 1.0}
    given = {"sampler": [waves()] * 2, "tasks": 5, "loss": F.mse_loss}
    assert best_rate(errors, lambda rate: lambda episode: episode.query_y + errors[rate], **given) == 0.3
    with pytest.raises(ValueError, match=r"\[0.1, 1.0\] leads to a finite score"):
        best_rate((0.1, 1.0), lambda rate: lambda episode: episode.query_y + errors[rate], **given)
