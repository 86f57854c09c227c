"""The gradient of one outer step of MAML in JAX: everything is a function, and ``grad`` of ``grad`` is written so."""

import jax
import jax.numpy as jnp


def predict(params, x):
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = jax.nn.relu(x @ w + b)
    return x @ params[-2] + params[-1]


def loss(params, x, y):
    return jnp.mean((predict(params, x) - y) ** 2)


def query_loss(params, x, y, query_x, query_y, alpha):
    slopes = jax.grad(loss)(params, x, y)
    adapted = [p - alpha * g for p, g in zip(params, slopes, strict=True)]
    return loss(adapted, query_x, query_y)


def objective(params, episode, alpha):
    tasks = jax.vmap(query_loss, in_axes=(None, 0, 0, 0, 0, None))
    return tasks(params, *episode, alpha).mean()


meta_gradient = jax.value_and_grad(objective)
