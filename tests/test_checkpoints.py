"""Checkpoints: what is written comes back exactly, and whatever happens to the files is noticed."""

import json
import os
import re
from pathlib import Path

import pytest
import torch

from course import checkpoints, files

TREE = {
    "model": {"weight": torch.arange(6.0).view(2, 3), "count": torch.tensor(7)},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0), "none": None}, 1: {}}, "groups": [{"betas": (0.9, 0.999)}]},
    "history": [0.1, 1e-300, float("inf"), -0.0, 2**70],
    "done": True,
    "label": "Großes π",
}


def equal(first, second):
    """Whether two trees agree in types, values, tensor types and memory layout."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and first.stride() == second.stride() and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def names(folder):
    """The names of the files in a checkpoint's folder, without the digest of the tensors."""
    return sorted(re.sub(r"-[0-9a-f]{8}\b", "", path.name) for path in folder.iterdir())


def test_a_tree_comes_back_exactly(tmp_path):
    checkpoints.save(tmp_path / "new" / "folder", 3, TREE)
    assert equal(checkpoints.load(tmp_path / "new" / "folder"), TREE)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.rand(4, 6).T,
        torch.rand(4, 6)[:, ::2],
        torch.rand(3, 1).expand(3, 4),
        torch.empty(0, 3),
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.randint(0, 255, (5,), dtype=torch.uint8),
        torch.tensor([float("nan"), 1.0], dtype=torch.float64),
    ],
    ids=lambda tensor: f"{tensor.dtype}{list(tensor.shape)}".removeprefix("torch."),
)
def test_tensors_of_any_layout(tmp_path, tensor):
    checkpoints.save(tmp_path, 0, [tensor])
    [back] = checkpoints.load(tmp_path)
    assert back.stride() == torch.empty_like(tensor).stride()
    assert torch.equal(back.nan_to_num(), tensor.nan_to_num())
    assert back.dtype == tensor.dtype


def test_tensors_that_share_memory(tmp_path):
    weight = torch.rand(3, 3)
    checkpoints.save(tmp_path, 0, {"encoder": weight, "decoder": weight, "row": weight[1]})
    back = checkpoints.load(tmp_path)
    assert torch.equal(back["decoder"], weight)
    assert torch.equal(back["row"], weight[1])


def test_only_the_newest_is_kept(tmp_path):
    for step in (10, 20, 30):
        checkpoints.save(tmp_path, step, {"step": step, "x": torch.full((2,), step)})
    assert checkpoints.load(tmp_path)["step"] == 30
    assert names(tmp_path) == ["state.json", "tensors-30.safetensors"]


def test_a_second_checkpoint_of_the_same_step_never_touches_the_first(tmp_path, monkeypatch):
    """A kill between its tensors and its state must leave the first, though both are of one step."""
    checkpoints.save(tmp_path, 5, {"x": torch.ones(2)})

    def killed(path, content):
        if path.name == checkpoints.STATE:
            raise KeyboardInterrupt
        return files.write_whole(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "write_whole", killed)
        checkpoints.save(tmp_path, 5, {"x": torch.zeros(2)})
    assert torch.equal(checkpoints.load(tmp_path)["x"], torch.ones(2))
    checkpoints.save(tmp_path, 5, {"x": torch.zeros(2)})
    assert torch.equal(checkpoints.load(tmp_path)["x"], torch.zeros(2))
    checkpoints.save(tmp_path, 5, {"x": torch.zeros(2)})  # the very same again
    assert torch.equal(checkpoints.load(tmp_path)["x"], torch.zeros(2))
    assert names(tmp_path) == ["state.json", "tensors-5.safetensors"]


def test_what_cannot_be_kept_is_named(tmp_path):
    with pytest.raises(TypeError, match="optimizer/0/closure is a function"):
        checkpoints.save(tmp_path, 1, {"optimizer": [{"closure": equal}]})
    with pytest.raises(TypeError, match="mixed is a dict"):
        checkpoints.save(tmp_path, 1, {"mixed": {1: 2, "a": 3}})
    assert not checkpoints.exists(tmp_path)


def test_an_absent_checkpoint(tmp_path):
    assert not checkpoints.exists(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        checkpoints.load(tmp_path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def other_json(path):
    path.write_text("[1, 2]", encoding="utf8")


def no_tree(path):
    state = json.loads(path.read_text(encoding="utf8"))
    del state["tree"]
    path.write_text(json.dumps(state), encoding="utf8")


def older(path):
    state = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps(state | {"format": checkpoints.FORMAT - 1}), encoding="utf8")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[("tensors-5-*.safetensors", damage) for damage in (cut, flip, empty, os.remove)],
        *[("state.json", damage) for damage in (cut, empty, other_json, no_tree, older)],
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_damage_is_noticed_and_the_remedy_named(tmp_path, name, damage):
    checkpoints.save(tmp_path, 5, TREE)
    [path] = tmp_path.glob(name)
    damage(path)
    with pytest.raises(ValueError, match=r"cannot be read \(.+\): restore it from a copy, or delete the folder"):
        checkpoints.load(tmp_path)


def test_a_failed_write_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    """A full disk, once while the tensors are written and once while the state is."""
    checkpoints.save(tmp_path, 1, {"x": torch.ones(2)})

    def no_space(*_):
        raise OSError(28, "No space left on device")

    for owner, function in ((Path, "write_bytes"), (files, "to_disk")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, function, no_space)
            with pytest.raises(OSError, match="No space left"):
                checkpoints.save(tmp_path, 2, {"x": torch.zeros(2)})
        assert torch.equal(checkpoints.load(tmp_path)["x"], torch.ones(2))
    checkpoints.save(tmp_path, 3, {"x": torch.zeros(2)})
    assert names(tmp_path) == ["state.json", "tensors-3.safetensors"]


def test_the_random_state_is_restored():
    device = torch.device("cpu")
    state = checkpoints.random_state(device)
    first = torch.rand(3)
    checkpoints.set_random_state(state, device)
    assert torch.equal(first, torch.rand(3))
    checkpoints.set_random_state(state | {"cuda": torch.zeros(16, dtype=torch.uint8)}, device)  # made on a GPU
    assert torch.equal(first, torch.rand(3))
