"""The registry: every entry loads what it says, and a slip of the pen gets a hint."""

import inspect
from urllib.parse import urlsplit

import pytest
import torch

from course.data import DataError, GaussianPairs, SinusoidTasks, load
from course.data.registry import REGISTRY, Entry, RemoteFile, licence_table, size


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_an_entry_is_complete_and_its_loader_agrees(entry):
    assert all((entry.title, entry.licence, entry.citation))
    assert entry.kind == ("real" if entry.files or entry.source else "embedded")
    parameters = inspect.signature(entry.function()).parameters
    assert ("split" in parameters) == bool(entry.splits)
    assert all(p.default is not p.empty for p in parameters.values())  # load(name) needs nothing more
    assert "|" not in entry.title + entry.licence + entry.citation  # they become cells of a table


@pytest.mark.parametrize("file", [file for entry in REGISTRY.values() for file in entry.files], ids=lambda f: f.path)
def test_a_file_has_a_safe_address_and_a_checksum(file):
    address = urlsplit(file.url)
    assert (address.scheme, address.query) == ("https", "")
    assert address.path.endswith(file.path.rsplit("/", 1)[-1])
    assert len(file.md5) == 32
    assert set(file.md5) <= set("0123456789abcdef")
    assert file.bytes > 0


@pytest.mark.parametrize(
    "path", ["/a.txt", "../a.txt", "a/../b", "a//b", "a/", ".a", "a/.b", "a\\b", "C:a", "a b", "a\n"]
)
def test_a_path_that_leads_out_of_the_folder_or_hides_is_refused(path):
    with pytest.raises(ValueError, match="is no safe path within a folder"):
        RemoteFile("https://owner/a.txt", "", 0, path)
    with pytest.raises(ValueError, match=r"'' is no safe path .* pass path="):
        RemoteFile("https://owner/", "", 0)


def test_two_files_of_a_set_need_two_paths():
    files = [RemoteFile(f"https://owner/{language}/text.txt", "", 0) for language in ("english", "french")]
    with pytest.raises(
        ValueError, match=r"small: two files have the same path, give each its own: text\.txt, text\.txt"
    ):
        Entry("small", "real", "", "", "", "", files=tuple(files))


def test_the_split_reaches_the_loader(monkeypatch):
    monkeypatch.setattr("course.data.glyphs.load_glyphs", lambda split=None: f"split {split}")
    assert load("glyphs", split="validation") == "split validation"
    assert load("glyphs") == "split None"


def test_sinusoids_and_multiview_take_their_own_options():
    assert load("sinusoids", noise=0.5) == SinusoidTasks(noise=0.5)
    views = load("multiview", n=7, p=3, q=2, correlations=[0.5])
    assert isinstance(views, GaussianPairs)
    assert (views.x.shape, views.y.dtype) == ((7, 3), torch.float64)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("glyhps", {}, DataError, "no data set 'glyhps'; did you mean 'glyphs'\\? there are: glyphs, sinusoids"),
        ("", {}, DataError, "there is no data set ''; there are: glyphs"),
        (3, {}, DataError, "there is no data set 3; there are: glyphs"),
        ("glyphs", {"split": "valid"}, ValueError, "no split 'valid'; did you mean 'validation'\\? there are: train"),
        ("glyphs", {"split": 1}, ValueError, "glyphs has no split 1; there are: train, validation, test"),
        ("glyphs", {"size": 28}, ValueError, "glyphs has no option 'size'; there are none"),
        ("sinusoids", {"split": "train"}, ValueError, "sinusoids has no splits, got split='train': leave split out"),
        ("sinusoids", {"nois": 1.0}, ValueError, "sinusoids has no option 'nois'; did you mean 'noise'\\?"),
        ("multiview", {"split": "test"}, ValueError, "multiview has no splits"),
        ("omniglot", {"rotation": True}, ValueError, "omniglot has no option 'rotation'; did you mean 'rotations'\\?"),
        ("wiki", {"split": "test"}, ValueError, "wiki has no splits"),
        ("nltk_corpora", {"corpus": "brown"}, ValueError, "no option 'corpus'; did you mean 'corpora'"),
        ("nltk_corpora", {"corpora": ["Brown"]}, ValueError, "nltk_corpora has brown, movie_reviews, .* not 'Brown'"),
        ("mnist", {"split": "t10k"}, ValueError, "mnist has no split 't10k'; there are: train, validation, test"),
    ],
)
def test_a_slip_gets_a_hint(name, options, error, message):
    with pytest.raises(error, match=message):
        load(name, **options)


def test_the_licence_table_has_a_row_for_each_set_and_no_ragged_row():
    head, rule, *rows = licence_table().splitlines()
    assert [row.split("`")[1] for row in rows] == list(REGISTRY)
    assert {line.count("|") for line in (head, rule, *rows)} == {8}
    for row, entry in zip(rows, REGISTRY.values(), strict=True):
        assert entry.licence in row
        assert entry.citation in row


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0.0 kB"), (4_542, "4.5 kB"), (999_900, "999.9 kB"), (15_927_098, "15.9 MB")]
)
def test_sizes(number, text):
    assert size(number) == text
