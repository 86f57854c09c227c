"""The page on tools: three frameworks give one meta-gradient, and what its stored files rest on."""

import importlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.meta_learning.adaptation import adapt

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "book" / "results"


@pytest.fixture(scope="module")
def script():
    """A script of benchmarks/tools by name; a framework that it needs and that is not there skips the test."""
    sys.path.insert(0, str(ROOT / "benchmarks" / "tools"))

    def load(name: str, needs: str | None = None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if needs:
                pytest.importorskip(needs)
            return importlib.import_module(name)

    yield load
    sys.path.remove(str(ROOT / "benchmarks" / "tools"))


def stored(name: str) -> dict:
    return json.loads((RESULTS / f"tools-{name}.json").read_text(encoding="utf8"))


def require_equal(found, own) -> None:
    for a, b in zip(found, own, strict=True):
        np.testing.assert_allclose(np.asarray(a), b.numpy(), rtol=1e-10, atol=1e-12)


class TestOneMetaGradient:
    def test_of_the_course_is_the_slope(self, script):
        """Against a central difference, for a step so short that no unit switches."""
        touchstone = script("maml_torch")
        params, episode = map(touchstone.tensors, touchstone.problem(0))
        gradient = touchstone.gradient(params, episode, 0.01)[1]
        draw = torch.Generator().manual_seed(0)
        direction = [torch.randn(p.shape, generator=draw, dtype=p.dtype) for p in params]

        def value(length):
            moved = [p + length * d for p, d in zip(params, direction, strict=True)]
            return touchstone.gradient(moved, episode, 0.01)[0]

        slope = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
        assert (value(1e-7) - value(-1e-7)) / 2e-7 == pytest.approx(slope.item(), rel=1e-6)

    def test_by_jax(self, script):
        ours, theirs = script("maml_torch"), script("maml_jax", "jax")
        jax = importlib.import_module("jax")
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        try:
            given = ours.problem(3)
            own = ours.gradient(*map(ours.tensors, given), 0.01)
            value, found = theirs.meta_gradient(*([jax.numpy.asarray(a) for a in each] for each in given), 0.01)
            assert float(value) == pytest.approx(own[0].item(), rel=1e-12)
            require_equal(found, own[1])
        finally:
            jax.config.update("jax_enable_x64", before)

    def test_by_tensorflow(self, script):
        ours, theirs = script("maml_torch"), script("maml_tensorflow", "tensorflow")
        tf = importlib.import_module("tensorflow")
        given = ours.problem(3)
        own = ours.gradient(*map(ours.tensors, given), 0.01)
        value, found = theirs.meta_gradient(*([tf.constant(a) for a in each] for each in given), 0.01)
        assert float(value) == pytest.approx(own[0].item(), rel=1e-12)
        require_equal(found, own[1])

    @pytest.mark.parametrize("seed", range(5))
    def test_stored_is_that_of_the_course(self, script, seed):
        ours = script("maml_torch")
        value, gradient = ours.gradient(*map(ours.tensors, ours.problem(seed)), 0.01)
        norm = sum(g.square().sum() for g in gradient).sqrt()
        for name in ("PyTorch", "JAX", "TensorFlow"):
            rows = stored("frameworks")["equality"]
            assert rows[f"{name}, loss"][seed] == pytest.approx(value.item(), rel=1e-12)
            assert rows[f"{name}, norm of the gradient"][seed] == pytest.approx(norm.item(), rel=1e-12)


def test_the_stored_comparison_can_tell():
    rows = stored("frameworks")["equality"]
    for name in ("JAX", "TensorFlow"):
        assert max(rows[f"{name}, float64"]) < 1e-14
        assert max(rows[f"{name}, slope, h = 1e-08"]) < 1e-6
    assert min(rows["dropped by first order"]) > 0.1


@pytest.mark.parametrize(("ways", "shots"), [(5, 1), (5, 4), (7, 3)])
def test_a_sum_over_the_shots_is_a_mean_with_n_times_the_rate(ways, shots):
    torch.manual_seed(0)
    model = nn.Linear(6, ways).double()
    x, y = torch.randn(ways * shots, 6).double(), torch.arange(ways).repeat(shots)
    start = {name: p.detach() for name, p in model.named_parameters()}

    def summed(scores, labels):
        return F.cross_entropy(scores, labels, reduction="sum") / shots

    theirs = adapt(model, start, x, y, loss=summed, lr=0.1, steps=3)
    ours = adapt(model, start, x, y, loss=F.cross_entropy, lr=0.1 * ways, steps=3)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-12, atol=1e-14)


def test_what_the_repositories_compute_is_as_the_page_says():
    code = stored("reference")
    assert [row["ratio"] for row in code["inner_rate"]] == pytest.approx([row["ways"] for row in code["inner_rate"]])
    assert max(row[what] for row in code["prototypical"] for what in row) < 1e-12
    assert max(max(row.values()) for row in code["meta_gradients"]) < 1e-12
    assert max(code["contrastive"] + code["unsquared"]) < 1e-12
    accuracy = code["perfect_accuracy"]
    assert accuracy["before"] == pytest.approx(1 / accuracy["ways"])
    assert accuracy["after"] == 1


class TestPackages:
    LIST = ("name\tversion\tmonth\tsummary\n", 'a\t1.0\t2020-03\t"quoted\n', "b\t2\t2021-11\t\n")

    def test_are_read_from_a_list(self, script):
        found, newest = script("packages").releases(self.LIST, ["a"])
        assert found == {"a": {"version": "1.0", "month": "2020-03"}}
        assert newest == "2021-11"

    def test_that_are_missing_are_named(self, script):
        with pytest.raises(ValueError, match="not in the list of packages: c, d"):
            script("packages").releases(self.LIST, ["a", "c", "d"])

    def test_the_newest_commit_of_a_clone(self, script, tmp_path):
        def git(*words):
            who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

        git("init")
        git("commit", "--allow-empty", "-m", "one", "--date", "2019-02-03T04:05:06")
        row = script("packages").newest_commit(tmp_path)
        assert len(row["commit"]) == 40
        assert len(row["date"]) == 10

    def test_all_on_the_page_were_looked_up(self, script):
        packages, looked_up = script("packages"), stored("packages")
        assert set(looked_up["packages"]) == set(packages.PACKAGES)
        assert set(looked_up["repositories"]) == set(packages.REPOSITORIES)


def test_functions_are_cut_out_of_their_file(script):
    script("maml_torch")
    lines = ("import nowhere", "@nowhere.wrap", "def f(x):", "    return g(x) + 1", "class A:", "    def g(x):")
    source = "\n".join((*lines, "        return 2 * x"))
    world = {}
    exec(script("reference_code").cut_out(source, "f", "g"), world)
    assert world["f"](3) == 7
