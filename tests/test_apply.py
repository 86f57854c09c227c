"""A small system, trained, saved, asked and measured by `course apply`, and loaded in a process that never saw it."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from course import applications, checkpoints, cli
from course.applications import saving
from course.applications.card import Card, Measured, Used
from course.applications.system import System
from course.errors import CourseError


@dataclass(frozen=True)
class Settings:
    """What the small system may be told."""

    places: int = field(default=3, metadata={"help": "decimal places that are kept"})
    signs: tuple[str, ...] = field(default=("low", "high"), metadata={"help": "what the two sides are called"})
    shift: float = field(default=0.0, metadata={"help": "added to the threshold"})
    strict: bool = field(default=True, metadata={"help": "whether the threshold itself is low"})

    def __post_init__(self):
        if self.places < 0:
            raise ValueError(f"places must be at least 0, got {self.places}")


class Threshold(System):
    """Numbers below their mean in a file are low."""

    name = "threshold"
    Settings = Settings

    def __init__(self, mean: torch.Tensor, signs: tuple[str, ...]):
        self.mean, self.signs = mean, signs

    @classmethod
    def train(cls, data, settings, *, seed, device, folder):
        path = Path(data)
        if not path.exists():
            raise CourseError(f"{data} is missing: name a file of numbers")
        if path.read_text().startswith("stop"):
            raise KeyboardInterrupt
        values = torch.tensor([float(line) for line in path.read_text().split()], device=device)
        system = cls((values.mean() + settings.shift).cpu(), settings.signs)
        measured = (Measured.over_all("spread", [1.0, 2.0, 3.0], "files", ""), Measured.over_all("one", [50], "file"))
        used = (
            Used.registered("glyphs", "none", "nothing | at all"),
            Used("mine", "training", f"{len(values)} numbers"),
        )
        card = Card(
            "threshold", "To tell low from high.", ("people",), used, "Never measured.", measured, (), ("all",),
            {"places": settings.places}, seed, 1.0, {"cpu": "any"},
        )  # fmt: skip
        return system, card

    def tree(self):
        return {"mean": self.mean, "signs": self.signs}

    @classmethod
    def from_tree(cls, tree, device):
        return cls(tree["mean"].to(device), tree["signs"])

    def predict(self, inputs):
        return [{"input": each, "label": self.signs[int(float(each) > self.mean)]} for each in inputs]

    def evaluate(self, data):
        return [Measured.over_all("accuracy", [80.0, 90.0, 100.0], "files")]


@pytest.fixture(autouse=True)
def threshold(monkeypatch):
    monkeypatch.setattr(applications, "SYSTEMS", systems := {"threshold": ("test_apply:Threshold", "low or high")})
    for module in ("saving", "commands"):
        monkeypatch.setattr(f"course.applications.{module}.SYSTEMS", systems)


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("1\n2\n6\n")
    return path


def apply(*arguments) -> int:
    return cli.main(["apply", "threshold", *map(str, arguments)])


def train(numbers, folder, *more) -> int:
    return apply("train", "--data", numbers, "--to", folder, "--device", "cpu", *more)


def test_a_system_is_trained_saved_asked_and_measured(numbers, tmp_path, capsys):
    model, answers, report = tmp_path / "model", tmp_path / "answers.csv", tmp_path / "report.json"
    assert train(numbers, model, "--signs", "small", "large", "--shift", "0.5", "--places", "1", "--no-strict") == 0
    assert "| spread | 2.000 ± 2.484 | 3 files |" in capsys.readouterr().out
    assert apply("predict", "--model", model, "3.2", "3.6", "--device", "cpu", "--to", answers) == 0
    assert answers.read_text() == "input,label\n3.2,small\n3.6,large\n"
    capsys.readouterr()
    assert apply("predict", "--model", model, "--device", "cpu", "3.6") == 0
    assert capsys.readouterr().out == "input,label\n3.6,large\n"
    assert apply("evaluate", "--model", model, "--data", numbers, "--to", report, "--device", "cpu") == 0
    assert json.loads(report.read_text())[0]["mean"] == 90 and "| accuracy | 90.0 ± 24.8 % |" in capsys.readouterr().out


def test_a_saved_system_gives_the_same_answers_in_a_fresh_process(numbers, tmp_path):
    assert train(numbers, tmp_path / "model") == 0
    program = (
        "import sys; from pathlib import Path; import course.applications as there\n"
        "there.SYSTEMS['threshold'] = ('test_apply:Threshold', '')\n"
        "from course.applications.saving import load\n"
        "print(load(Path(sys.argv[1])).predict(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model"), "2.9", "3.1"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True).stdout
    assert said == f"{saving.load(tmp_path / 'model').predict(['2.9', '3.1'])}\n"
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [".json", ".md", ".safetensors"]


def test_the_card_names_licences_and_settings(numbers, tmp_path):
    train(numbers, tmp_path / "model", "--seed", "7")
    card = (tmp_path / "model" / "card.md").read_text("utf8")
    assert r"nothing \| at all | DejaVu fonts licence" in card and "| mine | training | 3 numbers | yours" in card
    assert "| one | 50.0 % | 1 file |" in card and "| seed | 7 |" in card and "* people" in card
    assert "By group" not in card


def test_nothing_is_overwritten_and_nothing_half_written_stays(numbers, tmp_path, capsys, monkeypatch):
    (tmp_path / "model").mkdir()
    assert train(numbers, tmp_path / "model") == 0  # an empty folder is free
    before = (tmp_path / "model" / "state.json").read_bytes()
    assert train(numbers, tmp_path / "model") == 1
    assert "is there already: name a new folder" in capsys.readouterr().err
    assert (tmp_path / "model" / "state.json").read_bytes() == before

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    assert train(numbers, tmp_path / "other") == 1 and not (tmp_path / "other").exists()


def test_a_killed_training_goes_on_only_with_the_same_arguments(numbers, tmp_path, capsys):
    folder = tmp_path / "model"
    numbers.write_text("stop")
    assert train(numbers, folder) == 130 and (tmp_path / "model.training" / "run.json").exists()
    assert train(numbers, folder, "--places", "2") == 1
    assert "had places = 3, not 2: give the same arguments" in capsys.readouterr().err
    numbers.write_text("1 2")
    assert train(numbers, folder) == 0 and not (tmp_path / "model.training").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("train", "--data", "absent.txt", "--to", "new"), 1, "absent.txt is missing: name a file"),
        (("train", "--data", "absent.txt", "--to", "new", "--places", "-1"), 1, "places must be at least 0, got -1"),
        (("predict", "--model", "absent", "1"), 1, "absent holds no saved system: train one"),
        (("evaluate", "--model", "absent", "--data", "x"), 1, "absent holds no saved system: train one"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, status, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert apply(*arguments) == status and said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_system_is_not_taken_for_another_nor_a_checkpoint_for_a_system(numbers, tmp_path):
    train(numbers, tmp_path / "model")
    with pytest.raises(saving.SavedError, match=r"holds the system 'threshold', not 'emotion'"):
        saving.load(tmp_path / "model", name="emotion")
    checkpoints.save(tmp_path / "run", 3, {"step": 3})
    with pytest.raises(saving.SavedError, match="checkpoint of a training run"):
        saving.load(tmp_path / "run")
    with pytest.raises(saving.SavedError, match="no application 'other': choose one of threshold"):
        saving.system_class("other")
    damaged = next((tmp_path / "model").glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(checkpoints.CheckpointError, match="cut short or altered"):
        saving.load(tmp_path / "model")


def test_another_encoder_is_noticed():
    vector = torch.randn(384, generator=torch.Generator().manual_seed(0))
    kept = saving.fingerprint(vector)
    saving.require_same_encoder("e5", kept, vector * (1 + 1e-5))
    for other in (vector.flip(0), vector[:-1], vector * 1.01):
        with pytest.raises(saving.SavedError, match="the encoder e5 is not the one"):
            saving.require_same_encoder("e5", kept, other)


def test_settings_are_options_with_their_help(capsys):
    with pytest.raises(SystemExit):
        apply("train", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--signs WORD [WORD ...] what the two sides are called (default: low high)" in shown
    assert "--strict, --no-strict whether the threshold itself is low (default: True)" in shown
