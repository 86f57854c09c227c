"""Learners train, resume, evaluate and adapt: MAML, Reptile with its update in closed form, prototypes, small ones."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from meta_problems import WAYS, blobs, bowls, flat, generator, mlp, problem, waves
from torch import nn
from torch.func import functional_call

from course.data import Episode, SinusoidTasks
from course.meta_learning.adaptation import adapt
from course.meta_learning.anil import ANIL
from course.meta_learning.evaluation import task_scores
from course.meta_learning.learner import MetaLearner
from course.meta_learning.maml import MAML, MAMLConfig, Reptile, meta_gradient, meta_loss
from course.meta_learning.prototypical import PrototypicalNetwork
from course.metrics import interval95
from course.representation.cnn import initialise

CONFIG = MAMLConfig(inner_lr=0.1, inner_steps=2, test_steps=3, outer_lr=0.01, iterations=6)


class FirstExamples(MetaLearner):
    """A learner that says only how it adapts: a class is the vector of its first example."""

    def adapt(self, x, y):
        firsts = self.model(x)[[y.tolist().index(label) for label in range(int(y.max()) + 1)]]
        return lambda new_x: -torch.cdist(self.model(new_x), firsts).square()


class LastLayer(ANIL):
    """ANIL for the networks of these tests, whose last layer is called 3."""

    def __init__(self, model, config, **options):
        super().__init__(model, config, head="3", **options)


class MetaSGD(MAML):
    """Meta-SGD (Li et al., 2017): each entry of each parameter has a rate of its own, which is learned."""

    def __init__(self, model, config, **options):
        super().__init__(model, config, **options)
        self.rates = nn.ParameterList(torch.full_like(value, config.inner_lr) for value in self.start.values())
        self.learned = nn.ModuleList([model, self.rates])

    @property
    def inner_lr(self):
        return dict(zip(self.start, self.rates, strict=True))


LEARNERS = (MAML, Reptile, FirstExamples, PrototypicalNetwork, LastLayer, MetaSGD)


class Blobs:
    """Endless classification episodes by number."""

    def __init__(self, tasks=3):
        self.tasks = tasks

    def __getitem__(self, number):
        return blobs(tasks=self.tasks, seed=100 + 2 * number)


def learner(kind=MAML, config=CONFIG, **options):
    return kind(mlp(2, 3, averages=kind is PrototypicalNetwork), config, **options)


def weights(learner):
    return flat(learner.learned.parameters()).detach()


def test_an_evaluation_draws_no_dropout_and_leaves_modes_and_averages_as_they_are():
    model = nn.Sequential(mlp(2, 3), nn.Dropout(0.5), nn.BatchNorm1d(3, dtype=torch.float64))
    model[0].eval()
    firsts, before = FirstExamples(model, CONFIG), copy.deepcopy(model.state_dict())
    first, again = (firsts.evaluate(Blobs(), 6).values for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    torch.testing.assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    assert (model[0].training, model[1].training, model[2].training) == (False, True, True)


def test_rates_that_nothing_would_train_are_refused():
    forgetful = learner(MetaSGD)
    forgetful.learned = forgetful.model
    with pytest.raises(ValueError, match="inner rates that are tensors are trained"):
        forgetful.train(Blobs(), steps=1)


# --- MAML


def test_its_gradient_is_the_meta_gradient_at_its_start():
    for first_order in (False, True):
        maml = learner(config=replace(CONFIG, first_order=first_order))
        options = {"loss": F.cross_entropy, "lr": 0.1, "steps": 2, "first_order": first_order}
        expected = meta_gradient(maml.model, dict(maml.model.named_parameters()), blobs(), **options)
        torch.testing.assert_close(maml.gradient(blobs()), expected)


def test_a_training_step_is_adam_along_the_meta_gradient():
    maml = learner()
    before, (_, gradient) = weights(maml), maml.gradient(Blobs()[0])
    history = maml.train(Blobs(), steps=1)
    direction = flat(gradient)
    expected = before - 0.01 * direction / (direction.abs() + 1e-8)  # Adam's first step
    torch.testing.assert_close(weights(maml), expected)
    assert history.train_loss == [pytest.approx(learner().gradient(Blobs()[0])[0].item())]


@pytest.mark.parametrize("kind", LEARNERS)
def test_killed_and_resumed_it_ends_with_the_same_weights(kind, tmp_path):
    whole, interrupted, resumed = (learner(kind) for _ in range(3))
    history = whole.train(Blobs())
    interrupted.train(Blobs(), steps=3, checkpoint=tmp_path / "run")
    for parameter in resumed.learned.parameters():
        nn.init.zeros_(parameter)  # what it starts from is in the checkpoint
    again = resumed.train(Blobs(), checkpoint=tmp_path / "run", resume=True)
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(interrupted), weights(whole))
    assert again.train_loss == history.train_loss and len(history.train_loss) == CONFIG.iterations


def test_training_reports_the_validation():
    maml = learner()
    history = maml.train(Blobs(), validation=Blobs(10), validate_every=2, validation_tasks=25)
    assert history.validation_steps == [2, 4, 6]
    assert history.validation[-1] == {"accuracy": pytest.approx(maml.evaluate(Blobs(10), 25).mean)}


@pytest.mark.parametrize(
    ("kind", "steps", "outer_lr", "first_order"),
    [(MAML, 1, 5e-3, False), (MAML, 1, 5e-3, True), (Reptile, 8, 0.5, False)],
    ids=["MAML", "first order", "Reptile"],
)
def test_it_learns_to_adapt_to_waves(kind, steps, outer_lr, first_order):
    model = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
    initialise(model, generator())
    config = MAMLConfig(0.05, steps, steps, outer_lr, iterations=300, first_order=first_order)
    maml = kind(model, config, loss=F.mse_loss)
    test = SinusoidTasks().sampler(k_shot=10, n_query=20, tasks=100, seed=1)
    before = maml.evaluate(test, 200)
    maml.train(SinusoidTasks().sampler(k_shot=10, n_query=10, tasks=10, seed=0))
    after, unadapted = maml.evaluate(test, 200), maml.evaluate(test, 200, steps=0)
    assert after.metric == "loss"
    for worse in (before, unadapted):  # it is neither the first weights nor the last without their steps
        gain, half = interval95(worse.values - after.values)  # on the same tasks
        assert gain - half > 0.1 * after.mean


# --- a new task


@pytest.mark.parametrize("way", WAYS)
def test_adapt_returns_the_model_of_a_new_task(way):
    maml, episode = learner(tasks=way), blobs()
    predictions = maml.predictions(episode)
    torch.testing.assert_close(predictions, maml.predictions(episode, steps=3))  # those of the test unless given
    assert not torch.allclose(predictions, maml.predictions(episode, steps=2))
    before = weights(maml).clone()
    for task in range(episode.tasks):
        classify = maml.adapt(episode.support_x[task], episode.support_y[task])
        torch.testing.assert_close(classify(episode.query_x[task]), predictions[task])
        assert not classify(episode.query_x[task]).requires_grad
    assert torch.equal(weights(maml), before)
    unadapted = maml.adapt(episode.support_x[0], episode.support_y[0], steps=0)
    expected = maml.model(episode.query_x[0]).detach()
    maml.train(Blobs(), steps=1)  # a model that was handed out stays as it is
    torch.testing.assert_close(unadapted(episode.query_x[0]), expected)


@pytest.mark.parametrize("kind", LEARNERS)
def test_an_evaluation_scores_the_predictions_of_the_adapted_models(kind):
    trained, episodes = learner(kind), [Blobs(4)[0], Blobs(4)[1]]
    scores = []
    for episode in episodes:
        each = [trained.adapt(x, y)(query_x) for x, y, query_x, _ in zip(*vars(episode).values(), strict=True)]
        torch.testing.assert_close(trained.predictions(episode), torch.stack(each))
        scores.append(task_scores(torch.stack(each), episode.query_y, F.cross_entropy))
    result = trained.evaluate(episodes, 6)
    torch.testing.assert_close(result.values, torch.cat(scores)[:6])
    assert result.metric == "accuracy"


@pytest.mark.parametrize("kind", [FirstExamples, PrototypicalNetwork, LastLayer, MetaSGD])
def test_a_small_learner_learns(kind):
    config = replace(CONFIG, inner_lr=0.5, inner_steps=1, test_steps=1, iterations=100)
    trained, before = (learner(kind, config) for _ in range(2))
    trained.train(Blobs(10))
    gain, half = interval95(trained.evaluate(Blobs(10), 200).values - before.evaluate(Blobs(10), 200).values)
    assert gain - half > 0.02
    for new, old in zip(trained.learned.parameters(), before.learned.parameters(), strict=True):
        assert new.dim() < 2 or not torch.equal(new, old)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [MAML, LastLayer, MetaSGD])
def test_the_loss_of_an_episode_is_the_objective_and_so_is_its_derivative(kind, way):
    trained, episode = learner(kind, tasks=way), blobs()
    expected = meta_loss(trained.model, trained.start, episode, **trained.inner(CONFIG.inner_steps))
    found, variables = trained.episode_loss(episode), tuple(trained.learned.parameters())
    torch.testing.assert_close(found, expected)
    for factor in (1.0, -2.0):
        slopes = [torch.autograd.grad(factor * each, variables, retain_graph=True) for each in (found, expected)]
        torch.testing.assert_close(*slopes)


def test_a_learner_that_says_only_how_it_adapts_has_the_mean_query_loss():
    trained, episode = learner(FirstExamples), blobs()
    each = [F.cross_entropy(p, y) for p, y in zip(trained.predictions(episode), episode.query_y, strict=True)]
    torch.testing.assert_close(trained.episode_loss(episode).detach(), torch.stack(each).mean())
    assert not trained.predictions(episode).requires_grad
    single = Episode(*(part[0] for part in vars(episode).values()))
    for method in (trained.predictions, trained.episode_loss, learner().gradient, learner(Reptile).gradient):
        with pytest.raises(ValueError, match="an episode needs"):
            method(single)


# --- frozen parameters, and refusals


@pytest.mark.parametrize("kind", [MAML, Reptile])
def test_frozen_parameters_stay(kind):
    model = mlp(2, 3)
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    maml, before = kind(model, CONFIG), copy.deepcopy(model.state_dict())
    maml.train(Blobs(), steps=2)
    assert {name: torch.equal(before[name], value) for name, value in model.state_dict().items()} == {
        name: name.startswith("0.") for name in before
    }


@pytest.mark.parametrize("kind", [MAML, Reptile])
def test_a_learner_refuses_at_once_what_it_cannot_train(kind):
    with pytest.raises(ValueError, match="track_running_stats=False"):
        kind(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, dtype=torch.float64)), CONFIG)
    with pytest.raises(ValueError, match="params is empty"):
        kind(mlp(2, 3).requires_grad_(False), CONFIG)
    with pytest.raises(ValueError, match="'parallel'"):
        kind(mlp(2, 3), CONFIG, tasks="parallel")


# --- Reptile


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["regression", "classification", "conv4"])
def test_reptile_moves_to_the_mean_of_the_adapted_weights(name, way):
    task = problem(name)
    config = MAMLConfig(inner_lr=task.lr, inner_steps=3, outer_lr=0.25)
    reptile = Reptile(copy.deepcopy(task.model), config, loss=task.loss, tasks=way)
    ends, losses = [], []
    for x, y, query_x, query_y in zip(*vars(task.episode).values(), strict=True):
        x, y = torch.cat([x, query_x]), torch.cat([y, query_y])
        adapted = adapt(task.model, task.params, x, y, **task.options(3))
        ends.append(flat(adapted))
        losses.append(task.loss(functional_call(task.model, adapted, (x,)), y))
    start = flat(task.params)
    history = reptile.train([task.episode], steps=1)
    torch.testing.assert_close(weights(reptile), start + 0.25 * (torch.stack(ends).mean(0) - start))
    assert history.train_loss[0] == pytest.approx(torch.stack(losses).mean().item())


@pytest.mark.parametrize("steps", [1, 4])
def test_reptile_on_bowls_has_the_closed_form(steps):
    (a, centres, episode, loss), model = bowls(), nn.Linear(4, 1, bias=False).double()
    config = MAMLConfig(inner_lr=0.15, inner_steps=steps, outer_lr=1.0)
    _, direction = Reptile(model, config, loss=loss).gradient(episode)
    m = torch.linalg.matrix_power(torch.eye(4, dtype=torch.float64) - 0.15 * a, steps)
    away = (model.weight.detach() - centres).unsqueeze(-1)
    torch.testing.assert_close(direction["weight"][0], (away - m @ away).mean(0)[:, 0])


def test_with_one_step_reptile_is_joint_training():
    episode = waves(support=5, query=5)
    reptile = Reptile(mlp(2, 1), replace(CONFIG, inner_steps=1), loss=F.mse_loss)
    _, direction = reptile.gradient(episode)
    together = Episode(*(torch.cat([episode.support_x, episode.query_x], 1),
                         torch.cat([episode.support_y, episode.query_y], 1)) * 2)  # fmt: skip
    joint = MAML(mlp(2, 1), replace(CONFIG, inner_steps=0), loss=F.mse_loss).gradient(together)[1]
    torch.testing.assert_close(flat(direction), 0.1 * flat(joint))
    with pytest.raises(ValueError, match="inner_steps must be at least 1"):
        Reptile(mlp(2, 1), replace(CONFIG, inner_steps=0))


def test_a_step_of_several_processes_is_a_step_on_all_their_tasks():
    """What the training loop averages over processes is the gradient of the tasks taken together."""
    maml, parts = learner(), [Blobs()[number] for number in range(2)]
    together = Episode(*(torch.cat(pair) for pair in zip(*(vars(part).values() for part in parts), strict=True)))
    mean = sum(flat(maml.gradient(part)[1]) for part in parts) / 2
    torch.testing.assert_close(flat(maml.gradient(together)[1]), mean)
