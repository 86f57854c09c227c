"""Pictures of every common kind: what each becomes is compared with arithmetic by hand on real files."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from course.data import DataError
from course.data.pictures import read_pictures

SIDE = 24
RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
DEEP = RANDOM.integers(0, 2**16, (SIDE, SIDE, 4))  # 16 bits
SRGB = ImageCms.createProfile("sRGB")


@pytest.fixture
def read(tmp_path):
    """A function that writes a file and reads it back, ``[side, side, channels]``."""

    def written(content, name="a.png", *, size=SIDE, channels=3, invert=False, **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path, **options)
        x = read_pictures([path], size=size, channels=channels, invert=invert)["x"]
        return x[0].permute(1, 2, 0).numpy()

    return written


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows, width, bits, kind, *chunks):
    """A PNG file from the bytes of its rows, written independently of Pillow."""
    head = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def deep_png(values, kind, *chunks):
    """A PNG file with 16 bits a channel: kind 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha."""
    return png([row.astype(">u2").tobytes() for row in values], SIDE, 16, kind, *chunks)


def deep_tiff(values, order):
    """A TIFF file with 16 bits a channel, in either order of bytes."""
    channels, data = values.shape[2], values.astype(f"{order}u2").tobytes()
    at = 8 + 2 + 12 * 9 + 4  # where the list of bits begins; the pixels follow
    kind = 2 if channels == 3 else 1
    tags = {256: SIDE, 257: SIDE, 258: 16, 259: 1, 262: kind, 273: at + 6, 277: channels, 278: SIDE, 279: len(data)}
    entries = b""
    for tag, value in tags.items():
        count, stored = (3, at) if tag == 258 and channels == 3 else (1, value)
        long = tag in (273, 279) or count > 1
        of_tag = struct.pack(f"{order}I", stored) if long else struct.pack(f"{order}HH", stored, 0)
        entries += struct.pack(f"{order}HHI", tag, 4 if tag in (273, 279) else 3, count) + of_tag
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + struct.pack(f"{order}HHH", 16, 16, 16) + data


def mixed(colours, alpha, paper=0):
    """Colours over paper by hand."""
    cover = alpha[..., None] / 255
    return colours * cover + paper * (1 - cover)


def grey(colours):
    return colours.astype(np.float64) @ [0.299, 0.587, 0.114]


def same(found, expected, within=0.0):
    np.testing.assert_allclose(found.astype(np.float64), np.broadcast_to(expected, found.shape), atol=within, rtol=0)


# --- depth and colours


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tiff"])
def test_a_palette_stands_for_its_colours(read, suffix):
    numbers, colours = RANDOM.integers(0, 7, (SIDE, SIDE)), RGB[0, :7]
    image = Image.fromarray(numbers.astype(np.uint8)).convert("L")
    image.putpalette(colours.tobytes())
    assert image.mode == "P"
    same(read(image, f"a.{suffix}"), colours[numbers])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_a_pixel_reach_from_black_to_white(read, bits):
    values = RANDOM.integers(0, 2**bits, (SIDE, SIDE))
    spread = ((values[..., None] >> np.arange(bits)[::-1]) & 1).reshape(SIDE, SIDE * bits)
    rows = [row.tobytes() for row in np.packbits(spread, axis=1)]
    same(read(png(rows, SIDE, bits, 0)), values[..., None] * (255 // (2**bits - 1)))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
def test_one_bit_is_black_or_white(read, suffix):
    ink = RGB[..., 0] > 127
    same(read(Image.fromarray(ink), f"a.{suffix}", channels=1), 255 * ink[..., None])


@pytest.mark.parametrize("kind", [0, 2])
def test_of_16_bits_in_a_png_the_upper_8_are_kept(read, kind):
    values = DEEP[..., : kind + 1]
    same(read(deep_png(values, kind)), values >> 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_of_16_bits_in_a_tiff_the_upper_8_are_kept(read, channels, order):
    values = DEEP[..., :channels]
    same(read(deep_tiff(values, order), "a.tif"), values >> 8)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bits_are_refused(read, dtype):
    with pytest.raises(DataError, match=r"a\.tiff cannot be read \(it has 32 bits a pixel, expected 8 or 16\)"):
        read(Image.fromarray(np.ones((9, 9), dtype)), "a.tiff")


def test_cmyk_becomes_rgb(read):
    ink = RANDOM.integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    image = Image.frombytes("CMYK", (SIDE, SIDE), ink.tobytes())
    light = (255.0 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    same(read(image, "a.tiff"), light, within=1)
    smooth = Image.new("CMYK", (SIDE, SIDE), (30, 90, 160, 40))  # JPEG is exact where nothing changes
    by_hand = [(255 - c) * (255 - 40) / 255 for c in (30, 90, 160)]
    same(read(smooth, "a.jpg", quality=100), by_hand, within=2)


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_ways_to_name_a_colour_become_rgb_and_grey(read, mode):
    muted = RGB // 4 + 96  # bright colours have no place in 8 bits of L*a*b*
    image = Image.fromarray(muted)
    to_lab = ImageCms.buildTransform(SRGB, ImageCms.createProfile("LAB"), "RGB", "LAB")
    image = ImageCms.applyTransform(image, to_lab) if mode == "LAB" else image.convert(mode)
    colours = read(image, "a.tiff")
    same(colours, muted, within=4)
    same(read(image, "b.tiff", channels=1)[..., 0], grey(colours), within=1)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_colour_profile_and_the_order_in_a_jpeg_do_not_change_what_is_read(read, progressive):
    colours = np.kron(RGB[:3, :3], np.ones((8, 8, 1), np.uint8))  # blocks of 8 × 8 pixels, which JPEG keeps
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes()
    image, options = Image.fromarray(colours), {"quality": 100, "subsampling": 0, "progressive": progressive}
    same(read(image, "a.jpg", icc_profile=profile, **options), colours, within=3)
    wide = profile.replace(b"rTRC", b"xTRC")  # a profile that nobody can apply
    same(read(image, "b.jpg", icc_profile=wide, **options), read(image, "c.jpg", **options))


def test_colours_become_grey_and_grey_becomes_colours(read):
    same(read(Image.fromarray(RGB), channels=1)[..., 0], grey(RGB), within=1)
    assert (read(Image.fromarray(RGB[..., 0]), channels=3) == RGB[..., :1]).all()


# --- transparency


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_an_alpha_channel_mixes_with_the_background_which_becomes_0(read, suffix, invert):
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    expected = 255 - mixed(RGB, ALPHA, paper=255) if invert else mixed(RGB, ALPHA)
    same(read(image, f"a.{suffix}", invert=invert, **options), expected, within=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_with_an_alpha_channel(read, channels):
    same(
        read(Image.fromarray(np.dstack([RGB[..., 0], ALPHA])), channels=channels), mixed(RGB[..., :1], ALPHA), within=1
    )


@pytest.mark.parametrize("kind", [4, 6])
def test_an_alpha_channel_of_16_bits(read, kind):
    values = DEEP[..., : kind - 2]
    same(read(deep_png(values, kind)), mixed(values[..., :-1] >> 8, values[..., -1] >> 8), within=1)


def test_a_palette_with_transparent_entries(read):
    numbers, colours, cover = RANDOM.integers(0, 3, (SIDE, SIDE)), RGB[0, :3], np.array([0, 100, 255])
    image = Image.fromarray(numbers.astype(np.uint8))
    image.putpalette(colours.tobytes())
    same(read(image, transparency=bytes(cover.tolist())), mixed(colours[numbers], cover[numbers]), within=1)
    same(read(image, "a.gif", transparency=0), colours[numbers] * (numbers[..., None] > 0))


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_one_colour_that_counts_as_transparent(read, mode):
    values = {"L": RGB[..., 0], "RGB": RGB, "I;16": DEEP[..., 0].astype(np.uint16)}[mode]
    clear = values[2, 3].tolist()
    found = read(Image.fromarray(values), transparency=tuple(clear) if mode == "RGB" else clear)
    colours = (values >> 8 if mode == "I;16" else values).reshape(SIDE, SIDE, -1)
    gone = (values == values[2, 3]).reshape(SIDE, SIDE, -1).all(-1, keepdims=True)
    same(found, np.where(gone, 0, colours))
    assert gone.any() and (colours[gone[..., 0]] > 0).any()


# --- frames and turns


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_a_moving_picture_the_first_frame_is_taken(read, suffix):
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "green", "blue")]
    options = {"gif": {"duration": 9}, "png": {"duration": 9}, "webp": {"lossless": True}, "tiff": {}}[suffix]
    same(read(frames[0], f"a.{suffix}", save_all=True, append_images=frames[1:], **options), [255, 0, 0])


def test_of_a_photograph_with_two_pictures_the_first_is_taken(read, tmp_path):
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "two.mpo", save_all=True, append_images=frames[1:])
    same(read((tmp_path / "two.mpo").read_bytes(), "a.jpg"), 255)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(read, orientation, suffix):
    upright = np.kron(np.array([[0, 80, 120], [160, 200, 240]], np.uint8), np.ones((8, 8), np.uint8))
    # how a camera that is held so stores what it sees
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100}, "webp": {"lossless": True}, "tiff": {"compression": "tiff_lzw"}}.get(suffix, {})
    found = read(Image.fromarray(stored), f"a.{suffix}", channels=1, exif=exif, **options)
    same(found[4:20, :, 0], upright, within=2)


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_tiff_that_pillow_would_garble_is_refused(read, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with pytest.raises(
        DataError, match=r"a\.tiff cannot be read \(it is a TIFF file without compression that is to be t"
    ):
        read(Image.fromarray(RGB[:9]), "a.tiff", exif=exif)
    exif[0x0112] = 3
    same(read(Image.fromarray(RGB), "b.tiff", exif=exif), RGB[::-1, ::-1])


def test_an_orientation_that_does_not_exist_turns_nothing(read):
    exif = Image.Exif()
    exif[0x0112] = 99
    same(read(Image.fromarray(RGB), exif=exif), RGB)


# --- what is refused


def jpeg(tmp_path):
    Image.fromarray(np.kron(RGB, np.ones((8, 8, 1), np.uint8))).save(tmp_path / "whole.jpg", progressive=True)
    return (tmp_path / "whole.jpg").read_bytes()


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_jpeg_cut_anywhere_is_refused(read, tmp_path, kept):
    whole = jpeg(tmp_path)
    assert read(whole, "a.jpg").any()
    with pytest.raises(DataError, match=r"the picture .*a\.jpg cannot be read .*save it again, or remove it"):
        read(whole[: int(kept * len(whole))], "a.jpg")


@pytest.mark.parametrize(
    "content", [b"", b"not a picture\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n"]
)
def test_what_is_no_picture_is_refused_whatever_its_name(read, content):
    with pytest.raises(DataError, match=r"the picture .*a\.png cannot be read \(cannot identify"):
        read(content)


def test_a_picture_without_pixels_is_refused(read):
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        read(png([], 5, 8, 0))


def test_a_picture_far_too_large_is_refused_before_it_is_unpacked(read):
    def claims(width, height):  # a few bytes that say they are so many pixels
        return png([b""], 1, 8, 0).replace(struct.pack(">II", 1, 1), struct.pack(">II", width, height))

    def with_checksum(content):
        head = content[12:29]
        return content[:29] + struct.pack(">I", zlib.crc32(head)) + content[33:]

    with pytest.raises(DataError, match=r"a\.png cannot be read \(Image size \(400000000 pixels\) exceeds limit"):
        read(with_checksum(claims(20_000, 20_000)))
    with warnings.catch_warnings(record=True) as heard, pytest.raises(DataError, match="truncated"):
        warnings.simplefilter("always")
        read(with_checksum(claims(10_000, 10_000)))
    assert [warning.category for warning in heard] == [Image.DecompressionBombWarning]


def test_a_picture_of_one_row_keeps_its_row(read):
    found = read(Image.fromarray(RGB[:1]).resize((2000, 1)), channels=1)
    assert found.shape == (SIDE, SIDE, 1) and found[SIDE // 2 - 1 : SIDE // 2].any()
    assert np.count_nonzero(found.any((1, 2))) == 1
