"""A call from the judge to the desk, with both in one process: arguments go, values come, and what was changed."""

import socket
import threading

import numpy as np
import pytest
import torch
from torch import nn

from course import judging
from course.data import Episode
from course.grading.desk import Examined
from course.grading.judge import AnswerRaised, Desk, StudentsObject
from course.grading.parcels import Kept
from course.grading.wire import Closed


@pytest.fixture
def ask():
    """Names of answers become callable, as in a test; the desk is a thread."""
    lines = []

    def make(seconds=5, **answers):
        mine, theirs = socket.socketpair()
        lines.append(mine)
        examined = Examined(theirs, answers)

        def serve():
            try:
                examined.serve()
            except Closed:
                theirs.close()

        threading.Thread(target=serve, daemon=True).start()
        desk = Desk(mine, seconds)
        found = [StudentsObject(desk, Kept("answer", name)) for name in answers]
        return (desk, *found)

    yield make
    for line in lines:
        line.close()


def test_arguments_arrive_as_they_are_and_values_come_back(ask):
    def answer(x, *, model, episode, loss):
        assert isinstance(model, nn.Linear) and isinstance(episode, Episode) and x.requires_grad
        return {"value": loss(model(x), episode.query_x), "same": x is episode.support_x, "names": ("a", 1)}

    x = torch.ones(2, 3, requires_grad=True)
    model, y = nn.Linear(3, 3), torch.zeros(2, dtype=torch.int64)
    _, f = ask(answer=answer)
    found = f(x, model=model, episode=Episode(x, y, torch.zeros(2, 3), y), loss=nn.functional.mse_loss)
    assert found["same"] is True and found["names"] == ("a", 1)
    assert torch.allclose(found["value"], model(x).square().mean()) and not found["value"].requires_grad


@pytest.mark.parametrize("may", [True, False])
def test_what_an_answer_does_to_its_arguments_comes_back_or_is_refused(ask, may):
    def answer(a, t, p, items, table):
        a += 1
        t.mul_(2)
        (p * 3).sum().backward()
        items.append(a)
        table["new"] = items.pop(0)

    desk, f = ask(answer=answer)
    desk.arguments_may_change = may
    a, t, p = np.zeros(2), torch.ones(2), nn.Parameter(torch.ones(2))
    items, table = [5], {"old": 1}
    if not may:
        with pytest.raises(AssertionError, match="the arguments must not change"):
            f(a, t, p, items, table)
        assert (a.tolist(), t.tolist(), p.grad, items, table) == ([0, 0], [1, 1], None, [5], {"old": 1})
        return
    f(a, t, p, items, table)
    assert (a.tolist(), t.tolist(), p.grad.tolist()) == ([1, 1], [2, 2], [3, 3])
    assert table == {"old": 1, "new": 5} and items[0].tolist() == [1, 1]


def test_an_unchanged_argument_is_no_change(ask):
    desk, f = ask(answer=lambda a, items: a.sum() + len(items))
    desk.arguments_may_change = False
    assert f(np.array([np.nan, 1.0]), [1, [2]]) != 0


def test_read_only_arrays_stay_read_only(ask):
    _, f = ask(answer=lambda a: a.__iadd__(1))
    a = np.zeros(2)
    a.flags.writeable = False
    with pytest.raises(AnswerRaised, match="read-only"):
        f(a)


def test_errors_are_those_of_python_by_name(ask):
    def answer(name):
        if name == "own":
            raise type("Own", (Exception,), {})("mine")
        raise {"value": ValueError, "unicode": UnicodeError, "exit": SystemExit}[name]("told")

    _, f = ask(answer=answer)
    with pytest.raises(ValueError, match="told"):
        f("value")
    with pytest.raises(AnswerRaised, match="mine"):
        f("own")
    with pytest.raises(AnswerRaised):
        f("exit")
    with pytest.raises(NameError, match="name 'gone' is not defined"):
        StudentsObject(f._desk, Kept("answer", "gone"))()


def test_functions_of_the_judge_are_called_here(ask):
    tried = []

    @judging.black_box
    def watched(x):
        tried.append(x)
        return x @ x

    def answer(g):
        return [float(g(torch.ones(n))) for n in (1, 2)], not hasattr(g, "__closure__") or "tried" not in str(vars(g))

    _, f = ask(answer=answer)
    values, blind = f(watched)
    assert values == [1, 2] and blind
    assert [x.tolist() for x in tried] == [[1], [1, 1]]

    def fails(x):
        raise KeyError("inside")

    with pytest.raises(AnswerRaised, match="KeyError: 'inside'"):
        f(judging.black_box(fails))


def test_a_black_box_may_call_the_answer(ask):
    _, f = ask(answer=lambda g, n: g(n) if n else 0)
    assert f(judging.black_box(lambda n: 1 + f(judging.black_box(lambda m: 10 + m), n - 1 if n > 1 else 0)), 2) == 12


def test_a_generator_is_asked_item_by_item(ask):
    made = []

    def blocks():
        for n in range(10):
            made.append(n)
            yield np.full(2, float(n))

    _, f = ask(answer=lambda stream: [float(next(stream).sum()) for _ in range(3)])
    assert f(blocks()) == [0, 2, 4] and made == [0, 1, 2]
    _, g = ask(answer=lambda stream: sum(float(block[0]) for block in stream))
    assert g(blocks()) == 45


def test_an_object_of_the_students_stays_there(ask):
    class Model:
        size = 3

        def __call__(self, x):
            return x + self.size

        def __len__(self):
            return 7

    _, f = ask(answer=lambda: Model())
    model = f()
    assert isinstance(model, StudentsObject)
    assert (model(1), model.size, len(model)) == (4, 3, 7)
    _, pairs = ask(answer=lambda n: ((k, k * k) for k in range(n)))
    assert [*pairs(3)] == [(0, 0), (1, 1), (2, 4)]
    _, back = ask(answer=lambda x=None: x(2) if x else abs)
    assert back(back()) == 2


def test_random_numbers_begin_where_the_judge_stands(ask):
    _, f = ask(answer=lambda: (float(torch.rand(())), float(np.random.rand())))  # noqa: NPY002
    found = []
    for call in (f, f, lambda: (float(torch.rand(())), float(np.random.rand()))):  # noqa: NPY002
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        found.append(call())
    assert found[0] == found[1] == found[2]


def test_an_answer_that_does_not_come_is_told_once_and_not_waited_for_again(ask):
    event = threading.Event()
    desk, f = ask(seconds=0.3, answer=lambda: event.wait(5))
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"no answer within 0\.3 s: an endless loop\?"):
            f()
    assert desk.gone
    event.set()


def test_derivatives_are_taken_by_the_answer(ask, monkeypatch):
    desk, f = ask(answer=lambda x: (x**3).sum())

    @judging.by_the_answer
    def slope(answer, x):
        return torch.autograd.grad(answer(x), x)[0]

    monkeypatch.setattr(judging, "THERE", desk.call)
    slope.__wrapped__.__module__ = "__main__"
    assert slope(f, torch.tensor([1.0, 2.0], requires_grad=True)).tolist() == [3, 12]


@pytest.mark.parametrize("draw", [1, 2**40])
def test_a_draw_gives_other_seeds_and_the_same_ones_again(monkeypatch, draw):
    monkeypatch.setattr(judging, "DRAW", draw)
    seeds = [judging.drawn(seed) for seed in range(100)]
    assert len(set(seeds)) == 100 and seeds == [judging.drawn(seed) for seed in range(100)]
    assert all(0 <= seed < 2**32 for seed in seeds) and seeds != [*range(100)]
