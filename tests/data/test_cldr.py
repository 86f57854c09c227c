"""Names of emoji in further languages: those that a language has, in the order of the groups."""

from course.data import cldr, load


def test_names_stand_beside_their_emoji(tiny):
    tiny("cldr_names")
    found = load("cldr_names")
    assert tuple(found) == cldr.LANGUAGES
    assert dict(zip(found["fo"].names, found["fo"].texts, strict=True))["🐸"] == "fo 1f438"
    assert set(found["to"].names) == {"🐸", "🐍"}  # the others have no name there
    assert "🏁" not in found["fo"].names  # a flag is in no group
    assert found["zu"].name == "cldr_names (zu)"
