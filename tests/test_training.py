"""The training loop: what it records, when it stops, what it refuses, and that nothing is lost when it is killed."""

import io
import json
import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given
from hypothesis import strategies as st
from launched_run import STEPS, error, train_branches
from safetensors.torch import load_file
from torch import nn

from course import checkpoints, files, runtime, training
from course.training import History, fit

TESTS = Path(__file__).parent


def batch(step):
    return torch.randn(16, 3, generator=torch.Generator().manual_seed(step))


def problem(seed=0, lr=0.05, dropout=0.0, optimizer=torch.optim.Adam):
    """A small network, the closure of its regression loss, and an optimizer."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))

    def closure(step):
        x = batch(step)
        loss = (model(x) - x.sin().sum(1, keepdim=True)).square().mean()
        loss.backward()
        return loss.detach()

    return model, closure, optimizer(model.parameters(), lr=lr)


def validation(model, x=None):
    x = batch(10**6) if x is None else x

    @torch.no_grad()
    def validate():
        model.eval()
        return {"loss": (model(x) - x.sin().sum(1, keepdim=True)).square().mean()}

    return validate


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    """Whether two state dicts are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Interrupted(Exception):
    pass


def interrupted(closure, at):
    """The closure, until step ``at`` of a life."""

    def shorter(step):
        if step == at:
            raise Interrupted
        return closure(step)

    return shorter


# What is recorded


def test_the_loop_is_the_loop_that_one_would_write():
    model, closure, optimizer = problem()
    history = fit(model, closure, optimizer, steps=20)
    by_hand, own_closure, own_optimizer = problem()
    losses = []
    for step in range(20):
        own_optimizer.zero_grad()
        losses.append(float(own_closure(step)))
        own_optimizer.step()
    assert history.train_loss == losses
    assert history.steps == list(range(20))
    assert same(weights(model), weights(by_hand))
    assert history.validation == []


@pytest.mark.parametrize(("every", "expected"), [(4, [4, 8, 10]), (5, [5, 10]), (0, [10]), (20, [10])])
def test_validation_takes_place_when_asked_and_after_the_last_step(every, expected):
    model, closure, optimizer = problem()
    seen = []
    validate = validation(model)

    def noted():
        numbers = validate()
        seen.append(float(numbers["loss"]))
        return numbers

    history = fit(model, closure, optimizer, steps=10, validate=noted, validate_every=every)
    assert history.validation_steps == expected
    assert history.validation == [{"loss": loss} for loss in seen]
    assert seen[-1] == float(validate()["loss"])  # it saw the weights that the run ended with


def test_the_mode_of_each_module_outlives_a_validation():
    model, closure, optimizer = problem(dropout=0.5)
    model[3].eval()
    modes = []

    def noted(step):
        modes.append([module.training for module in model])
        return closure(step)

    fit(model, noted, optimizer, steps=4, validate=validation(model), validate_every=1)
    assert modes == 4 * [[True, True, True, False]]


def test_a_closure_may_draw_its_batches_from_a_python_generator():
    def stream():
        generator = runtime.generator(3)
        while True:
            yield torch.randn(16, 3, generator=generator)

    def train():
        torch.manual_seed(0)
        model, batches = nn.Linear(3, 1), stream()

        def closure(step):
            loss = (model(next(batches)) - 1).square().mean()
            loss.backward()
            return loss.detach()

        history = fit(model, closure, torch.optim.SGD(model.parameters(), lr=0.1), steps=60)
        return history, model

    before = torch.get_rng_state()
    (history, model), (again, _) = train(), train()
    torch.set_rng_state(before)
    assert history.train_loss == again.train_loss
    assert len(set(history.train_loss)) == 60
    assert history.train_loss[-1] < 1e-2 * history.train_loss[0]
    assert float(model.bias.detach()) == pytest.approx(1, abs=0.1)


def test_bfloat16_in_the_closure():
    model, _, optimizer = problem()

    def closure(step):
        x = batch(step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (model(x) - x.sin().sum(1, keepdim=True)).square().mean()
        loss.backward()
        return loss.detach()

    history = fit(model, closure, optimizer, steps=60, clip_norm=1.0)
    exact = fit(*problem(), steps=60, clip_norm=1.0)
    assert history.train_loss != exact.train_loss
    assert history.train_loss == pytest.approx(exact.train_loss, rel=0.1, abs=0.02)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    st.sampled_from(["loss", "accuracy"]),
)
def test_the_best_validation_is_the_earliest_extreme_and_a_history_survives_json(losses, values, name):
    history = History(losses, list(range(len(values))), [{name: value, "other": -value} for value in values])
    best = history.best
    for position, value in enumerate(values):
        worse = value > values[best] if name == "loss" else value < values[best]
        assert worse or (value == values[best] and position >= best)


def test_the_best_of_nothing_and_of_numbers_without_a_direction():
    with pytest.raises(ValueError, match="no validation took place"):
        _ = History().best
    with pytest.raises(ValueError, match="is a high 'perplexity' good or bad"):
        _ = History(validation=[{"perplexity": 3.0}]).best


# Early stopping, clipping, schedules


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_patience_stops_and_restores_the_best_weights(name):
    model, closure, optimizer = problem()
    values = [5.0, 3.0, 4.0, 3.0, 3.5, 1.0]  # the best of them is never reached: three in a row were no better than 3.0
    seen = []

    def validate():
        seen.append(weights(model))
        value = values[len(seen) - 1]
        return {name: value if name == "loss" else -value}

    history = fit(model, closure, optimizer, steps=100, validate=validate, validate_every=2, patience=3)
    assert history.validation_steps == [2, 4, 6, 8, 10]
    assert len(history.train_loss) == 10
    assert history.best == 1
    assert same(weights(model), seen[1])
    assert not same(seen[1], seen[-1])


def test_with_patience_the_best_weights_come_back_at_the_last_step_too():
    model, closure, optimizer = problem()
    seen = []

    def validate():
        seen.append(weights(model))
        return {"loss": float(len(seen))}

    fit(model, closure, optimizer, steps=4, validate=validate, validate_every=2, patience=5)
    assert same(weights(model), seen[0])


def test_clipping_equals_torchs():
    model, closure, optimizer = problem(optimizer=torch.optim.SGD)
    by_hand, own_closure, own_optimizer = problem(optimizer=torch.optim.SGD)
    fit(model, closure, optimizer, steps=10, clip_norm=0.3)
    clipped = 0
    for step in range(10):
        own_optimizer.zero_grad()
        own_closure(step)
        clipped += bool(nn.utils.clip_grad_norm_(by_hand.parameters(), 0.3) > 0.3)
        own_optimizer.step()
    assert clipped > 0
    assert same(weights(model), weights(by_hand))


@pytest.mark.parametrize(("length", "expected"), [(5.0, 2.0), (1.0, 1.0)])
def test_only_longer_gradients_are_clipped_and_over_all_parameters_together(length, expected):
    model = nn.ParameterList([torch.zeros(2), torch.zeros(1)])
    direction = [torch.tensor([3.0, 0.0]) / 5, torch.tensor([4.0]) / 5]

    def closure(step):
        loss = sum((length * each * parameter).sum() for each, parameter in zip(direction, model, strict=True))
        loss.backward()
        return loss.detach()

    fit(model, closure, torch.optim.SGD(model.parameters(), lr=1.0), steps=1, clip_norm=2.0)
    moved = torch.cat([parameter.detach() for parameter in model])
    assert float(moved.norm()) == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(moved / moved.norm(), -torch.tensor([0.6, 0.0, 0.8]))


def test_a_scheduler_is_stepped_after_each_step():
    model, closure, optimizer = problem(optimizer=torch.optim.SGD, lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    rates = []

    def noted(step):
        rates.append(optimizer.param_groups[0]["lr"])
        return 0.0 * closure(step)

    fit(model, noted, optimizer, steps=6, scheduler=scheduler)
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_sparse_gradients_train_as_dense_ones_do(clip_norm):
    def train(sparse):
        torch.manual_seed(0)
        model = nn.Embedding(10, 4, sparse=sparse)

        def closure(step):
            rows = torch.tensor([step % 10, 3, 3])  # row 3 twice: its entries must be summed before the norm is taken
            loss = (model(rows).sum(1) - 1).square().sum()
            loss.backward()
            return loss.detach()

        history = fit(model, closure, torch.optim.SGD(model.parameters(), lr=0.1), steps=12, clip_norm=clip_norm)
        return model.weight.detach(), history.train_loss

    (sparse, sparse_loss), (dense, dense_loss) = train(True), train(False)
    assert torch.allclose(sparse, dense, atol=1e-6)
    assert sparse_loss == pytest.approx(dense_loss, rel=1e-5)


# Numbers that are none


def spoiled(model, closure, what, at):
    """The closure, with a NaN or infinity put into the loss, a gradient or a weight at one step."""

    def spoil(step):
        loss = closure(step)
        if step == at:
            with torch.no_grad():
                if what == "loss":
                    loss = loss * math.nan
                elif what == "gradient":
                    model[0].weight.grad[0, 0] = math.inf
                else:
                    model[0].weight[0, 0] = math.nan
        return loss

    return spoil


@pytest.mark.parametrize(
    ("what", "at", "message"),
    [
        ("loss", 7, r"step 7 has loss nan and a gradient of norm \d"),
        ("loss", 0, r"step 0 has loss nan"),
        ("gradient", 7, r"step 7 has loss \d\S* and a gradient of norm inf"),
        ("weight", 7, r"step 8 has loss nan"),  # the step before was computed with a finite weight
        ("weight", 8, r"a weight is NaN or infinite after step 8"),  # seen before it is written
    ],
)
def test_nan_is_noticed_its_step_named_and_the_older_checkpoint_kept(tmp_path, what, at, message):
    model, closure, optimizer = problem()
    with pytest.raises(FloatingPointError, match=rf"^regression: {message}.*Lower the learning rate") as caught:
        fit(
            model,
            spoiled(model, closure, what, at),
            optimizer,
            steps=20,
            checkpoint=tmp_path,
            checkpoint_every=3,
            label="regression",
        )
    assert checkpoints.exists(tmp_path) == (at > 0)
    assert (f"the checkpoint in {tmp_path} is older, and finite" in str(caught.value)) == (at > 0)
    if at > 0:
        state = checkpoints.load(tmp_path)
        assert len(state["history"]["train_loss"]) == 6
        assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_nan_is_noticed_without_any_checkpoint_too():
    model, closure, optimizer = problem()
    with pytest.raises(FloatingPointError, match="step 3 has loss nan") as caught:
        fit(model, spoiled(model, closure, "loss", 3), optimizer, steps=1000)
    assert "checkpoint" not in str(caught.value)
    model, closure, optimizer = problem()
    with pytest.raises(FloatingPointError, match="a weight is NaN or infinite after step 4"):
        fit(model, spoiled(model, closure, "weight", 4), optimizer, steps=5)


def test_nan_is_noticed_within_a_known_number_of_steps():
    model, closure, optimizer = problem()
    seen = []

    def counted(step):
        seen.append(step)
        return spoiled(model, closure, "loss", 3)(step)

    with pytest.raises(FloatingPointError):
        fit(model, counted, optimizer, steps=1000)
    assert len(seen) == training.LOOK_EVERY


@pytest.mark.parametrize("numbers", [{"loss": math.nan}, {"loss": 1.0, "other": math.inf}, {}])
def test_a_validation_that_is_no_number(numbers):
    model, closure, optimizer = problem()
    with pytest.raises(FloatingPointError, match=r"the validation after step 3 gave \{"):
        fit(model, closure, optimizer, steps=9, validate=lambda: numbers, validate_every=4)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validate_every": 3}, "validate_every is given, but not validate"),
        ({"patience": 2}, "patience counts validations"),
        ({"patience": 2, "validate": dict}, "patience counts validations"),
        ({"patience": 0, "validate": dict, "validate_every": 1}, "patience counts validations"),
        ({"checkpoint_every": 3}, "need checkpoint, the folder"),
        ({"resume": True}, "need checkpoint, the folder"),
        ({"steps": -1}, "cannot be negative: .*'steps': -1"),
        ({"checkpoint": "x", "checkpoint_every": -1}, "cannot be negative: .*'checkpoint_every': -1"),
        ({"validate": dict, "validate_every": -1}, "cannot be negative: .*'validate_every': -1"),
        ({"clip_norm": 0}, "clip_norm is 0: give a positive norm"),
        ({"clip_norm": math.nan}, "clip_norm is nan: give a positive norm"),
    ],
)
def test_options_that_contradict_each_other(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, closure, optimizer = problem()
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        fit(model, closure, optimizer, **{"steps": 3} | options)
    assert same(before, weights(model))
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_that_waits_for_a_validation():
    model, closure, optimizer = problem()
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="take a scheduler that counts steps"):
        fit(model, closure, optimizer, steps=3, scheduler=scheduler)


@pytest.mark.parametrize(
    ("closure", "message"),
    [
        (lambda model: model(batch(0)).mean(), "left 0 gradients and returned tensor"),
        (lambda model: model(batch(0)).mean().backward(), "left 4 gradients and returned None"),
        (lambda model: (model(batch(0)).mean().backward(), torch.zeros(2))[1], "returned tensor.* 0"),
        (lambda model: (model(batch(0)).mean().backward(), 0.5)[1], r"returned 0\.5"),
    ],
    ids=["no backward", "no loss", "no scalar", "no tensor"],
)
def test_a_closure_that_does_not_do_its_part(closure, message):
    model, _, optimizer = problem()
    with pytest.raises(ValueError, match=rf"the closure must call backward and return the loss .*{message}"):
        fit(model, lambda step: closure(model), optimizer, steps=3)


def test_the_folder_of_another_run_is_not_overwritten(tmp_path):
    fit(*problem(), steps=3, checkpoint=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"holds a checkpoint: pass resume=True, or delete the folder"):
        fit(*problem(), steps=3, checkpoint=tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_folder_that_cannot_be_one_is_known_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf8")
    model, _, optimizer = problem()
    with pytest.raises(NotADirectoryError, match="is a file: let checkpoint name a folder"):
        fit(model, pytest.fail, optimizer, steps=3, checkpoint=tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        fit(model, pytest.fail, optimizer, steps=3, checkpoint=tmp_path / "file" / "below")


def test_a_checkpoint_of_another_run_is_refused_and_the_difference_named(tmp_path):
    model, closure, optimizer = problem()
    fit(model, closure, optimizer, steps=3, checkpoint=tmp_path)

    def message(model, closure, optimizer, **options):
        before = weights(model)
        with pytest.raises(ValueError, match="is that of another run") as caught:
            fit(model, closure, optimizer, steps=6, checkpoint=tmp_path, resume=True, **options)
        assert same(before, weights(model))
        return str(caught.value)

    assert "optimizer.0.lr: 0.05 there, 0.1 here" in message(*problem(lr=0.1))
    assert "optimizer: Adam there, AdamW here" in message(*problem(optimizer=torch.optim.AdamW))
    assert "clip_norm: None there, 1.0 here" in message(*problem(), clip_norm=1.0)
    model, closure, optimizer = problem()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    assert "scheduler: NoneType there, ExponentialLR here" in message(model, closure, optimizer, scheduler=scheduler)
    wider = nn.Linear(3, 2, dtype=torch.float64)
    text = message(wider, closure, torch.optim.Adam(wider.parameters(), lr=0.05))
    assert "model.0.weight: float32 [8, 3] there, none here" in text
    assert "and 2 more" in text


def test_fewer_steps_than_the_checkpoint_has(tmp_path):
    fit(*problem(), steps=5, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="has 5 steps behind it, 3 are asked for"):
        fit(*problem(), steps=3, checkpoint=tmp_path, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(*problem(), steps=3, checkpoint=tmp_path)
    [tensors] = tmp_path.glob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-4])
    with pytest.raises(ValueError, match=rf"{tensors.name} is not what was written.*delete the folder to begin again"):
        fit(*problem(), steps=6, checkpoint=tmp_path, resume=True)


# Interruption and resumption


def schedule(optimizer, kind):
    schedulers = torch.optim.lr_scheduler
    if kind == "one cycle":
        return schedulers.OneCycleLR(optimizer, 0.1, total_steps=40)
    if kind == "milestones":
        return schedulers.MultiStepLR(optimizer, [5, 20])
    if kind == "sequence":
        warm, rest = schedulers.LinearLR(optimizer), schedulers.CosineAnnealingLR(optimizer, 30)
        return schedulers.SequentialLR(optimizer, [warm, rest], milestones=[8])
    return None


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        (torch.optim.Adam, "one cycle"),
        (partial(torch.optim.SGD, momentum=0.9), "milestones"),
        (torch.optim.RMSprop, "sequence"),
        (torch.optim.Adagrad, "none"),
    ],
    ids=["Adam", "SGD", "RMSprop", "Adagrad"],
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, optimizer, kind):
    def train(folder, interrupt=None):
        model, closure, chosen = problem(dropout=0.4, optimizer=optimizer)
        closure = closure if interrupt is None else interrupted(closure, interrupt)
        options = {"checkpoint": folder, "checkpoint_every": 4, "validate": validation(model), "validate_every": 6}
        history = fit(
            model, closure, chosen, steps=33, resume=True, scheduler=schedule(chosen, kind), clip_norm=0.5, **options
        )
        return weights(model), history, torch.rand(1), chosen.state_dict()["param_groups"]

    expected = train(tmp_path / "whole")
    for step in (2, 13, 14, 29):  # before the first checkpoint, and later
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", step)
    state, history, drawn, groups = train(tmp_path / "parts")
    assert same(state, expected[0])
    assert history == expected[1]
    assert torch.equal(drawn, expected[2])  # the global generator is where it would be
    assert groups == expected[3]


def test_patience_counts_on_across_a_resumption(tmp_path):
    values = [5.0, 3.0, 4.0, 3.5, 3.2, 1.0]

    def train(folder, interrupt=None):
        model, closure, optimizer = problem()
        steps = []

        def noted(step):
            steps.append(step)
            return interrupted(closure, interrupt)(step)

        def validate():
            return {"loss": values[(steps[-1] + 1) // 2 - 1]}

        options = {"validate": validate, "validate_every": 2, "patience": 3, "checkpoint": folder}
        history = fit(model, noted, optimizer, steps=100, checkpoint_every=3, resume=True, **options)
        return weights(model), history, steps

    expected, whole, _ = train(tmp_path / "whole")
    assert len(whole.train_loss) == 10
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", 8)  # the checkpoint has 6 steps: the best of its weights is no longer the model's
    state, history, _ = train(tmp_path / "parts")
    assert history == whole
    assert same(state, expected)
    again, history, steps = train(tmp_path / "parts")  # stopped: restored with its best weights, and not continued
    assert (history, steps) == (whole, [])
    assert same(again, expected)


def test_a_finished_run_is_restored_and_not_continued(tmp_path):
    model, closure, optimizer = problem()
    history = fit(model, closure, optimizer, steps=7, checkpoint=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other, _, its_optimizer = problem(seed=1)
    again = fit(other, pytest.fail, its_optimizer, steps=7, checkpoint=tmp_path, resume=True)
    assert again == history
    assert same(weights(other), weights(model))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_longer_run_continues_a_shorter_one(tmp_path):
    fit(*problem(), steps=7, checkpoint=tmp_path)
    model, closure, optimizer = problem()
    history = fit(model, closure, optimizer, steps=11, checkpoint=tmp_path, resume=True)
    expected, closure, optimizer = problem()
    assert history == fit(expected, closure, optimizer, steps=11)
    assert same(weights(model), weights(expected))


def test_a_checkpoint_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    fit(*problem(), steps=4, checkpoint=tmp_path)

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "to_disk", no_space)
        with pytest.raises(OSError, match="No space left"):
            fit(*problem(), steps=8, checkpoint=tmp_path, resume=True)
    model, closure, optimizer = problem()
    history = fit(model, closure, optimizer, steps=8, checkpoint=tmp_path, resume=True)
    assert history == fit(*problem(), steps=8)


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_weights(tmp_path):
    """SIGKILL at every stage of writing a checkpoint, and after random times (killable_run.py)."""
    command = [sys.executable, TESTS / "killable_run.py", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    deaths = json.loads(ended.stdout)
    assert deaths["points"] == 16
    assert deaths["random"] > 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert len(whole) == 2
    assert deaths["writing"] == 100
    assert len(list((tmp_path / "writing").iterdir())) == 2, "a killed writer left files behind"
    for how in ("points", "random"):
        assert whole == {path.name: path.read_bytes() for path in (tmp_path / how).iterdir()}, how


# Several processes


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """What two processes ended with (launched_run.py): tensors and facts of each."""
    folder = tmp_path_factory.mktemp("launched")
    command = [sys.executable, TESTS / "launched_run.py", folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    tensors = [load_file(folder / f"{process}.safetensors") for process in range(2)]
    facts = [json.loads((folder / f"{process}.json").read_text(encoding="utf8")) for process in range(2)]
    assert [each["processes"] for each in facts] == [2, 2]
    return tensors, facts


def test_two_processes_train_as_one_with_the_joint_batch(launched):
    tensors, facts = launched
    model, history = train_branches(None, 1, seed=0)
    assert len(history.train_loss) == STEPS
    for process in range(2):
        assert facts[process]["train_loss"] == pytest.approx(history.train_loss, rel=1e-12)
        for name, value in model.state_dict().items():
            assert torch.allclose(tensors[process][f"branches.{name}"], value, rtol=1e-9, atol=1e-12), name


def test_the_mean_of_two_gradients_is_the_gradient_of_the_joint_batch():
    model, _ = train_branches(None, 1, seed=0)
    parts = [torch.autograd.grad(error(model, number), model.even.weight)[0] for number in (0, 1)]
    [joint] = torch.autograd.grad((error(model, 0) + error(model, 1)) / 2, model.even.weight)
    assert torch.allclose(sum(parts) / 2, joint, atol=1e-14)


def test_two_processes_resume_bit_for_bit_and_agree(launched):
    tensors, _ = launched
    names = [name.removeprefix("whole.") for name in tensors[0] if name.startswith("whole.")]
    assert "1.running_mean" in names
    for name in names:
        expected = tensors[0][f"whole.{name}"]
        for each in tensors:
            assert torch.equal(each[f"whole.{name}"], expected), name
            assert torch.equal(each[f"parts.{name}"], expected), name
            assert torch.equal(each[f"unsaved.{name}"], expected), name


def test_what_the_main_process_validates_counts_in_every_process(launched):
    tensors, facts = launched
    for each in facts:
        assert each["validation"] == [{"loss": loss} for loss in (3.0, 1.0, 2.0, 0.0)]
    for name in tensors[0]:
        if name.startswith("validated."):
            assert torch.equal(tensors[0][name], tensors[1][name]), name


def test_only_the_main_process_writes_and_every_process_is_told_what_is_wrong(launched):
    _, (main, other) = launched
    assert main["written"] == [3, 6, 9, 12, 3, 6, 9, 12]
    assert other["written"] == []
    for facts in (main, other):
        assert facts["there"] == STEPS // 2  # the last checkpoint, as soon as fit returns in either process
        assert facts["exists"].startswith("FileExistsError: ")
        assert "pass resume=True" in facts["exists"]
        assert facts["sparse"].startswith("ValueError: several processes cannot average sparse gradients")


def test_one_process_needs_no_launching(tmp_path):
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True)
    model, closure, optimizer = problem()
    history = fit(model, closure, optimizer, steps=5, checkpoint=tmp_path, accelerator=accelerator)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert history == fit(*problem(), steps=5)
    assert checkpoints.exists(tmp_path)


def test_a_model_on_another_device_than_the_accelerators():
    class Elsewhere:
        num_processes, process_index, device = 1, 0, torch.device("cuda")

    with pytest.raises(ValueError, match="the model is on cpu: move it to cuda"):
        fit(*problem(), steps=1, accelerator=Elsewhere())


# Progress and speed


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("ci", [True, False])
def test_the_progress_bar_is_quiet_in_continuous_integration(monkeypatch, ci):
    for name in ("CI", "COURSE_QUIET"):
        monkeypatch.delenv(name, raising=False)
    if ci:
        monkeypatch.setenv("CI", "true")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(*problem(), steps=3, label="regression")
    assert ("regression" in terminal.getvalue()) == (not ci)


@pytest.mark.gpu
def test_between_two_looks_a_gpu_never_waits():
    model = nn.Linear(64, 64, device="cuda")
    x = torch.rand(32, 64, device="cuda")

    def closure(step):
        if step == 1:  # the first step sets up what must wait
            torch.cuda.set_sync_debug_mode("error")
        if step == training.LOOK_EVERY - 1:
            torch.cuda.set_sync_debug_mode("default")
        with runtime.autocast(x.device):
            loss = model(x).square().mean()
        loss.backward()
        return loss.detach()

    try:
        history = fit(model, closure, torch.optim.SGD(model.parameters(), lr=0.1), steps=120, clip_norm=1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(history.train_loss) == 120
