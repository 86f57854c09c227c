"""UMSAB: tweets in eight languages, each negative, neutral or positive, as many of one sort as of another.

The tweets are sorted by label, so the labels of all languages are the same file. No tweet translates another.

Source: Barbieri, Espinosa Anke and Camacho-Collados, *XLM-T: multilingual language models in Twitter for sentiment
analysis and beyond* (2022).
"""

import torch

from course.data.checked import checked
from course.data.location import locate
from course.data.sets import Damaged
from course.data.texts import LabelledTexts

CLASSES = ("negative", "neutral", "positive")
PARTS = {"train": "train", "validation": "val", "test": "test"}  # by our name, the owner's
LABELS = {  # MD5 of the labels of each part
    "train": "e529b271d2b56dc627eb3b8ad60f88b2",
    "val": "033d3418aab364fd80334ab462839473",
    "test": "4d682f1be715d6acade1516a1c4e90ca",
}
TEXTS = {  # MD5 of the texts of each part, in this order
    "arabic": (
        "4099d87e250a8f332a4c47159e958ef7",
        "d55c06c55bd8904a2df9b29d196f4601",
        "3151eac0ebdfdb543521453187e3b5d3",
    ),
    "english": (
        "ccf7d3bd2a3554079a676162a9512945",
        "91ec54b240474af4960741addf6cb459",
        "a56ca003dcb8ded5b5bf0232c59bbf5e",
    ),
    "french": (
        "304c5e1177746b269ca007c2ceb10a28",
        "49448fa292343244de04f993f43e8394",
        "a1177a1f95fc6d116c05cec774b8a36c",
    ),
    "german": (
        "bc7ffa403f3ed0f2338f985f095c186d",
        "5c9908c947b197ac8d793abba4db2d7e",
        "d8912f5b580f0dea88ee91046716c1e3",
    ),
    "hindi": (
        "25c93f361d40e0e8d2e3b0a163f1c7e6",
        "12a98c01630e9fedee6cb1fc84b0b884",
        "2a08ffa6a47cf2047ae90d0801451756",
    ),
    "italian": (
        "01f2459a1c919959dfeab30c195b3fef",
        "d2618f8abb0efd3a013ae10d17b79e0e",
        "094fd33d03ae940de9b73935896690f6",
    ),
    "portuguese": (
        "636f1bf9c9dbe7e72b9335e91c3b40e2",
        "f8e849e9bcd1c71be6122eea7e0f61ff",
        "c8014071af253e03293995761ecbb0a1",
    ),
    "spanish": (
        "ab268dc037f00ae4372d6ea3fad2d2e1",
        "6f0ccc5209d96ec5cd5bef22255c1785",
        "d4a526f217d9f0733f24ca16c64c1276",
    ),
}


def load_umsab(split: str | None = None) -> dict[str, LabelledTexts]:
    """The tweets by language: 1,839 for training, 324 for validation and 870 for the test in each.

    Names of people are ``@user`` and links are ``http``. Two of the French test tweets are in the training part, too,
    and one in validation; they are left out *there*. The tweets in Hindi are written in Latin letters, often mixed with
    English.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all three.

    Raises:
        Damaged: if files are missing or not the owner's.
    """
    return {language: read(language, list(PARTS) if split is None else [split]) for language in TEXTS}


def read(language: str, splits: list[str]) -> LabelledTexts:
    """The tweets of one language."""
    folder, parts = locate("umsab") / language, list(PARTS.values())
    texts, labels = {}, {}
    for part, known in zip(parts, TEXTS[language], strict=True):
        words = checked(folder / f"{part}_text.txt", known).decode().removesuffix("\n").split("\n")
        numbers = checked(folder / f"{part}_labels.txt", LABELS[part]).decode().split()
        if len(words) != len(numbers):
            raise Damaged(f"{folder} has {len(words)} texts and {len(numbers)} labels in its part {part!r}")
        texts[part], labels[part] = words, [int(number) for number in numbers]
    asked = set(texts["test"])
    kept = [
        (text, label)
        for split in splits
        for text, label in zip(texts[PARTS[split]], labels[PARTS[split]], strict=True)
        if split == "test" or text not in asked
    ]
    y = torch.tensor([label for _, label in kept])
    return LabelledTexts(tuple(text for text, _ in kept), y, CLASSES, f"umsab, {language}")
