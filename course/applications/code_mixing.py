r"""Texts in which some words are said in another language, by a dictionary: code-mixing with a dose.

People who speak two languages mix them within a sentence. How much of that a classifier bears can only be told where
the share of foreign words is known. So they are put there: each word that a dictionary knows is replaced with a given
probability. That is cruder than what people do, who mix phrases, and bend words to fit.

Source: Qin et al., *CoSDA-ML: multi-lingual code-switching data augmentation for zero-shot cross-lingual NLP* (2020).
"""

import re
import zlib
from collections.abc import Mapping, Sequence

import torch

from course.data.texts import WordPairs
from course.runtime import generator, step_generator

WORD = re.compile(r"(?<![@\w])[^\W\d_]+(?:['’][^\W\d_]+)*")  # not the name of a person, such as @user

Dictionary = Mapping[str, Sequence[str]]


def mixed(text: str, dictionary: Dictionary, share: float, seed: int = 0) -> str:
    """The text with each word that the dictionary knows replaced, with the probability ``share``, by a translation.

    With a larger share the same words are replaced, and more; the draw depends on the text and the seed alone.

    Args:
        text: in the language of the dictionary's keys, which are in lower case.
        dictionary: the translations of a word; one of several is drawn.
        share: from 0 to 1.
        seed: of the draws.

    Raises:
        ValueError: if ``share`` is not between 0 and 1.

    Example:
        >>> mixed("A good film, @film!", {"good": ("bon",), "film": ("film", "pellicule")}, 1.0)
        'A bon film, @film!'
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    random = step_generator(seed, zlib.crc32(text.encode()))

    def said(match: re.Match[str]) -> str:
        drawn, which = random.random(2)  # for every word, so that the draws of the others stay
        translations = dictionary.get(match[0].lower(), ())
        return translations[int(which * len(translations))] if translations and drawn < share else match[0]

    return WORD.sub(said, text)


def known_share(texts: Sequence[str], dictionary: Dictionary) -> float:
    """The share of all words of the texts that a dictionary knows, so that :func:`mixed` may replace them.

    Raises:
        ValueError: if there is no word.

    Example:
        >>> known_share(["A good film"], {"good": ("bon",), "film": ("film",)})
        0.6666666666666666
    """
    words = [word.lower() for text in texts for word in WORD.findall(text)]
    if not words:
        raise ValueError("the texts have no word")
    return sum(word in dictionary for word in words) / len(words)


def other_words(pairs: WordPairs) -> dict[str, tuple[str, ...]]:
    """A dictionary of translations without those that are spelled as the word itself.

    Example:
        >>> other_words(WordPairs(("in", "cat"), ("in", "gatto"), ("en", "it"), "two words"))
        {'cat': ('gatto',)}
    """
    found = {
        word.lower(): tuple(each for each in translations if each.lower() != word.lower())
        for word, translations in pairs.translations().items()
    }
    return {word: translations for word, translations in found.items() if translations}


def misled(dictionary: Dictionary, seed: int = 0) -> dict[str, Sequence[str]]:
    """The dictionary with its translations dealt out anew among its words: the other language, another meaning.

    Example:
        >>> words = {"cat": ("Katze",), "dog": ("Hund",), "cow": ("Kuh",)}
        >>> sorted(misled(words).values()) == sorted(words.values())
        True
    """
    order = torch.randperm(len(dictionary), generator=generator(seed)).tolist()
    translations = list(dictionary.values())
    return {word: translations[row] for word, row in zip(dictionary, order, strict=True)}
