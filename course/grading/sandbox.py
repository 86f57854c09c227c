"""The wall around a submission: bubblewrap gives its kernel an almost empty machine, prlimit a small one.

The kernel sees the system's libraries, Python with its packages, and `course`, all read-only. It sees no network, no
home folder, no solution, no other submission, no gradebook and no process but its own. It may write to one scratch
folder and to a small file system in memory.
"""

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


def limited(limits: Limits, *, alone: bool = True) -> list[str]:
    """The prefix that starts a program with limited processor time, memory, file size and number of processes.

    Private memory is limited exactly; address space more loosely, because libraries reserve space that they never use.
    The system counts *all* threads of a user, so that their number is limited only where the program is `alone`.
    """
    return [
        required("prlimit"),
        f"--cpu={limits.cpu_seconds}",
        f"--data={limits.memory_mib * MIB}",
        f"--as={(limits.memory_mib + 8192) * MIB}",
        f"--fsize={limits.file_mib * MIB}",
        *([f"--nproc={limits.processes}"] if alone else []),
        "--core=0",
        "--nofile=1024",
        "--",
    ]


def sandboxed(command: list[str], scratch: Path, limits: Limits) -> list[str]:
    """`command` inside the sandbox, with `scratch` as the one folder of the disk that it may write to.

    Started by root, the command becomes a user without rights; started by anybody else, it gets a user name space of
    its own, which the kernel must allow.
    """
    python = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": "/tmp/home",
        "USER": "student",  # the user id that root lends has no name, and libraries ask for one
        "LOGNAME": "student",
        "IPYTHONDIR": "/tmp/home/.ipython",
        "MPLCONFIGDIR": "/tmp/home/.matplotlib",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "COURSE_DEVICE": "cpu",
        "COURSE_QUIET": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    call = [
        required("bwrap"),
        "--die-with-parent",
        "--unshare-net",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    for folder in SYSTEM:
        call += ["--ro-bind-try", folder, folder]
    for name in SETTINGS:
        call += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    call += ["--proc", "/proc", "--dev", "/dev"]
    call += [
        "--perms",
        "1777",
        "--size",
        str(limits.file_mib * MIB),
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
    ]
    call += [
        "--perms",
        "1777",
        "--size",
        str(limits.file_mib * MIB),
        "--tmpfs",
        "/tmp",
        "--perms",
        "0777",
        "--dir",
        "/tmp/home",
    ]
    for folder in sorted({*python, PACKAGE}):
        if not any(folder.is_relative_to(system) for system in SYSTEM):
            for parent in [*folder.parents][-2::-1]:  # bubblewrap would make them for its own user alone
                call += ["--perms", "0755", "--dir", str(parent)]
            call += ["--ro-bind", str(folder), str(folder)]
    call += ["--bind", str(scratch), str(scratch), "--remount-ro", "/", "--chdir", "/tmp/home", "--clearenv"]
    for name, value in environment.items():
        call += ["--setenv", name, value]
    user = sandbox_user()
    if user is None:
        call += ["--unshare-user", "--"]
    else:
        os.chown(scratch, user, user)
        call += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"]
        call += [
            required("setpriv"),
            f"--reuid={user}",
            f"--regid={user}",
            "--clear-groups",
            "--inh-caps=-all",
            "--no-new-privs",
            "--",
        ]
    return call + limited(limits) + command


def check(scratch: Path, limits: Limits) -> None:
    """Start Python in the sandbox once; raise :class:`SandboxError` with the reason when that fails."""
    trial = subprocess.run(
        sandboxed([sys.executable, "-c", "import course"], scratch, limits), capture_output=True, text=True
    )
    if trial.returncode != 0:
        reason = (trial.stderr.strip() or f"exit status {trial.returncode}").splitlines()[-1]
        if reason.startswith("ModuleNotFoundError"):  # Python runs, so the wall stands
            raise SandboxError(
                f"the sandbox finds no package: {reason}. It sees what is installed in the environment of "
                f"{sys.executable}, and no PYTHONPATH: install the course there (pip install -e .)"
            )
        raise SandboxError(
            f"the sandbox does not start: {reason}. An ordinary user needs user name spaces (Debian: sysctl "
            "kernel.unprivileged_userns_clone=1; Ubuntu 24.04: an AppArmor profile for bwrap); files of Python must be "
            "readable for everybody when root grades. Or pass --no-sandbox: submissions then run with your rights"
        )
