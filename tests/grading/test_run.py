"""The whole way, as an instructor goes it: a folder of submissions, honest and otherwise, to grades and feedback."""

import base64
import csv
import io
import os
import re
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from fixture_course import ANSWERS, COURSE, course_grade, make, submission
from nbgrader.api import Gradebook

from course.files import write_json, write_whole
from course.grading import run
from course.grading.layout import Course
from course.grading.release import nbgrader_ready
from course.grading.run import Record, is_due, key_of, record_of
from course.grading.sandbox import Limits

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

PIXEL = base64.b64encode(b"\x89PNG pixel").decode()
SECONDS = "20"  # of one cell: importing torch takes more than five on a busy machine
LIMITS = ["--cell-seconds", SECONDS, "--memory-mib", "2048"]


def answers(**changed):
    return ANSWERS | changed


def students(released, root: Path, marker: Path) -> dict[str, nbformat.NotebookNode]:
    """Submissions by name."""
    full = submission(
        released,
        why="Linear: $x$ <script>alert(1)</script> ![](http://evil.example/a.png) ![](attachment:photo.png)",
        experiment="%matplotlib inline\nsize = 1234\nmean(torch.ones(size)) * size",
    )
    for cell in full.cells:
        if cell.source.startswith("Linear"):
            cell.attachments = {"photo.png": {"image/png": PIXEL}}
    patched = submission(
        released,
        answers(
            mean="torch.allclose = lambda *a, **k: True\n"
            f"open('{marker}', 'w').write('x')\ndef mean(x):\n    return x[0]"
        ),
    )
    inside = "def mean(x):\n    t = [torch][0]\n    t.allclose = lambda *a, **k: True\n    return x[0]"
    split = submission(released, answers(mean="scale = 1.0"))
    split.cells.append(nbformat.v4.new_code_cell("def helper(x):\n    return scale * x.sum()"))
    split.cells.insert(0, nbformat.v4.new_code_cell("def mean(x):\n    return helper(x) / len(x)"))
    split.cells.insert(0, nbformat.v4.new_code_cell("this is no Python"))
    split.cells = [
        cell for cell in split.cells if not str(cell.metadata.get("nbgrader", {}).get("grade_id")).endswith("tests")
    ]
    edited = submission(released, answers(mean="def mean(x):\n    return 0"))
    for cell in edited.cells:
        if cell.metadata.get("nbgrader", {}).get("points") == 2:
            cell.source, cell.metadata.nbgrader.points = "pass", 100
    twice = submission(released, answers(mean="def mean(x):\n    return x[0]"))
    twice.cells.append(nbformat.v4.new_code_cell(ANSWERS["mean"]))
    steal = f"def mean(x):\n    np.save('{marker}', x.numpy())\n    return x.mean()"
    # These two tell by their marks whether the sandbox holds: they answer rightly only inside it.
    private = [
        root / "solutions/start/basics.ipynb",
        marker.parent / "grading/gradebook.db",
        marker.parent / "submissions",
    ]
    look = f"any(np.lib.npyio.DataSource(None).exists(path) for path in {[str(path) for path in private]})"
    read = f"def mean(x):\n    return x[0] if {look} else x.mean()"
    bomb = (
        "def last(items):\n    try:\n        return [bytearray(2**30) for _ in range(4)]\n"
        "    except MemoryError:\n        return items[-1]"
    )
    endless = "import time\ndef last(items):\n    while True: time.sleep(0.1)"  # costs the other tests no time
    nulls = submission(released)
    for cell in nulls.cells:
        cell.metadata["nbgrader"] = None
    listed = submission(released)
    listed.cells[1].metadata["nbgrader"] = {"grade_id": ["imports"]}
    lone = "def mean(x):\n    print('\\ud800')\n    raise ValueError('\\ud800')"
    return {
        "full": full,
        "empty": nbformat.from_dict(released),
        "patched": patched,
        "inside": submission(released, answers(mean=inside)),
        "split": split,
        "edited": edited,
        "twice": twice,
        "hidden": submission(released, answers(mean="def mean(x):\n    return (x[0] + x[1]) / 2")),
        "unreadable": submission(released, answers(mean="def mean(x):\n    return x.mean(")),
        "writes": submission(released, answers(mean=steal)),
        "reads": submission(released, answers(mean=read)),
        "bomb": submission(released, answers(last=bomb)),
        "loop": submission(released, answers(last=endless)),
        "evals": submission(released, answers(mean="def mean(x):\n    return eval('x.mean()')"), why=None),
        "deep": submission(released, answers(mean="def mean(x):\n    return x.mean()" + "+0" * 10**4)),
        "nulls": nulls,
        "listed": listed,
        "attachment": submission(released, why="See ![](attachment:gone.png)"),
        "lone": submission(released, answers(mean=lone)),
        "Zo_": submission(released),
        "né_line": submission(released),
        "raises": submission(released, experiment="size = 0\nassert size, 'the second line'"),
        "exits": submission(released, answers(mean="def mean(x):\n    raise SystemExit")),
        "warns": submission(
            released, answers(mean="import warnings\ndef mean(x):\n    warnings.warn('!')\n    return x.mean()")
        ),
    }


FILES = {"Zo_": os.fsdecode(b"Zo\xeb"), "né_line": "né\nline"}  # the names of files, where they are other ones
BROKEN = {"broken", "listed"}
EXPECTED = {  # marks for mean (2), centred (3, which uses mean) and last (1)
    student: marks
    for marks, students in {
        (2, 3, 1): "full split twice reads bomb raises warns nulls attachment evals Zo_ né_line",
        (0, 0, 1): "patched inside edited hidden unreadable writes exits deep lone",
        (2, 3, 0): "loop",
        (0, 0, 0): "empty",
    }.items()
    for student in students.split()
}


@pytest.fixture(scope="module")
def graded(released_course, released, tmp_path_factory):
    """All of them graded in one run, two at a time; the course, the run's output and the file nobody may write."""
    root = tmp_path_factory.mktemp("graded")
    folder, marker = root / "submissions", root / "written"
    folder.mkdir()
    for name, notebook in students(released, released_course.root, marker).items():
        nbformat.write(notebook, folder / f"{FILES.get(name, name)}.ipynb")
    (folder / "broken.ipynb").write_text("{this is no notebook")
    os.mkfifo(folder / "pipe.ipynb")
    course = Course.at(released_course.root, root / "grading")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    return course, course_grade(course, "run", folder, *LIMITS, "--jobs", 2, env=environment), marker


@pytest.fixture(scope="module")
def marks(graded):
    course, _, _ = graded
    text = course_grade(course, "export").stdout
    table: dict[str, dict[str, dict]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        table.setdefault(row["student"], {})[row["task"]] = row
    return table


def test_one_broken_submission_does_not_stop_the_others(graded):
    _, done, marker = graded
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert re.search(r"broken .*not graded.*\n.*is no readable notebook", done.stdout)
    assert re.search(r"listed .*not graded.*\n.*cell 1: nbgrader's entry is", done.stdout)
    assert f"{len(EXPECTED) + len(BROKEN)} to grade" in done.stdout
    assert done.stderr == f"course: {marker.parent}/submissions/pipe.ipynb is no regular file\n"
    assert r"/n\xe9\nline.ipynb collected" in done.stdout
    assert r"/Zo\udceb.ipynb collected" in done.stdout


@pytest.mark.parametrize("student", EXPECTED)
def test_marks(student, marks):
    row = marks[student]
    assert tuple(float(row[f"{task}-tests"]["score"]) for task in ANSWERS) == EXPECTED[student]
    assert [float(row[f"{task}-tests"]["max_score"]) for task in ANSWERS] == [2, 3, 1]


def test_what_a_human_decides_waits_for_a_human(marks):
    assert marks["full"]["why"]["by_hand"] == "waiting"
    assert marks["full"]["experiment"]["by_hand"] == "waiting"
    assert marks["empty"]["why"]["by_hand"] == ""
    assert marks["broken"][""]["by_hand"] == "not graded"
    undecided = {student for student in EXPECTED if marks[student]["mean-tests"]["by_hand"] == "waiting"}
    assert undecided == {"unreadable"}
    assert {marks[student]["last-tests"]["by_hand"] for student in EXPECTED} == {""}


def test_nothing_was_written_outside(graded):
    _, _, marker = graded
    assert not marker.exists()
    assert not marker.with_suffix(".npy").exists()


def test_what_the_grader_saw_is_told(graded, chapter):
    course, done, _ = graded
    assert "line 1: assert torch.allclose(mean(" in course.of_student("autograded", "inside", chapter).read_text()
    assert "tensor(1234.)" in course.of_student("autograded", "full", chapter).read_text()
    loop = record_of(course, "loop", chapter)
    assert loop.notes == [f"last-tests: no answer within {SECONDS} s: an endless loop?"]
    assert (loop.lost, loop.limits["cell_seconds"]) == (1, int(SECONDS))
    assert record_of(course, "full", chapter).lost == 0
    assert "6 of 12, 2 by hand" in done.stdout


def test_feedback_is_offline_harmless_and_keeps_the_hidden_tests(graded, chapter):
    course, _, _ = graded
    done = course_grade(course, "feedback")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(EXPECTED)
    deep = course.of_student("feedback", "deep", chapter, ".html").read_text()
    assert "the process ended" in deep  # Python itself does not survive what is nested so deeply
    assert "Not graded yet: 4: why" in deep
    page = course.of_student("feedback", "full", chapter, ".html").read_text()
    assert "default-src &#x27;none&#x27;" in page
    assert "MathJax" in page
    assert "alert(1)</script>" not in page
    without_mathjax = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "<script" not in without_mathjax
    assert not re.search(r"<(link|script|iframe)\b[^>]*https?:", without_mathjax)
    assert "hidden_expected" not in page
    assert "evil.example" in page
    assert not re.search(r"<img[^>]*evil", page)
    assert f"data:image/png;base64,{PIXEL}" in page
    assert "<strong>full</strong>, start/basics." in page
    assert "Not graded yet: 4: why is the mean of a centred vector zero?; 5: try something." in page
    assert '<a href="#mean-tests">1</a>' in page
    assert "Test cell</a>" not in page
    assert r"inlineMath: [['$', '$'], ['\\(', '\\)']]" in page  # a single backslash would make formulas of parentheses
    failed = course.of_student("feedback", "edited", chapter, ".html").read_text()
    assert "AssertionError" in failed
    assert "a check on other data fails" not in failed
    hidden = course.of_student("feedback", "hidden", chapter, ".html").read_text()
    assert hidden.count("The visible checks pass; a check on other data fails.") == 2  # of mean, and of centred
    assert "AssertionError: the mean of 1..10 is 5.5" in hidden
    assert "hidden_expected" not in failed
    assert "SyntaxError" in course.of_student("feedback", "unreadable", chapter, ".html").read_text()
    empty = course.of_student("feedback", "empty", chapter, ".html").read_text()
    assert "Not graded yet" not in empty
    assert "not answered" in empty  # the open experiment
    assert "NotImplementedError</span>" not in empty.partition("not answered")[2]
    raised = course.of_student("feedback", "raises", chapter, ".html").read_text()
    assert "the second line" in raised
    for page in (empty, raised):
        assert "course/grading" not in page


def test_a_page_that_cannot_be_made_is_told_and_the_others_are_written(graded, chapter, tmp_path):
    course, _, _ = graded
    course = Course.at(course.root, shutil.copytree(course.grading, tmp_path / "grading"))
    for student in EXPECTED.keys() - {"full", "empty"}:
        course.of_student("records", student, chapter, ".json").unlink()
    course.of_student("autograded", "empty", chapter).write_text("broken")
    done = course_grade(course, "feedback")
    assert done.returncode == 1
    assert re.fullmatch(r"course: empty start/basics: .*\n", done.stderr)
    assert done.stdout == f"{course.of_student('feedback', 'full', chapter, '.html')}\n"


def test_a_second_run_grades_nothing_again(graded):
    course, _, _ = graded
    done = course_grade(course, "run", *LIMITS)
    assert f"{len(BROKEN)} to grade, {len(EXPECTED)} graded before" in done.stdout  # the broken ones are tried again


def test_totals(graded, tmp_path):
    course, _, _ = graded
    assert course_grade(course, "export", "--totals", tmp_path / "totals.csv").returncode == 0
    text = (tmp_path / "totals.csv").read_bytes()
    assert text.startswith("\ufeffstudent,part,chapter".encode())
    lines = text.decode("utf-8-sig").splitlines()
    assert len(lines) == len(EXPECTED) + len(BROKEN) + 1
    assert "full,start,basics,6.0,12.0,2,waiting" in lines
    assert "empty,start,basics,0.0,12.0,0,complete" in lines
    assert "deep,start,basics,1.0,12.0,1,waiting" in lines
    assert "broken,start,basics,,,,not graded" in lines


@pytest.mark.parametrize(
    ("lost", "seconds", "due"), [(0, 20, False), (1, 20, False), (1, 10, False), (1, 30, True), (0, 30, False)]
)
def test_only_what_ran_into_a_limit_is_graded_again_with_a_larger_one(lost, seconds, due, course, chapter, released):
    write_whole(course.of_student("collected", "ada", chapter), nbformat.writes(released))
    old, new = Limits(cell_seconds=20), Limits(cell_seconds=seconds)
    record = Record("ada", str(chapter), "graded", key_of(course, "ada", chapter), limits=asdict(old), lost=lost)
    write_json(course.of_student("records", "ada", chapter, ".json"), asdict(record))
    assert is_due(course, "ada", chapter, new) is due


@pytest.mark.parametrize("damaged", ["{", '{"student": "ada", "colour": "red"}'])
def test_a_record_that_cannot_be_read_counts_as_none(damaged, course, chapter, released):
    write_whole(course.of_student("collected", "ada", chapter), nbformat.writes(released))
    write_whole(course.of_student("records", "ada", chapter, ".json"), damaged)
    assert record_of(course, "ada", chapter) is None
    assert is_due(course, "ada", chapter, Limits())


def test_a_note_is_one_line_that_can_be_stored(course, chapter, released, monkeypatch):
    write_whole(course.of_student("collected", "ada", chapter), nbformat.writes(released))
    monkeypatch.setattr(run, "autograde", lambda *_: (["x\nforged  start/basics  6 of 6 \ud800"], 0))
    monkeypatch.setattr(run, "scores", lambda *_: (0.0, 12.0, []))
    run.grade(course, "ada", chapter, Limits(), True)
    assert record_of(course, "ada", chapter).notes == [r"x\nforged  start/basics  6 of 6 \ud800"]


def test_a_decision_stands_while_the_answer_is_the_same(grade, course, chapter, released, tmp_path):
    file = tmp_path / "ada.ipynb"
    wrong = answers(last="def last(items):\n    return items[0]")
    nbformat.write(submission(released, wrong, experiment="mean(torch.ones(2))"), file)
    assert grade("run", file, *LIMITS).returncode == 0
    given = {"why": 3, "experiment": 2, "last-tests": 0.5}
    with nbgrader_ready(), Gradebook(f"sqlite:///{course.grading}/gradebook.db") as gradebook:
        for task, points in given.items():
            mark = gradebook.find_grade(task, chapter.name, chapter.part, "ada")
            mark.manual_score, mark.needs_manual_grade = points, False
        gradebook.db.commit()
    nbformat.write(submission(released, wrong, experiment="mean(torch.ones(3))"), file)
    done = grade("run", file, *LIMITS)
    assert "replaces the one collected before" in done.stdout
    assert "10.5 of 12, 1 by hand" in done.stdout  # the points stay, one of them to be looked at again
    rows = {row["task"]: row for row in csv.DictReader(io.StringIO(grade("export").stdout))}
    assert {task: float(rows[task]["score"]) for task in given} == given
    assert {task: rows[task]["by_hand"] for task in given} == {
        "why": "done",
        "experiment": "waiting",
        "last-tests": "done",
    }


def test_a_killed_run_is_continued(course, chapter, released, tmp_path):
    folder = tmp_path / "submissions"
    folder.mkdir()
    slow = answers(mean="def mean(x):\n    import time\n    time.sleep(2)\n    return x.mean()")
    for name, given in {"a": ANSWERS, "b": slow, "c": ANSWERS}.items():
        nbformat.write(submission(released, given), folder / f"{name}.ipynb")
    command = [str(word) for word in [COURSE, "grade", "run", folder, "--course", course.root]]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    record = course.of_student("records", "a", chapter, ".json")
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # in the middle of b
    killed.kill()
    killed.wait()
    assert record_of(course, "b", chapter) is None
    first = record.stat().st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 to grade, 1 graded before" in done.stdout
    assert record.stat().st_mtime_ns == first
    assert [record_of(course, name, chapter).score for name in "abc"] == [6, 6, 6]


def test_without_a_sandbox_it_refuses_unless_told(grade, course, released, chapter, tmp_path):
    nbformat.write(submission(released), tmp_path / "ada.ipynb")
    nowhere = os.environ | {"PATH": "/nonexistent"}
    refused = grade("run", tmp_path / "ada.ipynb", env=nowhere)
    assert refused.returncode == 2
    assert "apt-get install bubblewrap" in refused.stderr
    assert "Traceback" not in refused.stderr
    told = grade("run", tmp_path / "ada.ipynb", "--no-sandbox", env=nowhere)
    assert told.returncode == 0, told.stderr
    assert "with your rights" in told.stderr
    assert record_of(course, "ada", chapter).score == 6
    assert not record_of(course, "ada", chapter).sandboxed


@pytest.mark.parametrize("released_before", [True, False])
def test_an_export_before_any_run_says_what_to_do(grade, course, released_before):
    if not released_before:
        (course.grading / "gradebook.db").unlink()
    done = grade("export")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"course: nothing graded yet in {course.grading}: run `course grade run` first\n"


def test_two_runs_do_not_share_a_gradebook(grade, course):
    import fcntl

    with (course.grading / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = grade("run")
    assert done.returncode == 2
    assert "another run is using" in done.stderr


@pytest.mark.parametrize("made, told", [(False, "does not exist"), (True, "holds no notebook (.ipynb)")])
def test_a_wrong_path_leaves_nothing_behind(made, told, tmp_path):
    root, folder = make(tmp_path / "course"), tmp_path / "nothing"
    if made:
        folder.mkdir()
    done = subprocess.run([COURSE, "grade", "run", folder, "--course", root], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"course: {folder} {told}\n"
    assert not (root / "grading").exists()


def test_release_writes_the_students_notebooks(grade, tmp_path):
    done = grade("release", "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "start" / "basics.ipynb").read_text()
    assert "hidden_expected" not in text
    assert "x.sum()" not in text


def test_a_folder_without_solutions_is_named(tmp_path):
    done = subprocess.run([COURSE, "grade", "release", "--course", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2
    assert "holds no folder solutions/" in done.stderr
