"""Small texts in several languages, and an encoder of rules in place of a trained one."""

import torch

from course.applications.language_texts import LanguageTexts, Parts

WORDS = {"red": 0, "green": 1, "blue": 2}


def vectors_by_rule(texts, device="cpu", folder=None, *, pretrained: bool = True, stored=()) -> torch.Tensor:
    """The class (by the word in it), the language (by the word before) and noise (by the number behind)."""
    rows = []
    for text in texts:
        draw = torch.Generator().manual_seed(sum(map(ord, text)) * (1 + 7 * (not pretrained)))
        row = 0.55 * torch.randn(12, generator=draw)
        tongue, _, rest = text.partition(" ")
        row[4 + sum(map(ord, tongue)) % 4] += 2.0
        if pretrained:
            for word, c in WORDS.items():
                row[c] += 1.2 * (word in rest)
        rows.append(row)
    return torch.nn.functional.normalize(torch.stack(rows), dim=1).to(device)


def small_parts(languages: tuple[str, ...], train: int = 12, validation: int = 5, test: int = 6) -> Parts:
    """So many texts of each of three classes, in each language and part; an item has its text in every language."""
    found = {}
    for part, count in (("train", train), ("validation", validation), ("test", test)):
        rows = [
            (f"{tongue} {word} {part} {number}", c, place, f"{word} {part} {number}")
            for place, tongue in enumerate(languages)
            for word, c in WORDS.items()
            for number in range(count)
        ]
        texts, y, language, items = zip(*rows, strict=True)
        found[part] = LanguageTexts(
            texts, torch.tensor(y), torch.tensor(language), items, tuple(WORDS), languages, f"small ({part})"
        )
    return found
