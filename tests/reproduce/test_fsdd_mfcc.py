"""The recipe fsdd-mfcc: who is heard and who is judged, its vectors, and the whole table on a small stand-in."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipes
import torch

from course.reproduce.fsdd_mfcc import ACCURACY, DELTAS, FEW, GAIN, KNOWN, LINE, MFCC, UNKNOWN, FsddMfcc, FsddMfccConfig
from course.reproduce.results import load_result


@pytest.fixture
def recipe(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    made = FsddMfcc(tiny_recipes.FSDD, torch.device("cpu"))
    made.load()
    return made


def test_every_method_is_measured_over_speakers(tmp_path, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    tiny_recipes.start("fsdd-mfcc", tmp_path)
    result = load_result("fsdd-mfcc", "quick", tmp_path)
    cells = [(m.setting, m.method, m.quantity) for m in result.metrics]
    assert cells == [(s, m, q) for s in (KNOWN, UNKNOWN, LINE, FEW) for m in FsddMfcc.methods for q in (ACCURACY, GAIN)]
    assert {(m.n, m.over) for m in result.metrics} == {(6, "speakers")}
    assert {m.mean for m in result.metrics if m.method == MFCC and m.quantity == GAIN} == {0}
    unknown = result.by_method(ACCURACY, UNKNOWN)
    assert unknown[MFCC].mean > max(90, unknown["waveform"].mean + 20)


def test_takes_are_counted_for_each_digit_and_speaker(recipe):
    for digit, who in ((0, 0), (3, 5)):
        assert sorted(recipe.take[(recipe.y == digit) & (recipe.speaker == who)]) == list(range(12))


@pytest.mark.parametrize("unknown", [None, 2])
def test_a_machine_hears_neither_the_test_nor_the_unknown_speaker(recipe, unknown, monkeypatch):
    from sklearn.svm import SVC

    heard, fit = [], SVC.fit
    numbers = np.arange(len(recipe.y), dtype=float)[:, None]
    monkeypatch.setattr(recipe, "vectors", lambda *_: numbers)

    class Untouched:
        def fit_transform(self, x, y=None):
            return x

        def transform(self, x):
            return x

        def fit(self, x, y=None):
            return self

    monkeypatch.setattr("sklearn.preprocessing.StandardScaler", Untouched)
    monkeypatch.setattr(SVC, "fit", lambda self, x, y: heard.append(set(x[:, 0].astype(int))) or fit(self, x, y))
    recipe.machine_for(MFCC, 0, unknown)
    tested = recipe.take < 5 if unknown is None else recipe.speaker == unknown
    assert all(not tested[list(each)].any() for each in heard)
    assert heard[-1] == set(np.flatnonzero(~tested))  # the last one learns from all that may be heard
    if unknown is not None:
        left_out = [set(range(6)) - set(recipe.speaker[list(each)]) for each in heard[:5]]
        assert left_out == [{unknown, other} for other in (0, 1, 3, 4, 5)]


def test_by_telephone_the_vectors_are_others_and_the_machine_is_the_same(recipe):
    plain, line = (recipe.vectors(MFCC, 0, by) for by in (False, True))
    assert np.abs(plain - line).max() > 1
    recipe.scores(0, UNKNOWN, MFCC)
    before = recipe.machines.cache_info().misses
    recipe.scores(0, LINE, MFCC)
    assert recipe.machines.cache_info().misses == before


def test_no_two_methods_see_the_same_vectors_and_deltas_stand_beside_the_coefficients(recipe):
    seen = {method: recipe.vectors(method, 0, False) for method in FsddMfcc.methods}
    assert len({vectors.tobytes() for vectors in seen.values()}) == len(seen)
    plain, both = (seen[method].reshape(len(recipe.y), recipe.config.segments, -1) for method in (MFCC, DELTAS))
    assert both.shape[2] == 2 * plain.shape[2]
    np.testing.assert_allclose(both[..., : plain.shape[2]], plain, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("method", FsddMfcc.methods)
def test_padding_does_not_change_a_vector(recipe, method):
    longer = torch.nn.functional.pad(recipe.sounds.x, (0, 400))
    found = recipe.vectors_of(method, 0, False)
    recipe.sounds = replace(recipe.sounds, x=longer)
    np.testing.assert_allclose(recipe.vectors_of(method, 0, False), found, rtol=1e-3, atol=1e-2)


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_digits_of_unseen_recordings_are_named():
    made = FsddMfcc(FsddMfccConfig.quick(), torch.device("cpu"))
    made.load()
    found = made.measure(0, KNOWN, MFCC, Path())
    assert np.mean(found[ACCURACY]) >= 95
    assert found[GAIN] == [0.0] * 6
