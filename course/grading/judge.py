"""The judge: a process that runs a chapter's tests, and never a line of a student's.

The name of an asked function means a stand-in here: a call sends the arguments to the student's process, waits, and
returns the value that comes back. Each cell of tests runs in a fork of this process, with the chapter's own first cells
behind it; its visible part first, its hidden part when the grader says so.

Started by the grader as ``python -c "from course.grading.judge import serve; serve(DESCRIPTOR)"``, in a sandbox; so
``__main__`` is empty, and the tests live there.
"""

import ast
import builtins
import io
import json
import linecache
import operator
import os
import pickle
import random
import signal
import socket
import sys
import traceback
import types
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch

from course import judging
from course.grading.parcels import Kept, containers, import_now, pack, put_back, refill
from course.grading.wire import ENDED, Closed, Malformed, decode, receive, send

PRINTED = 2**16  # characters of a part of the tests that are shown


class AnswerRaised(Exception):
    """An answer raised something; its class here is derived from the builtin class of that name, where there is one."""


class StudentsObject:
    """Stands for an object of the student's: an answer, or what an answer returned that is no data."""

    def __init__(self, desk: "Desk", kept: Kept):
        self.__dict__.update(_desk=desk, _kept=kept)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._desk.call(self, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._desk.call(getattr, self, name)

    def __getitem__(self, key: Any) -> Any:
        return self._desk.call(operator.getitem, self, key)

    def __len__(self) -> int:
        return int(self._desk.call(len, self))

    def __iter__(self):
        iterator, end = self._desk.call(iter, self), f"end of {self._kept.name}"
        if not isinstance(iterator, StudentsObject):
            raise TypeError("the answer returned something that cannot be gone through")
        while (each := self._desk.call(next, iterator, end)) != end or not isinstance(each, str):
            yield each


class Desk:
    """The judge's end of the line to a student's process.

    Args:
        channel: a socket whose other end the student's process holds.
        seconds: that an answer may take for one call.
    """

    def __init__(self, channel: socket.socket, seconds: float):
        self.channel, self.seconds = channel, seconds
        self.functions: list[Any] = []  # that the student's process may call back
        self.gone = ""
        self.arguments_may_change = True

    def kept(self, each: Any) -> Kept | None:
        """What does not travel."""
        if isinstance(each, StudentsObject):
            return each._kept
        if isinstance(each, judging.BlackBox):
            self.functions.append(each.function)
            return Kept("function", len(self.functions) - 1)
        if isinstance(each, types.GeneratorType):
            self.functions.append(each.__next__)
            return Kept("stream", len(self.functions) - 1)
        return None

    def call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Call a function there, and return what came of it.

        Raises:
            AnswerRaised: what the answer raised.
            AssertionError: if no answer came.
        """
        if self.gone:
            raise AssertionError(self.gone)
        states = pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state()))  # noqa: NPY002
        parcel = pack((states, function, arguments, options), self.kept)
        try:
            send(self.channel, [b"call", *parcel.parts()])
            return self.answered(parcel.arrays, containers((arguments, options)))
        except TimeoutError as error:
            self.gone = f"{error}: an endless loop?"
        except Closed:
            self.gone = ENDED
        except Malformed as error:
            raise AssertionError(str(error)) from None
        raise AssertionError(self.gone)

    def answered(self, arrays: list[Any], boxes: list[Any]) -> Any:
        """Wait for the reply to a call; meanwhile do what the other side asks for."""
        while True:
            kind, *parts = receive(self.channel, self.seconds)
            reply = decode(parts, lambda number: StudentsObject(self, Kept("object", number)))
            if kind == b"value":
                value, found, refilled, printed = reply
                print(printed, end="")
                if (found or refilled) and not self.arguments_may_change:
                    # Expected values may be computed from them after the call.
                    raise AssertionError("the arguments must not change")
                put_back(arrays, found)
                refill(boxes, refilled)
                return value
            if kind == b"error":
                name, message, frames, printed = map(str, reply)
                print(printed, end="")
                raise raised(name, message, frames)
            number, arguments, options = reply  # a function of ours is called
            try:
                outcome = True, self.functions[number](*arguments, **options)
            except Exception as error:
                outcome = False, f"{type(error).__name__}: {error}"
            send(self.channel, [b"back", *pack(outcome, self.kept).parts()])


def raised(name: str, message: str, frames: str) -> AnswerRaised:
    """What an answer raised, as an exception of this process."""
    known = getattr(builtins, name, None)
    bases = (AnswerRaised,)
    if isinstance(known, type) and issubclass(known, Exception):
        bases = (AnswerRaised, known)
    try:
        error = type(name if known else "Exception", bases, {})(message)
    except TypeError:  # some builtin exceptions have a layout of their own
        error = AnswerRaised(f"{name}: {message}")
    error.frames, error.name = frames, name
    return error


def run_part(source: str, title: str, space: dict[str, Any], go_on: bool = False) -> dict[str, Any] | None:
    """Run a part of a cell of tests; the first error, or None.

    Args:
        source, title: the code, and what tracebacks call it.
        space: the names that it sees and defines.
        go_on: run what comes after a statement that raised something, too.
    """
    linecache.cache[title] = (len(source), None, source.splitlines(keepends=True), title)
    whole = ast.parse(source, title)
    errors = []
    for part in [ast.Module([statement], []) for statement in whole.body] if go_on else [whole]:
        try:
            exec(compile(part, title, "exec"), space)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            errors.append(described_error(error, title))
    return errors[0] if errors else None


def described_error(error: BaseException, title: str) -> dict[str, Any]:
    """An error of the tests, or of an answer, and where in the tests it came up."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == title]
    return {
        "name": getattr(error, "name", type(error).__name__),
        "message": str(error),
        "line": lines[-1].lineno if lines else 0,
        "source": lines[-1].line if lines else "",
        "frames": getattr(error, "frames", ""),
        "answers": isinstance(error, AnswerRaised),
    }


def test(order: dict[str, Any], control: socket.socket, exam: socket.socket, space: dict[str, Any]) -> None:
    """Run the two parts of a cell of tests, and tell the grader what came of each."""
    desk = Desk(exam, order["seconds"])
    space |= {name: StudentsObject(desk, Kept("answer", name)) for name in order["asked"]}
    judging.THERE, judging.DRAW = desk.call, order["draw"]
    for part in ("visible", "hidden"):
        receive(control)  # the word to begin
        desk.arguments_may_change = part == "visible"
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            # The lines keep the numbers that they have in the cell.
            source = "\n" * order["lines"][part] + order[part]
            error = run_part(source, f"{order['name']}, {part}", space, order["go_on"])
        report = {"error": error, "printed": printed.getvalue()[:PRINTED], "gone": desk.gone}
        send(control, [json.dumps(report).encode()])


def serve(descriptor: int) -> None:
    """Do what the grader asks for: run a chapter's first cells, and fork for each cell of tests."""
    channel, space = socket.socket(fileno=descriptor), vars(sys.modules["__main__"])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    send(channel, [b"ready"])
    while True:
        try:
            order = json.loads(receive(channel)[0])
        except Closed:
            return
        if order["do"] == "first":
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                error = run_part(order["source"], "first cells", space)
                import_now(order["source"])
            send(channel, [json.dumps(error).encode()])
            continue
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 2)
        if os.fork() == 0:
            channel.close()
            try:
                test(order, *(socket.socket(fileno=number) for number in descriptors), space)
            finally:
                os._exit(0)
        for number in descriptors:
            os.close(number)
