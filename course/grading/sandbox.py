"""The sandbox of a submission: bubblewrap gives its kernel an almost empty machine, prlimit a small one.

The kernel sees the system's libraries, Python with its packages, and `course`, all read-only. It sees no network, no
home folder, no solution, no other submission, no gradebook and no process but its own. It may write to two small file
systems in memory, and to nothing on the disk.

Process 1 in there is bubblewrap's own, and an ordinary user's kernel may inspect it: so it starts with the kernel's
environment instead of the instructor's, and its folder in ``/proc`` is covered. Whoever starts the command must give it
no open file that a submission may not have: what bubblewrap inherits, the kernel inherits, too.
"""

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from course.errors import CourseError

PACKAGE = Path(__file__).resolve().parent.parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Of /etc only what the loader, the clock, fonts and user names need: the rest may hold secrets.
SETTINGS = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "fonts",
    "localtime",
    "passwd",
    "group",
    "nsswitch.conf",
)
MIB = 2**20
NOBODY = 61_184  # first of the ids that systemd, too, lends to processes that own nothing


class SandboxError(CourseError):
    """The machine cannot build the sandbox; the message says what to install or allow."""

    exit_status = 2


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds of one cell, of all cells, of processor time; MiB of memory and of files."""

    cell_seconds: int = 60
    total_seconds: int = 600
    cpu_seconds: int = 600
    memory_mib: int = 4096
    file_mib: int = 256
    processes: int = 128


def required(name: str) -> str:
    """The path of a program, or a :class:`SandboxError` that says where it comes from."""
    packages = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux"}
    path = shutil.which(name)
    if path is None:
        raise SandboxError(
            f"the sandbox needs {name}: install the package {packages[name]} (Debian, Ubuntu: apt-get install "
            f"{packages[name]}), or pass --no-sandbox to run submissions unprotected, with your own rights"
        )
    return path


def sandbox_user() -> int | None:
    """The user id that a sandbox started by root drops to: one for each grading process; None for an ordinary user."""
    return NOBODY + os.getpid() % 4000 if os.geteuid() == 0 else None


def limited(limits: Limits, *, own_user: bool = True) -> list[str]:
    """The prefix that starts a program with limited processor time, memory, file size and number of processes.

    Private memory is limited exactly; address space more loosely, because libraries reserve space that they never use.
    The system counts *all* threads of a user, so their number is limited only where the program has a user of its own.
    """
    call = [required("prlimit"), f"--cpu={limits.cpu_seconds}", f"--data={limits.memory_mib * MIB}"]
    call += [f"--as={(limits.memory_mib + 8192) * MIB}", f"--fsize={limits.file_mib * MIB}"]
    call += [f"--nproc={limits.processes}"] if own_user else []
    return [*call, "--core=0", "--nofile=1024", "--"]


@functools.cache
def without_name_spaces(bubblewrap: str) -> list[str]:
    """The option that forbids the kernel to make name spaces of its own, where this version of bubblewrap has it."""
    told = subprocess.run([bubblewrap, "--help"], capture_output=True, text=True).stdout
    return ["--disable-userns"] if "--disable-userns" in told else []


# With a user's name, which libraries ask for: the user id that root lends has none.
ENVIRONMENT = {
    "HOME": "/tmp/home", "USER": "student", "LOGNAME": "student", "LANG": "C.UTF-8",
    "IPYTHONDIR": "/tmp/home/.ipython", "MPLCONFIGDIR": "/tmp/home/.matplotlib",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
    "COURSE_DEVICE": "cpu", "COURSE_QUIET": "1", "PYTHONDONTWRITEBYTECODE": "1",
}  # fmt: skip


def sandboxed(command: list[str], limits: Limits) -> list[str]:
    """`command` inside the sandbox.

    Started by root, the command becomes a user without rights; started by anybody else, it gets a user name space of
    its own, which the kernel must allow.
    """
    bubblewrap = required("bwrap")
    path = f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"
    call = ["/usr/bin/env", "-i", path, *(f"{name}={value}" for name, value in ENVIRONMENT.items())]
    call += [bubblewrap, "--die-with-parent", "--new-session", "--unshare-net", "--unshare-pid", "--unshare-ipc"]
    call += ["--unshare-uts", "--unshare-cgroup-try"]
    for path in (*SYSTEM, *(f"/etc/{name}" for name in SETTINGS)):
        call += ["--ro-bind-try", path, path]
    call += ["--proc", "/proc", "--perms", "0555", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1", "--dev", "/dev"]
    for folder in ("/dev/shm", "/tmp"):
        call += ["--perms", "1777", "--size", str(limits.file_mib * MIB), "--tmpfs", folder]
    call += ["--remount-ro", "/dev", "--perms", "0777", "--dir", "/tmp/home"]
    for folder in sorted({Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), PACKAGE}):
        if not any(folder.is_relative_to(system) for system in SYSTEM):
            for parent in [*folder.parents][-2::-1]:  # bubblewrap would make them for its own user only
                call += ["--perms", "0755", "--dir", str(parent)]
            call += ["--ro-bind", str(folder), str(folder)]
    call += ["--remount-ro", "/", "--chdir", "/tmp/home"]
    user = sandbox_user()
    if user is None:
        call += ["--unshare-user", *without_name_spaces(bubblewrap), "--"]
    else:
        call += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--", required("setpriv")]
        call += [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--no-new-privs", "--"]
    return call + limited(limits) + command


def check(limits: Limits) -> None:
    """Start Python in the sandbox once; raise :class:`SandboxError` with the reason when that fails."""
    call = sandboxed([sys.executable, "-c", "import course"], limits)
    trial = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if trial.returncode != 0:
        reason = (trial.stderr.strip() or f"exit status {trial.returncode}").splitlines()[-1]
        if reason.startswith("ModuleNotFoundError"):  # Python runs, so there is a sandbox
            raise SandboxError(
                f"the sandbox finds no package: {reason}. It sees what is installed in the environment of "
                f"{sys.executable}, and no PYTHONPATH: install the course there (pip install -e .)"
            )
        raise SandboxError(
            f"the sandbox does not start: {reason}. An ordinary user needs user name spaces (Debian: sysctl "
            "kernel.unprivileged_userns_clone=1; Ubuntu 24.04: an AppArmor profile for bwrap); files of Python must be "
            "readable for everybody when root grades. Or pass --no-sandbox: submissions then run with your rights"
        )
