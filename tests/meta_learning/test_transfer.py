"""The contenders on one interface: scores, what may depend on other queries, and the budgets of the trainings."""

import copy

import pytest
import torch

from course.data import Episode, EpisodeSampler, LabelledSet
from course.data.renderings import render
from course.meta_learning.heads import nearest_mean
from course.meta_learning.transfer import (
    BATCH,
    CONTENDERS,
    EPISODIC,
    RATES,
    TRAININGS,
    Shots,
    new_network,
    task_vectors,
    vectors_together,
)


def images(classes=8, each=12, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shapes = torch.rand(classes, 1, 1, 28, 28, generator=draw)
    x = 127 * (shapes + torch.rand(classes, each, 1, 28, 28, generator=draw))
    names = tuple(map(str, range(classes)))
    y = torch.arange(classes).repeat_interleave(each)
    return LabelledSet(x.flatten(0, 1).to(torch.uint8), y, names, names, "noise", full=255)


# --- Contenders


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_contender_maps_an_episode_to_scores_and_leaves_its_network_as_it_is(name):
    contender, data = CONTENDERS[name], images()
    network = new_network(
        contender.training, 5 if contender.training in (*EPISODIC, "untrained") else 8, filters=4
    ).eval()
    before = copy.deepcopy(network.state_dict())
    episode = EpisodeSampler(data, 4, 2, 3, tasks=2)[0] if contender.training not in EPISODIC else five_way(data)
    scores = contender.on(network, contender.options[0])(episode)
    assert scores.shape == (*episode.query_y.shape, int(episode.support_y.max()) + 1)
    assert scores.isfinite().all() and not scores.requires_grad
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)
    assert not network.training


def five_way(data):
    return EpisodeSampler(data, 5, 2, 3, tasks=2)[0]


@pytest.mark.parametrize("name", [name for name in CONTENDERS if "by batch" not in name])
def test_only_who_says_so_lets_one_query_change_the_score_of_another(name):
    """The inner loops normalise by the batch at hand, and so does who starts from scratch; all others do not."""
    contender, data = CONTENDERS[name], images()
    network = new_network(
        contender.training, 5 if contender.training in (*EPISODIC, "untrained") else 8, filters=4
    ).eval()
    episode = five_way(data)
    other = Episode(episode.support_x, episode.support_y, episode.query_x.clone(), episode.query_y)
    other.query_x[:, 1:] = 1 - other.query_x[:, 1:]
    predict = contender.on(network, contender.options[0])
    alone = torch.equal(predict(episode)[:, 0].argmax(-1), predict(other)[:, 0].argmax(-1)) and torch.allclose(
        predict(episode)[:, 0], predict(other)[:, 0], rtol=1e-4, atol=1e-5
    )
    transductive = name in ("from scratch", "MAML", "ANIL")
    assert alone != transductive


def test_together_each_task_is_normalised_by_its_own_images():
    network, episode = new_network("classifier", 8, filters=4).eval(), five_way(images())
    support, query = vectors_together(episode, network)
    alone = new_network("classifier", 8, filters=4)  # the same weights, in training mode
    expected = alone.embed(torch.cat([episode.support_x[1], episode.query_x[1]]))
    torch.testing.assert_close(torch.cat([support[1], query[1]]), expected.detach())
    apart = task_vectors(episode, network.embed)
    assert not torch.allclose(apart[0], support)


def test_an_embedded_episode_has_the_vector_of_each_of_its_images():
    network, episode = new_network("classifier", 8, filters=4).eval(), five_way(images())
    support, query = task_vectors(episode, network.embed)
    for task in range(2):
        torch.testing.assert_close(support[task], network.embed(episode.support_x[task]).detach())
        torch.testing.assert_close(query[task], network.embed(episode.query_x[task]).detach())


# --- Trainings


def test_shots_come_in_turn_and_images_are_counted():
    episodes = Shots(images(), seed=3)
    seen = [episodes[i] for i in range(4)]
    assert [len(each.support_y[0]) for each in seen] == [5, 25, 5, 25]
    assert not torch.equal(seen[0].support_x, seen[2].support_x)
    assert sum(each.support_y.numel() + each.query_y.numel() for each in seen[:2]) == episodes.images
    assert episodes.steps(10 * episodes.images) == 20


@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_sees_its_images_changes_its_network_and_follows_its_seed(training, monkeypatch):
    data, seen = images(), []
    gather = LabelledSet.examples

    def counted(self, positions=None):
        seen.append(positions.numel())
        return gather(self, positions)

    monkeypatch.setattr(LabelledSet, "examples", counted)
    nets = [new_network(training, 5 if training in EPISODIC else 8, filters=4, seed=1) for _ in range(2)]
    start = copy.deepcopy(nets[0].state_dict())
    for net in nets:
        history = TRAININGS[training](net, data, images=640, rate=RATES[0], seed=2)
    assert sum(seen) == 2 * 640
    assert len(history.train_loss) == {"ProtoNet, 20 ways": 10}.get(
        training, 640 // BATCH if "class" in training else 8
    )
    moved = [name for name, value in nets[0].named_parameters() if not torch.equal(value, start[name])]
    assert {name.split(".")[0] for name in moved} >= {"block1", "block4"}
    assert ("head.weight" in moved) == (not training.startswith("ProtoNet"))
    torch.testing.assert_close(dict(nets[0].state_dict()), dict(nets[1].state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("training", ["classifier", "cosine classifier", "ProtoNet"])
def test_a_training_makes_vectors_in_which_new_characters_are_nearer_to_their_own(training):
    """A check that the untrained network fails."""
    data, found = render("ABDEFGHKMNRSTU", 40), []
    test = EpisodeSampler(render("ЖЩЯЮЛДФЦ", 8, seed=1), 5, 1, 5, tasks=20)[0]
    for count in (0, 3_200):
        network = new_network(training, 14, filters=8)
        if count:
            TRAININGS[training](network, data, images=count, rate=1e-2, seed=0)
        support, query = task_vectors(test, network.eval().embed)
        scores = nearest_mean(support, test.support_y, query, 5, how="length 1")
        found.append((scores.argmax(-1) == test.query_y).double().mean().item())
    assert found[1] > found[0] + 0.05
