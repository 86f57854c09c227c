"""`course data`: what it prints, what it asks, and how it fails."""

import builtins
import sys

import pytest
from loopback import owner_of

from course import cli
from course.data import DataError, registry
from course.data.omniglot import load_omniglot
from course.data.registry import REGISTRY


@pytest.fixture
def owner(home, monkeypatch):
    """An owner of the one real data set that the registry names."""
    with owner_of({"a.bin": b"a" * 1000, "b.bin": b"b" * 500}) as owner:
        monkeypatch.setattr(registry, "REGISTRY", {"small": owner.entry()})
        monkeypatch.setattr("course.data.commands.REGISTRY", {"small": owner.entry()})
        yield owner


@pytest.fixture
def course(capsys):
    """Run `course data …`; return the exit status, the lines printed, and standard error."""

    def run(*arguments):
        status = cli.main(["data", *arguments])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err

    return run


def at_a_terminal(monkeypatch, answer):
    """Somebody sits there and types ``answer``, or ends the input if it is None."""
    questions = []

    def typed(question):
        questions.append(question)
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", typed)
    return questions


# --- list


def test_list_names_every_set_and_where_it_is(home, course):
    status, lines, _ = course("list")
    assert status == 0
    table = {line.split()[0]: line.split()[1:3] for line in lines[1 : 1 + len(REGISTRY)]}
    assert table == {
        name: [entry.kind, "absent" if entry.kind == "real" else "embedded"] for name, entry in REGISTRY.items()
    }
    assert lines[-2:] == [f"COURSE_DATA: {home / 'COURSE_DATA'}", f"cache:       {home / 'COURSE_CACHE'}"]


def test_list_sees_a_set_come_in_piece_by_piece(owner, home, course):
    def where():
        return course("list")[1][1].split()[2]

    cache = home / "COURSE_CACHE" / "small"
    assert where() == "absent"
    cache.mkdir()
    assert where() == "absent"
    (cache / "a.bin.part").touch()
    assert where() == "incomplete"
    (cache / "a.bin").touch()
    assert where() == "incomplete"
    (cache / "b.bin").touch()
    assert where() == "cache"
    (home / "COURSE_DATA" / "small").mkdir()
    assert where() == "$COURSE_DATA"


def test_a_wrong_data_folder_is_one_line_on_standard_error(home, course, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(home / "nowhere"))
    assert course("list") == (1, [], f"course: COURSE_DATA={home / 'nowhere'} is not a folder: correct or unset it\n")


# --- fetch


def test_fetch_shows_licence_size_and_address_and_asks(owner, home, course, monkeypatch):
    questions = at_a_terminal(monkeypatch, " Yes ")
    status, lines, error = course("fetch", "small")
    assert (status, error, questions) == (0, "", ["Download? [y/N] "])
    shown = lines[: lines.index(f"total:   1.5 kB, into {home / 'COURSE_CACHE' / 'small'}")]
    assert "licence: free" in shown
    assert "owner:   nobody (2026)" in shown
    assert f"file:    {owner.address}/a.bin (1.0 kB)" in shown
    assert lines[-1] == f"small is in {home / 'COURSE_CACHE' / 'small'}"
    assert (home / "COURSE_CACHE" / "small" / "b.bin").read_bytes() == b"b" * 500


@pytest.mark.parametrize("answer", ["", "n", "no", "yesterday", None])
def test_anything_but_yes_downloads_nothing(owner, home, course, monkeypatch, answer):
    at_a_terminal(monkeypatch, answer)
    status, _, error = course("fetch", "small")
    assert (status, error) == (1, "course: nothing was downloaded\n")
    assert owner.asked == []
    assert list((home / "COURSE_CACHE").iterdir()) == []


def test_without_a_terminal_consent_must_be_an_argument(owner, course, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    status, _, error = course("fetch", "small")
    assert (status, owner.asked) == (1, [])
    assert error.startswith(
        "course: nobody is there to agree: read the licence, then run `course data fetch small --yes`"
    )
    status, lines, error = course("fetch", "small", "--yes")
    assert (status, error) == (0, "")
    assert "licence: free" in lines  # it is shown all the same


def test_fetch_says_that_the_own_folder_wins(owner, home, course):
    (home / "COURSE_DATA" / "small").mkdir()
    assert course("fetch", "small", "--yes")[1][-1] == (
        f"but {home / 'COURSE_DATA' / 'small'} is there too, and is what will be read"
    )
    assert list((home / "COURSE_DATA" / "small").iterdir()) == []


def test_a_failed_fetch_is_one_line_on_standard_error(owner, course):
    owner.manners["a.bin"] = ["status 404"]
    status, _, error = course("fetch", "small", "--yes")
    assert status == 1
    assert error.startswith(f"course: {owner.address}/a.bin cannot be had, the server answered 404 Not Found")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("glyphs", "course: glyphs is made on this machine: there is nothing to fetch"),
        ("omnigolt", "course: there is no data set 'omnigolt'; did you mean 'omniglot'? there are: glyphs, "),
    ],
)
def test_nothing_to_fetch(home, course, name, error):
    status, lines, printed = course("fetch", name)
    assert (status, lines) == (1, [])
    assert printed.startswith(error)


# --- verify


def test_verify_reads_what_is_there(home, course):
    status, lines, _ = course("verify", "sinusoids", "multiview")
    assert status == 0
    assert [line.split()[:3] for line in lines] == [
        ["OK", "sinusoids", "SinusoidTasks(amplitude=(0.1,"],
        ["OK", "multiview", "GaussianPairs('multiview',"],
    ]


def test_verify_fails_on_a_damaged_set_and_goes_on(home, course):
    (home / "COURSE_DATA" / "mnist").mkdir()
    (home / "COURSE_DATA" / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"?")
    status, lines, _ = course("verify", "mnist", "omniglot", "multiview")
    assert status == 1
    assert lines[0].startswith("FAIL  mnist         ")
    assert "train-images-idx3-ubyte.gz is damaged or cut short" in lines[0]
    assert lines[1].startswith("FAIL  omniglot      omniglot is not on this machine")
    assert lines[2].startswith("OK    multiview     GaussianPairs('multiview', x=[1000, 20] float64, ")


def test_verify_without_a_name_takes_all_that_are_there(home, course, monkeypatch):
    kept = {name: REGISTRY[name] for name in ("multiview", "omniglot", "mnist", "xling_eval")}
    monkeypatch.setattr("course.data.commands.REGISTRY", kept)
    status, lines, _ = course("verify")
    assert (status, lines[0].split()[:2]) == (0, ["OK", "multiview"])
    assert lines[1].startswith("-     omniglot      absent: run `course data fetch omniglot`, or let COURSE_DATA name ")
    assert lines[2].startswith("-     mnist         absent: run `course data fetch mnist`, or ")
    assert lines[3].startswith(
        "-     xling_eval    absent: its owner offers the folder bli_datasets of https://github.com"
    )
    (home / "COURSE_DATA" / "mnist").mkdir()
    part = home / "COURSE_CACHE" / "omniglot" / "images_background.zip.part"
    part.parent.mkdir()
    part.touch()
    status, lines, _ = course("verify")
    assert status == 1
    assert lines[1].startswith("-     omniglot      incomplete: run `course data fetch omniglot`")
    assert lines[2].startswith("FAIL  mnist         ")


@pytest.mark.parametrize(
    ("manners", "left"), [(["status 404"], {".lock"}), ([300, "status 404"], {".lock", "a.bin.part"})]
)
def test_what_a_failed_fetch_leaves_counts_as_absent(owner, home, course, manners, left):
    owner.manners["a.bin"] = manners
    assert course("fetch", "small", "--yes")[0] == 1
    cache = home / "COURSE_CACHE"
    assert {path.name for path in (cache / "small").iterdir()} == left
    (cache / "small").rename(cache / "omniglot")
    (cache / "omniglot" / "english").mkdir()
    (cache / "omniglot" / "english" / "text.txt.part").touch()
    with pytest.raises(DataError, match="omniglot is not on this machine; looked for "):
        load_omniglot("train")
    (cache / "omniglot" / "images_evaluation.zip").touch()
    with pytest.raises(DataError, match=r"images_background\.zip is missing"):
        load_omniglot("train")


def test_verify_of_an_unknown_name(home, course):
    status, lines, error = course("verify", "mnits")
    assert (status, lines) == (1, [])
    assert error.startswith("course: there is no data set 'mnits'; did you mean 'mnist'?")
