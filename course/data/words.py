"""Words and sentences of a text, by one regular expression each: what word vectors are trained on.

Neither knows a dictionary or a language. For subwords, train a tokenizer with the library ``tokenizers``.
"""

import re
import unicodedata

# Not after a letter or digit; a letter; letters and digits; parts joined by an apostrophe or a hyphen.
WORD = re.compile(r"(?<![^\W_])[^\W\d_][^\W_]*(?:['-][^\W_]+)*")
# After a stop, with a closing quotation mark or bracket, and before any letter but a small Latin one; or a line break.
END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)\]]))\s+(?=[\"'“‘(\[]?[^\W\d_a-zß-ÿ])|\n+")


def words(text: str) -> list[str]:
    """The words of a text in lower case.

    A word begins with a letter of any script and goes on with letters and digits; an apostrophe or a hyphen between
    them belongs to it. So numbers are left out (``1984``, ``3d``), names with digits stay (``conv2d``), and an
    underscore divides (``learning_rate``). A typographic apostrophe becomes ``'``, and a letter and its
    accent become one character (Unicode NFC).

    Example:
        >>> words("Don’t cross the Königsstraße: well-known since 1984, in conv2d's learning_rate!")
        ["don't", 'cross', 'the', 'königsstraße', 'well-known', 'since', 'in', "conv2d's", 'learning', 'rate']
    """
    found = WORD.findall(unicodedata.normalize("NFC", text).replace("’", "'").lower())
    return [word for word in found if word[0].isalpha()]  # the expression takes signs such as ¼ for letters


def sentences(text: str) -> list[str]:
    """The sentences of a text: it is divided at line breaks, and after ``.``, ``!`` or ``?`` before a capital letter.

    So a line never runs on in the next one, and an abbreviation before a name ("Dr. Watson") ends a sentence wrongly.

    Example:
        >>> sentences("It works, e.g. here. Does it? “Yes.”")
        ['It works, e.g. here.', 'Does it?', '“Yes.”']
    """
    return [sentence.strip() for sentence in END.split(text) if sentence.strip()]


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph has five words, ends with ``.``, ``!``, ``?`` or ``:``, and 85 % of it are letters.

    Example:
        >>> is_prose("The sum is taken over all axes."), is_prose("x = sum(a, axis=(0, 1), dtype=None) .")
        (True, False)
    """
    characters = paragraph.replace(" ", "")
    letters = sum(map(str.isalpha, characters))
    return paragraph.endswith((".", "!", "?", ":")) and paragraph.count(" ") >= 4 and letters >= 0.85 * len(characters)
