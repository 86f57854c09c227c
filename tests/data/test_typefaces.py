"""Letters in two typefaces: partners, splits without a common letter, and what is refused."""

import pytest
import torch

from course.data.typefaces import SHARES, dealt, drawn, letters, load_typefaces


def test_the_splits_share_no_letter_and_have_all():
    parts = dealt()
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(len(letters())))
    for name, share in SHARES.items():
        assert len(parts[name]) == pytest.approx(share * len(letters()), abs=1)
        assert len(load_typefaces(name)) == len(parts[name])
    assert {"a", "Ω", "Я", "Ա", "ა"} <= set(letters())
    assert not set("+!€") & set(letters())


def test_row_i_is_one_character_in_both_typefaces():
    same = load_typefaces("test", one="DejaVuSans", other="DejaVuSans", size=28)
    assert torch.equal(same.x, same.y)
    pairs = load_typefaces("test", size=28)
    assert torch.equal(pairs.x, same.x)
    x, y = (side.flatten(1) for side in pairs.examples())
    own, other = (x - y).abs().mean(1), (x - y.roll(1, 0)).abs().mean(1)
    assert (own < other).double().mean() > 0.9


def test_pictures_have_the_size_the_ink_and_the_same_letters_at_every_size():
    small, large = (load_typefaces("validation", size=size) for size in (14, 56))
    assert small.x.shape[1:] == (1, 14, 14)
    means = torch.nn.functional.avg_pool2d(large.x.float(), 4)
    assert (means - small.x.float()).abs().max() <= 0.5
    assert large.x.amax((1, 2, 3)).min() > 200
    assert small.x_full == small.y_full == 255


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="the typefaces have the splits train, validation, test, not 'all'"):
        load_typefaces("all")
    with pytest.raises(ValueError, match="there is no typeface 'Comic'; there are: DejaVuSans, DejaVuSans-Bold"):
        load_typefaces("test", one="Comic")
    with pytest.raises(ValueError, match="size must be a whole number from 1 to 56, got 57"):
        load_typefaces("test", size=57)


def test_a_stroke_has_its_length_and_width_and_turns_with_its_points():
    across = drawn([[(0.2, 0.5), (0.8, 0.5)]], 50, width=0.1)[0, 0]
    area = 0.6 * 0.1 + torch.pi * 0.05**2  # a rectangle with round ends
    assert across.mean().item() == pytest.approx(area, rel=0.02)
    torch.testing.assert_close(drawn([[(0.5, 0.2), (0.5, 0.8)]], 50, width=0.1)[0, 0], across.T)
    both = drawn([[(0.2, 0.5), (0.8, 0.5)], [(0.5, 0.2), (0.5, 0.8)]], 50, width=0.1)[0, 0]
    torch.testing.assert_close(both, torch.maximum(across, across.T))


@pytest.mark.parametrize("strokes", [[], [[(0.5, 0.5)]], [[(0.5, 0.5), (0.5, 1.2)]]])
def test_what_is_no_stroke_is_refused(strokes):
    with pytest.raises(ValueError, match="strokes are lists of two or more points from 0 to 1"):
        drawn(strokes)
