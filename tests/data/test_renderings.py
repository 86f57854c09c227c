"""Characters in any number of renderings: splits share no face, draws follow the seed, bad requests are refused."""

import pytest
import torch

from course.data import DataError, openmoji
from course.data.glyphs import drawings, faces, warped
from course.data.renderings import FACES, render, render_emoji


def test_every_face_belongs_to_one_split_and_every_split_has_every_family():
    dealt = [position for positions in FACES.values() for position in positions]
    assert sorted(dealt) == list(range(12))
    assert all({position // 4 for position in positions} == {0, 1, 2} for positions in FACES.values())


@pytest.mark.parametrize("split", [*FACES, None])
def test_without_strength_an_image_is_the_drawing_of_a_face_of_its_split(split):
    data = render("Gä4", 120, split, strength=0)
    files = [path for family in faces() for path in family]
    files = [files[i] for i in (FACES[split] if split else range(12))]
    assert data.x.shape == (360, 1, 28, 28)
    assert data.y.tolist() == [0] * 120 + [1] * 120 + [2] * 120
    still = torch.tensor([[1 / 0.9, 0.0, 0.0], [0.0, 1 / 0.9, 0.0]]).expand(len(files), 2, 3)  # 90 % of the size
    for number, character in enumerate("Gä4"):
        expected = warped(torch.stack([drawings(file, [character])[0] for file in files]), still)
        found = data.x[data.y == number, 0]
        assert {image.numpy().tobytes() for image in found} == {image.numpy().tobytes() for image in expected}


def test_the_seed_decides_and_the_global_generator_is_not_touched():
    state = torch.get_rng_state()
    first, again, other = (render("AB", 5, seed=seed).x for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_strength_moves_the_ink():
    """The centre of the ink scatters more the stronger the draws are."""
    place = torch.arange(28.0)
    scatter = []
    for strength in (0.0, 0.5, 1.0):
        x = render("H", 200, strength=strength).examples()[:, 0]
        centre = (x.sum(1) * place).sum(1) / x.sum((1, 2))
        scatter.append(centre.std().item())
    assert scatter[0] < 0.2 < 0.3 < scatter[1] < 0.6 < scatter[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("AB", 0), "examples must be a whole number"),
        (("AB", 3, "dev"), "train, validation, test, not to 'dev'"),
        (("AA", 3), "each of them once"),
        ((["AB"], 3), "single ones"),
        (("", 3), "single ones"),
    ],
)
def test_bad_requests_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        render(*arguments)


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength):
    with pytest.raises(ValueError, match="strength must be from 0 to 2"):
        render("AB", 3, strength=strength)


@pytest.mark.parametrize("character", ["犬", " "])
def test_what_a_face_cannot_draw_is_named(character):
    with pytest.raises(DataError, match=f"cannot draw {character!r}"):
        render(["A", character], 3)


# --- Emoji


def test_an_emoji_at_strength_zero_is_its_picture_in_grey():
    data = render_emoji("🐻🍌", 3, strength=0)
    assert data.x.shape == (6, 1, 28, 28) and data.y.tolist() == [0, 0, 0, 1, 1, 1]
    still = torch.tensor([[1 / 0.9, 0.0, 0.0], [0.0, 1 / 0.9, 0.0]])[None]
    for label, character in enumerate("🐻🍌"):
        paper = openmoji.drawings([character], 56)[0].float().mean(0)
        expected = warped((255 - paper).round().to(torch.uint8)[None], still)[0]
        assert all(torch.equal(image, expected) for image in data.x[data.y == label, 0])


def test_emoji_follow_their_seed_and_no_two_examples_are_alike():
    first, again, other = (render_emoji("🐻", 5, seed=seed).x for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(first.flatten(1).unique(dim=0)) == 5


@pytest.mark.parametrize(
    ("characters", "examples", "options"), [("", 1, {}), ("🐻🐻", 1, {}), ("🐻", 0, {}), ("🐻", 1, {"strength": 3})]
)
def test_emoji_that_cannot_be_drawn_so_are_refused(characters, examples, options):
    with pytest.raises(ValueError, match="got"):
        render_emoji(characters, examples, **options)
