"""Emoji: every picture once, named and grouped; splits that share no emoji and no look-alike; deterministic."""

import os
import re
import subprocess
import sys
from itertools import chain

import pytest
import torch
import torch.nn.functional as F

from course.data import emoji as module
from course.data import load
from course.data.emoji import SPLITS, splits
from course.data.emoji_groups import GROUPS
from course.data.openmoji import ALIKE, difference, drawings, look_alikes

BEAR, CLOCKS = "🐻", "🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛🕜🕝🕞🕟🕠🕡🕢🕣🕤🕥🕦🕧"


@pytest.fixture(scope="module")
def whole():
    return load("emoji")


@pytest.fixture(scope="module")
def parts():
    return {split: load("emoji", split=split) for split in SPLITS}


# --- what is in it


def test_pictures_on_white_with_characters_groups_and_names(whole):
    assert (whole.x.dtype, whole.x.shape, whole.full) == (torch.uint8, (1386, 3, 32, 32), 255)
    assert whole.classes == whole.groups == tuple(GROUPS)
    assert list(whole.characters) == sorted(set(whole.characters)) and all(len(sign) == 1 for sign in whole.characters)
    assert torch.bincount(whole.y).tolist() == [len(members) for members in GROUPS.values()]
    corners = whole.x[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 255).float().mean() > 0.98  # a few pictures are drawn up to the edge
    ink = (255 - whole.x).flatten(1).float().mean(1)
    assert ink.min() > 1  # nothing is blank
    assert repr(whole) == "Emoji('emoji', x=[1386, 3, 32, 32] uint8, 8 classes, 14 languages)"


@pytest.mark.parametrize(
    ("language", "name"),
    {
        "en": "bear", "ar": "وجه دب", "de": "bär", "es": "oso", "fa": "خرس", "fr": "ours", "id": "beruang",
        "it": "orso", "ja": "クマの顔", "ko": "곰 얼굴", "pt": "rosto de urso", "ru": "морда медведя", "tr": "ayı", "zh": "熊",
    }.items(),
)  # fmt: skip
def test_a_name_in_each_language(whole, language, name):
    row = whole.characters.index(BEAR)
    assert whole.names[language][row] == name and whole.classes[whole.y[row]] == "Animals & Nature"
    assert all(re.fullmatch(r"[^:_\s]([^:_]*[^:_\s])?", found) for found in whole.names[language])
    assert len(set(whole.names[language])) == len(whole)  # a name tells which emoji is meant


def test_colours_are_those_of_openmoji(whole):
    red = whole.x[whole.characters.index("🟥"), :, 16, 16]
    yellow = whole.x[whole.characters.index("😀"), :, 8, 16]
    assert red.tolist() == [0xD2, 0x2F, 0x27] and yellow.tolist() == [0xFC, 0xEA, 0x2B]


@pytest.mark.parametrize(("size", "factor"), [(16, 8), (32, 4), (48, 3), (64, 2), (128, 1), (200, 1)])
def test_small_pictures_are_averages_of_large_ones(size, factor):
    small, fine = drawings("🐻🕐", size), drawings("🐻🕐", size * factor)
    assert small.shape == (2, 3, size, size)
    assert (small - F.avg_pool2d(fine.float(), factor)).abs().max() <= 0.6  # of 255: the rounding, in whole numbers


def test_the_data_set_is_the_one_that_results_were_measured_with(whole, parts):
    assert [len(part) for part in parts.values()] == [969, 209, 208]
    assert "".join(parts["test"].characters[:8]) == "⁉⌚⏯⏺☂☎☪☮"
    assert whole.x.double().mean().item() == pytest.approx(211.10, abs=0.01)


# --- splits


def test_splits_share_no_emoji_cover_all_and_divide_each_group_alike(whole, parts):
    assert sorted(chain.from_iterable(part.characters for part in parts.values())) == list(whole.characters)
    for split, part in parts.items():
        rows = torch.tensor([whole.characters.index(character) for character in part.characters])
        assert torch.equal(part.x, whole.x[rows]) and torch.equal(part.y, whole.y[rows])
        assert part.names["zh"] == tuple(whole.names["zh"][row] for row in rows)
        share = torch.bincount(part.y) / torch.bincount(whole.y)
        assert (share - SPLITS[split]).abs().max() < 0.01


def test_look_alikes_are_all_in_training():
    assert {splits()[character] for character in chain.from_iterable(look_alikes())} == {"train"}


def test_no_picture_of_the_test_is_nearly_one_of_another(whole):
    """By another measure than the one that chose: the mean squared difference of single colours at half the size."""
    ink = F.avg_pool2d(255.0 - whole.x, 2) / 255
    places = [
        ink.flip(-1).rot90(turns, (2, 3)) if flip else ink.rot90(turns, (2, 3)) for turns in range(4) for flip in (0, 1)
    ]
    apart = torch.stack([torch.cdist(ink.flatten(1), place.flatten(1)) for place in places]).amin(0)
    nearest = apart.fill_diagonal_(torch.inf).amin(1) / ink.flatten(1).norm(dim=1)
    tested = torch.tensor([splits()[character] != "train" for character in whole.characters])
    nearly = nearest < 0.2
    assert nearly[~tested].float().mean() > 0.1 and not nearly[tested].any()


def test_families_are_what_a_person_would_call_alike():
    of = {character: number for number, family in enumerate(look_alikes()) for character in family}
    for alike in (
        CLOCKS,
        "😀😃😄🙂😐",
        "❤💛💚💙💜",
        "🌑🌒🌔🌕",
        "♈♉♊♋",
        "↖↗↘↙",
        "👍👎",
        "🌓🌗",
        "🔒🔓",
        "🍎🍏",
        "📗📘",
    ):
        assert len({of[character] for character in alike}) == 1, alike
    assert not set("🐻🐍🍌🚀🎸👻") & of.keys()
    sizes = [len(family) for family in look_alikes()]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 2 and sum(sizes) == 337


def test_no_pair_is_at_the_border_so_that_other_roundings_choose_the_same(whole):
    assert ((difference((255.0 - whole.x) / 255) - ALIKE).abs() > 1e-5).all()


def test_every_process_makes_the_same_and_the_order_of_the_groups_does_not_matter(tmp_path, monkeypatch):
    code = "import sys; from course.data.emoji import splits; print(repr(sorted(splits().items())))"
    env = {**os.environ, "PYTHONHASHSEED": "7", "COURSE_CACHE": str(tmp_path), "PYTHONUTF8": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == repr(sorted(splits().items()))
    backwards = {group: members[::-1] for group, members in reversed(GROUPS.items())}
    monkeypatch.setattr(module, "GROUPS", backwards)
    assert splits.__wrapped__() == splits()
