"""One MAML gradient in PyTorch, JAX and TensorFlow: are they equal, what differs silently, and how long a step takes.

    python benchmarks/tools/frameworks.py --output book/results/tools-frameworks.json

It needs the extra ``frameworks``. All three get the same numbers, drawn by the course. Times are those of the processor
(one thread, one core), taken in turn, so that other programs disturb them little; the first call, in which some are
compiled, is measured apart.
"""

import argparse
import importlib
import inspect
import os
import platform
import warnings
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles
from time import process_time

os.environ |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}

import jax
import jax.numpy as jnp
import maml_jax
import maml_tensorflow
import maml_torch
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import nn

from course.data import Episode
from course.files import write_json
from course.meta_learning.maml import meta_gradient

ALPHA = maml_torch.ALPHA
SEEDS = range(5)
STEPS = (1e-6, 1e-8)  # of the central differences


def in_torch(params, episode, dtype, alpha=ALPHA):
    value, found = maml_torch.gradient(
        *(maml_torch.tensors(each, getattr(torch, dtype)) for each in (params, episode)), alpha
    )
    return value.item(), [g.double().numpy() for g in found]


def in_jax(params, episode, dtype, alpha=ALPHA):
    value, found = maml_jax.meta_gradient(*([jnp.asarray(a, dtype) for a in each] for each in (params, episode)), alpha)
    return float(value), [np.asarray(g, np.float64) for g in found]


def in_tensorflow(params, episode, dtype, alpha=ALPHA):
    value, found = maml_tensorflow.meta_gradient(
        *([tf.constant(a, dtype) for a in each] for each in (params, episode)), alpha
    )
    return float(value), [g.numpy().astype(np.float64) for g in found]


WAYS = {"PyTorch": in_torch, "JAX": in_jax, "TensorFlow": in_tensorflow}


def difference(found: list, own: list) -> float:
    """The largest of two gradients, as a share of the largest entry."""
    pairs = list(zip(found, own, strict=True))
    return max(float(abs(a - b).max()) for a, b in pairs) / max(float(abs(b).max()) for _, b in pairs)


def slope_error(way, params, episode, gradient, seed: int, h: float) -> float:
    """The relative error of a slope along a random direction, against a central difference of the same loss."""
    direction = directions(params, seed)
    ahead, behind = (way(moved(params, direction, s), episode, "float64")[0] for s in (h, -h))
    slope = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    return abs((ahead - behind) / (2 * h) - slope) / abs(slope)


def directions(params, seed: int) -> list:
    draw = np.random.default_rng(seed)
    return [draw.standard_normal(p.shape) for p in params]


def moved(params, direction, length: float) -> list:
    return [p + length * d for p, d in zip(params, direction, strict=True)]


def switched(params, episode, seed: int, h: float) -> int:
    """How many hidden units of support examples are on at one end of the difference, and off at the other."""

    def on(params) -> np.ndarray:
        w, b, v, c = params[:4]
        first = episode[0] @ w + b
        return np.concatenate([first > 0, np.maximum(first, 0) @ v + c > 0], -1)

    direction = directions(params, seed)
    return int((on(moved(params, direction, h)) != on(moved(params, direction, -h))).sum())


def first_order_share(params, episode, gradient) -> float:
    """How much of the gradient first-order MAML leaves out here: 0 would make the comparison of all three worthless."""
    model = maml_torch.network()
    names = [name for name, _ in model.named_parameters()]
    own = [p.mT if p.dim() == 2 else p for p in maml_torch.tensors(params)]
    options = {"loss": F.mse_loss, "lr": ALPHA, "steps": 1, "first_order": True}
    found = meta_gradient(model, dict(zip(names, own, strict=True)), Episode(*maml_torch.tensors(episode)), **options)[
        1
    ]
    return difference([(g.mT if g.dim() == 2 else g).numpy() for g in found.values()], gradient)


def equality() -> dict:
    """For each seed the differences from the course, in float64 and float32, each against the course's float64."""
    rows = {"dropped by first order": []}
    rows |= {f"{name}, {dtype}": [] for dtype in ("float64", "float32") for name in WAYS}
    rows |= {f"{name}, slope, h = {h:g}": [] for h in STEPS for name in WAYS}
    rows |= {f"{name}, {what}": [] for name in WAYS for what in ("loss", "norm of the gradient")}
    rows |= {f"units switched, h = {h:g}": [] for h in STEPS}
    for seed in SEEDS:
        params, episode = maml_torch.problem(seed)
        own = in_torch(params, episode, "float64")[1]
        rows["dropped by first order"].append(first_order_share(params, episode, own))
        for name, way in WAYS.items():
            for dtype in ("float64", "float32"):
                rows[f"{name}, {dtype}"].append(difference(way(params, episode, dtype)[1], own))
            value, gradient = way(params, episode, "float64")
            rows[f"{name}, loss"].append(value)
            rows[f"{name}, norm of the gradient"].append(float(sum((g**2).sum() for g in gradient) ** 0.5))
            for h in STEPS:
                rows[f"{name}, slope, h = {h:g}"].append(slope_error(way, params, episode, gradient, seed, h))
        for h in STEPS:
            rows[f"units switched, h = {h:g}"].append(switched(params, episode, seed, h))
    return rows


def in_default_jax(params, episode, _dtype):
    """As a reader would call it who hands over NumPy's arrays and asks for no type."""
    value, found = maml_jax.meta_gradient(*([jnp.asarray(a) for a in each] for each in (params, episode)), ALPHA)
    return float(value), found


def without_x64() -> dict:
    """The same JAX call with its switch for float64 off, as it is by default, on the same float64 arrays."""
    params, episode = maml_torch.problem(0)
    own = in_torch(params, episode, "float64")[1]
    jax.config.update("jax_enable_x64", False)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            given = [[jnp.asarray(a) for a in each] for each in (params, episode)]  # no dtype: as the arrays have it
            found = [np.asarray(g, np.float64) for g in maml_jax.meta_gradient(*given, ALPHA)[1]]
        off = slope_error(in_default_jax, params, episode, found, seed=0, h=1e-6)
        with warnings.catch_warnings(record=True) as asked:
            warnings.simplefilter("always")
            jnp.zeros(1, dtype="float64")
    finally:
        jax.config.update("jax_enable_x64", True)
    return {
        "given": str(params[0].dtype),
        "became": str(given[0][0].dtype),
        "warnings": len(said),
        "warnings_if_asked_for": len(asked),
        "difference": difference(found, own),
        "slope_error": off,
    }


def of_a_vector() -> dict:
    """What each makes of the gradient of three numbers: x squared at 1, 2 and 3."""
    x = np.array([1.0, 2.0, 3.0])
    leaf = torch.tensor(x, requires_grad=True)
    answers = {}
    for name, ask in {
        "PyTorch": lambda: torch.autograd.grad(leaf**2, leaf)[0].tolist(),
        "JAX": lambda: jax.grad(lambda x: x**2)(jnp.asarray(x)).tolist(),
        "TensorFlow": lambda: by_tape(tf.constant(x)).numpy().tolist(),
    }.items():
        try:
            answers[name] = str(ask())
        except Exception as error:
            answers[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return answers


def by_tape(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        squares = x**2
    return tape.gradient(squares, x)


def default(function, name: str):
    return inspect.signature(function).parameters[name].default


def defaults() -> list[dict]:
    """Settings with the same name and another default, read from the installed packages."""
    layers, adam = tf.keras.layers, tf.keras.optimizers.Adam
    torch.manual_seed(0)
    ours = nn.Linear(100, 100).weight
    dense = layers.Dense(100)
    dense.build((None, 100))
    return [
        {"what": "epsilon of Adam", "PyTorch": default(torch.optim.Adam, "eps"), "Keras": default(adam, "epsilon")},
        {"what": "epsilon of batch normalisation", "PyTorch": default(nn.BatchNorm2d, "eps"),
         "Keras": default(layers.BatchNormalization, "epsilon")},
        {"what": "momentum of its averages", "PyTorch": default(nn.BatchNorm2d, "momentum"),
         "Keras": default(layers.BatchNormalization, "momentum")},
        {"what": "epsilon of layer normalisation", "PyTorch": default(nn.LayerNorm, "eps"),
         "Keras": default(layers.LayerNormalization, "epsilon")},
        {"what": "largest first weight of a 100 × 100 layer", "PyTorch": ours.abs().max().item(),
         "Keras": float(abs(dense.kernel.numpy()).max())},
        {"what": "largest first bias of that layer", "PyTorch": nn.Linear(100, 100).bias.abs().max().item(),
         "Keras": float(abs(dense.bias.numpy()).max())},
        {"what": "shape of the weights from 3 inputs to 5 outputs", "PyTorch": str(list(nn.Linear(3, 5).weight.shape)),
         "Keras": str([int(n) for n in built(layers.Dense(5), 3).shape])},
    ]  # fmt: skip


def built(layer, inputs: int):
    layer.build((None, inputs))
    return layer.kernel


def contrib() -> str:
    """What cbfinn/maml meets in its seventh line."""
    try:
        importlib.import_module("tensorflow.contrib")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def times(repeats: int) -> list[dict]:
    """Milliseconds of the processor for one gradient in float32, with 25 tasks at once."""
    params, episode = maml_torch.problem(0)
    ours = [maml_torch.tensors(each, torch.float32) for each in (params, episode)]
    jaxs = [[jnp.asarray(a, "float32") for a in each] for each in (params, episode)]
    tfs = [[tf.constant(a, "float32") for a in each] for each in (params, episode)]
    jit = jax.jit(maml_jax.meta_gradient)
    graph, xla = (
        tf.function(maml_tensorflow.meta_gradient, jit_compile=compiled, reduce_retracing=True)
        for compiled in (False, True)
    )
    alpha = tf.constant(ALPHA)
    actions = {
        "PyTorch, the course, task by task": partial(maml_torch.gradient, *ours, ALPHA, "loop"),
        "PyTorch, the course, batched": partial(maml_torch.gradient, *ours, ALPHA, "batched"),
        "JAX, op by op": lambda: jax.block_until_ready(maml_jax.meta_gradient(*jaxs, ALPHA)),
        "JAX, jit": lambda: jax.block_until_ready(jit(*jaxs, ALPHA)),
        "TensorFlow, op by op": lambda: maml_tensorflow.meta_gradient(*tfs, alpha)[0].numpy(),
        "TensorFlow, tf.function": lambda: graph(*tfs, alpha)[0].numpy(),
        "TensorFlow, tf.function with XLA": lambda: xla(*tfs, alpha)[0].numpy(),
    }
    first, taken = {}, {name: [] for name in actions}
    for name, action in actions.items():
        start = process_time()
        action()
        first[name] = process_time() - start
        action()
    for _ in range(repeats):
        for name, action in actions.items():
            start = process_time()
            action()
            taken[name].append(1000 * (process_time() - start))
    rows = []
    for name, all_of_it in taken.items():
        low, middle, high = quantiles(all_of_it, n=4)
        rows.append({"way": name, "first_call_s": first[name], "median_ms": middle, "quartiles_ms": [low, high]})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    jax.config.update("jax_enable_x64", True)
    packages = ("torch", "jax", "jaxlib", "tensorflow-cpu", "keras", "numpy")
    found = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, one core, Python {platform.python_version()}",
        "versions": {name: version(name) for name in packages},
        "setting": {"sizes": maml_torch.SIZES, "shots": maml_torch.SHOTS, "tasks": maml_torch.TASKS, "alpha": ALPHA},
        "equality": equality(),
        "without_x64": without_x64(),
        "of_a_vector": of_a_vector(),
        "defaults": defaults(),
        "contrib": contrib(),
        "repeats": options.repeats,
        "times": times(options.repeats),
    }
    print(write_json(options.output, found).read_text())


if __name__ == "__main__":
    main()
