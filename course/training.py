"""One training loop for everything in the course that learns by gradient steps.

The caller says how the gradient of one step is computed (a closure); :func:`fit` does the rest: history, validation,
early stopping, clipping, schedules, checkpoints that survive a kill, and several processes.
"""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from course import checkpoints, runtime

if TYPE_CHECKING:
    from accelerate import Accelerator

LOOK_EVERY = 50  # steps between two looks at the losses: each look makes a GPU wait for the CPU
BEST = {"loss": min, "accuracy": max}


@dataclass
class History:
    """What was measured while training.

    Attributes:
        train_loss: one number for each step, measured before the step changes the weights.
        validation_steps: after how many steps each validation took place.
        validation: what each validation returned.
    """

    train_loss: list[float] = field(default_factory=list)
    validation_steps: list[int] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        """The number of steps taken before each entry of ``train_loss``: 0, 1, 2, ..."""
        return list(range(len(self.train_loss)))

    @property
    def best(self) -> int:
        """The position of the best validation: the earliest with the lowest loss or the highest accuracy.

        Raises:
            ValueError: if there was no validation, or its first number is called neither loss nor accuracy.
        """
        if not self.validation:
            raise ValueError("no validation took place: give fit validate= and validate_every=")
        name = next(iter(self.validation[0]))
        if name not in BEST:
            raise ValueError(f"is a high {name!r} good or bad? Let validate() return 'loss' or 'accuracy' first")
        values = [numbers[name] for numbers in self.validation]
        return values.index(BEST[name](values))


def fit(
    model: nn.Module,
    closure: Callable[[int], Tensor],
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
    resume: bool = False,
    accelerator: "Accelerator | None" = None,
    label: str = "training",
) -> History:
    r"""Train ``model`` for ``steps`` steps, or until validation stops improving.

    .. math:: \theta_{t+1} = \theta_t - \text{optimizer}\bigl(\nabla_\theta L_t(\theta_t)\bigr), \qquad t = 0, 1, \dots

    Each module stays in training or evaluation mode as it is; what ``validate`` changes there is undone.

    Args:
        model: the module whose ``state_dict`` is kept; it is trained in place, on the device it is on.
        closure: ``closure(t)`` computes the loss :math:`L_t`, leaves its gradient in the parameters and returns the
            loss, a detached scalar. For a run that can be resumed, ``t`` decides what data it draws, and other
            randomness (dropout) comes from torch's global generators, whose state a checkpoint keeps. Lower precision
            is the closure's affair: it wraps its forward pass in :func:`course.runtime.autocast`.
        optimizer: over the parameters to train; gradients are zeroed before each closure.
        steps: number of steps in all, those before a resumption included; a longer run may continue a shorter one.
        validate: returns named numbers; the first is called ``"loss"`` (low is good) or ``"accuracy"`` (high is good).
        validate_every: steps between two validations; the last step is always followed by one. 0: only the last is.
        patience: stop after this many validations in a row without a new best, and end with the weights of the best.
        clip_norm: a longer gradient is scaled down to this Euclidean norm, taken over all parameters together.
        scheduler: stepped after each step.
        checkpoint: a folder for one checkpoint, written at the end and every ``checkpoint_every`` steps.
        resume: continue from the checkpoint, if there is one. A finished run is restored and not continued.
            Killed and resumed on the same machine, a run ends with the very weights of an uninterrupted one, as far as
            the device computes the same result twice.
        accelerator: an ``accelerate.Accelerator`` spreads each step over its P processes. All begin with the weights
            of the main process; process i computes ``closure(t * P + i)``, the gradients are averaged (a parameter
            without one counts as 0), and only the main process reports and writes. Buffers, such as the averages of
            batch norm, are the main process's at validations, checkpoints and the end. The model is on
            ``accelerator.device``; nothing is passed to ``prepare``.
        label: the name in the progress bar and in messages.

    Returns:
        The history, including what came before a resumption.

    Raises:
        FloatingPointError: if a loss, a gradient, a weight or a validation is NaN or infinite. The message names the
            step; the weights are of no use then, and the checkpoint is an earlier, finite one.
        ValueError: if options contradict each other, the closure leaves no gradient, or the checkpoint is damaged or
            that of another run.
        FileExistsError: if the folder holds a checkpoint and ``resume`` is false.
        NotADirectoryError: if ``checkpoint`` is a file.
    """
    counts = {"steps": steps, "validate_every": validate_every, "checkpoint_every": checkpoint_every}
    if min(counts.values()) < 0:
        raise ValueError(f"numbers of steps cannot be negative: {counts}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is {clip_norm}: give a positive norm, or None not to clip")
    if validate_every and validate is None:
        raise ValueError("validate_every is given, but not validate")
    if patience is not None and not (validate_every > 0 and patience > 0):
        raise ValueError("patience counts validations: it is at least 1, and needs validate and validate_every")
    if checkpoint is None and (checkpoint_every or resume):
        raise ValueError("checkpoint_every and resume need checkpoint, the folder to write to and to read from")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("ReduceLROnPlateau waits for a validation; take a scheduler that counts steps")
    folder = None if checkpoint is None else Path(checkpoint)
    run = Run(model, optimizer, scheduler, accelerator, folder, label, patience)
    settings = {"clip_norm": clip_norm, "patience": patience, "validate_every": validate_every}
    done = run.begin(settings, steps, resume)
    stop = run.stale()
    with runtime.progress(initial=done, total=steps, desc=label, disable=runtime.quiet() or not run.main) as bar:
        while done < steps and not stop:
            optimizer.zero_grad()
            run.record(closure(done * run.processes + run.process), clip_norm)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            done += 1
            bar.update()
            last = done == steps
            validate_now = validate is not None and (last or (validate_every and done % validate_every == 0))
            save_now = last or (checkpoint_every and done % checkpoint_every == 0)
            if validate_now or save_now or done % LOOK_EVERY == 0:
                bar.set_postfix(loss=f"{run.look():.4g}", refresh=False)
            if validate_now:
                run.validate(validate)
                stop = run.stale()
            if save_now or stop:
                run.save()
    if run.best is not None:
        model.load_state_dict(run.best)
    return run.history


class Run:
    """One call of :func:`fit`: what its checkpoint holds, and what its processes share."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        accelerator: "Accelerator | None",
        folder: Path | None,
        label: str,
        patience: int | None,
    ):
        self.model, self.optimizer, self.scheduler, self.accelerator = model, optimizer, scheduler, accelerator
        self.folder, self.label, self.patience = folder, label, patience
        self.processes = accelerator.num_processes if accelerator else 1
        self.process = accelerator.process_index if accelerator else 0
        self.main = self.process == 0
        self.trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.device = self.trained[0].device
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.unseen: list[tuple[Tensor, Tensor]] = []  # losses and gradient norms, still on the device

    def begin(self, settings: dict, steps: int, resume: bool) -> int:
        """Restore the checkpoint, if there is one, and return the number of steps that it has behind it."""
        if self.accelerator and self.device.type != self.accelerator.device.type:
            raise ValueError(f"the model is on {self.device}: move it to {self.accelerator.device}")
        settings = settings | {"scheduler": type(self.scheduler).__name__, "processes": self.processes}
        self.settings = checkpoints.settings(self.model, self.optimizer)
        self.settings |= {name: str(value) for name, value in settings.items()}
        [found] = self.from_main([self.find(resume) if self.main and self.folder is not None else None])
        if isinstance(found, Exception):
            raise found
        if found is not None:
            self.restore(found, steps)
        else:
            self.share([*self.model.parameters(), *self.model.buffers()])
        return len(self.history.train_loss)

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
        self.history = History(**state["history"])
        if len(self.history.train_loss) > steps:
            raise ValueError(f"{self.folder} has {len(self.history.train_loss)} steps behind it, {steps} are asked for")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.best = state["best"]
        checkpoints.set_random_state(state["random"][self.process], self.device)

    def save(self) -> None:
        """Write the checkpoint, unless the weights are not finite."""
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in self.trained]).all()
        if not finite:
            self.fail(f"a weight is NaN or infinite after step {len(self.history.train_loss) - 1}")
        self.share(self.model.buffers())
        if self.folder is None:
            return
        random = [checkpoints.random_state(self.device)]
        if self.processes > 1:
            from accelerate.utils import gather_object

            random = gather_object(random)
        if self.main:
            state = {
                "settings": self.settings,
                "history": asdict(self.history),
                "model": dict(self.model.state_dict()),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
                "random": random,
            }
            checkpoints.save(self.folder, len(self.history.train_loss), state)
        if self.processes > 1:
            self.accelerator.wait_for_everyone()  # no process returns before the checkpoint is there

    def record(self, loss: Tensor, clip_norm: float | None) -> None:
        """Average loss and gradients over the processes, clip, and note them without waiting for the device."""
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        if not isinstance(loss, Tensor) or loss.dim() or not gradients:
            raise ValueError(
                "the closure must call backward and return the loss as a scalar tensor; "
                f"it left {len(gradients)} gradients and returned {loss!r:.80}"
            )
        loss = loss.detach().clone()
        if self.processes > 1:
            loss, gradients = self.averaged(loss)
        norm = get_total_norm([each.coalesce().values() if each.is_sparse else each for each in gradients])
        if clip_norm is not None:
            clip_grads_with_norm_(self.trained, clip_norm, norm)
        self.unseen.append((loss, norm))

    def averaged(self, loss: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Make the loss and each gradient the mean over the processes, in one exchange."""
        for parameter in self.trained:
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        if any(gradient.is_sparse for gradient in gradients):
            raise ValueError("several processes cannot average sparse gradients: use an embedding with sparse=False")
        flat = torch.cat([loss.reshape(1).to(self.device), *(gradient.flatten() for gradient in gradients)])
        mean = self.accelerator.reduce(flat, "mean")
        loss, *means = mean.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, average in zip(gradients, means, strict=True):
            gradient.copy_(average.view_as(gradient))
        return loss[0], gradients

    def look(self) -> float:
        """Move the noted losses to the history, after a check that they are finite; return the last."""
        if self.unseen:
            losses, norms = (torch.stack(values).tolist() for values in zip(*self.unseen, strict=True))
            self.unseen.clear()
            for loss, norm in zip(losses, norms, strict=True):
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    self.fail(f"step {len(self.history.train_loss)} has loss {loss} and a gradient of norm {norm}")
                self.history.train_loss.append(loss)
        return self.history.train_loss[-1]

    def validate(self, validate: Callable[[], dict[str, float]]) -> None:
        """Note one validation, and keep a copy of the weights if it is the best so far and somebody asks for it."""
        self.share(self.model.buffers())
        modes = [(module, module.training) for module in self.model.modules()]
        numbers = {name: float(value) for name, value in validate().items()}
        for module, mode in modes:
            module.training = mode
        [numbers] = self.from_main([numbers])
        done = len(self.history.train_loss)
        if not numbers or not all(map(math.isfinite, numbers.values())):
            self.fail(f"the validation after step {done - 1} gave {numbers}")
        self.history.validation_steps.append(done)
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

    @torch.no_grad()
    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give these tensors the main process's values in every process."""
        if self.processes > 1:
            from accelerate.utils import broadcast

            for tensor in tensors:
                tensor.copy_(broadcast(tensor.contiguous()))

    def from_main(self, values: list) -> list:
        """The main process's ``values``, in every process."""
        if self.processes > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(values)
        return values
