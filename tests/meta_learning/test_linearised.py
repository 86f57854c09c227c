"""The first-order model against its definition, the kernel against gradients, descent in closed form against steps."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import flat, mlp, normal
from torch import nn
from torch.func import functional_call, grad, jacrev

from course.meta_learning.linearised import alignment, kernel_descent, linearised, tangent_kernel

FORWARD = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode calls it


@pytest.fixture
def model():
    return mlp(2, 3)[0:1].append(nn.Tanh()).append(nn.Linear(6, 3).double())


def start(model):
    return {name: value.detach() for name, value in model.named_parameters()}


@FORWARD
def test_the_error_of_the_first_order_model_is_of_second_order(model):
    params, x = start(model), normal(5, 2)
    shift = {name: normal(*value.shape, seed=3) for name, value in params.items()}
    errors = []
    for size in (1e-2, 5e-3):
        moved = {name: params[name] + size * shift[name] for name in params}
        scaled = {name: size * shift[name] for name in params}
        errors.append((functional_call(model, moved, (x,)) - linearised(model, params, scaled, x)).norm().item())
    assert errors[1] / errors[0] == pytest.approx(0.25, rel=0.05)


@FORWARD
def test_it_is_the_jacobian_times_the_shift(model):
    params, x = start(model), normal(5, 2)
    shift = {name: normal(*value.shape, seed=4) for name, value in params.items()}
    jacobians = jacrev(lambda weights: functional_call(model, weights, (x,)))(params)
    product = sum(jacobians[name].flatten(2) @ shift[name].flatten() for name in params)
    torch.testing.assert_close(linearised(model, params, shift, x), model(x).detach() + product)


def test_a_shift_of_other_names_is_refused(model):
    with pytest.raises(ValueError, match="give a shift for each"):
        linearised(model, start(model), {}, normal(5, 2))


def test_the_kernel_is_the_product_of_gradients(model):
    params, x, other = start(model), normal(4, 2), normal(3, 2, seed=1)
    kernel = tangent_kernel(model, params, x, other)
    assert kernel.shape == (4, 3, 3, 3)

    def gradient(example, output):
        return flat(grad(lambda weights: functional_call(model, weights, (example[None],))[0, output])(params))

    for i, c, j, d in ((0, 0, 0, 0), (3, 1, 2, 0), (1, 2, 1, 1)):
        torch.testing.assert_close(kernel[i, c, j, d], gradient(x[i], c) @ gradient(other[j], d))


def test_a_zero_head_leaves_the_kernel_of_the_features(model):
    """The proposition of the page: what the body could do is invisible to the first order."""
    nn.init.zeros_(model[2].weight)
    params, x = start(model), normal(4, 2)
    features = model[:2](x).detach()
    expected = torch.einsum("ij,cd->icjd", features @ features.T + 1, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(tangent_kernel(model, params, x, x), expected)


def test_only_the_parameters_that_are_named_count(model):
    params = start(model)
    head = {name: params[name] for name in ("2.weight", "2.bias")}
    body = {name: params[name] for name in params if name not in head}
    x = normal(4, 2)
    whole = tangent_kernel(model, params, x, x)
    torch.testing.assert_close(tangent_kernel(model, head, x, x) + tangent_kernel(model, body, x, x), whole)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 40))
def test_the_closed_form_is_gradient_descent_step_by_step(n, p, steps):
    """Also where the kernel has no inverse, with more examples than parameters."""
    x, query, y = normal(n, p), normal(3, p, seed=1), normal(n, 2, seed=2)
    kernel = x @ x.T
    rate = 1 / torch.linalg.eigvalsh(kernel)[-1].item()
    weight = torch.zeros(p, 2, dtype=torch.float64)
    for _ in range(steps):
        weight -= rate * x.T @ (x @ weight - y)
    found = kernel_descent(kernel, query @ x.T, y, rate=rate, steps=steps)
    torch.testing.assert_close(found, query @ weight, rtol=1e-6, atol=1e-9)


def test_the_closed_form_takes_one_column_as_well():
    x, y = normal(4, 6), normal(4, seed=2)
    options = {"rate": 0.01, "steps": 7}
    both = kernel_descent(x @ x.T, x @ x.T, y, **options), kernel_descent(x @ x.T, x @ x.T, y[:, None], **options)
    torch.testing.assert_close(both[0], both[1][:, 0])


@pytest.mark.parametrize("factor", [0, -0.5, 2.001, 3])
def test_a_rate_that_would_diverge_is_refused(factor):
    x = normal(4, 6)
    rate = factor / torch.linalg.eigvalsh(x @ x.T)[-1].item()
    with pytest.raises(ValueError, match="must lie between 0 and 2"):
        kernel_descent(x @ x.T, x @ x.T, normal(4), rate=rate, steps=1)


def test_alignment_is_one_for_the_labels_themselves_and_ignores_scale_and_shift():
    y = torch.tensor([0, 0, 1, 1, 2])
    same = (y[:, None] == y).double()
    assert alignment(same, y) == pytest.approx(1)
    assert alignment(3 * same + 5, y) == pytest.approx(1)
    assert alignment(-same, y) == pytest.approx(-1)
    found = torch.tensor(
        [alignment(normal(40, 3, seed=s) @ normal(40, 3, seed=s).T, torch.arange(40) % 5) for s in range(20)]
    )
    assert found.abs().mean() < 0.1
    assert F.relu(found).max() < 0.3
