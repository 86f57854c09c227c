"""The desk: the process that a student's notebook runs in, cell by cell, as it is.

Where the student's own check of a task stands, the process forks. The fork waits with everything as it was there; later
the judge calls the answer in it. So no test can disturb a later cell, and no cell has seen an input of a hidden test.

Nothing here is trusted by the grader: a student's code may do to this process whatever it likes.

Started by the grader as ``python -c "from course.grading.desk import serve; serve(DESCRIPTOR)"``, in a sandbox.
"""

import io
import json
import os
import pickle
import random
import signal
import socket
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course.grading.parcels import Kept, changed, containers, contents, import_now, list_of, refilled, unpack
from course.grading.wire import Closed, Malformed, encode, receive, send

SHOWN = 2**20  # bytes of a cell's outputs; what comes after is dropped
KINDS = ("text/plain", "image/png", "image/jpeg")  # of a display; the grader shows no others


class Outputs:
    """What a cell shows, as the outputs of a notebook."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.size = 0

    def add(self, output: dict[str, Any]) -> None:
        self.size += len(str(output))
        if self.size > SHOWN:
            return
        last = self.found[-1] if self.found else {}
        if output["output_type"] == last.get("output_type") == "stream" and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            self.found.append(output)


class Printed(io.TextIOBase):
    """Where a cell prints to."""

    def __init__(self, outputs: Outputs, name: str):
        self.outputs, self.name = outputs, name

    def write(self, text: str) -> int:
        self.outputs.add({"output_type": "stream", "name": self.name, "text": str(text)})
        return len(text)

    def writable(self) -> bool:
        return True


class Publisher(DisplayPublisher):
    """Where a cell's figures go."""

    outputs = Outputs()

    def publish(self, data: dict, metadata: dict | None = None, **_: Any) -> None:
        kept = {kind: value for kind, value in data.items() if kind in KINDS}
        self.outputs.add({"output_type": "display_data", "data": kept, "metadata": {}})

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.found.clear()


class Hook(DisplayHook):
    """Where the value of a cell's last line goes."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        data = {kind: value for kind, value in format_dict.items() if kind in KINDS}
        Publisher.outputs.add({"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None})

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """IPython without a kernel: magics, `display` and figures as in JupyterLab."""

    def enable_gui(self, gui: str | None = None) -> None:
        """A figure needs no window here."""

    def _showtraceback(self, kind: type, value: BaseException, lines: list[str]) -> None:
        text = {"ename": kind.__name__, "evalue": str(value), "traceback": lines}
        Publisher.outputs.add({"output_type": "error", **text})


def shell() -> Shell:
    """The shell of a new notebook."""
    config = Config({"HistoryManager": {"enabled": False}})  # else it would write a file, and start a thread
    made = Shell.instance(config=config, display_pub_class=Publisher, displayhook_class=Hook)
    sys.modules["__main__"] = made.user_module
    return made


def run_cell(shell: Shell, source: str) -> list[dict[str, Any]]:
    """Run a cell of the notebook; its outputs."""
    Publisher.outputs = outputs = Outputs()
    with redirect_stdout(Printed(outputs, "stdout")), redirect_stderr(Printed(outputs, "stderr")):
        shell.run_cell(source, store_history=True)
    return outputs.found


class Stream:
    """A generator of the judge's, which gives the next item when it is asked for it."""

    def __init__(self, examined: "Examined", number: int):
        self.examined, self.number = examined, number

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Any:
        return self.examined.call_back(self.number, (), {})


class Examined:
    """A fork of the desk, in which the judge calls an answer."""

    def __init__(self, channel: socket.socket, space: dict[str, Any]):
        self.channel, self.space = channel, space
        self.objects: list[Any] = []  # that stay here, and that the judge knows by their numbers

    def find(self, kept: Kept) -> Any:
        """What a number of the judge's stands for."""
        if kept.kind == "answer":
            if kept.name not in self.space:
                near = get_close_matches(kept.name, [name for name in self.space if not name.startswith("_")], 1)
                hint = f"; {near[0]!r} is: rename it" if near else ""
                raise NameError(f"name {kept.name!r} is not defined{hint}")
            return self.space[kept.name]
        if kept.kind == "object":
            return self.objects[kept.name]
        if kept.kind == "stream":
            return Stream(self, kept.name)
        return lambda *arguments, **options: self.call_back(kept.name, arguments, options)

    def keep(self, each: Any) -> int:
        """The number of an object that stays here."""
        self.objects.append(each)
        return len(self.objects) - 1

    def call_back(self, number: int, arguments: tuple, options: dict) -> Any:
        """Call a function of the judge's."""
        send(self.channel, [b"function", *encode((number, arguments, options), self.keep)])
        while True:
            kind, *parts = receive(self.channel)
            if kind == b"call":  # the function has called the answer
                self.answer(parts)
                continue
            (done, value), _ = unpack(parts, self.find)
            if not done:
                raise StopIteration if value.startswith("StopIteration") else RuntimeError(value)
            return value

    def answer(self, parts: list[bytes]) -> None:
        """Do a call, and send what came of it."""
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            try:
                (states, function, arguments, options), arrays = unpack(parts, self.find)
                restore(states)
                before, boxes = contents(arrays), containers((arguments, options))
                held = [*map(list_of, boxes)]
                value = function(*arguments, **options)
                told = value, changed(before, arrays), refilled(held, boxes), printed.getvalue()[:SHOWN]
                reply = [b"value", *encode(told, self.keep)]
            except BaseException as error:
                frames = traceback.extract_tb(error.__traceback__)
                own = [frame for frame in frames if not frame.filename.startswith(sys.prefix)]
                lines = "".join(traceback.format_list([frame for frame in own if "grading/" not in frame.filename]))
                told = (type(error).__name__, str(error), lines, printed.getvalue()[:SHOWN])
                reply = [b"error", *encode(told)]
        try:
            send(self.channel, reply)
        except Malformed as error:
            send(self.channel, [b"error", *encode(("ValueError", f"the result is too long: {error}", "", ""))])

    def serve(self) -> None:
        """Answer calls until the judge has no more."""
        while True:
            _, *parts = receive(self.channel)
            self.answer(parts)


def restore(states: bytes) -> None:
    """Let the global generators of random numbers stand where those of the judge stand."""
    python, numpy, pytorch = pickle.loads(states)
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002  (an answer may use the global generator)
    torch.set_rng_state(pytorch)


def settings() -> list[str]:
    """What an answer may set for good, and other code does not expect."""
    return [*map(str, (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), np.geterr()))]


def plain_settings() -> None:
    """Set what :func:`settings` tells as it is at first."""
    torch.set_default_dtype(torch.float32)
    torch.set_default_device("cpu")
    torch.set_grad_enabled(True)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")


def serve(descriptor: int) -> None:
    """Run cells, and fork, as the grader says."""
    channel = socket.socket(fileno=descriptor)
    notebook = shell()
    torch.set_num_threads(1)
    at_first, forks = settings(), set()
    send(channel, [b"ready"])
    while True:
        try:
            order = json.loads(receive(channel)[0])
        except Closed:
            return
        if order["do"] == "cell":
            import_now(order["source"])
            send(channel, [json.dumps(run_cell(notebook, order["source"])).encode()])
            continue
        if order["do"] == "end":
            if order["process"] in forks:
                os.kill(order["process"], signal.SIGKILL)
            continue
        _, [number], _, _ = socket.recv_fds(channel, 1, 1)
        settings_are_plain = settings() == at_first
        if (process := os.fork()) == 0:
            channel.close()
            torch.set_num_threads(1)  # threads do not outlive a fork
            if order["plain"]:
                plain_settings()
            try:
                Examined(socket.socket(fileno=number), notebook.user_ns).serve()
            finally:
                os._exit(0)
        os.close(number)
        forks.add(process)
        send(channel, [json.dumps([process, settings_are_plain]).encode()])
