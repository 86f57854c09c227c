"""The gradient of one outer step of MAML in TensorFlow: a tape that runs while another tape is read."""

import tensorflow as tf


def predict(params, x):
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = tf.nn.relu(x @ w + b)
    return x @ params[-2] + params[-1]


def loss(params, x, y):
    return tf.reduce_mean((predict(params, x) - y) ** 2)


def query_loss(params, x, y, query_x, query_y, alpha):
    with tf.GradientTape() as inner:
        inner.watch(params)
        support = loss(params, x, y)
    slopes = inner.gradient(support, params)
    adapted = [p - alpha * g for p, g in zip(params, slopes, strict=True)]
    return loss(adapted, query_x, query_y)


def meta_gradient(params, episode, alpha):
    with tf.GradientTape() as outer:
        outer.watch(params)
        losses = tf.vectorized_map(lambda task: query_loss(params, *task, alpha), episode)
        value = tf.reduce_mean(losses)
    return value, outer.gradient(value, params)
