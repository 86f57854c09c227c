"""Own pictures: proportions, padding and order; and every file that cannot be used is named."""

import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_sets import put

from course.data import DataError, EpisodeSampler, from_folder


def picture(path, size=(40, 40), colour=200, mode="L", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


@pytest.fixture
def mine(tmp_path):
    """Two classes with three and two pictures."""
    for number, name in enumerate(["dog/b.png", "cat/2.jpg", "cat/10.bmp", "cat/1.gif", "dog/a.webp"]):
        picture(tmp_path / "mine" / name, colour=40 * (number + 1), **({"lossless": True} if "webp" in name else {}))
    return tmp_path / "mine"


def test_classes_and_pictures_in_the_order_of_their_names(mine):
    data = from_folder(mine)
    assert (data.classes, data.groups, data.name) == (("cat", "dog"), ("cat", "dog"), "mine")
    assert data.y.tolist() == [0, 0, 0, 1, 1]
    assert (data.x.dtype, data.x.shape) == (torch.uint8, (5, 1, 28, 28))
    assert data.x[:, 0, 14, 14].tolist() == [160, 120, 80, 200, 40]  # 1.gif, 10.bmp, 2.jpg; a.webp, b.png
    assert torch.equal(from_folder(str(mine)).x, data.x)


def test_three_lines_make_an_episode(mine):
    episode = EpisodeSampler(from_folder(mine), n_way=2, k_shot=1, n_query=1)[0]
    assert episode.support_x.shape == (1, 2, 1, 28, 28) and episode.support_x.max() <= 1
    with pytest.raises(
        DataError, match=r"mine: 2 shots and 1 queries need 3 examples of each class; too few in 'dog' \(2\)"
    ):
        EpisodeSampler(from_folder(mine), n_way=2, k_shot=2, n_query=1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.integers(1, 64),
    channels=st.sampled_from([1, 3]),
    invert=st.booleans(),
)
def test_proportions_stay_and_the_rest_is_zero(tmp_path, width, height, size, channels, invert):
    for name in "ab":
        picture(
            tmp_path / "shapes" / name / "p.png",
            (width, height),
            60 if channels == 1 else (60, 90, 200),
            "L" if channels == 1 else "RGB",
        )
    x = from_folder(tmp_path / "shapes", size=size, channels=channels, invert=invert).x[0]
    assert x.shape == (channels, size, size)
    scale = size / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    top, left = (size - high) // 2, (size - wide) // 2
    expected = torch.zeros(channels, size, size, dtype=torch.uint8)
    colour = torch.tensor([60] if channels == 1 else [60, 90, 200], dtype=torch.uint8)
    expected[:, top : top + high, left : left + wide] = (255 - colour if invert else colour)[:, None, None]
    assert torch.equal(x, expected)


def test_ink_is_high_after_inverting(tmp_path):
    paper = np.full((56, 56), 255, np.uint8)
    paper[:, :28] = 0  # the left half is black ink
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(paper).save(tmp_path / name / "1.png")
    x = from_folder(tmp_path, invert=True).x[0, 0]
    assert (x[:, :12] > 250).all()
    assert (x[:, 16:] < 5).all()


def test_colours_stay_and_grey_is_luminance(tmp_path):
    for name in "ab":
        picture(tmp_path / name / "1.png", colour=(255, 0, 0), mode="RGB")
    assert from_folder(tmp_path, channels=3).x[0, :, 5, 5].tolist() == [255, 0, 0]
    assert from_folder(tmp_path).x[0, 0, 5, 5] == 76  # 0.299 of red


@pytest.mark.parametrize("invert", [False, True])
def test_what_is_transparent_is_background(tmp_path, invert):
    for name in "ab":
        picture(tmp_path / name / "1.png", colour=(90, 90, 90, 0), mode="RGBA")
    assert not from_folder(tmp_path, invert=invert).x.any()


def test_sixteen_bits_become_eight_and_thirty_two_are_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((9, 9), 200 * 256 + 7, np.uint16)).save(tmp_path / name / "1.png")
    assert from_folder(tmp_path).x.unique().tolist() == [200]
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "b" / "2.tiff")
    with pytest.raises(DataError, match=r"2\.tiff cannot be read \(it has 32 bits a pixel"):
        from_folder(tmp_path)


def test_a_photograph_is_turned_upright(tmp_path):
    photograph = Image.new("L", (40, 20), 255)
    photograph.paste(0, (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways: turn clockwise by 90 degrees
    for name in "ab":
        (tmp_path / name).mkdir()
        photograph.save(tmp_path / name / "1.jpg", exif=exif, quality=100)
    x = from_folder(tmp_path).x[0, 0]
    assert (x[:12, 8:20] > 250).all()  # what was left is on top now
    assert (x[16:] < 5).all()


def test_hidden_files_and_those_of_the_system_do_not_count(mine):
    before = from_folder(mine)
    for name in (".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "dog/desktop.ini", "cat/._1.gif"):
        (mine / name).write_bytes(b"?")
    (mine / ".git").mkdir()
    assert torch.equal(from_folder(mine).x, before.x)


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"not a picture"]
)
@pytest.mark.parametrize("name", ["cat/2.jpg", "cat/1.gif", "dog/b.png", "dog/a.webp", "cat/10.bmp"])
def test_a_broken_picture_among_good_ones(mine, name, damage):
    (mine / name).write_bytes(damage((mine / name).read_bytes()))
    with pytest.raises(DataError, match=f"the picture {mine / name} cannot be read .*save it again, or remove it"):
        from_folder(mine)


def test_a_picture_in_another_format_than_its_name_says_is_read(mine):
    (mine / "cat" / "1.gif").write_bytes((mine / "dog" / "b.png").read_bytes())
    assert from_folder(mine).x[0, 0, 5, 5] == 40


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "at is missing: name a folder with one sub-folder for each class"),
        ("file", "at is a file: name a folder"),
        ([], "at holds nothing: make one sub-folder for each class, at least two"),
        (["cat/1.png"], "holds only the class 'cat': make one sub-folder for each class"),
        (
            ["cat/1.png", "dog/.hidden"],
            r"class folder .*dog is empty: add pictures \(\.png.*\) or recordings \(\.wav, \.fl",
        ),
        (["cat/1.png", "1.png"], "at holds 1.png beside the folders of the classes"),
        (["a.png", "b.png", "c.png", "d.png", "e.png"], "holds a.png, b.png, c.png and 2 more beside"),
        (["cat/1.png", "dog/old/1.png"], r"dog holds old, expected pictures \(\.png"),
        (["cat/1.png", "dog/1.png", "dog/a.mp3"], "dog holds a.mp3, expected .* only: convert or move what is neither"),
        (["cat/1.png", "cat/2.png", "dog/b.WAV"], r"both pictures \(1.png, 2.png\) and recordings \(b.WAV\): keep one"),
    ],
)
def test_a_folder_of_another_form(tmp_path, files, message):
    if files == "file":
        (tmp_path / "at").touch()
    elif files is not None:
        (tmp_path / "at").mkdir()
        put(tmp_path / "at", dict.fromkeys(files, b"?"))
    with pytest.raises(DataError, match=message):
        from_folder(tmp_path / "at")


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("1.png", "rate", "from_folder for pictures has no option 'rate'; there are: size, channels, invert"),
        ("1.flac", "channels", "from_folder for recordings has no option 'channels'; there are: rate, mono, speaker"),
        ("1.wav", "speakr", "from_folder for recordings has no option 'speakr'; did you mean 'speaker'"),
    ],
)
def test_an_option_for_files_of_another_kind(tmp_path, name, option, message):
    with pytest.raises(ValueError, match=message):
        from_folder(put(tmp_path, {f"cat/{name}": b"?", f"dog/{name}": b"?"}), **{option: 1})


@pytest.mark.parametrize("size", [0, -3, 2.5, True, None])
def test_size_out_of_range(mine, size):
    with pytest.raises(ValueError, match=re.escape(f"size must be a whole number of at least 1, got {size!r}")):
        from_folder(mine, size=size)


def test_channels_out_of_range(mine):
    with pytest.raises(ValueError, match=r"channels must be 1 \(grey\) or 3 \(colour\), got 4"):
        from_folder(mine, channels=4)
