"""A sound on a page: a player, the spectrogram, and words for those who cannot hear it.

The sound is stored in the page itself, without loss (FLAC, 16 bits), so that nothing is loaded from anywhere; it plays
without scripts. On paper the title says what would be heard.
"""

import base64
import html
import io
from urllib.parse import quote

import numpy as np

from course.arguments import require_whole
from course.plotting import array
from course.svg import drawing, framed, two_faces

MOST_KILOBYTES = 200
PLAIN = " /:;=,()'"  # what an address need not escape
WINDOW = 0.025  # s, of the spectrogram
RANGE = 60  # dB below the loudest point that are white
STEP = 4  # dB between two shades of grey: few shades make a small picture


class Player:
    """A sound that the reader plays; as the last line of a cell it is shown.

    Args:
        wave: samples from -1 to 1, ``[n]``; they sound as loud as they are.
        rate: samples a second (Hz), 4,000 to 48,000.
        alt: what is heard and what the spectrogram shows, for those who cannot hear or see it.
        title: what the sound is, in a few words.
        height: of the spectrogram in inches.

    Raises:
        ValueError: if the wave is not one row of finite numbers from -1 to 1, the rate is out of its range, ``alt`` is
            shorter than four words, or the sound needs more than 200 kB (at 8,000 Hz about 15 s).

    >>> Player([0.0, 0.5, -0.5, 0.0] * 1000, 8000, title="A tone", alt="A shrill tone of 2,000 Hz.")
    Player('A tone', 0.5 s)
    """

    def __init__(self, wave, rate: int, *, alt: str, title: str, height: float = 1.8):
        wave = np.asarray(array(wave), dtype=np.float64)
        require_whole("rate", rate, 4000, 48_000)
        if wave.ndim != 1 or not len(wave):
            raise ValueError(f"wave must be samples [n], got the shape {list(wave.shape)}")
        if not np.abs(wave).max() <= 1:  # a NaN is not, either
            raise ValueError(f"samples must be from -1 to 1, got {wave.min():.3g} to {wave.max():.3g}: scale the wave")
        if len(alt.split()) < 4:
            raise ValueError(f"alt: say in words what is heard and what the spectrogram shows, got {alt!r}")
        self.wave, self.rate, self.alt, self.title, self.height = wave, rate, alt, title, height
        self.flac = encoded(wave, rate)
        if (size := len(self._repr_html_()) / 1000) > MOST_KILOBYTES:
            raise ValueError(f"a sound may have {MOST_KILOBYTES} kB on a page, got {size:.0f}: shorten it")

    def __repr__(self) -> str:
        return f"Player({self.title!r}, {len(self.wave) / self.rate:.1f} s)"

    def figure(self):
        """The spectrogram: time to the right, frequency upwards, dark where the sound is strong."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, self.height))
        ax = figure.subplots()
        seconds = len(self.wave) / self.rate
        box = (0, seconds, 0, self.rate / 2000)
        seen = spectrogram(self.wave, self.rate)
        ax.imshow(seen, origin="lower", aspect="auto", extent=box, vmin=-RANGE, vmax=0, interpolation="none")
        ax.set(xlabel="s", ylabel="kHz", title=self.title)
        ax.grid(visible=False)
        return figure

    def _repr_html_(self) -> str:
        [svg] = two_faces(drawing(self.figure()))
        alt, title = html.escape(self.alt), html.escape(self.title)
        image = f'<img alt="{alt}" style="color-scheme: light" src="data:image/svg+xml,{quote(svg, safe=PLAIN)}">'
        source = "data:audio/flac;base64," + base64.b64encode(self.flac).decode()
        sound = f'<audio controls preload="metadata" aria-label="{title}" src="{source}"></audio>'
        return f'<div class="player">{framed(svg, image)}{sound}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        png = io.BytesIO()
        self.figure().savefig(png, dpi=160)
        return {"text/html": self._repr_html_(), "image/png": png.getvalue(), "text/plain": self.alt}


def encoded(wave: np.ndarray, rate: int) -> bytes:
    """The wave as a FLAC file of 16 bits a sample."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def spectrogram(wave: np.ndarray, rate: int) -> np.ndarray:
    """Squared amplitudes in dB below the largest, ``[frequencies, times]``, through Hann windows of 25 ms.

    In steps of 4 dB, and nothing below -60 dB, which is what silence has everywhere.
    """
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    length = round(WINDOW * rate)
    padded = np.pad(wave, (0, max(0, length - len(wave))))
    transform = ShortTimeFFT(hann(length, sym=False), max(length // 4, len(wave) // 300), rate, mfft=2 * length)
    power = transform.spectrogram(padded)
    largest = max(power.max(), 1e-30)
    return STEP * np.rint(10 * np.log10(np.maximum(power / largest, 10 ** (-RANGE / 10))) / STEP)
