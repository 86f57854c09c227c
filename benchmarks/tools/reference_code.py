"""What the linked repositories compute, beside the course: their own functions, run from a clone.

    python benchmarks/tools/reference_code.py CLONES --output book/results/tools-reference.json

CLONES is a folder with a git directory for each repository of ``REPOSITORIES``, named as there. Nothing of them is
installed or copied: a function is cut out of its file at the commit that is named in the output, and run here. It needs
the extra ``frameworks`` (TensorFlow, for the loss of cbfinn/maml).
"""

import argparse
import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

from course.crossmodal.contrastive import cosine_scores, symmetric_loss
from course.files import write_json
from course.meta_learning.prototypical import class_means, negative_squared_distances

REPOSITORIES = {
    "cbfinn/maml": "cbfinn+maml",
    "orobix/Prototypical-Networks-for-Few-shot-Learning-PyTorch": "orobix",
    "sicara/easy-few-shot-learning": "easyfsl",
    "mlfoundations/open_clip": "open_clip",
    "learnables/learn2learn": "learn2learn",
    "facebookresearch/higher": "higher",
}
FIXED = "58b72c3"  # the commit of orobix that repairs the accuracy


def git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", clone, *arguments], check=True, capture_output=True, text=True).stdout


def cut_out(source: str, *names: str) -> str:
    """The functions and classes of these names, wherever they stand in the source."""
    nodes = [node for node in ast.walk(ast.parse(source)) if getattr(node, "name", None) in names]
    for node in nodes:
        node.decorator_list = []
    return "\n\n".join(ast.unparse(node) for node in nodes)


def functions(clone: Path, file: str, *names: str, commit: str = "HEAD", **known) -> SimpleNamespace:
    """These functions of a file, with what they know of the world beyond it."""
    world = dict(known)
    exec(cut_out(git(clone, "show", f"{commit}:{file}"), *names), world)
    return SimpleNamespace(**{name: world[name] for name in names})


def inner_rate(clone: Path, ways: int, shots: int, seed: int) -> dict:
    """The slope of cbfinn/maml's support loss, over that of the mean: one number if the two are parallel."""
    import tensorflow as tf

    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(ways * shots, ways, generator=draw, dtype=torch.float64)
    labels = torch.eye(ways, dtype=torch.float64).repeat(shots, 1)
    xent = functions(clone, "utils.py", "xent", tf=tf, FLAGS=SimpleNamespace(update_batch_size=shots)).xent
    given = tf.constant(scores.numpy())
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = xent(given, tf.constant(labels.numpy()))
    theirs = torch.from_numpy(tape.gradient(loss, given).numpy())
    scores.requires_grad_()
    own = torch.autograd.grad(F.cross_entropy(scores, labels), scores)[0]
    ratio = (theirs * own).sum() / own.square().sum()
    return {"ways": ways, "shots": shots, "shape": list(loss.shape), "ratio": ratio.item(),
            "rest": ((theirs - ratio * own).abs().max() / theirs.abs().max()).item()}  # fmt: skip


def prototypical(clone: Path, seed: int) -> dict:
    """Loss and gradient of orobix against the course's, for one episode."""
    ways, shots, queries, d = 5, 3, 4, 16
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(ways * (shots + queries), d, generator=draw, dtype=torch.float64)
    y = torch.arange(ways).repeat(shots + queries)[torch.randperm(len(x), generator=draw)]
    cut = functions(clone, "src/prototypical_loss.py", "euclidean_dist", "prototypical_loss", torch=torch, F=F)
    rank = torch.stack([(y[: i + 1] == y[i]).sum() for i in range(len(y))])
    support = rank <= shots

    def own(x):
        means = class_means(x[support], y[support], ways)
        return F.cross_entropy(negative_squared_distances(x[~support], means), y[~support])

    def both(loss):
        leaf = x.clone().requires_grad_()
        value = loss(leaf)
        return value.detach(), torch.autograd.grad(value, leaf)[0]

    (a, da), (b, db) = both(lambda x: cut.prototypical_loss(x, y, shots)[0]), both(own)
    return {"loss": (a - b).abs().item(), "gradient": ((da - db).abs().max() / db.abs().max()).item()}


def perfect_accuracy(clone: Path, commit: str, ways: int) -> float:
    """The accuracy that orobix reports for vectors without any error, with one query of each class."""
    vectors, labels = 10 * torch.eye(ways).repeat(2, 1), torch.arange(ways).repeat(2)
    file = "src/prototypical_loss.py"
    cut = functions(clone, file, "euclidean_dist", "prototypical_loss", commit=commit, torch=torch, F=F)
    return cut.prototypical_loss(vectors, labels, 1)[1].item()


def unsquared(clone: Path, seed: int) -> float:
    """The largest difference between easyfsl's scores and the negative distance, not squared."""
    draw = torch.Generator().manual_seed(seed)
    samples, means = (torch.randn(n, 16, generator=draw, dtype=torch.float64) for n in (12, 5))
    name = "l2_distance_to_prototypes"
    scores = functions(clone, "easyfsl/methods/few_shot_classifier.py", name, torch=torch, Tensor=torch.Tensor)
    theirs = getattr(scores, name)(SimpleNamespace(prototypes=means), samples)
    return (theirs + (-negative_squared_distances(samples, means)).sqrt()).abs().max().item()


def contrastive(clone: Path, seed: int) -> float:
    """The largest difference between the losses of open_clip and of the course."""
    draw = torch.Generator().manual_seed(seed)
    pictures, texts = (F.normalize(torch.randn(32, 16, generator=draw, dtype=torch.float64), dim=-1) for _ in range(2))
    cut = functions(clone, "src/open_clip/loss.py", "ClipLoss", torch=torch, nn=nn, F=F)
    own = symmetric_loss(cosine_scores(pictures, texts, temperature=0.07))
    return abs(cut.ClipLoss()(pictures, texts, 1 / 0.07).item() - own.item())


def largest_difference(found, own) -> float:
    """Of two gradients, as a share of the largest entry."""
    pairs = list(zip(found, own, strict=True))
    return max((a - b).abs().max().item() for a, b in pairs) / max(b.abs().max().item() for _, b in pairs)


def meta_gradients(clones: Path, seed: int) -> dict:
    """The meta-gradient by learn2learn and by higher, task after task, against the course's."""
    import maml_torch

    params, episode = map(maml_torch.tensors, maml_torch.problem(seed))
    own = maml_torch.gradient(params, episode, maml_torch.ALPHA)[1]
    model = maml_torch.network().double()
    for p, value in zip(model.parameters(), params, strict=True):
        p.data = value.mT.contiguous() if value.dim() == 2 else value.clone()
    ways = {"learn2learn": by_learn2learn(clones / REPOSITORIES["learnables/learn2learn"]),
            "higher": by_higher(clones / REPOSITORIES["facebookresearch/higher"])}  # fmt: skip
    found = {}
    for name, query_loss in ways.items():
        loss = torch.stack([query_loss(model, *task) for task in zip(*episode, strict=True)]).mean()
        gradient = torch.autograd.grad(loss, list(model.parameters()))
        found[name] = largest_difference([g.mT if g.dim() == 2 else g for g in gradient], own)
    return found


def by_learn2learn(clone: Path):
    import copy
    import dataclasses
    import traceback

    import maml_torch

    files = ("utils/__init__.py", "algorithms/base_learner.py", "algorithms/maml.py")
    source = "\n".join(git(clone, "show", f"HEAD:learn2learn/{file}") for file in files)
    names = "clone_module", "update_module", "BaseLearner", "maml_update", "MAML"
    world = {"torch": torch, "nn": nn, "grad": torch.autograd.grad, "copy": copy}
    world |= {"traceback": traceback, "dataclasses": dataclasses}
    exec(cut_out(source, *names), world)

    def query_loss(model, x, y, query_x, query_y):
        learner = world["MAML"](model, lr=maml_torch.ALPHA).clone()
        learner.adapt(F.mse_loss(learner(x), y))
        return F.mse_loss(learner(query_x), query_y)

    return query_loss


def by_higher(clone: Path):
    import maml_torch

    folder = tempfile.mkdtemp()
    archive = subprocess.run(["git", "-C", clone, "archive", "HEAD", "higher"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    sys.path.insert(0, folder)
    import higher

    def query_loss(model, x, y, query_x, query_y):
        descent = torch.optim.SGD(model.parameters(), lr=maml_torch.ALPHA)
        with higher.innerloop_ctx(model, descent, copy_initial_weights=False) as (adapted, inner):
            inner.step(F.mse_loss(adapted(x), y))
            return F.mse_loss(adapted(query_x), query_y)

    return query_loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    clone = {name: options.clones / folder for name, folder in REPOSITORIES.items()}
    orobix = clone["orobix/Prototypical-Networks-for-Few-shot-Learning-PyTorch"]
    seeds = range(5)
    found = {
        "commits": {name: git(path, "rev-parse", "HEAD").strip() for name, path in clone.items()},
        "inner_rate": [inner_rate(clone["cbfinn/maml"], n, k, seed=0) for n, k in ((5, 1), (5, 5), (20, 1))],
        "prototypical": [prototypical(orobix, seed) for seed in seeds],
        "perfect_accuracy": {
            "ways": 5,
            "before": perfect_accuracy(orobix, f"{FIXED}^", 5),
            "after": perfect_accuracy(orobix, "HEAD", 5),
        },
        "unsquared": [unsquared(clone["sicara/easy-few-shot-learning"], seed) for seed in seeds],
        "contrastive": [contrastive(clone["mlfoundations/open_clip"], seed) for seed in seeds],
        "meta_gradients": [meta_gradients(options.clones, seed) for seed in seeds],
    }
    print(write_json(options.output, found).read_text())


if __name__ == "__main__":
    main()
