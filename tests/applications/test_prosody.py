"""Vectors of recordings: what they must not depend on, what they must show, and what they refuse."""

import pytest
import torch

from course.applications import prosody
from course.data.sets import DataError
from course.data.voices import say


@pytest.fixture(scope="module")
def spoken():
    return say("heed hod who'd", pitch=150, jitter=0.0, melody=0.0, slope=0.0)


def group(vector, name):
    return vector[prosody.places()[name]]


def test_silence_around_the_speech_does_not_matter(spoken):
    """Up to the frames at the edge, which then lie elsewhere; whole hops keep the others as they are."""
    quiet = torch.zeros(80 * 40)
    alone = prosody.vector(spoken.wave, 8000)
    around = prosody.vector(torch.cat([quiet, spoken.wave, quiet]), 8000)
    places = prosody.places()["melody"]
    torch.testing.assert_close(alone[places][:5], around[places][:5], atol=0.05, rtol=0)
    assert (alone - around).abs().max() < 0.15 * alone.abs().max()


def test_a_louder_recording_moves_levels_and_nothing_of_melody(spoken):
    one, other = (prosody.vector(scale * spoken.wave, 8000) for scale in (1.0, 0.5))
    torch.testing.assert_close(group(one, "melody"), group(other, "melody"), atol=1e-6, rtol=1e-6)
    step = 20 * torch.log10(torch.tensor(2.0, dtype=torch.float64))
    fall = group(one, "loudness")[:7] - group(other, "loudness")[:7]  # percentiles and mean, in dB
    torch.testing.assert_close(fall, step.expand(7), atol=0.02, rtol=0)
    rest = group(one, "contrast")[:12], group(other, "contrast")[:12]
    torch.testing.assert_close(*rest, atol=0.02, rtol=1e-3)


def test_the_pitch_that_was_asked_for_is_found(spoken):
    found = group(prosody.vector(spoken.wave, 8000), "melody")[2]  # the median
    assert abs(float(found) - 12 * torch.tensor(1.5).log2()) < 0.1
    octave = say("heed hod who'd", pitch=300, jitter=0.0, melody=0.0, slope=0.0)
    assert abs(float(group(prosody.vector(octave.wave, 8000), "melody")[2] - found) - 12) < 0.2


def test_a_rising_voice_has_a_positive_slope():
    up, down = (prosody.vector(say("hod hod hod", slope=s, seed=1).wave, 8000) for s in (8, -8))
    assert group(up, "melody")[7] > 1 and group(down, "melody")[7] < -1


def test_groups_tile_the_vector(spoken):
    places = list(prosody.places().values())
    assert [each.start for each in places] == [0, *(each.stop for each in places[:-1])]
    assert places[-1].stop == len(prosody.vector(spoken.wave, 8000)) == 133


def test_the_picture_is_the_mean_of_the_levels(spoken):
    seen = prosody.picture(spoken.wave, 8000, 4, 5)
    mel = prosody.frames_of(spoken.wave.double(), 8000).mel
    assert seen.shape == (20,) and abs(seen.mean() - mel.mean()) < 1.5


@pytest.mark.parametrize(
    ("wave", "error", "said"),
    [
        (torch.zeros(8000), DataError, "silent"),
        (torch.rand(1000), DataError, r"0.12 s and needs at least 0.2 s"),
        (torch.tensor([float("nan")] * 8000), ValueError, "NaN"),
    ],
)
def test_what_cannot_be_described_is_refused(wave, error, said):
    with pytest.raises(error, match=said):
        prosody.vector(wave, 8000)
    with pytest.raises(ValueError, match="at least 8,000"):
        prosody.vector(torch.rand(8000), 4000)


def test_a_whisper_without_any_voice_has_finite_numbers():
    noise = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    assert prosody.vector(noise, 8000).isfinite().all()
