"""Vectors computed once are those of each episode, and averages settle without a change of weights."""

from functools import partial

import pytest
import torch
from meta_problems import generator
from torch import nn

from course.data import EpisodeSampler, LabelledSet
from course.meta_learning import embedding
from course.meta_learning.embedding import accuracy_by_class, by_rule, embedded, settle_averages
from course.meta_learning.evaluation import evaluate
from course.meta_learning.prototype_variants import by_prototypes
from course.meta_learning.prototypical import PrototypicalConfig, PrototypicalNetwork, conv4_encoder

NAMES = ("a", "b", "c", "d")
PIXELS = torch.randint(256, (24, 1, 16, 16), dtype=torch.uint8, generator=generator())
IMAGES = LabelledSet(PIXELS, torch.arange(4).repeat(6), NAMES, NAMES, "noise", full=255)
SIZES = (3, 2, 2, 4)  # ways, shots, queries, tasks


@pytest.fixture
def learner():
    return PrototypicalNetwork(conv4_encoder(filters=4, size=16, generator=generator()), PrototypicalConfig())


def test_episodes_of_vectors_give_the_predictions_of_episodes_of_images(learner, monkeypatch):
    monkeypatch.setattr(embedding, "BATCH", 5)
    vectors = embedded(IMAGES, learner.embed)
    assert vectors.x.shape == (24, 4) and torch.equal(vectors.y, IMAGES.y)
    images, quick = EpisodeSampler(IMAGES, *SIZES), EpisodeSampler(vectors, *SIZES)
    torch.testing.assert_close(by_rule(by_prototypes)(quick[0]), learner.predictions(images[0]))
    scores = [evaluate(predict, sampler, 8).values for predict, sampler in (
        (learner.predictions, images), (by_rule(by_prototypes), quick))]  # fmt: skip
    torch.testing.assert_close(*scores)


def test_settled_averages_are_those_of_the_activations_and_the_weights_stay(learner):
    encoder, sampler = learner.model, EpisodeSampler(IMAGES, *SIZES)
    weights = [value.clone() for value in encoder.parameters()]
    settle_averages(encoder, sampler, 200)
    assert encoder.training
    for value, old in zip(encoder.parameters(), weights, strict=True):
        assert torch.equal(value, old)
    seen = []
    hook = encoder.block1[1].register_forward_hook(lambda layer, args, output: seen.append(args[0]))
    encoder.eval()
    encoder(IMAGES.examples())
    hook.remove()
    torch.testing.assert_close(encoder.block1[1].running_mean, seen[0].mean((0, 2, 3)), rtol=0.05, atol=0.01)


def test_a_rule_gets_vectors_labels_and_the_number_of_classes():
    calls = []

    def rule(support, labels, query, n_way):
        calls.append((support.shape, labels.tolist(), query.shape, n_way))
        return torch.zeros(len(query), n_way)

    vectors = embedded(IMAGES, nn.Flatten())
    assert by_rule(partial(rule))(EpisodeSampler(vectors, *SIZES)[0]).shape == (4, 6, 3)
    assert calls == 4 * [((6, 256), [0, 0, 1, 1, 2, 2], (6, 256), 3)]


def test_the_accuracy_of_a_class_is_that_of_its_queries():
    """A learner that always says the first class of a task is right when a class is numbered 0, a third of the time."""
    sampler = EpisodeSampler(embedded(IMAGES, nn.Flatten()), *SIZES)

    def first(episode):
        return torch.eye(3)[0].expand(*episode.query_y.shape, 3)

    found = accuracy_by_class(first, sampler, 3)
    right, asked = [0] * 4, [0] * 4
    for number in range(3):
        query = sampler.indices(number)[1]
        for task in range(4):
            for place in range(6):
                label = int(IMAGES.y[query[task, place]])
                asked[label] += 1
                right[label] += place < 2  # queries of class 0 come first
    torch.testing.assert_close(found, torch.tensor(right) / torch.tensor(asked))
    with pytest.raises(ValueError, match="were never asked for"):
        accuracy_by_class(first, EpisodeSampler(sampler.data, 2, 1, 1), 1)
