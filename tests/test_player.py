"""A sound on a page: what plays is what was given, and everything is said in words, too."""

import base64
import html
import io
import re

import numpy as np
import pytest
import soundfile
import torch

from course.player import Player, spectrogram

WORDS = {"alt": 'A tone of "440" Hz & nothing else.', "title": "A <tone>"}
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)


@pytest.mark.parametrize("wave", [TONE, torch.from_numpy(TONE).float(), TONE.tolist()])
def test_the_page_holds_every_sample_and_the_words(wave):
    shown = Player(wave, 8000, **WORDS)._repr_mimebundle_()
    page = shown["text/html"]
    sound = base64.b64decode(re.search(r'src="data:audio/flac;base64,([^"]*)"', page)[1])
    samples, rate = soundfile.read(io.BytesIO(sound))
    assert rate == 8000 and np.abs(samples - TONE).max() <= 2**-15
    assert html.unescape(re.search(r'<img alt="([^"]*)"', page)[1]) == WORDS["alt"]
    assert html.unescape(re.search(r'aria-label="([^"]*)"', page)[1]) == WORDS["title"]
    assert "<audio controls" in page and "<script" not in page and " id=" not in page.split("src=")[0]
    assert shown["image/png"].startswith(b"\x89PNG") and shown["text/plain"] == WORDS["alt"]
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


def test_the_spectrogram_is_dark_where_the_tone_is():
    seen = spectrogram(TONE, 8000)
    row = seen.mean(1).argmax()
    assert (row - 1.5) * 20 <= 440 <= (row + 1.5) * 20  # 400 points at 8,000 Hz
    assert seen.max() == 0 and seen.min() == -60
    np.testing.assert_array_equal(spectrogram(1e-4 * TONE, 8000), seen)  # softly, too
    assert seen[row + 20 :, 8:-8].max() == -60  # away from the sudden beginning and end


@pytest.mark.parametrize("wave", [[0.0] * 4000, [0.1], [1.0, -1.0] * 100])
def test_silence_and_short_sounds_can_be_shown(wave):
    assert "<audio" in Player(wave, 8000, **WORDS)._repr_html_()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wave": [0.0, 1.5]}, "samples must be from -1 to 1, got 0 to 1.5: scale the wave"),
        ({"wave": [0.0, np.nan]}, "samples must be from -1 to 1, got nan to nan"),
        ({"wave": np.zeros((2, 9))}, r"wave must be samples \[n\], got the shape \[2, 9\]"),
        ({"wave": []}, r"got the shape \[0\]"),
        ({"rate": 800}, "rate must be a whole number from 4000 to 48,000, got 800"),
        ({"alt": "A tone."}, "say in words what is heard"),
        ({"wave": np.random.default_rng(0).uniform(-1, 1, 160_000)}, "may have 200 kB on a page, got .*: shorten it"),
    ],
)
def test_wrong_input_is_explained(given, message):
    with pytest.raises(ValueError, match=message):
        Player(**{"wave": TONE, "rate": 8000} | WORDS | given)
