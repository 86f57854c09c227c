"""Recordings of speech that others made: spoken digits (FSDD), and sentences in acted emotions (RAVDESS).

Sources: Jackson et al., *Free spoken digit dataset* (2016 and later); Livingstone and Russo, *The Ryerson audio-visual
database of emotional speech and song (RAVDESS)* (2018).
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from course.data.location import locate
from course.data.omniglot import BROKEN
from course.data.sets import Damaged, DataError
from course.data.sounds import Sounds, read_sounds

DIGITS = tuple("0123456789")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = 50  # of each digit by each speaker
FSDD = {"train": range(10, 50), "validation": range(5, 10), "test": range(5)}  # takes; those of the test are official
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ACTORS = 24  # odd numbers are men
RAVDESS = {"train": range(1, 17), "validation": range(17, 21), "test": range(21, 25)}  # actors


@dataclass(frozen=True)
class Recording:
    """What the name of a file says: what is in it, who speaks, and the number that decides on the split."""

    file: str
    content: str
    speaker: str
    number: int


def load_fsdd(split: str | None = None, *, label: str = "digit", rate: int = 8000) -> Sounds:
    """3,000 recordings of English digits: six speakers, each digit 50 times.

    Args:
        split: ``test`` (takes 0 to 4 of each digit and speaker, the owners' choice), ``validation`` (takes 5 to 9),
            ``train`` (the others), or ``None`` for all. All splits have the *same* speakers; for a speaker who was
            never heard, select by ``speakers``.
        label: what ``y`` tells: ``"digit"`` or ``"speaker"``.
        rate: samples a second; the recordings have 8,000.

    Raises:
        Damaged: if recordings are missing or damaged, or there are others.
        ValueError: if an argument is unknown or out of its range.
    """
    known = [
        Recording(f"{digit}_{speaker}_{take}.wav", digit, speaker, take)
        for digit in DIGITS
        for speaker in SPEAKERS
        for take in range(TAKES)
    ]
    return chosen("fsdd", known, split, FSDD, label, {"digit": DIGITS, "speaker": SPEAKERS}, rate)


def load_ravdess(split: str | None = None, *, label: str = "emotion", rate: int = 16_000) -> Sounds:
    """Two sentences in eight acted emotions by 24 actors, the first time that each said them: 720 recordings.

    Args:
        split: ``train`` (actors 1 to 16), ``validation`` (17 to 20), ``test`` (21 to 24), or ``None`` for all.
        label: what ``y`` tells: ``"emotion"`` or ``"speaker"``.
        rate: samples a second; the owners' recordings have 48,000.

    Raises:
        Damaged: if recordings are missing or damaged.
        ValueError: if an argument is unknown or out of its range.
    """
    known = [
        Recording(f"03-01-{number:02}-{intensity:02}-{sentence:02}-01-{actor:02}.wav", emotion, f"{actor:02}", actor)
        for actor in range(1, ACTORS + 1)
        for number, emotion in enumerate(EMOTIONS, 1)
        for intensity in ((1, 2) if emotion != "neutral" else (1,))  # there is no strong neutrality
        for sentence in (1, 2)
    ]
    actors = tuple(f"{actor:02}" for actor in range(1, ACTORS + 1))
    return chosen("ravdess", known, split, RAVDESS, label, {"emotion": EMOTIONS, "speaker": actors}, rate)


def chosen(
    name: str,
    known: list[Recording],
    split: str | None,
    splits: dict[str, Iterable[int]],
    label: str,
    labels: dict[str, tuple[str, ...]],
    rate: int,
) -> Sounds:
    """The recordings of a split, of those that a set consists of."""
    for what, value, possible in (("split", split, [None, *splits]), ("label", label, [*labels])):
        if value not in possible:
            raise ValueError(f"{what} must be one of {', '.join(map(repr, possible))}, got {value!r}")
    kept = [each for each in known if split is None or each.number in splits[split]]
    folder = locate(name)
    place = next(iter(sorted(folder.glob("*.zip"))), folder)
    if place == folder and not contents(folder):
        raise Damaged(f"{folder / name}.zip is missing, and there are no recordings outside a zip file either")
    try:
        files = {file.name: file for file in contents(place)}
        if missing := [each.file for each in known if each.file not in files]:
            raise Damaged(f"{place} lacks {len(missing):,} of {len(known):,} recordings, such as {missing[0]}")
        speakers = {each.file: each.speaker for each in kept}
        read = read_sounds(
            [files[each.file] for each in kept], rate=rate, mono=True, speaker=lambda file: speakers[file.name]
        )
    except Damaged:
        raise
    except (DataError, *BROKEN) as error:
        raise Damaged(f"{place} is damaged or cut short ({error})") from error
    classes = labels[label]
    named = [each.speaker if label == "speaker" else each.content for each in kept]
    return Sounds(
        y=torch.tensor([classes.index(each) for each in named]),
        classes=classes,
        groups=classes,
        name=name if split is None else f"{name} ({split})",
        **read,
    )


def contents(place: Path) -> list[Path | zipfile.Path]:
    """All files in a zip file, or below a folder."""
    if place.suffix != ".zip":
        return [path for path in place.rglob("*.wav") if path.is_file()]
    archive = zipfile.ZipFile(place)
    return [zipfile.Path(archive, name) for name in archive.namelist() if name.endswith(".wav")]
