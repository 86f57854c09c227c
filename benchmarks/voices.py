"""The simulated voices: how long 720 utterances take, and whether their emotions are as hard to tell as acted ones.

    COURSE_DATA=folder python benchmarks/voices.py --output book/results/bench-voices.json

A logistic regression on the means and standard deviations of 20 MFCCs (librosa) of an utterance tells the emotion. It
is trained on 22 speakers and asked about the other two, a woman and a man, twelve times. A second time each feature has
the mean 0 and the variance 1 within each speaker, for which no emotion must be known. Values are means over the 24
speakers, in per cent; RAVDESS has eight emotions, `voices` six.
"""

import numpy as np
from measure import main, seconds


def features(data) -> np.ndarray:
    """Means and standard deviations of MFCCs over time, ``[n, 40]``."""
    from librosa.feature import mfcc

    waves = [x[:length].numpy() for x, length in zip(data.x, data.lengths, strict=True)]
    found = [mfcc(y=wave, sr=data.rate, n_mfcc=20, n_fft=512, hop_length=160) for wave in waves]
    return np.stack([np.concatenate([each.mean(1), each.std(1)]) for each in found])


def accuracies(data, *, scaled: bool) -> np.ndarray:
    """Per cent of the emotions of each speaker that were told right, ``[24]``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, speakers = features(data), data.y.numpy(), data.speakers.numpy()
    if scaled:
        for speaker in range(24):
            own = x[speakers == speaker]
            x[speakers == speaker] = (own - own.mean(0)) / own.std(0)
    right = np.zeros(24)
    for pair in range(12):
        kept = speakers // 2 != pair
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000)).fit(x[kept], y[kept])
        for speaker in (2 * pair, 2 * pair + 1):
            own = speakers == speaker
            right[speaker] = 100 * model.score(x[own], y[own])
    return right


def measure(repeats: int):
    """The rows of the table."""
    from course.data import load
    from course.metrics import t_interval95

    times = [seconds(lambda: load("voices", label="emotion")) for _ in range(repeats)]
    yield {"what": "seconds for 720 utterances at 8,000 Hz", "course_value": float(np.median(times)), "goal": 4}
    ours, theirs = load("voices", label="emotion", rate=16_000), load("ravdess")
    for name, scaled in (("", False), (", features scaled within each speaker", True)):
        (own, half), (other, width) = (t_interval95(accuracies(data, scaled=scaled)) for data in (ours, theirs))
        yield {
            "what": f"emotions of unseen speakers told right, %{name} (± {half:.1f}, peer ± {width:.1f} over speakers)",
            "course_value": float(own),
            "peer": "RAVDESS",
            "peer_value": float(other),
            "ratio": float(own / other),
        }


if __name__ == "__main__":
    main("voices", __doc__, "simulated voices at strength 0.5; chance is 16.7 and 12.5 %", measure, repeats=5)
