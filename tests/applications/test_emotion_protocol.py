"""Folds, halves and draws: nobody is asked who was heard, no sentence is on both sides, no later number leaks."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from emotion_help import points

from course.applications import emotion_methods, emotion_protocol, new_emotion
from course.applications.emotion_clips import Clips, fingerprints, ravdess_intensity, support
from course.applications.emotion_methods import ANYBODY, LABELLED, PICTURED, Given, Lesson, Way
from course.applications.emotion_protocol import by_folds, by_recordings, learned, right_by_speaker


@pytest.fixture(scope="module")
def clips() -> Clips:
    return points()


def test_each_speaker_is_tested_once_and_never_heard(clips):
    tested = torch.zeros(len(clips), dtype=torch.int64)
    for train, validation, test in clips.folds(3, seed=1):
        assert (train.int() + validation.int() + test.int() == 1).all()
        people = [set(clips.speakers[part].tolist()) for part in (train, validation, test)]
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
        tested += test
    assert (tested == 1).all()
    with pytest.raises(ValueError, match="folds"):
        list(clips.folds(7, 0))


def test_halves_share_no_sentence_and_both_have_every_emotion(clips):
    half = clips.halves()
    assert torch.equal(half, clips.content)
    unknown = replace(clips, content=torch.full_like(clips.content, -1)).halves()
    for speaker in range(6):
        for label in range(3):
            own = unknown[(clips.speakers == speaker) & (clips.y == label)]
            assert own.sum() == len(own) / 2


def test_support_comes_from_the_candidates_and_is_redrawn_the_same(clips):
    candidates = (clips.speakers == 2) & (clips.halves() == 1)
    one, two = (support(clips.y, candidates, 1, seed=3, number=4) for _ in range(2))
    assert torch.equal(one, two) and candidates[one].all() and clips.y[one].tolist() == [0, 1, 2]
    assert len(support(clips.y, candidates, 9, 3, 4)) == int(candidates.sum())


def test_the_labels_of_the_questions_have_no_influence(clips):
    """A spy keeps what it is given; and wrong labels of the test speakers' questions change no answer."""
    seen = []

    def spy(lesson: Lesson, option: object):
        def answer(query, given: Given):
            seen.append((query, given))
            return torch.zeros(len(query), 3)

        return answer

    by_folds(Way(spy, (0,), "everybody"), clips, 1, 0, 3)
    for query, given in seen:
        assert len(given.x) == 3 and len(query) == 6
        assert not (query[:, None] == given.x[None]).all(2).any()
    train, _, test = next(clips.folds(3, 0))
    way = LABELLED["moved means with EM, speaker's scale"]
    trained = learned(way, clips, train, way.options[0], 1, 0)
    right = emotion_protocol.answers(trained, clips, test, 1, 0)
    wrong = clips.y.clone()
    for speaker in clips.speakers[test].unique().tolist():
        own = (clips.speakers == speaker) & (clips.halves() == 0)
        drawn = own.nonzero().flatten()
        wrong[drawn] = (wrong[drawn] + 1) % 3
    after = emotion_protocol.answers(trained, replace(clips, y=wrong), test, 1, 0)
    first = clips.halves() == 0  # asked with the labels of the other half, which are as they were
    assert torch.equal(right[first & test], after[first & test])


@pytest.mark.parametrize("name", [*ANYBODY, *LABELLED])
def test_every_way_answers_every_question(name, clips, monkeypatch):
    way = (ANYBODY | LABELLED)[name]
    assert len(way.options) == 4
    learn = way.learn
    if "MAML" in name and "begins" not in name:
        learn = lambda lesson, option: way.learn(lesson, option, steps=3)  # noqa: E731
    found = by_folds(replace(way, learn=learn, options=way.options[2:3]), clips, 1 if name in LABELLED else 0, 0, 3)[0]
    assert found.min() >= 0 and found.max() <= 2
    if name == "most frequent emotion":
        assert len(found.unique()) == 1


def test_the_speakers_scale_removes_what_a_speaker_is(clips):
    far = points(offset=30.0)
    plain, scaled = (
        right_by_speaker(far, by_folds(replace(ANYBODY[name], options=(0.1,)), far, 0, 0, 3)[0]).mean()
        for name in ("logistic regression", "logistic regression, speaker's scale")
    )
    assert scaled > 0.95 > 0.7 > plain


def test_a_random_split_flatters_where_speakers_differ():
    """With what speakers are in the vectors, and no scale of their own, knowing the speaker helps."""
    far = points(speakers=6, each=8, offset=4.0, d=3)
    way = replace(ANYBODY["support vectors"], options=(10.0,))
    left_out, at_random = by_folds(way, far, 0, 0, 3)[0], by_recordings(way, far, 0, 3)
    assert right_by_speaker(far, at_random).mean() > right_by_speaker(far, left_out).mean() + 0.1
    assert right_by_speaker(far, by_recordings(ANYBODY["Gaussian, speaker's scale"], far, 0, 3)).mean() > 0.95


def test_other_conditions_are_only_asked(clips):
    way = replace(ANYBODY["Gaussian"], options=(0.3,))
    two = by_folds(way, clips, 0, 0, 3, (clips, replace(clips, x=0 * clips.x)))
    assert torch.equal(two[0], two[1]) and not torch.equal(two[0], two[2])
    calm = by_folds(replace(ANYBODY["Gaussian, speaker's scale"], options=(0.3,)), clips, 0, 0, 3, basis=clips.y == 0)
    assert right_by_speaker(clips, calm[0]).mean() < 0.8  # the scale of one mood


def test_networks_learn_and_their_start_is_no_better_than_guessing():
    many = points(speakers=8, each=8)
    train, validation, test = next(many.folds(4, 0))

    def share(way: Way, clips: Clips, option: object, shots: int, **steps) -> float:
        way = replace(way, learn=partial(way.learn, **steps))
        trained = learned(way, clips, train | validation, option, shots, 0)
        return (emotion_protocol.answers(trained, clips, test, shots, 0) == clips.y)[test].double().mean().item()

    for name in ("MAML, speaker's scale", "ProtoMAML, speaker's scale"):
        assert share(LABELLED[name], many, (0.1, 1e-2), 2, steps=20) > 0.85
    pictures = replace(many, x=many.x.repeat(1, 64))  # 16 x 24 numbers
    begin, end = (
        share(way, pictures, 1e-2, 0, steps=steps) for way, steps in zip(PICTURED.values(), (0, 25), strict=True)
    )
    assert begin < 0.65 and end > begin


def test_a_new_emotion_is_named_and_certainty_about_its_mean_costs():
    found = new_emotion.measured(points(speakers=5, each=4, d=8), 0, 3)
    share = {name: (new.mean().item(), seen.mean().item()) for name, (new, seen) in found.items()}
    assert share["no example"][0] == 0 and share["no example"][1] > 90
    assert share["all recordings of the others"][0] > 90
    assert share["K = 5, others"][0] > 70 and share["K = 2, same speaker"][0] > 50


def test_two_classes_and_the_tuning_without_steps(clips):
    two = clips.select(clips.y < 2)
    two = replace(two, classes=two.classes[:2])
    lesson, _, _ = emotion_protocol.lesson_of(two, torch.ones(len(two), dtype=torch.bool), "speaker", 1, 0)
    weight, bias = emotion_methods.logistic_weights(lesson, 1.0)
    given = Given(lesson.x, lesson.x[:2], lesson.y[:2])
    scores = emotion_methods.tuned(weight, bias, given, 0)(lesson.x)
    torch.testing.assert_close(scores, lesson.x @ weight.T + bias)
    assert (scores.argmax(1) == two.y).double().mean() > 0.95


def test_the_marks_of_ravdess():
    strong = ravdess_intensity().reshape(24, 30)
    assert strong[:, :2].sum() == 0 and (strong[:, 2:].sum(1) == 14).all() and strong[0, 2:6].tolist() == [0, 0, 1, 1]


def test_copies_have_one_fingerprint():
    from types import SimpleNamespace

    wave = torch.rand(3, 100) * 2 - 1
    wave[1] = wave[0]
    found = fingerprints(SimpleNamespace(x=wave, lengths=torch.tensor([100, 100, 100])))
    assert found[0] == found[1] != found[2]
