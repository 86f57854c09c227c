"""Weights of others: equal to `transformers.ViTModel` layer by layer; what is wrong with a folder is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from course.data import DataError
from course.representation.vit_pretrained import load_vit

transformers = pytest.importorskip("transformers")

SHAPES = {
    "gray": {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 20,
             "image_size": 28, "patch_size": 7, "num_channels": 1},
    "colour": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
               "image_size": 32, "patch_size": 8, "num_channels": 3},
    "fine": {"hidden_size": 30, "num_hidden_layers": 2, "num_attention_heads": 5, "intermediate_size": 7,
             "image_size": 12, "patch_size": 2, "num_channels": 2},
}  # fmt: skip


def saved(folder, shape="colour", pooler=True, head=False):
    """A model of `transformers` with random weights, in which every number counts, and its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.ViTConfig(**SHAPES[shape], attn_implementation="eager")
        if head:
            model = transformers.ViTForImageClassification(config)
        else:
            model = transformers.ViTModel(config, add_pooling_layer=pooler)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.eval().save_pretrained(folder)
    return model, folder


def images(config, n=3, size=None):
    shape = n, config.num_channels, *(size or (config.image_size,) * 2)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
def test_all_hidden_states_and_attentions_are_equal(shape, tmp_path):
    theirs, folder = saved(tmp_path, shape)
    ours, x = load_vit(folder), images(theirs.config)
    assert not ours.training and all(p.requires_grad for p in ours.parameters())
    with torch.no_grad():
        expected = theirs(x, output_hidden_states=True, output_attentions=True)
        trace, hidden = ours.trace(x), ours.hidden(x)
        embedded, pooled = ours.embed(x), ours.pooled(hidden)
    states = [*expected.hidden_states[:-1], expected.last_hidden_state]  # the last one, normalised
    for mine, other in zip(trace.hidden, states, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)
    for mine, other in zip(trace.weights, expected.attentions, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)
    torch.testing.assert_close(hidden, expected.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(embedded, expected.last_hidden_state[:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(pooled, expected.pooler_output, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 64), (16, 48)])
def test_images_of_another_size_are_read_as_there(size, tmp_path):
    theirs, folder = saved(tmp_path)
    x = images(theirs.config, size=size)
    with torch.no_grad():
        expected = theirs(x, interpolate_pos_encoding=True).last_hidden_state
        torch.testing.assert_close(load_vit(folder).hidden(x), expected, rtol=0, atol=1e-5)


def test_gradients_are_equal(tmp_path):
    theirs, folder = saved(tmp_path)
    ours, x = load_vit(folder), images(theirs.config)
    ours.embed(x).square().sum().backward()
    theirs(x).last_hidden_state[:, 0].square().sum().backward()
    kernel = theirs.embeddings.patch_embeddings.projection.weight.grad.flatten(1)
    scale = kernel.abs().max()
    torch.testing.assert_close(ours.patch.weight.grad / scale, kernel / scale, rtol=0, atol=1e-5)


def test_a_classifier_is_read_without_its_head_and_without_a_pooler(tmp_path):
    theirs, folder = saved(tmp_path, head=True)
    ours, x = load_vit(folder), images(theirs.config)
    assert ours.pooler is None
    with torch.no_grad():
        torch.testing.assert_close(ours.hidden(x), theirs.vit(x).last_hidden_state, rtol=0, atol=1e-5)


def test_half_precision_becomes_single(tmp_path):
    _, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value.half() for name, value in weights.items()}, folder / "model.safetensors")
    assert {p.dtype for p in load_vit(folder).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("layernorm.bias"), r"missing \(1\): layernorm.bias"),
        (lambda w: w.update(extra=torch.zeros(3)), r"surplus \(1\): extra"),
        (lambda w: w.update({"embeddings.cls_token": torch.zeros(1, 1, 31)}), r"cls_token is \[31\].*promises \[32\]"),
    ],
)
def test_wrong_weights_are_named(change, said, tmp_path):
    _, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(DataError, match=said):
        load_vit(folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_type": "deit"}, "model_type 'deit' cannot be loaded, only vit"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"qkv_bias": False}, "qkv_bias is False"),
        ({"pooler_output_size": 7}, "pooler_output_size is 7, only 32"),
        ({"patch_size": None}, "does not say patch_size"),
    ],
)
def test_another_architecture_is_refused(options, said, tmp_path):
    _, folder = saved(tmp_path)
    config = json.loads((folder / "config.json").read_text()) | options
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    with pytest.raises(DataError, match=said):
        load_vit(folder)


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match=r"config.json cannot be read|no model.safetensors"):
        load_vit(tmp_path)
