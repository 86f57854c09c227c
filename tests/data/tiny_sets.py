"""Small good copies of the real data sets: what their files hold, and the sizes that the loaders then must expect."""

import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

DIGITS = {"train": 40, "t10k": 12}
SIDE, DRAWERS = 105, 20
ALPHABETS = {"background": {"Aleph": 2, "Beth": 1, "Gimel": 2}, "evaluation": {"Daleth": 2, "Zayin": 1}}


@dataclass(frozen=True)
class Tiny:
    """The files of a set by path, and the values that replace attributes of the loader's module."""

    files: dict[str, bytes]
    sizes: dict[str, object]


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files by path into a folder, which is returned."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An array of bytes in the IDX format, written independently of the reader."""
    head = np.array([kind << 8 | array.ndim, *array.shape], dtype=">i4")
    return head.tobytes() + array.astype(np.uint8).tobytes()


@cache
def digits() -> dict[str, np.ndarray]:
    """File name to what MNIST's files hold."""
    random = np.random.default_rng(0)
    images = {f"{part}-images-idx3-ubyte": random.integers(0, 256, (count, 28, 28)) for part, count in DIGITS.items()}
    return images | {f"{part}-labels-idx1-ubyte": np.arange(count) % 10 for part, count in DIGITS.items()}


def mnist() -> Tiny:
    files = {f"{name}.gz": gzip.compress(idx(array), mtime=0) for name, array in digits().items()}
    return Tiny(files, {"COUNTS": DIGITS})


@cache
def usps_digits() -> dict[str, np.ndarray]:
    """Part to its rows: the label, then 256 numbers from -1 to 1 with three decimals."""
    random = np.random.default_rng(1)
    pixels = {part: random.integers(-1000, 1001, (count, 256)) / 1000 for part, count in DIGITS.items()}
    parts = {"train": pixels["train"], "test": pixels["t10k"]}
    return {part: np.column_stack([np.arange(len(rows)) % 10, rows]) for part, rows in parts.items()}


def usps() -> Tiny:
    lines = {
        part: "\n".join(" ".join(f"{number:.4f}" for number in row) + " " for row in rows)
        for part, rows in usps_digits().items()
    }
    files = {f"zip.{part}.gz": gzip.compress(text.encode(), mtime=0) for part, text in lines.items()}
    return Tiny(files, {"COUNTS": {part: len(rows) for part, rows in usps_digits().items()}})


def png(ink: np.ndarray) -> bytes:
    """A drawing as Omniglot stores it: one bit a pixel, black where there is ink."""
    stream = io.BytesIO()
    Image.fromarray(~ink).convert("1", dither=Image.Dither.NONE).save(stream, "PNG")
    return stream.getvalue()


@cache
def drawings() -> dict[str, np.ndarray]:
    """File name to ink, as the zip files of Omniglot hold it."""
    random = np.random.default_rng(0)
    return {
        f"images_{part}/{alphabet}/character{number:02}/{number:04}_{drawer:02}.png": random.random((SIDE, SIDE)) < 0.1
        for part, alphabets in ALPHABETS.items()
        for alphabet, count in alphabets.items()
        for number in range(1, count + 1)
        for drawer in range(1, DRAWERS + 1)
    }


@cache
def pictures() -> dict[str, bytes]:
    """File name to picture."""
    return {name: png(ink) for name, ink in drawings().items()}


def zipped(pictures: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> dict[str, bytes]:
    """The two zip files of Omniglot with these pictures in them."""
    streams = {f"images_{part}": io.BytesIO() for part in ALPHABETS}
    for part, stream in streams.items():
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for name, data in pictures.items():
                if name.startswith((part, f"__MACOSX/{part}")):
                    archive.writestr(name, data)
    return {f"{part}.zip": stream.getvalue() for part, stream in streams.items()}


def omniglot() -> Tiny:
    counts = {f"images_{part}": (len(sizes), sum(sizes.values())) for part, sizes in ALPHABETS.items()}
    splits = {"train": (0, 4), "validation": (4, 5), "test": (5, 8)}
    return Tiny(zipped(pictures()), {"PARTS": counts, "BY_CHARACTER": splits, "TRAIN_ALPHABETS": 2})


def archive(files: dict[str, str | bytes]) -> bytes:
    """A zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


SPOKEN = "It’s “time” — now.".encode("big5")
NLTK = {
    "brown": {
        "cats.txt": "ca01 news",
        "ca01": "\n\n\tThe/at jury/nn and/or/cc ./.\n\n\nNo/at ./.\n",
        "cr09": "So/rb ?/.",
    },
    "movie_reviews": {
        "README": "x",
        "pos/cv001_18431.txt": "good film . \n",
        "neg/cv000_29416.txt": "bad . \nso bad !\n",
    },
    "state_union": {"README": "x", "1954-Eisenhower.txt": SPOKEN, "1963-Johnson-2.txt": "Mr. Speaker"},
    "inaugural": {"README": "x", "1789-Washington.txt": "Fellow-Citizens — of the Senate"},
}


def nltk_corpora() -> Tiny:
    inside = {corpus: {f"{corpus}/{name}": text for name, text in texts.items()} for corpus, texts in NLTK.items()}
    return Tiny({f"{corpus}.zip": archive(files) for corpus, files in inside.items()}, {})


def multi30k() -> Tiny:
    files = {}
    for part, count in (("train", 3), ("val", 2), ("test_2016_flickr", 1)):
        for language in ("en", "de", "fr", "cs"):
            text = "".join(f"{language} {part} {number} é\u0085\n" for number in range(count))
            files[f"raw/{part}.{language}.gz"] = gzip.compress(text.encode(), mtime=0)
    return Tiny(files, {})


def wordsim() -> Tiny:
    names = (
        "MC-30", "MEN-TR-3k", "MTurk-287", "MTurk-771", "RG-65", "RW-STANFORD", "SIMLEX-999", "SimVerb-3500",
        "VERB-143", "WS-353-ALL", "WS-353-REL", "WS-353-SIM", "YP-130",
    )  # fmt: skip
    return Tiny(
        {f"EN-{name}.txt": f"car\t{name}\t3.5\r\nsun\tmoon\t{i}\r\n".encode() for i, name in enumerate(names)}, {}
    )


def analogies() -> Tiny:
    return Tiny({"questions-words.txt": b": family\nboy girl king queen\nhe she his her\n: gram\na b c d\n"}, {})


def xling_eval() -> Tiny:
    files = {
        "bli_datasets/en-de/yacle.test.freq.2k.en-de.tsv": b"cat\tKatze\n",
        "bli_datasets/en-fr/yacle.train.freq.5k.fr-en.tsv": "été\tsummer\nété\tbeen\n".encode(),
    }
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + text + b"\0" for name, text in files.items())).hexdigest()
    return Tiny({"bli_datasets.zip": archive(files)}, {"DICTIONARIES": (2, digest)})


def umsab() -> Tiny:
    words = {
        "train": ["un", "french test é\u0085 0", "deux"],  # the second is asked for in the test
        "val": [f"french val {number}" for number in range(4)],
        "test": [f"french test é\u0085 {number}" for number in range(5)],
    }
    files = {}
    for part, texts in words.items():
        files[f"french/{part}_text.txt"] = "".join(f"{each}\n" for each in texts).encode()
        files[f"french/{part}_labels.txt"] = "".join(f"{number % 3}\n" for number in range(len(texts))).encode()
    md5 = {path: hashlib.md5(content).hexdigest() for path, content in files.items()}
    labels = {part: md5[f"french/{part}_labels.txt"] for part in words}
    return Tiny(files, {"TEXTS": {"french": tuple(md5[f"french/{part}_text.txt"] for part in words)}, "LABELS": labels})


# A frog (test), a snake (validation), a banana (train), a farmer, who is a person (train), a joiner and an ear of
# rice (test); and a flag, which belongs to no group.
NOTO = {"🐸": "1f438", "🐍": "1f40d", "🍌": "1f34c", "🧑\u200d🌾": "1f9d1_200d_1f33e", "🏁": "1f3c1"}


@cache
def noto_pictures() -> dict[str, Image.Image]:
    """File name to picture, in each of the modes that Noto's files have."""
    random = np.random.default_rng(0)
    rgba = Image.fromarray(random.integers(0, 256, (72, 72, 4), dtype=np.uint8))
    palette = Image.new("P", (72, 72))
    palette.putdata(random.integers(0, 3, 72 * 72).tolist())
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.info["transparency"] = bytes([255, 128, 0])
    pictures = [rgba, palette, rgba.convert("LA"), rgba.rotate(90), rgba]
    return dict(zip((f"png72/emoji_u{points}.png" for points in NOTO.values()), pictures, strict=True))


def as_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def annotations(language: str, signs: tuple[str, ...] = tuple(NOTO)) -> str:
    """A file of CLDR: names and keywords of the signs in a language."""
    of = {sign: {"default": [f"{language} word", sign], "tts": [f"{language} {NOTO[sign]}"]} for sign in signs}
    return json.dumps({"annotations": {"identity": {"language": language}, "annotations": of}}, ensure_ascii=False)


def noto_emoji() -> Tiny:
    languages = (
        "en", "ar", "de", "es", "fi", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "sw", "tr", "uk", "ur", "zh",
    )  # fmt: skip
    texts = {f"cldr/annotations/{language}.json": annotations(language) for language in languages}
    others = {"cldr/localenames/de/languages.json": "{}", "README": "x"}
    digest = hashlib.sha256(b"".join(text.encode() + b"\0" for text in texts.values())).hexdigest()
    pictures = {name: as_png(image) for name, image in noto_pictures().items()}
    files = {"cldr_18langs.zip": archive(texts | others), "noto_emoji_72px.zip": archive(pictures)}
    return Tiny(files, {"NAMES": digest, "PICTURES": 4})


def cldr_names() -> Tiny:
    languages = ("fo", "hsb", "tk", "zu", "qu", "to", "yo", "chr")
    signs = {each: ("🐸", "🐍") if each == "to" else tuple(NOTO) for each in languages}
    return Tiny({f"{each}/annotations.json": annotations(each, signs[each]).encode() for each in languages}, {})


def wav(rate: int, number: int) -> bytes:
    """A recording of a few samples."""
    stream = io.BytesIO()
    soundfile.write(stream, np.sin(np.arange(30 + number)), rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def fsdd() -> Tiny:
    names = [f"{digit}_{who}_{take}.wav" for digit in range(10) for who in ("ada", "ben") for take in range(2)]
    files = {f"recordings/{name}": wav(8000, number) for number, name in enumerate(names)}
    return Tiny({"fsdd.zip": archive(files)}, {"SPEAKERS": ("ada", "ben"), "TAKES": 2})


def ravdess() -> Tiny:
    names = [
        f"Actor_01/03-01-{emotion:02}-{intensity:02}-{sentence:02}-01-01.wav"
        for emotion in range(1, 9)
        for intensity in range(1, 3 if emotion > 1 else 2)
        for sentence in (1, 2)
    ]
    return Tiny({"ravdess.zip": archive({name: wav(16_000, i) for i, name in enumerate(names)})}, {"ACTORS": 1})


SETS = (
    mnist, usps, omniglot, nltk_corpora, multi30k, wordsim, analogies, xling_eval, noto_emoji, umsab, cldr_names, fsdd,
    ravdess,
)  # fmt: skip
TINY = {make.__name__: cache(make) for make in SETS}
