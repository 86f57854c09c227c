"""A kernel in the sandbox, and one cell after another in it. The kernel may hang, die or flood: a cell reports it."""

import asyncio
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL

import nbformat
import zmq.asyncio
from jupyter_client import AsyncKernelClient
from jupyter_client.connect import port_names
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets import Any, Bool

from .sandbox import Limits, SandboxError, limited, sandbox_user, sandboxed

SHOWN_BYTES = 2**20  # of one cell's output; what comes after is dropped
MESSAGE_BYTES = 2**25  # a longer message from the kernel is not even read


class KernelLost(RuntimeError):
    """The kernel ended or did not answer in time; the message says which."""


@contextmanager
def listening(scratch: Path) -> Iterator[dict[str, int]]:
    """A listening socket in `scratch` for each channel of a kernel to inherit: the numbers of their descriptors.

    The "port" of a channel is that number. The kernel listens on what it inherits and sees no path to it, so that no
    submission can put anything else where the grader connects, at first or after a connection was lost.
    """
    sockets = {name: socket.socket(socket.AF_UNIX) for name in port_names}
    try:
        for channel in sockets.values():
            channel.bind(f"{scratch}/k-{channel.fileno()}")
            channel.listen()
            channel.setblocking(False)
        yield {name: channel.fileno() for name, channel in sockets.items()}
    finally:
        for channel in sockets.values():
            channel.close()


class Manager(AsyncKernelManager):
    """Starts the kernel in the sandbox; sockets and connection file lie in the scratch folder, not on the network."""

    sandboxed = Bool(True)
    limits = Any()

    def __init__(self, scratch: Path, limits: Limits, sandboxed: bool, ports: dict[str, int]):
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)  # for the sockets made from it
        file = str(scratch / "connection.json")
        super().__init__(
            kernel_name="", transport="ipc", ip=f"{scratch}/k", connection_file=file, context=context, **ports
        )
        self.limits, self.sandboxed = limits, sandboxed

    @property
    def kernel_spec(self) -> KernelSpec:
        file = Path(self.connection_file)
        command = [sys.executable, "-m", "course.grading.launcher", "--HistoryManager.enabled=False"]
        command += ["--IPKernelApp.log_level=CRITICAL", "-f", f"/tmp/{file.name}" if self.sandboxed else str(file)]
        if self.sandboxed:
            command = sandboxed(command, self.limits, file)
        elif shutil.which("prlimit"):
            command = limited(self.limits, own_user=False) + command
        return KernelSpec(argv=command, display_name="submission", language="python")

    def client(self, **options) -> AsyncKernelClient:
        return super().client(context=self.context, **options)

    def write_connection_file(self, **options) -> None:
        super().write_connection_file(**options)
        user = sandbox_user()
        if self.sandboxed and user is not None:
            shutil.chown(self.connection_file, user, user)


class Client(NotebookClient):
    """Keeps the first part of what a cell writes."""

    written = 0

    def process_message(self, message: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        content = message["content"]
        if message["msg_type"] in ("stream", "display_data", "execute_result", "update_display_data"):
            self.written += len(content["text"]) if "text" in content else len(str(content))
            if self.written > SHOWN_BYTES:
                return None
        return super().process_message(message, cell, cell_index)


@dataclass
class Session:
    """One kernel at a time: started when the first cell runs, and again after it was lost."""

    limits: Limits
    sandboxed: bool = True
    client: Client | None = field(default=None, init=False)
    manager: Manager | None = field(default=None, init=False)
    scratch: Path | None = field(default=None, init=False)

    async def start(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="cg-", dir="/tmp" if Path("/tmp").is_dir() else None))
        notebook = nbformat.v4.new_notebook()
        try:
            with listening(self.scratch) as ports:
                self.manager = Manager(self.scratch, self.limits, self.sandboxed, ports)
                self.client = Client(
                    notebook, km=self.manager, allow_errors=True, interrupt_on_timeout=False, startup_timeout=60
                )
                # To nowhere: what it wrote would stand in the instructor's terminal, between the grader's own lines.
                nowhere = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
                await self.client.async_start_new_kernel(pass_fds=[*ports.values()], **nowhere)
            await self.client.async_start_new_kernel_client()
        except RuntimeError as error:
            await self.stop()
            # The machine's fault, not the submission's: it must not cost marks.
            raise SandboxError(f"the kernel did not start: {error}") from error

    async def stop(self) -> None:
        """End the kernel at once, with all that it started, and remove its folder."""
        if self.client is not None and self.client.kc is not None:
            self.client.kc.stop_channels()
        if self.manager is not None:
            if self.manager.has_kernel:
                await self.manager.shutdown_kernel(now=True)
            self.manager.context.destroy(linger=0)
        if self.scratch is not None:
            await asyncio.to_thread(shutil.rmtree, self.scratch, ignore_errors=True)
        self.client = self.manager = self.scratch = None

    async def run(self, code: str, seconds: float) -> list[NotebookNode]:
        """The outputs of a piece of code; an error is one of them. :class:`KernelLost` when the kernel is gone."""
        if self.client is None:
            await self.start()
        cell = nbformat.v4.new_code_cell(code)
        self.client.nb.cells = [cell]
        self.client.timeout = max(1, int(seconds))
        self.client.written = 0
        replies: list[dict] = []
        self.client.on_cell_executed = lambda execute_reply, **_: replies.append(execute_reply["content"])
        try:
            await self.client.async_execute_cell(cell, 0)
        except CellTimeoutError as error:
            await self.stop()
            raise KernelLost(f"no answer within {int(seconds)} s: an endless loop?") from error
        except DeadKernelError as error:
            await self.stop()
            raise KernelLost("the process ended: too much memory or time, or the code ended it itself") from error
        outputs = list(cell.outputs)
        if not replies or replies[0]["status"] != "ok":
            reply = replies[0] if replies else {}
            if not any(output.output_type == "error" for output in outputs):
                outputs.append(error_output(reply.get("ename", "Aborted"), reply.get("evalue", "the cell was not run")))
        return outputs


def error_output(name: str, text: str) -> NotebookNode:
    """An error as a cell shows it."""
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])
