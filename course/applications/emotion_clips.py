"""Recordings with emotions and speakers: of a registered set, of folders, or of a CSV table; and fair splits of them.

The unit is the speaker. Whoever is tested was in no training; and of a tested speaker, what is learned from and what
is asked never share a sentence.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from course import data
from course.applications.prosody import vectors
from course.arguments import require_whole
from course.data import Sounds
from course.data.recordings import ACTORS, EMOTIONS
from course.data.sets import DataError
from course.data.sounds import SOUNDS, read_sounds
from course.data.speakers import said_by
from course.data.voices import VOWELS
from course.files import write_whole
from course.runtime import step_generator

RATE = 16_000  # Hz, to which the reader's own recordings are brought
REGISTERED = ("voices", "ravdess")
COLUMNS = ("path", "speaker", "emotion")


@dataclass(frozen=True, eq=False)
class Clips:
    """Recordings as vectors.

    Attributes:
        x: of :func:`course.applications.prosody.vector`, ``float64 [n, d]``.
        y, classes: emotions, ``int64 [n]``, and their names.
        speakers, speaker_names: who speaks, ``int64 [n]``, and the names.
        content: what is said, ``int64 [n]``; -1 where nobody knows.
        name: of the set.
        prints: a fingerprint of each recording.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    speakers: Tensor
    speaker_names: tuple[str, ...]
    content: Tensor
    name: str
    prints: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def select(self, chosen: Tensor) -> Self:
        """The chosen recordings, by a mask ``bool [n]``; classes and speakers keep their numbers."""
        prints = tuple(each for each, kept in zip(self.prints, chosen.tolist(), strict=False) if kept)
        rows = {name: getattr(self, name)[chosen] for name in ("x", "y", "speakers", "content")}
        return replace(self, **rows, prints=prints)

    def halves(self) -> Tensor:
        """0 or 1 for each recording: no sentence is in both halves, and each emotion in either, if it can be.

        The first half of all sentences against the rest; where nobody knows the sentences, a speaker's recordings of
        an emotion go to the halves in turn.
        """
        known = self.content[self.content >= 0].unique()
        half = (self.content >= known[len(known) // 2]).long() if len(known) > 1 else torch.zeros_like(self.y)
        if len(known) > 1 and (self.content >= 0).all():
            return half
        for speaker in self.speakers.unique():
            for label in self.y.unique():
                own = ((self.speakers == speaker) & (self.y == label)).nonzero().flatten()
                half[own] = torch.arange(len(own)) % 2
        return half

    def folds(self, folds: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Masks ``bool [n]`` for training, validation and test: each speaker is tested once, in an order by the seed.

        Raises:
            ValueError: if there are fewer speakers than folds, or fewer than 3 folds.
        """
        require_whole("folds", folds, 3, len(self.speaker_names))
        order = torch.from_numpy(step_generator(seed, 0).permutation(len(self.speaker_names)))
        group = torch.empty_like(order)
        group[order] = torch.arange(len(order)) % folds
        of = group[self.speakers]
        for fold in range(folds):
            validation = of == (fold + 1) % folds
            yield (of != fold) & ~validation, validation, of == fold


def support(y: Tensor, candidates: Tensor, shots: int, seed: int, number: int) -> Tensor:
    """Positions of up to ``shots`` recordings of each class among the ``candidates`` (a mask), drawn by the seed."""
    generator, chosen = step_generator(seed, 1 + number), []
    for label in y.unique():
        own = (candidates & (y == label)).nonzero().flatten()
        chosen.append(own[torch.from_numpy(generator.permutation(len(own)))[:shots]])
    return torch.cat(chosen)


def fingerprints(sounds: Sounds) -> tuple[str, ...]:
    """A short hash of the samples of each recording, rounded to 12 bits: equal for a copy, whatever its name."""
    rows = zip(sounds.x, sounds.lengths, strict=True)
    return tuple(hashlib.sha256((row[:n] * 2048).round().short().numpy().tobytes()).hexdigest()[:16] for row, n in rows)


def clips_of(sounds: Sounds, content: Tensor | None = None) -> Clips:
    """The vectors of recordings; copies of a recording are a DataError, since a test would know them."""
    prints = fingerprints(sounds)
    if len(set(prints)) < len(prints):
        seen = {}
        first = next((seen[each], i) for i, each in enumerate(prints) if seen.setdefault(each, i) != i)
        raise DataError(f"{sounds.name}: recordings {first[0] + 1} and {first[1] + 1} are the same: keep one of them")
    content = torch.full_like(sounds.y, -1) if content is None else content
    people = {"speakers": sounds.speakers, "speaker_names": sounds.speaker_names}
    return Clips(vectors(sounds), sounds.y, sounds.classes, **people, content=content, name=sounds.name, prints=prints)


def registered(name: str) -> tuple[Sounds, Tensor]:
    """A set that the course knows, and what is said in each recording: a vowel or a sentence."""
    if name == "voices":
        vowels = [list(VOWELS).index(vowel) for speaker in range(24) for vowel, _ in said_by(speaker)]
        return data.load("voices", label="emotion"), torch.tensor(vowels)
    sounds = data.load("ravdess", rate=RATE)
    return sounds, torch.arange(len(sounds)) % 2  # two sentences in turn


def ravdess_intensity() -> Tensor:
    """1 for each recording of RAVDESS that is said with strong intensity, 0 for the others, ``int64 [720]``."""
    of_actor = [i for k in range(len(EMOTIONS)) for i in ((0, 1) if k else (0,)) for _ in (1, 2)]
    return torch.tensor(of_actor * ACTORS)


def read_clips(source: str, kept: Path | None = None) -> Clips:
    """Recordings by the name of a set, a folder ``speaker/emotion/*.wav``, or a CSV file ``path,speaker,emotion``.

    Args:
        source: ``voices``, ``ravdess``, or a path. Paths in a table are relative to the table.
        kept: a file for the vectors, which are then computed once.

    Raises:
        DataError: if nothing is there, or it is not as expected; the message says what to do.
    """
    if kept is not None and kept.exists():
        return restored(kept)
    if source in REGISTERED:
        clips = clips_of(*registered(source))
    else:
        path = Path(source).expanduser()
        rows = table_rows(path) if path.is_file() else folder_rows(path)
        clips = clips_of(sounds_of(rows, path.name))
    if kept is not None:
        store(kept, clips)
    return clips


def sounds_of(rows: list[tuple[Path, str, str]], name: str) -> Sounds:
    """The recordings of a table of files, speakers and emotions, at 16,000 Hz."""
    emotions = tuple(sorted({emotion for _, _, emotion in rows}))
    speakers = {file: speaker for file, speaker, _ in rows}
    if len(emotions) < 2 or len(set(speakers.values())) < 1:
        raise DataError(f"{name} holds the emotion {', '.join(emotions)} only: at least two are needed")
    read = read_sounds([file for file, _, _ in rows], rate=RATE, mono=True, speaker=speakers.__getitem__)
    y = torch.tensor([emotions.index(emotion) for _, _, emotion in rows])
    return Sounds(y=y, classes=emotions, groups=emotions, name=name, **read)


def folder_rows(folder: Path) -> list[tuple[Path, str, str]]:
    """Files, speakers and emotions of ``folder/speaker/emotion/*.wav``."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is missing: name {' or '.join(REGISTERED)}, a folder speaker/emotion/*.wav, or a CSV file with "
            f"the columns {', '.join(COLUMNS)}"
        )
    rows = [
        (file, file.parent.parent.name, file.parent.name)
        for file in sorted(folder.glob("*/*/*"))
        if file.suffix.lower() in SOUNDS
    ]
    if not rows:
        raise DataError(f"{folder} holds no recordings speaker/emotion/*.wav: a folder for each speaker, and in it one "
                        "for each emotion")  # fmt: skip
    return rows


def table_rows(file: Path) -> list[tuple[Path, str, str]]:
    """Files, speakers and emotions of a CSV table."""
    with file.open(encoding="utf8", newline="") as lines:
        reader = csv.DictReader(lines)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise DataError(f"{file} has no column {missing[0]!r}: the first line must name {', '.join(COLUMNS)}")
        rows = [(file.parent / row["path"], row["speaker"], row["emotion"]) for row in reader]
    if not rows:
        raise DataError(f"{file} has no rows: add a line for each recording")
    if absent := [path for path, _, _ in rows if not path.is_file()]:
        raise DataError(f"{file} names {absent[0]}, which is not there ({len(absent)} such): correct the column path")
    return rows


def store(file: Path, clips: Clips) -> None:
    """Keep the vectors and labels of clips."""
    from safetensors.torch import save

    names = {"classes": clips.classes, "speakers": clips.speaker_names, "prints": clips.prints, "name": (clips.name,)}
    rows = {name: getattr(clips, name).contiguous() for name in ("x", "y", "speakers", "content")}
    write_whole(file, save(rows, {name: "\n".join(each) for name, each in names.items()}))


def restored(file: Path) -> Clips:
    """What :func:`store` kept."""
    from safetensors import safe_open

    with safe_open(file, "pt") as kept:
        rows = {name: kept.get_tensor(name) for name in ("x", "y", "speakers", "content")}
        names = {name: tuple(text.split("\n")) for name, text in kept.metadata().items()}
    return Clips(
        **rows, classes=names["classes"], speaker_names=names["speakers"], prints=names["prints"], name=names["name"][0]
    )
