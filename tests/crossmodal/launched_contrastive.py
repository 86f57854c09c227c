"""Contrastive losses in two processes, for test_contrastive.py: ``python launched_contrastive.py FOLDER``."""

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator, debug_launcher
from torch import nn

from course.crossmodal import dual_encoder
from course.crossmodal.contrastive import tiled_loss
from course.crossmodal.dual_encoder import DualEncoder, train_pairs
from course.processes import Processes

N, STEPS, BATCH = 6, 4, 3  # pairs of a process, steps, and pairs of a process in a step


def problem():
    """Pairs of vectors of two kinds, a linear tower for each, and a temperature."""
    generator = torch.Generator().manual_seed(0)
    x, y, a, b = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2 * N, 4), (2 * N, 3), (4, 2), (3, 2))
    )
    return x, y, [a, b], torch.tensor(0.3, dtype=torch.float64)


def model_and_pairs():
    """A model and pairs to train it on."""
    torch.manual_seed(0)
    model = DualEncoder(nn.Linear(4, 3), nn.Linear(5, 3), temperature=0.5)
    x, y = torch.randn(40, 4), torch.randn(40, 5)
    return model, x, y


def train(model, x, y, batch_size, **options):
    """A few steps with a rate at which a wrong gradient would be seen."""
    train_pairs(model, x, y, steps=STEPS, batch_size=batch_size, rate=0.05, seed=1, **options)
    return {name: value.detach() for name, value in model.named_parameters()}


def trained_alone():
    """What one process learns from batches that are those of two, one after the other."""
    model, x, y = model_and_pairs()
    order = dual_encoder.Batches(len(x), BATCH, seed=1)

    class Joint:
        def __init__(self, *_, **__):
            pass

        def __getitem__(self, step):
            return torch.cat([order[2 * step], order[2 * step + 1]])

    kept, dual_encoder.Batches = dual_encoder.Batches, Joint
    try:
        return train(model, x, y, 2 * BATCH)
    finally:
        dual_encoder.Batches = kept


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True)
    processes = Processes(accelerator)
    x, y, towers, temperature = problem()
    own = slice(processes.index * N, (processes.index + 1) * N)
    leaves = [each.requires_grad_() for each in (*towers, temperature)]
    loss = tiled_loss(x[own] @ towers[0], y[own] @ towers[1], temperature, tile=4, processes=processes)
    gradients = torch.autograd.grad(loss, leaves)
    trained = train(*model_and_pairs(), BATCH, accelerator=accelerator)
    facts = {
        "loss": loss.item(),
        "gradients": [each.tolist() for each in gradients],
        "trained": {name: value.tolist() for name, value in trained.items()},
    }
    (folder / f"{processes.index}.json").write_text(json.dumps(facts), encoding="utf8")


if __name__ == "__main__":
    debug_launcher(main, (Path(sys.argv[1]),), num_processes=2)
