"""LoRA: the update is one of rank r, merges exactly, and is all that learns."""

import pytest
import torch
from torch import nn

from course.representation.bert import Bert, BertConfig
from course.representation.lora import LoRA, add_lora, merge_lora


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def tiny():
    config = BertConfig(30, width=12, layers=2, heads=3, hidden=16, positions=8, pooler=True)
    return Bert(config, generator=generator()).double()


def moved(model):
    """The model after its updates have become something."""
    for seed, layer in enumerate(module for module in model.modules() if isinstance(module, LoRA)):
        layer.b.data = numbers(*layer.b.shape, seed=seed)
    return model


def test_it_equals_the_full_update_of_rank_r():
    base, x = nn.Linear(7, 5).double(), numbers(4, 3, 7)
    weight, bias = base.weight.detach().clone(), base.bias.detach().clone()
    layer = moved(nn.Sequential(LoRA(base, 2, generator())))[0]
    update = layer.b @ layer.a
    assert torch.linalg.matrix_rank(update) == 2
    torch.testing.assert_close(layer(x), x @ (weight + update).T + bias)


def test_merged_it_computes_the_same_with_a_plain_layer():
    model, tokens = moved(add_lora(tiny(), 2, generator())), torch.tensor([[3, 4, 5, 6]])
    expected = model(tokens)
    plain = merge_lora(model)
    assert not any(isinstance(module, LoRA) for module in plain.modules())
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in tiny().named_parameters()]
    torch.testing.assert_close(plain(tokens), expected, rtol=0, atol=1e-13)


def test_at_first_nothing_changes_and_only_the_updates_learn():
    model, tokens = tiny(), torch.tensor([[3, 4, 5, 6]])
    expected = model(tokens)
    frozen = {name: value.clone() for name, value in model.state_dict().items()}
    add_lora(model, 2, generator())
    assert torch.equal(model(tokens), expected)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all(name.endswith((".a", ".b")) for name in trained)
    layers = 2 * [(12, 36), (12, 12), (12, 16), (16, 12)] + [(12, 12)]
    assert sum(p.numel() for p in trained.values()) == sum(2 * (p + q) for p, q in layers)
    optimizer = torch.optim.SGD(trained.values(), lr=0.1)
    model.pooled(model(tokens)).sum().backward()
    optimizer.step()
    assert not torch.equal(model(tokens), expected)
    for name, value in model.state_dict().items():
        if not name.endswith((".a", ".b")):
            assert torch.equal(value, frozen[name.replace(".base", "")]), name


def test_the_gradient_is_that_of_the_full_matrix_seen_through_the_thin_ones():
    base, x = nn.Linear(7, 5).double(), numbers(4, 7)
    layer = moved(nn.Sequential(LoRA(base, 2, generator())))[0]
    full = (base.weight + (layer.b @ layer.a).detach()).detach().requires_grad_()
    (g,) = torch.autograd.grad((x @ full.T + base.bias).sin().sum(), full)
    a, b = torch.autograd.grad(layer(x).sin().sum(), (layer.a, layer.b))
    torch.testing.assert_close(a, layer.b.T @ g)
    torch.testing.assert_close(b, g @ layer.a.T)


@pytest.mark.parametrize("rank", [0, 6, 1.5])
def test_a_rank_that_is_none_is_refused(rank):
    with pytest.raises(ValueError, match=f"rank must be a whole number from 1 to 5, got {rank}"):
        LoRA(nn.Linear(7, 5), rank)


def test_the_module_is_as_short_as_promised():
    import ast
    import inspect

    tree = ast.parse("".join(map(inspect.getsource, (LoRA, add_lora, merge_lora))))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            node.body = node.body[1:]  # without the docstring
    assert len(ast.unparse(tree).split()) > 50
    assert len([line for line in ast.unparse(tree).splitlines() if line]) <= 40
