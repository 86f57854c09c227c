"""Own recordings: every sample, the padding and the speakers; and every file that cannot be used is named."""

import io
import math
import zipfile

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sets import put

from course.data import DataError, EpisodeSampler, Sounds, from_folder
from course.data.sounds import read_sounds, resampled

NOISE = np.random.default_rng(0).uniform(-1, 1, 400).astype(np.float32)


def recording(samples=NOISE, rate=8000, kind="WAV", subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


@pytest.fixture
def mine(tmp_path):
    """Two classes with two recordings each."""
    lengths = {"no/1_eve.wav": 400, "no/2_ada.wav": 300, "yes/1_ada.wav": 1, "yes/2_eve.wav": 399}
    return put(tmp_path / "mine", {name: recording(NOISE[:length]) for name, length in lengths.items()})


@pytest.mark.parametrize(
    ("kind", "subtype", "error"),
    [("WAV", "PCM_16", 2**-15), ("WAV", "PCM_24", 2**-23), ("WAV", "FLOAT", 0), ("FLAC", "PCM_16", 2**-15)],
)
def test_every_sample_and_what_is_known_of_it(tmp_path, kind, subtype, error):
    lengths = {"yes/a_1.": 400, "no/b_2.": 300, "no/a_1.": 1}
    files = {name + kind: recording(NOISE[:n], 16_000, kind, subtype) for name, n in lengths.items()}
    data = from_folder(put(tmp_path / "mine", files), speaker=lambda file: file.stem[0])
    assert repr(data) == "Sounds('mine', x=[3, 400] float32, 2 classes, 2 speakers, 16,000 Hz)"
    assert (data.classes, data.y.tolist(), data.lengths.tolist()) == (("no", "yes"), [0, 0, 1], [1, 300, 400])
    assert (data.speaker_names, data.speakers.tolist()) == (("a", "b"), [0, 1, 0])
    for x, length in zip(data.x, data.lengths, strict=True):
        assert (x[:length] - torch.from_numpy(NOISE[:length])).abs().max() <= error
        assert not x[length:].any()


def test_an_episode_and_unknown_speakers(mine):
    data = from_folder(mine)
    assert (data.speakers.tolist(), data.speaker_names) == ([-1] * 4, ())
    episode = EpisodeSampler(data, n_way=2, k_shot=1, n_query=1, tasks=3)[0]
    assert episode.support_x.shape == (3, 2, 400)
    assert all(any(torch.equal(x, known) for known in data.x) for x in episode.query_x.flatten(0, 1))
    named = from_folder(mine, speaker=lambda file: file.stem[2:] if file.stem[0] == "1" else None)
    assert (named.speakers.tolist(), named.speaker_names) == ([1, -1, 0, -1], ("ada", "eve"))


def test_channels_are_averaged(mine):
    put(mine, {"no/1_eve.wav": recording(np.stack([NOISE, -NOISE / 2], 1), subtype="FLOAT")})
    assert torch.allclose(from_folder(mine, mono=True).x[0], torch.from_numpy(NOISE / 4), atol=1e-7)


@pytest.mark.parametrize(("source", "target"), [(8000, 16_000), (44_100, 16_000), (48_000, 44_100), (8000, 8000)])
def test_a_tone_stays_a_tone_at_another_rate(source, target):
    seconds = 0.5
    tone = np.sin(2 * math.pi * 440 * np.arange(int(seconds * source)) / source).astype(np.float32)
    found = resampled(tone, source, target)
    assert (found.dtype, len(found)) == (np.float32, round(len(tone) * target / source))
    expected = np.sin(2 * math.pi * 440 * np.arange(len(found)) / target)
    assert np.abs(found - expected)[target // 20 : -target // 20].max() < 2e-3  # away from the sudden beginning and end


def test_mixed_rates_become_one_when_asked(mine):
    put(mine, {"yes/1_ada.wav": recording(rate=16_000)})
    data = from_folder(mine, rate=4000)
    assert (data.rate, data.lengths.tolist()) == (4000, [200, 150, 100, 200])


def test_a_recording_of_unknown_length_is_read_to_its_end(mine):
    content = bytearray((mine / "no/1_eve.wav").read_bytes())
    where = content.index(b"data") + 4
    content[where : where + 4] = content[4:8] = b"\xff" * 4  # what a program writes that streams
    put(mine, {"no/1_eve.wav": content})
    assert from_folder(mine).lengths[0] == 400


def test_recordings_are_read_from_a_zip_file(mine, tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.write(mine / "no/1_eve.wav", "no/1_eve.wav")
        inside = zipfile.Path(archive, "no/1_eve.wav")
        found = read_sounds([inside], speaker=lambda file: file.stem)
    assert torch.equal(found["x"], from_folder(mine).x[:1]) and found["speaker_names"] == ("1_eve",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (recording(rate=16_000), r"1\.wav has 16,000 Hz, .*0\.wav has 8,000 Hz: pass rate=8000 to resample"),
        (recording(np.ones((9, 2))), r"1\.wav has 2 channels: pass mono=True to average them"),
        (recording(NOISE[:0]), r"1\.wav holds no samples"),
        (recording(np.array([0, np.nan]), subtype="FLOAT"), r"1\.wav holds samples that are not finite"),
        (recording(np.array([0, np.inf]), subtype="DOUBLE"), r"1\.wav holds samples that are not finite"),
        (b"", r"1\.wav cannot be read \(Format not recognised.\): save it again, or remove it"),
        (b"RIFF" + bytes(99), r"1\.wav cannot be read"),
        (recording()[:-1], r"1\.wav is cut short"),
        (recording()[:500], r"1\.wav is cut short"),
        (recording()[:44], r"1\.wav is cut short"),
        (recording(kind="FLAC")[:300], r"1\.wav cannot be read"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",  # some formats hold the time of writing
)
def test_a_recording_that_cannot_be_used(tmp_path, content, message):
    put(tmp_path, {"no/0.wav": recording(), "no/1.wav": content, "yes/2.wav": recording()})
    with pytest.raises(DataError, match=message):
        from_folder(tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["WAV", "FLAC"]), st.integers(0, 10**6), st.integers(0, 255), st.integers(1, 10**6))
def test_whatever_a_byte_or_a_cut_does_is_an_error_or_a_set(tmp_path, kind, position, value, cut):
    content = bytearray(recording(kind=kind))
    content[position % len(content)] = value
    (tmp_path / "a.wav").write_bytes(content[: cut % (4 * len(content))])
    try:
        found = read_sounds([tmp_path / "a.wav"])
    except DataError as error:
        assert str(tmp_path / "a.wav") in str(error)
    else:
        Sounds(**found, y=torch.tensor([0]), classes=("a",), groups=("a",), name="changed")


@pytest.mark.parametrize("rate", [0, 8000.0, "8000"])
def test_a_rate_out_of_range(mine, rate):
    with pytest.raises(ValueError, match="rate must be a whole number of at least 1, got"):
        from_folder(mine, rate=rate)
