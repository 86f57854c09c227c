r"""Images never seen: a system that names pictures of classes of which it has only descriptions.

Frozen encoders turn pictures and texts into vectors; what is trained is an affine map for either side. A class is added
by writing a line. An answer says whether its class had pictures in training, and when none of the classes fits.

Source: Palatucci et al., *Zero-shot learning with semantic output codes* (2009), for the idea of a map to descriptions.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

from course import runtime
from course.applications.card import Card, Measured, Used
from course.applications.class_folder import DESCRIPTIONS, Source, read_descriptions, read_on_white, read_source
from course.applications.class_maps import affine, averaged
from course.applications.described import turned
from course.applications.generalised import harmonic_mean
from course.applications.held_out import Split, trials
from course.applications.saving import fingerprint, require_same_encoder
from course.applications.system import System
from course.checkpoints import Tree
from course.crossmodal.dual_encoder import in_chunks
from course.data.sets import DataError
from course.files import write_whole
from course.representation.imagenet import load_imagenet
from course.representation.sentences import SentenceEncoder

READERS = {
    "e5": ("intfloat/multilingual-e5-small", "query: "),
    "minilm": ("sentence-transformers/all-MiniLM-L6-v2", ""),
}
LEAST = 8  # classes with pictures that a training needs
CHUNK = 64  # pictures that are encoded at a time, which is what a kill costs
PROBE = "a probe"


@dataclass(frozen=True)
class Settings:
    """What training may be told.

    Example:
        >>> Settings(size=64).reader
        'e5'
    """

    size: int = field(default=128, metadata={"help": "side of the pictures in pixels"})
    reader: str = field(default="e5", metadata={"help": "encoder of the texts: e5, in 100 languages, or minilm"})
    splits: int = field(default=5, metadata={"help": "splits of the classes over which the card measures"})
    refuse: float = field(default=0.05, metadata={"help": "share of pictures of described classes that is refused"})

    def __post_init__(self):
        if self.reader not in READERS:
            raise ValueError(f"reader must be {' or '.join(READERS)}, got {self.reader!r}")
        if self.size < 32 or self.splits < 2 or not 0 <= self.refuse < 1:
            raise ValueError(
                f"size must be at least 32, splits at least 2, refuse from 0 to below 1; got {self.size}, "
                f"{self.splits} and {self.refuse}"
            )


@cache
def eye(size: int, device: torch.device) -> torch.nn.Module:
    """The encoder of pictures."""
    return load_imagenet(size).to(device)


@cache
def ear(reader: str, device: torch.device) -> SentenceEncoder:
    """The encoder of texts."""
    name, prefix = READERS[reader]
    encoder = SentenceEncoder.pretrained(name, prefix=prefix, longest=64)
    encoder.model.to(device)
    return encoder


class ZeroShot(System):
    """Names pictures by descriptions.

    Attributes:
        maps: matrix and shift for pictures, and for texts.
        classes, texts: names and description vectors ``[C, q]``.
        seen: which classes had pictures in training, ``bool [C]``.
        constant: what is taken from the scores of seen classes (:eq:`zeroshot-stacking`).
        threshold: the best score below which a picture is refused.

    Example:
        >>> cpu = torch.device("cpu")
        >>> prints = {"eye": fingerprint(eye_print(128, cpu)), "ear": fingerprint(ear("e5", cpu)([PROBE]))}
        >>> maps = {"xw": torch.ones(1280, 8), "xb": torch.ones(8), "yw": torch.ones(384, 8), "yb": torch.zeros(8)}
        >>> known = {"classes": ["cat", "dog"], "texts": described_by([["a cat"], ["a dog"]], "e5", cpu)}
        >>> options = {"settings": {}, "seen": [True, False], "constant": 0.1, "threshold": 0.5}
        >>> system = ZeroShot(prints | maps | known | options, cpu)
        >>> picture = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
        >>> system.scores(picture, system.texts, system.seen).shape
        torch.Size([1, 2])
    """

    name: ClassVar[str] = "zeroshot"
    Settings = Settings

    def __init__(self, tree: Tree, device: torch.device):
        self.settings, self.device, self.kept = Settings(**tree["settings"]), device, tree
        self.maps = [tuple(tree[name].to(device) for name in names) for names in (("xw", "xb"), ("yw", "yb"))]
        self.classes, self.texts = tuple(tree["classes"]), tree["texts"].to(device)
        self.seen = torch.tensor(tree["seen"], device=device)
        self.constant, self.threshold = tree["constant"], tree["threshold"]
        require_same_encoder("of pictures", tree["eye"], eye_print(self.settings.size, device))
        require_same_encoder(self.settings.reader, tree["ear"], ear(self.settings.reader, device)([PROBE]))

    @classmethod
    def train(cls, data: str, settings: Settings, *, seed: int, device: torch.device, folder: Path):
        """A system from pictures and descriptions, and its card; see :class:`~course.applications.system.System`."""
        begin, source = time.perf_counter(), read_source(data, settings.size)
        if source.shown < LEAST:
            raise DataError(f"{data} has pictures of {source.shown} classes: {LEAST} are needed, some to be held out")
        support, query = encoded(source.x, settings.size, seed, device, folder)
        texts = described_by(source.texts, settings.reader, device)
        labels = source.labels.to(device)
        runs = [Split(source.shown, labels, seed + number) for number in range(settings.splits)]
        found = [run.measured(support, query, texts, settings.refuse) for run in runs]
        fits = trials(len(labels))
        best = int(torch.tensor([each["trials"] for each in found]).mean(0).argmax())
        x, y = torch.cat([support, query]), texts[labels].repeat(2, 1)
        maps = [affine(side, each.shape[1], each) for side, each in zip(fits[best](x, y), (x, y), strict=True)]
        means = {name: sum(each[name] for each in found) / len(found) for name in ("constant", "threshold")}
        tree = {
            "settings": asdict(settings), "classes": list(source.classes), "texts": texts,
            "seen": [number < source.shown for number in range(len(source.classes))], **means,
            "xw": maps[0][0], "xb": maps[0][1], "yw": maps[1][0], "yb": maps[1][1],
            "eye": fingerprint(eye_print(settings.size, device)),
            "ear": fingerprint(ear(settings.reader, device)([PROBE])),
        }  # fmt: skip
        card = card_of(data, source, settings, found, runs, seed, time.perf_counter() - begin)
        return cls(tree, device), card

    def tree(self) -> Tree:
        """All that was learned."""
        return {name: each.cpu() if isinstance(each, Tensor) else each for name, each in self.kept.items()}

    @classmethod
    def from_tree(cls, tree: Tree, device: torch.device) -> Self:
        """The system from what :meth:`tree` returned."""
        return cls(tree, device)

    def scores(self, pictures: Tensor, texts: Tensor, seen: Tensor) -> Tensor:
        """Stacked cosines ``[n, C]`` of pictures ``uint8 [n, 3, size, size]`` and description vectors ``[C, q]``."""
        x = in_chunks(eye(self.settings.size, self.device), pictures.to(self.device) / 255, CHUNK)
        (xw, xb), (yw, yb) = self.maps
        plain = F.normalize(x @ xw + xb, dim=1) @ F.normalize(texts @ yw + yb, dim=1).T
        return plain - self.constant * seen.to(plain)

    def predict(self, inputs: list[str]) -> list[dict[str, object]]:
        """Pictures are named among all classes of the system, or, if one of the inputs is a ``.csv`` file of
        descriptions, among those that it describes."""
        files, tables = ([Path(each) for each in inputs if each.endswith(".csv") == kind] for kind in (False, True))
        if len(tables) > 1 or not files:
            raise DataError(f"name pictures and at most one .csv file of descriptions, got {', '.join(inputs)}")
        classes, texts, seen = self.classes, self.texts, self.seen
        if tables:
            said = read_descriptions(tables[0])
            classes, texts = tuple(said), described_by(tuple(said.values()), self.settings.reader, self.device)
            trained = {name for name, there in zip(self.classes, self.seen.tolist(), strict=True) if there}
            seen = torch.tensor([name in trained for name in classes], device=self.device)
        best = self.scores(read_on_white(files, self.settings.size), texts, seen).topk(2, dim=1)
        rows = []
        for file, values, numbers in zip(files, best.values.tolist(), best.indices.tolist(), strict=True):
            rows.append({
                "picture": str(file), "class": classes[numbers[0]], "score": round(values[0], 3),
                "seen in training": "yes" if seen[numbers[0]] else "no", "second": classes[numbers[1]],
                "none of these": "yes" if values[0] < self.threshold else "no",
            })  # fmt: skip
        return rows

    def evaluate(self, data: str) -> list[Measured]:
        """Shares that are right, with intervals over classes: classes without pictures in training, and the others."""
        source = read_source(data, self.settings.size)
        names = dict.fromkeys([*source.classes, *self.classes])
        texts = described_by(source.texts, self.settings.reader, self.device)
        new = [number for number, name in enumerate(self.classes) if name not in source.classes]
        all_texts = torch.cat([texts, self.texts[new]])
        trained = {name for name, there in zip(self.classes, self.seen.tolist(), strict=True) if there}
        seen = torch.tensor([name in trained for name in names], device=self.device)
        scores, labels = self.scores(source.x, all_texts, seen), source.labels.to(self.device)
        rows, shares = [], []
        for kind, what in ((False, "no pictures in training"), (True, "pictures in training")):
            chosen = seen[labels] == kind
            if not chosen.any():
                continue
            own = torch.unique(labels[chosen])
            among = scores[chosen][:, own].argmax(1)
            for name, answers in (("among themselves", own[among]), ("among all classes", scores[chosen].argmax(1))):
                right = (answers == labels[chosen]).double()
                values = [100 * right[labels[chosen] == number].mean().item() for number in own]
                rows.append(Measured.over_all(f"right, classes with {what}, {name}", values, "classes"))
            shares.append(rows[-1].mean)
        if len(shares) == 2:
            rows.append(Measured("harmonic mean of both among all classes", harmonic_mean(*shares), None, 1, "folder"))
        return rows


def encoded(x: Tensor, size: int, seed: int, device: torch.device, folder: Path) -> tuple[Tensor, Tensor]:
    """Vectors of turned copies and of the pictures themselves, ``[n, 1280]`` each; chunks are kept in the folder."""
    found = []
    for number, part in enumerate(runtime.progress(x.split(CHUNK), desc="pictures")):
        path = folder / f"pictures-{number:05}.safetensors"
        if not path.exists():
            pictures = part.float() / 255
            copies = turned(pictures, runtime.generator(1_000_000 * seed + number))
            both = {"turned": copies, "plain": pictures}
            with torch.no_grad():
                vectors = {name: eye(size, device)(each.to(device)).cpu() for name, each in both.items()}
            write_whole(path, save(vectors))
        found.append(load_file(path))
    return tuple(torch.cat([each[name] for each in found]).to(device) for name in ("turned", "plain"))


def described_by(texts: Sequence[Sequence[str]], reader: str, device: torch.device) -> Tensor:
    """One vector for each class from its descriptions: ``[C, q]``."""
    owner = [number for number, each in enumerate(texts) for _ in each]
    vectors = ear(reader, device)([text for each in texts for text in each]).to(device)
    return averaged(vectors, owner, len(texts))


def eye_print(size: int, device: torch.device) -> Tensor:
    """The first numbers of the vector of a fixed picture."""
    ramp = torch.linspace(0, 1, size, device=device).expand(1, 3, size, size)
    with torch.no_grad():
        return eye(size, device)(ramp)[0, :64]


def card_of(
    data: str, source: Source, settings: Settings, found: list[dict], runs: list[Split], seed: int, seconds: float
) -> Card:
    """The card of a training."""
    test, train = len(runs[0].test), len(runs[0].train)
    said = {
        "plain": f"right among {test} classes held out",
        "unseen": f"right, classes held out, among these and {train} training classes",
        "seen": "right, training classes, among the same",
        "harmonic": "harmonic mean of both",
        "raw": "harmonic mean without the constant",
        "refusal": "AUROC of refusing a class that is not described",
    }
    results = [Measured.over_all(text, [each[name] for each in found], "splits") for name, text in said.items()]
    cuts = []
    for group in dict.fromkeys(source.groups):
        values = []
        for each in found:
            own = [r for r, c in zip(each["right"], each["of"], strict=True) if source.groups[c] == group]
            values += [100 * sum(own) / len(own)] if own else []
        if len(values) > 1:
            cuts.append(Measured.over_all(f"right among {test} held out: {group}", values, "splits"))
    count = f"{len(source.x):,} pictures of {source.shown:,} classes, {len(source.classes):,} descriptions"
    used = Used.registered(source.licence_of, "all", count) if source.licence_of else Used(data, "all", count)
    return Card(
        system="zeroshot",
        purpose="Names pictures of classes that are described by texts, whether or not there were pictures of them.",
        not_for=("decisions about people", "classes whose description says nothing about what can be seen"),
        data=(used,),
        protocol=(
            "Classes were held out, a fifth for choices and a fifth for the test, in each split anew. The splits share "
            "classes, so the intervals are over dependent splits. Seen classes are asked about by pictures of which "
            "training had a turned copy only, which is easier than a new picture."
        ),
        results=tuple(results),
        cuts=tuple(cuts),
        limits=(
            "The picture encoder was trained on ImageNet: classes that ImageNet has are not unseen to it.",
            "The threshold of refusal keeps its share on described classes; how many others it lets pass is the AUROC.",
            f"Descriptions come from {DESCRIPTIONS} or are names; whoever writes them decides what is found.",
        ),
        settings=asdict(settings),
        seed=seed,
        seconds=seconds,
        environment=runtime.environment(),
    )
