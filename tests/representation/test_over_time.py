"""Differences, normalisation, gain and segment means against their definitions, torchaudio and librosa."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.over_time import cmvn, cmvn_of_owners, deltas, pcen, segment_means


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_differences_are_torchaudio_s(reach):
    x = features(3, 20, 4)
    theirs = torchaudio.functional.compute_deltas(x.mT, 2 * reach + 1).mT
    torch.testing.assert_close(deltas(x, reach), theirs)


def test_the_difference_of_a_straight_line_is_its_slope_and_of_one_frame_zero():
    line = 3.0 * torch.arange(12, dtype=torch.float64)[:, None] + 7
    torch.testing.assert_close(deltas(line)[2:-2], torch.full((8, 1), 3.0, dtype=torch.float64))
    assert deltas(features(1, 4)).abs().max() < 1e-12


def test_normalised_features_have_mean_zero_and_variance_one():
    found = cmvn(5 + 3 * features(2, 50, 4), eps=0)
    torch.testing.assert_close(found.mean(1), torch.zeros(2, 4, dtype=torch.float64))
    torch.testing.assert_close(found.var(1, correction=0), torch.ones(2, 4, dtype=torch.float64))


def test_padding_takes_no_part():
    x = features(2, 9, 3)
    real = torch.arange(9) < torch.tensor([[9], [4]])
    found = cmvn(x, real)
    torch.testing.assert_close(found[1, :4], cmvn(x[1, :4]))
    assert found[1, 4:].abs().max() == 0


def test_only_the_mean_where_that_is_asked_and_a_constant_becomes_zero():
    x = features(6, 2)
    torch.testing.assert_close(cmvn(x, variance=False), x - x.mean(0))
    assert cmvn(torch.full((6, 2), 4.0)).abs().max() == 0


def test_an_affine_change_of_each_feature_is_undone():
    x = features(40, 3)
    torch.testing.assert_close(cmvn(x * torch.tensor([2.0, 0.5, 7.0]) + 9, eps=0), cmvn(x, eps=0))


def test_the_recordings_of_an_owner_share_their_statistics():
    x, owners = features(4, 9, 3), torch.tensor([7, 2, 7, 2])
    real = torch.arange(9) < torch.tensor([[9], [4], [6], [8]])
    found = cmvn_of_owners(x, real, owners)
    for one, other in ((0, 2), (1, 3)):
        joined = torch.cat([x[one][real[one]], x[other][real[other]]])
        torch.testing.assert_close(torch.cat([found[one][real[one]], found[other][real[other]]]), cmvn(joined))
    assert found[~real].abs().max() == 0


def test_the_automatic_gain_is_librosa_s():
    energies = features(30, 5).square()
    options = {"gain": 0.8, "bias": 3.0, "eps": 1e-6}
    theirs = librosa.pcen(energies.T.numpy(), **options, power=0.4, b=0.1, zi=0.9 * energies[:1].T.numpy())
    np.testing.assert_allclose(pcen(energies, smooth=0.1, root=0.4, **options).T, theirs, rtol=1e-5)


def test_the_automatic_gain_forgets_how_loud_a_recording_is():
    energies = 0.1 + features(2, 200, 4).square()
    quiet, loud = (pcen(level * energies, gain=1.0, eps=1e-12) for level in (1, 100))
    torch.testing.assert_close(quiet, loud)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=4), segments=st.integers(1, 15))
def test_segment_means_are_the_means_of_equal_parts(counts, segments):
    x = features(len(counts), 12, 2)
    found = segment_means(x, torch.tensor(counts), segments).unflatten(1, (segments, 2))
    for row, (of_one, count) in enumerate(zip(x, counts, strict=True)):
        for part in range(segments):
            first = min(part * count // segments, count - 1)
            last = max((part + 1) * count // segments, first + 1)
            torch.testing.assert_close(found[row, part], of_one[first:last].mean(0))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="counts must be from 1 to 3 frames, got 2 to 4"):
        segment_means(torch.zeros(2, 3, 1), torch.tensor([2, 4]), 2)
    with pytest.raises(ValueError, match="smooth must be above 0"):
        pcen(torch.ones(3, 2), smooth=0)
    with pytest.raises(ValueError, match="reach must be a whole number"):
        deltas(torch.ones(3, 2), 0)
