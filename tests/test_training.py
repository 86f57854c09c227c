"""The training loop: what it records, when it stops, what it refuses, and that nothing is lost when it is killed."""

import doctest
import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given
from hypothesis import strategies as st
from launched_run import STEPS, error, train_branches, train_table
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, lr_scheduler
from torch.optim.lr_scheduler import ChainedScheduler, LambdaLR, LinearLR, MultiplicativeLR, MultiStepLR, SequentialLR

from course import checkpoints, data, runtime, training
from course.history import History
from course.training import fit

TESTS = Path(__file__).parent


def batch(step):
    return torch.randn(16, 3, generator=runtime.generator(step))


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


def validation(model):
    @torch.no_grad()
    def validate():
        x = batch(10**6)
        model.eval()
        return {"loss": (model(x) - x.sin().sum(1, keepdim=True)).square().mean()}

    return validate


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    """Whether two state dicts are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def interrupted(closure, at):
    """The closure, until step ``at`` of a life."""

    def shorter(step):
        if step == at:
            raise KeyboardInterrupt
        return closure(step)

    return shorter


# The learners of the book: each one's model, closure, optimizer and scheduler


class Pool(nn.Module):
    """The last fakes, in a buffer of the model: a checkpoint keeps it."""

    def __init__(self, size, width):
        super().__init__()
        self.register_buffer("fakes", torch.zeros(size, width))

    def forward(self, new):
        """Take in the new fakes, and draw as many from all."""
        self.fakes = torch.cat([new.detach(), self.fakes])[: len(self.fakes)]
        return self.fakes[torch.randint(len(self.fakes), (len(new),))]


def adversarial_pair():
    critic = nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    model = nn.ModuleDict({"critic": critic, "generator": nn.Linear(3, 3), "pool": Pool(64, 3)})
    groups = [{"params": model[name].parameters(), "name": name} for name in ("critic", "generator")]

    def closure(step):
        fakes = model["generator"](batch(step))
        if step % 6 == 5:
            return {"generator": -critic(fakes).mean()}
        return {"critic": critic(model["pool"](fakes)).mean() - critic(batch(step + 10**6).abs()).mean()}

    return model, closure, torch.optim.RMSprop(groups, lr=0.01), None


def skip_gram(sparse=True, optimizer=torch.optim.Adagrad):
    model = nn.ModuleList([nn.Embedding(40, 8, sparse=sparse) for _ in range(2)])

    def closure(step):
        words, noise = torch.randint(40, (2, 16), generator=runtime.generator(step))
        true, false = ((model[0](words) * model[1](others)).sum(1) for others in ((words + 1) % 40, noise))
        return -(F.logsigmoid(true) + F.logsigmoid(-false)).mean()

    return model, closure, optimizer(model.parameters(), lr=0.1), None


def language_model():
    sizes = [nn.Embedding(11, 8), nn.Flatten(), nn.Linear(32, 32), nn.Dropout(0.1), nn.Tanh(), nn.Linear(32, 11)]
    model, windows = nn.Sequential(*sizes), (torch.arange(300).square() % 11).unfold(0, 5, 1)
    batches = data.Batches(len(windows), 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def closure(step):
        tokens = windows[batches[step]]
        return F.cross_entropy(model(tokens[:, :4]), tokens[:, 4])

    return (model, closure, optimizer, LambdaLR(optimizer, lambda step: min((step + 1) / 10, 1.2 - step / 50)))


def two_encoders():
    model = nn.ModuleDict({"image": nn.Linear(3, 4), "text": nn.Linear(3, 4)})
    model.scale = nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def closure(step):
        x = batch(step)
        logits = model.scale.exp() * F.normalize(model["image"](x)) @ F.normalize(model["text"](x.sin())).T
        pairs = torch.arange(len(x))
        loss = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
        return {"loss": loss, "accuracy": (logits.argmax(1) == pairs).float().mean(), "scale": model.scale.detach()}

    return model, closure, optimizer, lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=60)


def episodic_learner():
    """Prototypes of one example each; as in MAML, the closure leaves gradients itself."""
    model = nn.Linear(3, 4)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedulers = [LinearLR(optimizer), MultiStepLR(optimizer, [5, 20])]

    def closure(step):
        support, query = model(batch(step)), model(batch(step) + 0.5 * batch(step + 10**6))
        loss = F.cross_entropy(-torch.cdist(query, support).square(), torch.arange(16))
        for parameter, gradient in zip(model.parameters(), torch.autograd.grad(loss, model.parameters()), strict=True):
            parameter.grad = gradient
        return loss.detach()

    return model, closure, optimizer, SequentialLR(optimizer, schedulers, milestones=[8])


LEARNERS = [adversarial_pair, skip_gram, language_model, two_encoders, episodic_learner]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # said by Adagrad
@pytest.mark.parametrize(("learner", "clip"), [*zip(LEARNERS, [None, None, 0.3, None, 0.3], strict=True)])
def test_a_learner_trains_as_in_the_loop_that_one_would_write(learner, clip):
    torch.manual_seed(0)
    model, closure, optimizer, scheduler = learner()
    history = fit(model, closure, optimizer, steps=60, scheduler=scheduler, clip_norm=clip)
    torch.manual_seed(0)
    by_hand, closure, optimizer, scheduler = learner()
    curves, clipped = {}, 0
    for step in range(60):
        optimizer.zero_grad()
        returned = closure(step)
        losses = returned if isinstance(returned, dict) else {"loss": returned}
        for name, loss in losses.items():
            for numbers, number in zip(curves.setdefault(name, ([], [])), (step, float(loss.detach())), strict=True):
                numbers.append(number)
            if loss.grad_fn is not None:
                loss.backward()
        for group in optimizer.param_groups:
            if group.get("name", "all") not in {*losses, "all"}:  # the critic waits for the generator, which passed
                for parameter in group["params"]:  # its gradient through the critic, and the other way round
                    parameter.grad = None
        clipped += clip is not None and nn.utils.clip_grad_norm_(by_hand.parameters(), clip) > clip
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    assert history.train == curves
    assert bool(clipped) == (clip is not None)
    assert same(weights(model), weights(by_hand))
    first = next(iter(history.train.values())).values
    assert sum(first[-5:]) < sum(first[:5])


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # said by Adagrad
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, learner):
    def train(folder, interrupt=None):
        torch.manual_seed(0)
        model, closure, optimizer, scheduler = learner()
        options = {"checkpoint": folder, "checkpoint_every": 4, "validate_every": 6, "clip_norm": 0.5, "resume": True}
        options["validate"] = lambda: {"loss": sum(parameter.norm().item() for parameter in model.parameters())}
        history = fit(model, interrupted(closure, interrupt), optimizer, steps=33, scheduler=scheduler, **options)
        return weights(model), history, torch.rand(1), optimizer.state_dict()["param_groups"]

    expected = train(tmp_path / "whole")
    for step in (2, 13, 14, 29):  # before the first checkpoint, and later
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", step)
    state, *rest = train(tmp_path / "parts")
    assert same(state, expected[0])
    assert rest == list(expected[1:])  # the global generator is where it would be, too


# Losses and gradients


def test_the_example_in_the_docstring():
    assert doctest.testmod(training) == (0, 4)


def test_a_history_survives_json_and_knows_its_loss():
    history = fit(*adversarial_pair()[:3], steps=8)
    assert History(**json.loads(json.dumps(asdict(history)))) == history
    assert history.train["generator"].steps == [5]
    with pytest.raises(ValueError, match=r"several losses: take history.train\[name\] of 'critic', 'generator'"):
        _ = history.train_loss
    history.note(8, {"loss": 0.5})
    assert (history.steps, history.train_loss) == ([8], [0.5])
    assert History().train_loss == []


def test_losses_in_one_step_reach_their_own_groups_and_others_are_added_up():
    def gradients(names, groups):
        x, y = (nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0))
        named = [{"params": [each], "name": name} for each, name in zip((x, y), groups, strict=False)]
        optimizer = SGD(named or [x, y])

        def closure(step):
            product = x * y  # both losses pass through it
            return dict(zip(names, (product.square(), -product, product.detach()), strict=True))

        history = fit(nn.ParameterList([x, y]), closure, optimizer, steps=1)
        assert [curve.values for curve in history.train.values()] == [[36.0], [-6.0], [6.0]]
        return x.grad.item(), y.grad.item()

    assert gradients("xyz", "xy") == (2 * 6 * 3, -2)
    assert gradients("yxz", "xy") == (-3, 2 * 6 * 2)
    assert gradients("xyz", "") == ((2 * 6 - 1) * 3, (2 * 6 - 1) * 2)
    for names in ("xbz", "abz"):
        with pytest.raises(ValueError, match=f"the parameter groups are called x, y, the losses {names[0]}, b: call a"):
            gradients(names, "xy")


def test_a_frozen_group_waits_and_what_the_optimizer_does_not_hold_gets_no_gradient():
    x, y, outside = (nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0, 4.0))
    y.requires_grad_(False)
    groups = [{"params": [each], "name": name} for each, name in ((x, "x"), (y, "y"))]
    history = fit(nn.ParameterList([x, y]), lambda step: {"x": x * y, "y": -x * y}, SGD(groups), steps=1)
    assert (x.grad.item(), y.grad, history.train["y"].values) == (3, None, [-6])
    fit(nn.ParameterList([x, outside]), lambda step: x * outside, SGD([x]), steps=2)
    assert outside.grad is None


def test_a_module_may_have_an_attribute_called_sparse():
    model, closure, optimizer = problem()
    model.sparse = True
    assert len(fit(model, closure, optimizer, steps=2).train_loss) == 2


def test_a_single_loss_reaches_all_groups():
    x, y = (nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0))
    groups = [{"params": [each], "name": name} for each, name in ((x, "decay"), (y, "no decay"))]
    fit(nn.ParameterList([x, y]), lambda step: x * y, SGD(groups), steps=1)
    assert (x.grad.item(), y.grad.item()) == (3, 2)


# What is recorded


@pytest.mark.parametrize(("every", "expected"), [(4, [4, 8, 10]), (5, [5, 10]), (0, [10]), (20, [10])])
def test_validation_takes_place_when_asked_and_after_the_last_step(every, expected):
    model, closure, optimizer = problem()
    validate = validation(model)
    history = fit(model, closure, optimizer, steps=10, validate=validate, validate_every=every)
    assert history.validation_steps == expected
    losses = [numbers["loss"] for numbers in history.validation]
    assert len(set(losses)) == len(expected) and losses[-1] == float(validate()["loss"])  # of the weights at the end


def test_the_mode_of_each_module_outlives_a_validation():
    model, closure, optimizer = problem(dropout=0.5)
    model[3].eval()
    modes, options = [], {"validate": validation(model), "validate_every": 1}

    def noted(step):
        modes.append([each.training for each in model])
        return closure(step)

    fit(model, noted, optimizer, steps=4, **options)
    assert modes == 4 * [[True, True, True, False]]


def test_bfloat16_in_the_closure():
    model, _, optimizer = problem()

    def closure(step):
        x = batch(step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (model(x) - x.sin().sum(1, keepdim=True)).square().mean()

    history = fit(model, closure, optimizer, steps=60, clip_norm=1.0)
    exact = fit(*problem(), steps=60, clip_norm=1.0)
    assert history.train_loss != exact.train_loss
    assert history.train_loss == pytest.approx(exact.train_loss, rel=0.1, abs=0.02)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    st.sampled_from(["loss", "accuracy"]),
)
def test_the_best_validation_is_the_earliest_extreme(values, name):
    history = History({}, list(range(len(values))), [{name: value, "other": -value} for value in values])
    best = history.best
    for position, value in enumerate(values):
        worse = value > values[best] if name == "loss" else value < values[best]
        assert worse or (value == values[best] and position >= best)


def test_the_best_of_nothing_and_of_numbers_without_a_direction():
    with pytest.raises(ValueError, match="no validation took place"):
        _ = History().best
    with pytest.raises(ValueError, match="is a high 'perplexity' good or bad"):
        _ = History(validation=[{"perplexity": 3.0}]).best


# Early stopping and clipping


@pytest.mark.parametrize("name", ["loss", "accuracy"])
@pytest.mark.parametrize(("steps", "patience"), [(100, 3), (6, 5)])
def test_the_best_weights_come_back_after_patience_or_the_last_step(name, steps, patience):
    model, closure, optimizer = problem()
    values = [5.0, 3.0, 4.0, 3.0, 3.5, 1.0]  # the best of them is never reached: three in a row were no better than 3.0
    seen = []

    def validate():
        seen.append(weights(model))
        value = values[len(seen) - 1]
        return {name: value if name == "loss" else -value}

    history = fit(model, closure, optimizer, steps=steps, validate=validate, validate_every=2, patience=patience)
    taken = min(steps, 10)
    assert history.validation_steps == list(range(2, taken + 1, 2))
    assert len(history.train_loss) == taken
    assert history.best == 1
    assert same(weights(model), seen[1])
    assert not same(seen[1], seen[-1])


@pytest.mark.parametrize(("length", "expected"), [(5.0, 2.0), (1.0, 1.0)])
def test_only_longer_gradients_are_clipped_and_over_all_parameters_together(length, expected):
    model = nn.ParameterList([torch.zeros(2), torch.zeros(1)])
    direction = [torch.tensor([3.0, 0.0]) / 5, torch.tensor([4.0]) / 5]

    def closure(step):
        return sum((length * each * parameter).sum() for each, parameter in zip(direction, model, strict=True))

    fit(model, closure, SGD(model.parameters(), lr=1.0), steps=1, clip_norm=2.0)
    moved = torch.cat([parameter.detach() for parameter in model])
    assert float(moved.norm()) == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(moved / moved.norm(), -torch.tensor([0.6, 0.0, 0.8]))


@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_sparse_gradients_train_as_dense_ones_do(clip_norm, monkeypatch):
    norms, norm_of = [], training.get_total_norm
    monkeypatch.setattr(training, "get_total_norm", lambda tensors: norms.append(tensors) or norm_of(tensors))

    def train(sparse):
        torch.manual_seed(0)
        model, closure, optimizer, _ = skip_gram(sparse, SGD)
        return fit(model, closure, optimizer, steps=12, clip_norm=clip_norm).train_loss, weights(model)

    (sparse_loss, sparse), (dense_loss, dense) = train(True), train(False)
    assert sparse_loss == pytest.approx(dense_loss, rel=1e-5)
    assert all(torch.allclose(sparse[name], dense[name], atol=1e-6) for name in dense)
    assert len(norms) == 2 * (1 + 12 * (clip_norm is not None))  # of the weights at the end, and of what is clipped


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
        ("loss", 7, "step 7 has loss nan"),
        ("loss", 0, "step 0 has loss nan"),
        ("gradient", 6, "step 7 has loss nan"),  # what a gradient did to the weights is seen in the next loss
        ("weight", 7, "step 8 has loss nan"),
        ("gradient", 8, "a weight is NaN or infinite, noticed after step 8"),  # or before it is written
        ("weight", 8, "a weight is NaN or infinite, noticed after step 8"),
    ],
)
@pytest.mark.parametrize("clip_norm", [None, 9.0])
def test_nan_is_noticed_its_step_named_and_the_older_checkpoint_kept(tmp_path, what, at, message, clip_norm):
    model, closure, optimizer = problem()
    options = {"checkpoint": tmp_path, "checkpoint_every": 3, "label": "regression", "clip_norm": clip_norm}
    with pytest.raises(FloatingPointError, match=rf"^regression: {message}.*Lower the learning rate") as caught:
        fit(model, spoiled(model, closure, what, at), optimizer, steps=20, **options)
    assert checkpoints.exists(tmp_path) == (at > 0)
    assert (f"the checkpoint in {tmp_path} is older, and finite" in str(caught.value)) == (at > 0)
    if at > 0:
        state = checkpoints.load(tmp_path)
        assert state["done"] == 6
        assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_nan_is_noticed_without_any_checkpoint_within_a_known_number_of_steps():
    model, closure, optimizer = problem()
    seen, spoil = [], spoiled(model, closure, "loss", 3)
    with pytest.raises(FloatingPointError, match="step 3 has loss nan") as caught:
        fit(model, lambda step: seen.append(step) or spoil(step), optimizer, steps=1000)
    assert "checkpoint" not in str(caught.value)
    assert len(seen) == training.LOOK_EVERY
    model, closure, optimizer = problem()
    with pytest.raises(FloatingPointError, match="a weight is NaN or infinite, noticed after step 4"):
        fit(model, spoiled(model, closure, "weight", 4), optimizer, steps=5)


def test_the_largest_finite_weights_are_finite():
    model = nn.ParameterList([torch.full((3,), 3e38)])
    fit(model, lambda step: 0 * model[0][0], SGD(model.parameters(), lr=0.1), steps=1)


@pytest.mark.parametrize("numbers", [{"loss": math.nan}, {"loss": 1.0, "other": math.inf}, {}])
def test_a_validation_that_is_no_number(numbers):
    with pytest.raises(FloatingPointError, match=r"the validation after step 3 gave \{"):
        fit(*problem(), steps=9, validate=lambda: numbers, validate_every=4)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validate_every": 3}, "validate_every is given, but not validate"),
        ({"patience": 2}, "patience counts validations"),
        ({"patience": 2, "validate": dict}, "patience counts validations"),
        ({"patience": 0, "validate": dict, "validate_every": 1}, "patience counts validations"),
        ({"checkpoint_every": 3}, "need checkpoint, a folder"),
        ({"checkpoint_seconds": 3}, "need checkpoint, a folder"),
        ({"resume": True}, "need checkpoint, a folder"),
        ({"checkpoint": "x", "checkpoint_seconds": math.nan}, "checkpoint_seconds cannot be negative, got nan"),
        ({"steps": -1}, "steps must be a whole number of at least 0, got -1"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"checkpoint": "x", "checkpoint_every": -1}, "checkpoint_every must be a whole number of at least 0"),
        ({"validate": dict, "validate_every": -1}, "validate_every must be a whole number of at least 0"),
        ({"clip_norm": 0}, "clip_norm is 0: give a positive norm"),
        ({"clip_norm": math.nan}, "clip_norm is nan: give a positive norm"),
    ],
)
def test_options_that_contradict_each_other(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, _, optimizer = problem()
    with pytest.raises(ValueError, match=message):
        fit(model, pytest.fail, optimizer, **{"steps": 3} | options)  # before the first step
    assert list(tmp_path.iterdir()) == []


def test_parameters_that_no_checkpoint_would_hold_are_refused():
    model, _, _ = problem()
    temperature = nn.Parameter(torch.zeros(()))
    with pytest.raises(ValueError, match="1 of the optimizer's parameters are not the model's"):
        fit(model, pytest.fail, SGD([*model.parameters(), temperature]), steps=3)


def test_a_schedule_that_gives_numpy_numbers_goes_on(tmp_path):
    for steps in (3, 6):
        model, closure, optimizer = problem()
        warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: np.minimum((step + 1) / 4, 1.0))
        history = fit(model, closure, optimizer, steps=steps, scheduler=warm_up, checkpoint=tmp_path, resume=True)
    assert len(history.train_loss) == 6


def test_what_a_checkpoint_cannot_hold_is_known_before_the_training(tmp_path):
    model, _, optimizer = problem()
    optimizer.param_groups[0]["betas"] = np.array([0.9, 0.99])
    with pytest.raises(TypeError, match="is a ndarray: checkpoints hold"):
        fit(model, pytest.fail, optimizer, steps=3, checkpoint=tmp_path)


def test_a_scheduler_that_waits_for_a_validation():
    model, closure, optimizer = problem()
    with pytest.raises(ValueError, match="take a scheduler that counts steps"):
        fit(model, closure, optimizer, steps=3, scheduler=lr_scheduler.ReduceLROnPlateau(optimizer))


@pytest.mark.parametrize(
    ("closure", "message"),
    [
        (lambda loss: loss.mean().detach(), "must return a scalar tensor.*left 0 gradients and returned tensor"),
        (lambda loss: loss.mean().backward(), "must return a scalar tensor.*left 4 gradients and returned None"),
        (lambda loss: loss[:2, 0], "must return a scalar tensor.*left 0 gradients and returned tensor"),
        (lambda loss: {"loss": loss.mean(), "other": 0.5}, r"must return a scalar tensor.* returned \{'loss': .*"),
        (lambda loss: {}, r"must return a scalar tensor.*left 0 gradients and returned \{\}"),
        (
            lambda loss: loss.mean().backward(retain_graph=True) or loss.mean(),
            "left gradients and returned a loss with",
        ),
    ],
    ids=["no graph", "no loss", "no scalar", "no tensor", "no losses", "twice"],
)
def test_a_closure_that_does_not_do_its_part(closure, message):
    model, _, optimizer = problem()
    with pytest.raises(ValueError, match=f"^the closure {message}"):
        fit(model, lambda step: closure(model(batch(step))), optimizer, steps=3)


def test_a_folder_that_does_not_fit_is_known_before_the_first_step_and_left_as_it_is(tmp_path):
    fit(*problem(), steps=5, checkpoint=tmp_path / "run")
    (tmp_path / "file").touch()
    before, (model, _, optimizer) = contents(tmp_path / "run"), problem()
    for name, steps, resume, kind, message in (
        ("run", 5, False, FileExistsError, "holds a checkpoint: pass resume=True, or delete the folder"),
        ("run", 3, True, ValueError, "has 5 steps behind it, 3 are asked for"),
        ("file", 3, True, NotADirectoryError, "is a file: let checkpoint name a folder"),
        ("file/below", 3, True, NotADirectoryError, "file"),
    ):
        with pytest.raises(kind, match=message):
            fit(model, pytest.fail, optimizer, steps=steps, checkpoint=tmp_path / name, resume=resume)
    assert contents(tmp_path / "run") == before


def test_a_checkpoint_of_another_run_is_refused_and_the_difference_named(tmp_path):
    fit(*problem(), steps=3, checkpoint=tmp_path)

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
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    assert "scheduler: NoneType there, ExponentialLR here" in message(model, closure, optimizer, scheduler=scheduler)
    wider = nn.Linear(3, 2, dtype=torch.float64)
    text = message(wider, closure, torch.optim.Adam(wider.parameters(), lr=0.05))
    assert "model.0.weight: float32 [8, 3] there, none here" in text
    assert "and 2 more" in text


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(*problem(), steps=3, checkpoint=tmp_path)
    [tensors] = tmp_path.glob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-4])
    with pytest.raises(ValueError, match=rf"{tensors.name} is not what was written.*delete the folder to begin again"):
        fit(*problem(), steps=6, checkpoint=tmp_path, resume=True)


# Interruption and resumption


@dataclass
class WarmUp:
    steps: int

    def __call__(self, step):
        return min((step + 1) / self.steps, 1)


def sequence(optimizer, second):
    return SequentialLR(optimizer, [LinearLR(optimizer), second], milestones=[4])


@pytest.mark.parametrize(
    ("schedule", "length", "longer", "difference"),
    [
        (lambda o, n: LinearLR(o, 1.0, 0.0, n), 20, 40, "scheduler.total_iters: 20 there, 40 here"),
        (lambda o, n: MultiStepLR(o, [n]), 7, 8, "scheduler.milestones.7: 1 there, none here"),
        (lambda o, n: sequence(o, lr_scheduler.CosineAnnealingLR(o, n)), 20, 30, "_schedulers.1.T_max: 20 there"),
        (lambda o, n: LambdaLR(o, WarmUp(n)), 5, 6, "scheduler.lr_lambdas.0.steps: 5 there, 6 here"),
        (lambda o, n: LambdaLR(o, lambda t: 1 - t / n), 20, 40, r"after 20 steps: \[0.0\] there, \[0.5\] here"),
        (
            lambda o, n: sequence(o, LambdaLR(o, lambda t: t / n)),
            20,
            16,
            r"after 20 steps: \[0.8\] there, \[1.0\] here",
        ),
        (lambda o, n: MultiplicativeLR(o, lambda t: n), 0.9, 0.1, r"after 20 steps: \[0.9\] there, \[0.1\] here"),
        (lambda o, n: sequence(o, MultiplicativeLR(o, lambda t: n / (t + 9))), 5, 4, r"\[0.2\] there"),
        (lambda o, n: ChainedScheduler([LinearLR(o), MultiplicativeLR(o, lambda t: n)]), 0.9, 0.1, r"\[0.9\] there"),
    ],
)
def test_a_longer_run_continues_a_shorter_one_with_its_schedule(tmp_path, schedule, length, longer, difference):
    def train(steps, n, **options):
        model, closure, optimizer = problem(optimizer=SGD)
        history = fit(model, closure, optimizer, steps=steps, scheduler=schedule(optimizer, n), **options)
        return history, weights(model)

    train(20, length, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=f"is that of another run.*{difference}"):
        train(24, longer, checkpoint=tmp_path, resume=True)
    (history, state), (expected, whole) = train(24, length, checkpoint=tmp_path, resume=True), train(24, length)
    assert history == expected
    assert same(state, whole)


@pytest.mark.parametrize(("pace", "expected", "looks"), [(0.125, [481, 961, 1000], 22), (8.0, [8, 16, 24, 30], 30)])
def test_a_checkpoint_is_written_after_every_minute(tmp_path, monkeypatch, pace, expected, looks):
    """Of quick steps, many pass between two looks at the clock; after each slow one there is a look."""
    model, closure, optimizer = problem()
    ticks, seen, written = [], [], []
    monkeypatch.setattr(training, "monotonic", lambda: seen.append(1) or pace * len(ticks))
    monkeypatch.setattr(checkpoints, "save", lambda folder, step, tree: written.append(step))
    options = {"steps": expected[-1], "checkpoint": tmp_path, "checkpoint_seconds": 60}
    fit(model, lambda step: ticks.append(step) or closure(step), optimizer, **options)
    assert written == expected
    assert len(seen) == 1 + looks  # the first when the run begins


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
    with pytest.raises(KeyboardInterrupt):
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
    before = contents(tmp_path)
    other, _, its_optimizer = problem(seed=1)
    again = fit(other, pytest.fail, its_optimizer, steps=7, checkpoint=tmp_path, resume=True)
    assert again == history
    assert same(weights(other), weights(model))
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_weights(tmp_path):
    """SIGKILL at every stage of writing a checkpoint, and after random times (killable_run.py)."""
    command = [sys.executable, TESTS / "killable_run.py", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    deaths = json.loads(ended.stdout)
    assert deaths["points"] > 20  # each checkpoint takes nine operations
    assert deaths["random"] > 0
    whole = contents(tmp_path / "whole")
    assert len(whole) == 2
    assert deaths["writing"] == 100
    assert len(contents(tmp_path / "writing")) == 2, "a killed writer left files behind"
    for how in ("points", "random"):
        assert whole == contents(tmp_path / how), how


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
        assert torch.allclose(tensors[process]["table"], train_table(None, 1)), "the rows of a sparse embedding"
        assert facts[process]["idle"], "where no process has a gradient, none appears"


def test_the_mean_of_two_gradients_is_the_gradient_of_the_joint_batch():
    model, _ = train_branches(None, 1, seed=0)
    parts = [torch.autograd.grad(error(model, number), model.even.weight)[0] for number in (0, 1)]
    [joint] = torch.autograd.grad((error(model, 0) + error(model, 1)) / 2, model.even.weight)
    assert torch.allclose(sum(parts) / 2, joint, atol=1e-14)


def test_two_processes_resume_bit_for_bit_and_agree(launched):
    tensors, _ = launched
    names = [name.removeprefix("whole.") for name in tensors[0] if name.startswith("whole.")]
    assert {"1.running_mean", "2.mean"} <= set(names)  # the first changes no training, the second does
    for each, run, name in product(tensors, ("whole", "parts", "unsaved"), names):
        assert torch.equal(each[f"{run}.{name}"], tensors[0][f"whole.{name}"]), (run, name)


def test_what_the_main_process_validates_counts_in_every_process(launched):
    tensors, facts = launched
    for each in facts:
        assert each["validation"] == [{"loss": loss} for loss in (3.0, 1.0, 2.0, 0.0)]
    for name in tensors[0]:
        if name.startswith("validated."):
            assert torch.equal(tensors[0][name], tensors[1][name]), name


def test_only_the_main_process_writes_and_every_process_is_told_what_is_wrong(launched):
    _, (main, other) = launched
    assert main["written"] == [12, 3, 6, 9, 12, 3, 6, 9, 12]
    assert main["timed"] == [3, 6, 9, 12]  # by the main process's clock
    assert other["written"] + other["timed"] == []
    for facts in (main, other):
        assert facts["there"] == STEPS  # the last checkpoint, as soon as fit returns in either process
        assert facts["exists"].startswith("FileExistsError: ")
        assert "pass resume=True" in facts["exists"]
        assert facts["sparse"].startswith("ValueError: several processes average sparse gradients only of modules")
        assert facts["turns"].startswith("ValueError: the processes returned losses of different groups in one step")


def test_one_process_needs_no_launching_but_the_model_on_its_device(tmp_path):
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True)
    history = fit(*problem(), steps=5, checkpoint=tmp_path, accelerator=accelerator)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert history == fit(*problem(), steps=5)
    assert checkpoints.exists(tmp_path)
    elsewhere = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cuda"))
    with pytest.raises(ValueError, match="the model is on cpu: move it to cuda"):
        fit(*problem(), steps=1, accelerator=elsewhere)


# Progress and speed


@pytest.mark.parametrize("quiet", [True, False])
def test_the_progress_bar_is_quiet_where_bars_are(monkeypatch, capsys, quiet):
    monkeypatch.setattr(runtime, "quiet", lambda: quiet)
    fit(*problem(), steps=3, label="regression")
    assert ("regression" in capsys.readouterr().err) == (not quiet)


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
            return model(x).square().mean()

    try:
        history = fit(model, closure, SGD(model.parameters(), lr=0.1), steps=120, clip_norm=1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(history.train_loss) == 120
