"""Names of emoji in eight languages that multilingual-e5 was not made for, as Unicode's CLDR has them.

Faroese, Upper Sorbian, Turkmen and Zulu have near kin among the hundred languages of XLM-RoBERTa, from which that
encoder began (Icelandic, Polish, Turkish, Xhosa). Yoruba, Quechua and Tongan have none; Cherokee has letters of its
own. The encoder's later training on pairs of texts, translations among them, may have held some of these languages.

Source: Unicode Common Locale Data Repository (Unicode License v3).
"""

import json

from course.data.checked import owners_files
from course.data.emoji_groups import GROUPS
from course.data.texts import Texts

LANGUAGES = ("fo", "hsb", "tk", "zu", "qu", "to", "yo", "chr")


def load_cldr_names() -> dict[str, Texts]:
    """The short names of the emoji of ``emoji`` by language: ``fo``, ``hsb``, ``tk``, ``zu``, ``qu``, and so on.

    Returns:
        For each language names as texts, and as their ``names`` the emoji; Quechua and Tongan lack some.

    Raises:
        Damaged: if files are missing or not the owner's.
    """
    characters, found = [each for members in GROUPS.values() for each in members], {}
    for path, content in owners_files("cldr_names").items():
        language, known = path.split("/")[0], json.loads(content)["annotations"]["annotations"]
        named = [each for each in characters if "tts" in known.get(each, ())]
        texts = tuple(known[each]["tts"][0] for each in named)
        found[language] = Texts(texts, tuple(named), f"cldr_names ({language})")
    return found
