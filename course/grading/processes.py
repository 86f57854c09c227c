"""The two processes of the grader, each in a sandbox of its own, and the line to them.

What comes from a student's process is bounded in length and in time, and parsed as JSON. When it ends, or is ended, all
that it started ends with it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from course.grading.sandbox import ENVIRONMENT, MIB, Limits, SandboxError, limited, sandboxed
from course.grading.wire import ENDED, Closed, Malformed, receive, send

START_SECONDS = 60  # to import PyTorch on a busy machine
LOOK_SECONDS = 0.5  # between two looks at the memory of a sandbox


class Lost(RuntimeError):
    """A process ended, or did not answer in time; the message says which."""


class Process:
    """The desk or the judge: a Python that serves one socket.

    Args:
        module: of ``course.grading``, whose ``serve`` is run.
        limits: what it may use.
        in_sandbox: False lets it run with the rights of whoever grades.

    Raises:
        SandboxError: if it does not start.
    """

    def __init__(self, module: str, limits: Limits, in_sandbox: bool = True):
        self.limits = limits
        self.channel, theirs = socket.socketpair()
        code = f"from course.grading.{module} import serve; serve({theirs.fileno()})"
        command, environment = [sys.executable, "-c", code], os.environ | ENVIRONMENT
        if in_sandbox:
            command, environment = sandboxed(command, limits), None
        elif shutil.which("prlimit"):
            command = limited(limits, own_user=False) + command
        nowhere = subprocess.DEVNULL  # what it wrote would stand between the grader's own lines
        self.process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stdin=nowhere, stdout=nowhere, stderr=nowhere
        )
        theirs.close()
        self.too_large = threading.Event()
        if in_sandbox and sys.platform == "linux":
            threading.Thread(target=self.watch, daemon=True).start()
        try:
            receive(self.channel, START_SECONDS)
        except (Closed, TimeoutError) as error:
            self.end()
            # The machine's fault, not the submission's: it must not cost marks.
            raise SandboxError(f"the {module} did not start: {error}") from error

    def watch(self) -> None:
        """End the process when all that run in its sandbox together hold more memory than they may."""
        while self.process.poll() is None:
            if memory_of(self.process.pid, self.limits.memory_mib * MIB) > self.limits.memory_mib * MIB:
                self.too_large.set()
                self.process.kill()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LOOK_SECONDS)

    def order(self, **what: Any) -> None:
        """Tell it what to do."""
        with contextlib.suppress(Closed):  # it has ended: `answer` will say so
            send(self.channel, [json.dumps(what).encode()])

    def fork(self, *ends: socket.socket, **what: Any) -> None:
        """Let it fork; the fork gets the ``ends``, which are closed here."""
        self.order(**what)
        with contextlib.suppress(OSError):
            socket.send_fds(self.channel, [b"f"], [end.fileno() for end in ends])
        for end in ends:
            end.close()

    def answer(self, seconds: float) -> Any:
        """What it says.

        Raises:
            Lost: if it says nothing in time, or ended, or says what cannot be read. It has ended then.
        """
        try:
            return json.loads(receive(self.channel, seconds)[0])
        except TimeoutError:
            reason = f"no answer within {seconds:.0f} s: an endless loop?"
        except Closed:
            reason = ENDED
            if self.too_large.is_set():
                reason = f"the process was ended: more than {self.limits.memory_mib} MiB of memory"
        except (Malformed, ValueError, IndexError, RecursionError) as error:
            reason = f"what the process said cannot be read ({error})"
        self.end()
        raise Lost(reason)

    def end(self) -> None:
        """End it at once, with all that it started."""
        self.channel.close()
        self.process.kill()
        self.process.wait()


def descendants(process: int) -> list[int]:
    """The numbers of all processes below one."""
    found = [process]
    for each in found:  # it grows
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def memory_of(process: int, limit: int) -> int:
    """Bytes of memory that a process and all below it hold; exactly only where it may be more than ``limit``.

    Forks share what neither has changed, and it counts once. Files in memory that have no name count, too.
    """
    page, loose, all_of_them = os.sysconf("SC_PAGE_SIZE"), 0, descendants(process)
    for each in all_of_them:
        with contextlib.suppress(OSError, ValueError, IndexError):
            loose += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * page
    nameless = sum(map(nameless_files, all_of_them))
    if loose + nameless <= limit:
        return loose + nameless
    exact = nameless
    for each in all_of_them:
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            exact += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return exact


def nameless_files(process: int) -> int:
    """Bytes of files in memory without a name (memfd) that a process holds open."""
    size = 0
    for link in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(OSError):
            if "memfd:" in str(link.readlink()):
                size += link.stat().st_blocks * 512
    return size
