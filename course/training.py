"""One training loop for everything in the course that learns by gradient steps.

The caller says what the losses of one step are (a closure); :func:`fit` does the rest: gradients, history, validation,
early stopping, clipping, schedules, checkpoints that survive a kill, and several processes.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from course import checkpoints, runtime
from course.arguments import require_whole
from course.history import History
from course.processes import Processes, mean_losses

if TYPE_CHECKING:
    from accelerate import Accelerator

LOOK_EVERY = 50  # steps between two looks at the losses: each look makes a GPU wait for the CPU
Losses = Tensor | dict[str, Tensor]


def fit(
    model: nn.Module,
    closure: Callable[[int], Losses],
    optimizer: Optimizer,
    *,
    steps: int,
    validate: Callable[[], dict[str, float]] | None = None,
    validate_every: int = 0,
    patience: int | None = None,
    clip_norm: float | None = None,
    scheduler: LRScheduler | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 0,
    checkpoint_seconds: float = 0,
    resume: bool = False,
    accelerator: "Accelerator | None" = None,
    label: str = "training",
) -> History:
    r"""Train ``model`` for ``steps`` steps, or until validation stops improving.

    .. math:: \theta_{t+1} = \theta_t - \text{optimizer}\bigl(\nabla_\theta L_t(\theta_t)\bigr), \qquad t = 0, 1, \dots

    Each module stays in training or evaluation mode as it is; what ``validate`` changes there is undone. A parameter
    without a gradient is left as it is, its momentum included.

    Args:
        model: the module whose ``state_dict`` is kept; it is trained in place, on the device it is on.
        closure: ``closure(t)`` returns the loss :math:`L_t`, a scalar, or several by name. A loss that has its graph is
            minimised, and of several the sum; one without is only recorded, and the closure may have left gradients
            itself. A loss with the name of a parameter group (``{"params": ..., "name": "critic"}``) reaches the
            parameters of that group alone, and groups whose loss is not returned wait: so ``t`` decides whose turn it
            is. With such groups every other name is refused, but a single ``"loss"``, which reaches them all. For a run
            that can be resumed, ``t`` decides what data it draws, too; other randomness (dropout) comes from torch's
            global generators, whose state a checkpoint keeps, and what else lasts from step to step (old fakes) is a
            buffer of the model. Lower precision is the closure's affair: it wraps its forward pass in
            :func:`course.runtime.autocast`.
        optimizer: over the parameters to train; gradients are zeroed before each closure.
        steps: number of steps in all, those before a resumption included.
        validate: returns named numbers; the first is called ``"loss"`` (low is good) or ``"accuracy"`` (high is good).
        validate_every: steps between two validations; the last step is always followed by one. 0: only the last is.
        patience: stop after this many validations in a row without a new best, and end with the weights of the best.
        clip_norm: a longer gradient is scaled down to this Euclidean norm, taken over all parameters together.
        scheduler: stepped after each step.
        checkpoint: a folder for one checkpoint, written at the end and every ``checkpoint_every`` steps.
        checkpoint_seconds: a checkpoint is also written when the last one is so old. 0: time does not matter.
        resume: continue from the checkpoint, if there is one, also with more ``steps`` than the run had that wrote it;
            one that patience stopped is only restored. Model, optimizer, options and schedule must be the same: a
            longer schedule is another one, and refused. (Of the function of a ``LambdaLR``, the value at the last step
            is compared.) Killed and resumed on the same machine, a run ends with the very weights of an uninterrupted
            one, as far as the device computes the same result twice.
        accelerator: an ``accelerate.Accelerator`` spreads each step over its P processes. All begin with the weights
            of the main process; process i computes ``closure(t * P + i)``, and the gradients are averaged (a process
            without one counts as 0). Whose turn it is, ``closure(n)`` decides by ``n // P``. A recorded loss is the
            mean over the processes that returned it. Buffers, such as the averages of batch norm, are each process's
            own until the end, when all get the main process's. Only the main process reports and writes. The model is
            on ``accelerator.device``; nothing is passed to ``prepare``.
        label: the name in the progress bar and in messages.

    Returns:
        The history, including what came before a resumption.

    Raises:
        FloatingPointError: if a loss, a weight or a validation is NaN or infinite. Losses are checked at the latest 50
            steps later, weights before each validation and checkpoint and at the end. The message names the step; the
            weights are of no use then, and the checkpoint is an earlier, finite one.
        ValueError: if options contradict each other, the closure leaves no gradient, or the checkpoint is damaged or
            that of another run.
        FileExistsError: if the folder holds a checkpoint and ``resume`` is false.
        NotADirectoryError: if ``checkpoint`` is a file.

    Example:
        >>> line, x = nn.Linear(1, 1), torch.tensor([[-1.0], [0.0], [1.0]])
        >>> def closure(step):
        ...     return (line(x) - (3 * x + 2)).square().mean()
        >>> history = fit(line, closure, torch.optim.SGD(line.parameters(), lr=0.5), steps=100)
        >>> round(line.weight.item(), 3), round(line.bias.item(), 3), len(history.train_loss)
        (3.0, 2.0, 100)
    """
    counts = {"steps": steps, "validate_every": validate_every, "checkpoint_every": checkpoint_every}
    for name, count in counts.items():
        require_whole(name, count, 0)
    if not checkpoint_seconds >= 0:
        raise ValueError(f"checkpoint_seconds cannot be negative, got {checkpoint_seconds}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is {clip_norm}: give a positive norm, or None not to clip")
    if validate_every and validate is None:
        raise ValueError("validate_every is given, but not validate")
    if patience is not None and not (validate_every > 0 and patience > 0):
        raise ValueError("patience counts validations: it is at least 1, and needs validate and validate_every")
    if checkpoint is None and (checkpoint_every or checkpoint_seconds or resume):
        raise ValueError("checkpoint_every, checkpoint_seconds and resume need checkpoint, a folder to write and read")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("ReduceLROnPlateau waits for a validation; take a scheduler that counts steps")
    folder, processes = None if checkpoint is None else Path(checkpoint), Processes(accelerator)
    run = Run(model, optimizer, scheduler, processes, folder, checkpoint_seconds, clip_norm, patience, label)
    run.begin({"clip_norm": clip_norm, "patience": patience, "validate_every": validate_every}, steps, resume)
    stop, hidden = run.stale(), runtime.quiet() or not processes.main
    with runtime.progress(initial=run.done, total=steps, desc=label, disable=hidden) as bar:
        while run.done < steps and not stop:
            run.step(closure)
            bar.update()
            last = run.done == steps
            validate_now = validate is not None and (last or (validate_every and run.done % validate_every == 0))
            save_now = last or (checkpoint_every and run.done % checkpoint_every == 0)
            if validate_now or save_now or len(run.unseen) >= run.look_every:
                save_now = run.look() or save_now
                bar.set_postfix({name: f"{curve.values[-1]:.4g}" for name, curve in run.history.train.items()}, False)
            if validate_now or save_now:
                run.require_finite_weights()
            if validate_now:
                run.validate(validate)
                stop = run.stale()
            if save_now or stop:
                run.save()
    if run.best is not None:
        model.load_state_dict(run.best)
    processes.share(model.buffers())
    return run.history


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Whatever happens inside, each module of ``model`` is in training or evaluation mode again as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@dataclass
class Run:
    """One call of :func:`fit`: what its checkpoint holds, and what one step does."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    processes: Processes
    folder: Path | None
    seconds: float
    clip_norm: float | None
    patience: int | None
    label: str
    done: int = 0  # steps
    history: History = field(default_factory=History)
    best: dict[str, Tensor] | None = None

    def __post_init__(self):
        self.trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.groups: dict[str, list[Tensor]] = {}  # the parameters of the groups that have a name
        for group in self.optimizer.param_groups:
            if "name" in group:
                self.groups.setdefault(group["name"], []).extend(group["params"])
        strange = len(set(self.trained) - set(self.model.parameters()))
        if strange:
            raise ValueError(
                f"{strange} of the optimizer's parameters are not the model's, so no checkpoint would hold them: "
                "train a module that has them all, such as nn.ModuleList([model, ...])"
            )
        tables = [module for module in self.model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
        self.by_rows = {module.weight for module in tables if module.sparse}
        self.device = self.trained[0].device
        self.unseen: list[dict[str, Tensor]] = []  # the losses since the last look, still on the device
        self.look_every = 1 if self.seconds else LOOK_EVERY

    def begin(self, settings: dict, steps: int, resume: bool) -> None:
        """Restore the checkpoint, if there is one."""
        accelerator = self.processes.accelerator
        if accelerator and self.device.type != accelerator.device.type:
            raise ValueError(f"the model is on {self.device}: move it to {accelerator.device}")
        self.settings = checkpoints.settings(self.model, self.optimizer, self.scheduler)
        self.settings |= {name: str(value) for name, value in (settings | {"processes": self.processes.count}).items()}
        if self.folder is not None:  # what no checkpoint can hold is known before the training
            checkpoints.pack([part.state_dict() for part in (self.optimizer, self.scheduler) if part], {})
        found = self.find(resume) if self.processes.main and self.folder is not None else None
        found, self.looked_at = self.processes.from_main((found, monotonic()))
        self.saved_at = self.looked_at
        if isinstance(found, Exception):
            raise found
        if found is not None:
            self.restore(found, steps)
        else:
            self.processes.share([*self.model.parameters(), *self.model.buffers()])

    def find(self, resume: bool) -> dict | Exception | None:
        """The checkpoint, if there is one; an error is returned, so that it can be raised in every process."""
        try:
            if self.folder.exists() and not self.folder.is_dir():
                raise NotADirectoryError(f"{self.folder} is a file: let checkpoint name a folder, or one to be made")
            self.folder.mkdir(parents=True, exist_ok=True)  # what cannot be written is known before the training
            if not checkpoints.exists(self.folder):
                return None
            if not resume:
                raise FileExistsError(f"{self.folder} holds a checkpoint: pass resume=True, or delete the folder")
            return checkpoints.load(self.folder)
        except (OSError, ValueError) as error:
            return error

    def restore(self, state: dict, steps: int) -> None:
        """Take over what an earlier process has saved, if it is the same run."""
        checkpoints.require_same(self.folder, state["settings"], self.settings)
        values = checkpoints.schedule_values(self.scheduler, state["scheduler"])
        name = f"functions of the schedule after {state['done']} steps"
        checkpoints.require_same(self.folder, {name: str(state["schedule_values"])}, {name: str(values)})
        if state["done"] > steps:
            raise ValueError(f"{self.folder} has {state['done']} steps behind it, {steps} are asked for")
        self.done, self.best, self.history = state["done"], state["best"], History(**state["history"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        own = state["processes"][self.processes.index]
        for name, value in own["buffers"].items():
            self.model.get_buffer(name).copy_(value)
        checkpoints.set_random_state(own["random"], self.device)

    def save(self) -> None:
        """Write the checkpoint, in the main process."""
        self.saved_at = self.looked_at
        if self.folder is None:
            return
        model = dict(self.model.state_dict())
        own = {"random": checkpoints.random_state(self.device), "buffers": {}}
        if not self.processes.main:
            own["buffers"] = {name: value.cpu() for name, value in self.model.named_buffers() if name in model}
        everyone = self.processes.gather(own)
        if self.processes.main:
            scheduler = None if self.scheduler is None else self.scheduler.state_dict()
            state = {
                "settings": self.settings,
                "done": self.done,
                "history": asdict(self.history),
                "model": model,
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "scheduler": scheduler,
                "schedule_values": checkpoints.schedule_values(self.scheduler, scheduler),
                "processes": everyone,
            }
            checkpoints.save(self.folder, self.done, state)
        self.processes.gather(None)  # no process returns before the checkpoint is there

    def step(self, closure: Callable[[int], Losses]) -> None:
        """Improve the weights once; the losses are noted without waiting for the device."""
        self.optimizer.zero_grad()
        returned = closure(self.done * self.processes.count + self.processes.index)
        losses = returned if isinstance(returned, dict) else {"loss": returned}
        scalars = losses and all(isinstance(loss, Tensor) and not loss.dim() for loss in losses.values())
        if scalars:
            self.backward(losses)
            self.processes.average_gradients(self.trained, self.by_rows)
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        if not scalars or not gradients:
            raise ValueError(
                "the closure must return a scalar tensor, or some by name, and either the loss has its graph or the "
                f"closure leaves gradients; it left {len(gradients)} gradients and returned {returned!r:.80}"
            )
        if self.clip_norm is not None:
            norm = get_total_norm([each.coalesce().values() if each.is_sparse else each for each in gradients])
            clip_grads_with_norm_(self.trained, self.clip_norm, norm)
        # a copy: the memory of a loss may be that of a weight, or be used again
        self.unseen.append({name: loss.detach().to(self.device, copy=True) for name, loss in losses.items()})
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        self.done += 1

    def backward(self, losses: dict[str, Tensor]) -> None:
        """Propagate the losses that have a graph: each to its group, or their sum to all parameters."""
        losses = {name: loss for name, loss in losses.items() if loss.grad_fn is not None}
        if not losses:
            return
        if any(parameter.grad is not None for parameter in self.trained):
            raise ValueError("the closure left gradients and returned a loss with its graph: let it detach the loss")
        if not self.groups or losses.keys() == {"loss"}:
            reached = [parameter for parameter in self.trained if parameter.requires_grad]
            return torch.autograd.backward(list(losses.values()), inputs=reached)
        if not losses.keys() <= self.groups.keys():
            raise ValueError(
                f"the parameter groups are called {', '.join(self.groups)}, the losses {', '.join(losses)}: call a "
                "loss as its group, or the only one 'loss' if it shall reach all; detach what is to be recorded only"
            )
        reached = {name: [each for each in self.groups[name] if each.requires_grad] for name in losses}
        turns = [name for name in losses if reached[name]]  # a frozen group waits
        for name in turns:  # they may share a part of the graph
            losses[name].backward(retain_graph=name != turns[-1], inputs=reached[name])

    def look(self) -> bool:
        """Move the noted losses to the history, after a check that they are finite; say if a checkpoint is due."""
        values = iter(torch.stack([loss for losses in self.unseen for loss in losses.values()]).tolist())
        noted = [{name: next(values) for name in losses} for losses in self.unseen]
        everyone, clocks = zip(*self.processes.gather((noted, monotonic())), strict=True)
        for step, parts in enumerate(zip(*everyone, strict=True), self.done - len(noted)):
            losses = mean_losses(parts, self.groups)
            if not all(map(math.isfinite, losses.values())):
                self.fail(f"step {step} has " + ", ".join(f"{name} {value}" for name, value in losses.items()))
            self.history.note(step, losses)
        self.unseen.clear()
        elapsed, self.looked_at = clocks[0] - self.looked_at, clocks[0]  # the main process's clock counts
        if self.seconds:  # look so often that no checkpoint is late by much more than a tenth of the time
            steps = self.seconds / 10 * len(noted) / max(elapsed, 1e-9)
            self.look_every = int(min(LOOK_EVERY, max(1, steps)))
        return 0 < self.seconds <= self.looked_at - self.saved_at

    def require_finite_weights(self) -> None:
        """Raise FloatingPointError if a weight is not finite. The norm is quick, but may overflow."""
        weights = [parameter.detach() for parameter in self.trained]
        if not (math.isfinite(get_total_norm(weights)) or all(each.isfinite().all() for each in weights)):
            self.fail(f"a weight is NaN or infinite, noticed after step {self.done - 1}")

    def validate(self, validate: Callable[[], dict[str, float]]) -> None:
        """Note one validation, and keep a copy of the weights if it is the best so far and somebody asks for it."""
        with modes_kept(self.model):
            numbers = {name: float(value) for name, value in validate().items()}
        numbers = self.processes.from_main(numbers)
        if not numbers or not all(map(math.isfinite, numbers.values())):
            self.fail(f"the validation after step {self.done - 1} gave {numbers}")
        self.history.validation_steps.append(self.done)
        self.history.validation.append(numbers)
        if self.patience is not None and self.history.best == len(self.history.validation) - 1:
            self.best = copy.deepcopy(dict(self.model.state_dict()))

    def stale(self) -> bool:
        """Whether the last ``patience`` validations have all passed without a new best."""
        count = len(self.history.validation)
        return self.patience is not None and count > 0 and count - 1 - self.history.best >= self.patience

    def fail(self, what: str) -> NoReturn:
        if self.folder is not None and checkpoints.exists(self.folder):
            what += f" (the checkpoint in {self.folder} is older, and finite)"
        advice = "Lower the learning rate, set clip_norm, or look for a logarithm, root or quotient of 0 in the loss"
        raise FloatingPointError(f"{self.label}: {what}. {advice}")
