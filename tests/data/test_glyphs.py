"""Glyphs: distinct characters, scripts kept apart, every face used, and hard enough to be worth learning."""

from contextlib import nullcontext

import pytest
import torch

from course.data import DataError, EpisodeSampler
from course.data import glyphs as module
from course.data.glyphs import (
    EXAMPLES,
    characters,
    characters_of,
    drawings,
    faces,
    load_glyphs,
    poses,
    script_of,
    warped,
)


@pytest.fixture(scope="module")
def greek():
    return load_glyphs("validation")


def test_images_names_and_groups(greek):
    assert greek.x.dtype == torch.uint8 and greek.x.shape == (len(greek), 1, 28, 28)
    assert torch.bincount(greek.y).unique().tolist() == [EXAMPLES]
    assert set(greek.groups) == {"Greek"} and all("GREEK" in name for name in greek.classes)
    assert len(set(greek.classes)) == len(greek.classes)
    ink = greek.x.flatten(1).float().mean(1)
    assert ink.min() > 2  # nothing is blank


def test_splits_share_no_script_and_cover_all_characters():
    scripts = [set(module.SCRIPTS[split]) for split in ("train", "validation", "test")]
    assert not scripts[0] & scripts[1] and not scripts[0] & scripts[2] and not scripts[1] & scripts[2]
    assert {script_of(character) for character in characters()} == set.union(*scripts)
    assert len(characters()) > 1500


def test_no_two_characters_look_alike():
    sample = list(characters())[::7]
    shapes = torch.stack([drawings(family[0], sample) for family in faces()], 1).float() / 255
    small = torch.nn.functional.avg_pool2d(shapes, 2).flatten(1).double()
    distance = torch.cdist(small, small).square() / small.shape[1]
    assert distance.fill_diagonal_(1).min() >= module.ALIKE - 1e-6
    assert "A" in characters() and "Α" not in characters() and "А" not in characters()  # Latin; Greek; Cyrillic


def test_the_same_images_every_time_and_in_every_split(greek):
    assert torch.equal(greek.x, load_glyphs("validation").x)


@pytest.mark.parametrize("error", [None, MemoryError])
def test_images_are_drawn_in_one_thread_and_then_there_are_as_many_as_before(monkeypatch, error):
    during = []

    def watched(drawn, maps):
        during.append(torch.get_num_threads())
        if error:
            raise error
        return warped(drawn, maps)

    before = torch.get_num_threads()
    monkeypatch.setattr(module, "warped", watched)
    torch.set_num_threads(3)
    try:
        with pytest.raises(error) if error else nullcontext():
            load_glyphs("validation")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(during) == {1}


def test_a_slow_load_shows_how_far_it_is(monkeypatch):
    bars = {}

    def watched(items, *, desc, delay):
        bars[desc] = (len(items), delay)
        return items

    monkeypatch.setattr(module.runtime, "progress", watched)
    load_glyphs("validation")
    assert bars == {"glyphs: typefaces": (12, 1), "glyphs: characters": (173, 1)}


def test_the_data_set_is_the_one_that_results_were_measured_with(greek):
    ink = greek.x.flatten(1).double().mean(1)
    # No checksum: processors round differently, which moves a pixel in 100,000 by 1.
    assert (len(greek.classes), len(ink)) == (173, 3460)
    assert ink.mean().item() == pytest.approx(28.46275, abs=1e-3)
    assert [round(value, 1) for value in ink[::500].tolist()] == [30.1, 21.3, 16.8, 29.4, 24.1, 20.5, 29.6]


def test_every_face_and_the_whole_range_of_poses_is_used():
    face, maps = poses(200, torch.Generator().manual_seed(0))
    assert all(set(row) == set(range(12)) for row in face.tolist())
    linear = maps[..., :2].reshape(-1, 2, 2).double()
    size = linear.det().rsqrt()  # shear keeps areas
    assert 0.75 - 1e-5 < size.min() < 0.76 and 1.04 < size.max() < 1.05 + 1e-5


def test_the_identity_pose_only_shrinks():
    drawn = drawings(faces()[0][0], ["Ж"])
    identity = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    shrunk = torch.nn.functional.avg_pool2d(drawn.float().unsqueeze(1), 2).squeeze(1)
    assert (warped(drawn, identity).float() - shrunk).abs().max() <= 0.5 + 1e-4


def test_a_quarter_turn_turns():
    drawn = drawings(faces()[0][0], ["F"])
    quarter = torch.tensor([[[0.0, 1, 0], [-1, 0, 0]]])
    identity = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    turned, upright = warped(drawn, quarter)[0].int(), warped(drawn, identity)[0].int()
    assert min((turned - torch.rot90(upright, turns)).abs().max() for turns in (1, 3)) <= 1


def test_pixels_alone_do_not_solve_the_tasks(greek):
    episode = EpisodeSampler(greek, n_way=20, k_shot=1, n_query=3, tasks=50, seed=0)[0]
    distance = torch.cdist(episode.query_x.flatten(2), episode.support_x.flatten(2))
    accuracy = (distance.argmin(-1) == episode.query_y).float().mean().item()
    assert 0.15 < accuracy < 0.6  # chance is 0.05


def test_unknown_splits_and_missing_fonts_are_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="splits train, validation, test, not 'dev'"):
        load_glyphs("dev")
    monkeypatch.setattr(module.matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(DataError, match=r"has no DejaVuSans.ttf.*install matplotlib"):
        faces()


def test_the_characters_of_scripts_are_those_that_belong_to_them():
    both = characters_of("Georgian", "Armenian")
    assert both == tuple(each for each in characters() if script_of(each) in ("Georgian", "Armenian"))
    assert set(both) == set(characters_of("Georgian")) | set(characters_of("Armenian"))
    with pytest.raises(ValueError, match="no characters of Runic; choose of Armenian"):
        characters_of("Greek", "Runic")
