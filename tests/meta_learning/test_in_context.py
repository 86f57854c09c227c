"""The network that reads its training set: what its mask promises, and that it learns."""

import pytest
import torch
import torch.nn.functional as F

from course.data import Episode, SinusoidTasks
from course.meta_learning.in_context import InContextConfig, InContextLearner, InContextNetwork, may_see

SMALL = {"width": 16, "heads": 2, "layers": 2}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return InContextNetwork(inputs=2, outputs=1, **SMALL).double()


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, n, p, generator=generator, dtype=torch.float64) for n, p in ((5, 2), (5, 1), (7, 2))]


def test_the_order_of_the_support_does_not_matter(network, task):
    x, y, query = task
    order = torch.randperm(5)
    torch.testing.assert_close(network(x[:, order], y[:, order], query), network(x, y, query))


def test_a_query_is_answered_without_the_others(network, task):
    x, y, query = task
    alone = torch.cat([network(x, y, query[:, i : i + 1]) for i in range(7)], 1)
    torch.testing.assert_close(network(x, y, query), alone)


def test_a_task_is_answered_without_the_others(network, task):
    together = network(*task)
    torch.testing.assert_close(together, torch.cat([network(*(part[i : i + 1] for part in task)) for i in range(3)]))


def test_every_pair_of_the_support_counts(network, task):
    x, y, query = task
    y = y.requires_grad_()
    (gradient,) = torch.autograd.grad(network(x, y, query).square().sum(), y)
    assert (gradient.abs() > 1e-9).all()


def test_the_mask_lets_all_see_the_support_and_themselves():
    mask = may_see(3, 2)
    assert mask[:, :3].all()
    assert torch.equal(mask[:, 3:], torch.tensor([[0, 0]] * 3 + [[1, 0], [0, 1]]).bool())


def test_shapes_that_do_not_fit_are_named(network, task):
    x, y, query = task
    with pytest.raises(ValueError, match=r"\[3, 4, 1\]"):
        network(x, y[:, :4], query)
    with pytest.raises(ValueError, match="expected x"):
        network(x, y, query[:2])


@pytest.mark.parametrize("wrong", [{"outer_lr": 0.0}, {"outer_lr": float("nan")}, {"iterations": 0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InContextConfig(**wrong)


def test_batched_predictions_are_those_of_adapt():
    torch.manual_seed(0)
    learner = InContextLearner(InContextNetwork(**SMALL), InContextConfig())
    episode = SinusoidTasks().sampler(k_shot=5, n_query=4, tasks=3)[0]
    each = [
        learner.adapt(x, y)(q) for x, y, q in zip(episode.support_x, episode.support_y, episode.query_x, strict=True)
    ]
    torch.testing.assert_close(learner.predictions(episode), torch.stack(each))


def test_what_adapt_returned_keeps_its_support():
    learner = InContextLearner(InContextNetwork(**SMALL), InContextConfig())
    x, y, query = torch.rand(5, 1), torch.rand(5, 1), torch.rand(3, 1)
    predict = learner.adapt(x, y)
    before = predict(query)
    y.zero_()
    torch.testing.assert_close(predict(query), before)


def test_it_learns_to_read_lines():
    """Tasks y = a x with a alone unknown: after training the answers follow the support, as 0 would not."""

    class Lines:
        def __getitem__(self, number):
            x = torch.randn(16, 9, 1, generator=torch.Generator().manual_seed(number))
            y = x * torch.randn(16, 1, 1, generator=torch.Generator().manual_seed(10_000 + number))
            return Episode(x[:, :4], y[:, :4], x[:, 4:], y[:, 4:])

    torch.manual_seed(0)
    learner = InContextLearner(InContextNetwork(scale=1.0, **SMALL), InContextConfig(outer_lr=3e-3))
    new = Lines()[100_000]
    before = F.mse_loss(learner.predictions(new), new.query_y)
    learner.train(Lines(), steps=400)
    after = F.mse_loss(learner.predictions(new), new.query_y)
    assert after < 0.3 * new.query_y.square().mean() < before
