"""Noto emoji: every kind of PNG on white paper, groups and splits of the set emoji, names; what is not Noto is refused.

What damage to a file does is in ``test_damage.py``.
"""

import json
import os
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_sets import NOTO, annotations, archive, as_png, noto_pictures, put

from course.data import DataError, load, location
from course.data.emoji import splits
from course.data.emoji_groups import GROUPS
from course.data.noto import LANGUAGES
from course.data.openmoji import ALIKE, difference

FARMER = "🧑\u200d🌾"


def on_white(image):
    """The picture on white paper, mixed by hand."""
    rgba = np.asarray(image.convert("RGBA")).astype(np.float64)
    cover = rgba[..., 3:] / 255
    return rgba[..., :3] * cover + 255 * (1 - cover)


def test_every_pixel_of_every_kind_of_file_at_full_size(tiny):
    tiny("noto_emoji")
    data = load("noto_emoji", size=72)
    assert data.characters == ("🍌", "🐍", "🐸", FARMER)  # in the order of Unicode, without the flag
    assert (data.x.dtype, data.x.shape, data.full) == (torch.uint8, (4, 3, 72, 72), 255)
    for picture, character in zip(data.x, data.characters, strict=True):
        expected = on_white(noto_pictures()[f"png72/emoji_u{NOTO[character]}.png"])
        assert np.abs(picture.permute(1, 2, 0).numpy() - expected).max() <= 1  # of 255: Pillow's rounding


@pytest.mark.parametrize("size", [36, 24, 9])
def test_scaling_is_the_mean_over_blocks(tiny, size):
    tiny("noto_emoji")
    blocks = F.avg_pool2d(load("noto_emoji", size=72).x.float(), 72 // size)
    assert (load("noto_emoji", size=size).x - blocks).abs().max() <= 1


def test_groups_names_and_keywords(tiny):
    tiny("noto_emoji")
    data = load("noto_emoji")
    assert data.classes == tuple(GROUPS)
    assert [data.classes[label] for label in data.y] == [
        "Food & Drink", "Animals & Nature", "Animals & Nature", "People & Body",
    ]  # fmt: skip
    assert tuple(data.names) == tuple(data.keywords) == LANGUAGES
    assert data.names["sw"] == tuple(f"sw {NOTO[character]}" for character in data.characters)
    assert data.keywords["ur"][3] == ("ur word", FARMER)


def test_the_splits_are_those_of_emoji_and_a_sequence_follows_its_first_sign(tiny):
    tiny("noto_emoji")
    parts = {split: load("noto_emoji", split=split) for split in ("train", "validation", "test")}
    found = {character: split for split, part in parts.items() for character in part.characters}
    assert found == {character: splits()[character[0]] for character in load("noto_emoji").characters}
    assert found == {"🍌": "train", "🐍": "validation", "🐸": "test", FARMER: "train"}
    assert all(part.name == f"noto_emoji ({split})" and len(part.classes) == 8 for split, part in parts.items())


def test_two_artists_pictures_of_the_same_thing(tiny):
    tiny("noto_emoji")
    emoji, noto = load("emoji"), load("noto_emoji")
    here, there = emoji.in_common(noto)
    assert [emoji.characters[row] for row in here] == [noto.characters[row] for row in there] == ["🍌", "🐍", "🐸"]
    assert torch.equal(emoji.y[here], noto.y[there])
    back = noto.in_common(emoji)
    assert torch.equal(back[0], there) and torch.equal(back[1], here)
    nothing = noto.in_common(emoji.select(emoji.y < 0))
    assert [positions.tolist() for positions in nothing] == [[], []]


def test_zip_files_and_folders_hold_the_same_under_both_names(tiny, monkeypatch):
    folder = tiny("noto_emoji")
    packed = load("noto_emoji")
    for path in sorted(folder.iterdir()):
        with ZipFile(path) as opened:
            put(folder, {name: opened.read(name) for name in opened.namelist()})
        path.unlink()
    unpacked = load("noto_emoji")
    assert torch.equal(packed.x, unpacked.x) and packed.keywords == unpacked.keywords
    folder.rename(folder.with_name("emoji"))
    assert torch.equal(packed.x, load("noto_emoji").x)
    monkeypatch.setattr(location, "ALSO", {})
    with pytest.raises(DataError, match="noto_emoji is not on this machine"):
        load("noto_emoji")


# --- what is refused


def pictures(**changes):
    return {name: as_png(image) for name, image in noto_pictures().items()} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"png72/emoji_u1f438.png": as_png(Image.new("L", (72, 71)))},
            "u1f438.png has 72 × 71 pixels, expected 72 × 72",
        ),
        ({"png72/emoji_u1f438.png": b"GIF89a"}, r"the picture png72/emoji_u1f438\.png cannot be read"),
        ({"png72/emoji_u1f680.png": as_png(Image.new("L", (72, 72)))}, None),  # a rocket, which has no name here
        ({"png72/emoji_u1f438.png": None}, r"holds 3 pictures png72/emoji_u<code points>\.png .*, expected 4"),
    ],
)
def test_pictures_that_are_not_noto(tiny, changes, message):
    files = {name: content for name, content in pictures(**changes).items() if content is not None}
    folder = tiny("noto_emoji")
    put(folder, {"noto_emoji_72px.zip": archive(files)})
    if message is None:
        assert len(load("noto_emoji")) == 4
        return
    with pytest.raises(
        DataError, match=f"noto_emoji_72px.zip.*{message}.*: its owner offers the pictures png/72 of .*"
    ):
        load("noto_emoji")


@pytest.mark.parametrize("languages", [LANGUAGES[:-1], (*LANGUAGES[:-1], "zu"), LANGUAGES])
def test_names_that_are_not_those_of_the_course(tiny, languages):
    folder = tiny("noto_emoji")
    texts = {f"cldr/annotations/{language}.json": annotations(language, ("🐸", "🍌")) for language in languages}
    put(folder, {"cldr_18langs.zip": archive(texts)})
    count = len(set(languages) & set(LANGUAGES))
    with pytest.raises(
        DataError, match=rf"cldr_18langs\.zip holds .* of {count} languages with the SHA-256 .*, expect"
    ):
        load("noto_emoji")


@pytest.mark.parametrize("size", [7, 73, 2.5, True, "32"])
def test_size_out_of_range(size):
    with pytest.raises(ValueError, match="size must be a whole number from 8 to 72, got"):
        load("noto_emoji", size=size)


# --- the real one


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_real_noto_emoji():
    emoji, noto = load("emoji"), load("noto_emoji")
    assert len(noto) == 1562 and sum(len(character) == 1 for character in noto.characters) == 1378
    here, there = emoji.in_common(noto)
    assert len(here) == 1378 and torch.equal(emoji.y[here], noto.y[there])
    row = noto.characters.index("🐻")
    assert noto.names["fi"][row] == "karhu" and "bear" in noto.keywords["en"][row]
    assert all(len(set(names)) == len(names) for names in noto.names.values())
    train, test = load("noto_emoji", split="train"), load("noto_emoji", split="test")
    assert (len(train), len(test)) == (1106, 221)
    apart = difference((255.0 - noto.x) / 255)  # the docstring tells what comes of it
    of = [splits()[sign[0]] for sign in noto.characters]
    is_train, is_test = (torch.tensor([split == wanted for split in of]) for wanted in ("train", "test"))
    assert (apart[is_test][:, is_train].amin(1) < ALIKE).float().mean().item() == pytest.approx(0.11, abs=0.01)
    generator, shares = torch.Generator().manual_seed(0), []
    for _ in range(30):
        order = torch.randperm(len(noto), generator=generator)
        shares.append((apart[order[:221]][:, order[-1106:]].amin(1) < ALIKE).float().mean().item())
    assert sum(shares) / len(shares) == pytest.approx(0.24, abs=0.015)


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_groups_are_those_of_unicode():
    """Against a table that others made from Unicode's file, which lies beside the pictures."""
    table = json.loads((location.own_folder("noto_emoji") / "data-by-emoji.json").read_text("utf8"))
    of = {emoji.replace("\ufe0f", ""): about["group"] for emoji, about in table.items()}
    ours = {character: group for group, members in GROUPS.items() for character in members}
    single = {character: group for character, group in of.items() if len(character) == 1 and group != "Flags"}
    newer = ours.keys() - of.keys()
    assert single == {character: group for character, group in ours.items() if character not in newer}
    assert newer == set("🛘🪊🪎🫈🫍🫪🫯")  # Unicode 17
