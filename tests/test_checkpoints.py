"""Checkpoints: what is written comes back exactly, and whatever happens to the files is noticed."""

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


def names(folder):
    """The names of the files in a checkpoint's folder, without the digest of the tensors."""
    return sorted(re.sub(r"-[0-9a-f]{8}\b", "", path.name) for path in folder.iterdir())


def test_a_tree_comes_back_exactly(tmp_path):
    checkpoints.save(tmp_path / "new" / "folder", 3, TREE)
    assert repr(checkpoints.load(tmp_path / "new" / "folder")) == repr(TREE)  # so the types are the same, too


WEIGHT = torch.rand(3, 3)


@pytest.mark.parametrize(
    "tensors",
    [
        [torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.rand(4, 6).T, torch.rand(4, 6)[:, ::2]],
        [torch.rand(3, 1).expand(3, 4), torch.empty(0, 3), torch.tensor(1.5, dtype=torch.bfloat16)],
        [torch.tensor([True, False]), torch.randint(0, 255, (5,), dtype=torch.uint8)],
        [torch.tensor([float("nan"), 1.0], dtype=torch.float64)],
        [WEIGHT, WEIGHT, WEIGHT[1]],
    ],
    ids=["layouts", "sizes", "types", "not a number", "shared memory"],
)
def test_tensors_of_any_kind(tmp_path, tensors):
    checkpoints.save(tmp_path, 0, tensors)
    for back, tensor in zip(checkpoints.load(tmp_path), tensors, strict=True):
        assert (back.dtype, back.stride()) == (tensor.dtype, torch.empty_like(tensor).stride())
        assert torch.equal(back.nan_to_num(), tensor.nan_to_num())


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
        checkpoints.save(tmp_path, 1, {"optimizer": [{"closure": names}]})
    with pytest.raises(TypeError, match="mixed is a dict"):
        checkpoints.save(tmp_path, 1, {"mixed": {1: 2, "a": 3}})
    assert not checkpoints.exists(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("tensors-*", lambda content: content[:-7]),
        ("tensors-*", lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]),
        ("tensors-*", lambda content: b""),
        ("tensors-*", None),
        ("state.json", lambda content: content[:-7]),
        ("state.json", lambda content: b""),
        ("state.json", lambda content: b"[1, 2]"),
        ("state.json", lambda content: content.replace(b'"tree"', b'"three"')),
        ("state.json", lambda content: content.replace(b'"format": 2', b'"format": 1')),
    ],
    ids=["cut", "flipped", "empty", "removed", "cut state", "empty state", "other JSON", "no tree", "older"],
)
def test_damage_is_noticed_and_the_remedy_named(tmp_path, name, damage):
    checkpoints.save(tmp_path, 5, TREE)
    [path] = tmp_path.glob(name)
    if damage is None:
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        assert path.read_bytes() != whole
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
    for saved in (state, state | {"cuda": torch.zeros(16, dtype=torch.uint8)}):  # the second was made on a GPU
        checkpoints.set_random_state(saved, device)
        assert torch.equal(first, torch.rand(3))
