r"""What features say of speakers who were never heard: a classifier chosen on some speakers and judged on others.

The unit is the speaker: a hundred recordings of one person tell a lot about this person, and little about people.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from course.arguments import require_whole
from course.data import Sounds

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PENALTIES = (0.01, 0.1, 1.0, 10.0)


def chosen_classifier(
    train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], penalties: Sequence[float] = PENALTIES
) -> "Pipeline":
    """A logistic regression on standardised features, with the constant C that is best on validation data.

    Args:
        train, validation: vectors ``[n, d]`` and labels ``[n]``. The speakers of the two should differ.
        penalties: the candidates; of equally good ones the first is taken.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fitted(penalty: float):
        return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000)).fit(*arrays(train))

    return max(map(fitted, penalties), key=lambda each: each.score(*arrays(validation)))


def speaker_accuracies(classifier: "Pipeline", vectors: Tensor, sounds: Sounds) -> Tensor:
    """The share of recordings named rightly, for each speaker of a set: ``float64 [speakers]``.

    Args:
        classifier: with a method ``predict``, such as that of :func:`chosen_classifier`.
        vectors: ``[n, d]``, one for each recording of ``sounds``.

    Raises:
        ValueError: if a speaker is unknown, or said nothing.
    """
    heard = torch.bincount(sounds.speakers.clamp(min=0), minlength=len(sounds.speaker_names))
    if sounds.speakers.min() < 0 or not heard.all():
        raise ValueError(f"{sounds.name}: every recording needs a speaker, and every speaker a recording")
    right = torch.from_numpy(classifier.predict(vectors.numpy()) == sounds.y.numpy()).double()
    return torch.bincount(sounds.speakers, weights=right) / heard


def unseen_speaker_accuracies(
    vectors: Tensor, sounds: Sounds, *others: Tensor, folds: int = 6, penalties: Sequence[float] = PENALTIES
) -> Tensor:
    """Every speaker is judged once, by a classifier that heard neither her nor those on whom its constant was chosen.

    Speaker s belongs to group s mod ``folds``. In turn a group is the test and the next one the validation; the
    classifier learns from the rest.

    Args:
        vectors: ``[n, d]``, to learn from, and to be judged by.
        sounds: whose labels and speakers these are.
        others: the same recordings in other conditions, ``[n, d]`` each, only to be judged by.
        folds: groups, from 3 to the number of speakers.

    Returns:
        ``float64 [1 + len(others), speakers]``.
    """
    require_whole("folds", folds, 3, len(sounds.speaker_names))
    found = torch.zeros(1 + len(others), len(sounds.speaker_names), dtype=torch.float64)
    group = sounds.speakers % folds
    for fold in range(folds):
        validation = group == (fold + 1) % folds
        train = (group != fold) & ~validation
        pairs = [(vectors[each], sounds.y[each]) for each in (train, validation)]
        classifier = chosen_classifier(*pairs, penalties)
        speakers = range(fold, found.shape[1], folds)
        for row, each in enumerate((vectors, *others)):
            found[row, speakers] = speaker_accuracies(classifier, each, sounds)[speakers]
    return found


def arrays(pair: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Two tensors as arrays."""
    return pair[0].numpy(), pair[1].numpy()
