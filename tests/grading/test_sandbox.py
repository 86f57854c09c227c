"""What a student's process cannot do in its sandbox, tried for real."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from course.grading import sandbox, wire
from course.grading.desk import SHOWN
from course.grading.processes import Lost, Process

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).resolve().parent.parent.parent


def outcome(code: str, limits: sandbox.Limits, seconds: float = 20) -> str:
    """What a piece of code prints or raises at a desk of its own."""
    desk = Process("desk", limits)
    try:
        desk.order(do="cell", source=code)
        return "".join(output.get("text", "") or output.get("ename", "") for output in desk.answer(seconds))
    finally:
        desk.end()


def test_it_computes(limits):
    assert outcome("import torch\nprint(torch.ones(3).sum().item())", limits) == "3.0\n"


def test_it_cannot_read_what_is_not_its_own(limits, released_course):
    hidden = [ROOT / "solutions", ROOT / "tests", ROOT / ".git", released_course.root, Path.home() / ".ssh"]
    hidden.append(Path("/etc/shadow"))
    code = f"import os\nfor path in {[str(path) for path in hidden]}:\n    print(os.path.exists(path))"
    assert outcome(code, limits) == "False\n" * len(hidden)


def test_it_cannot_write_outside_its_folder(limits, tmp_path):
    marker = f"written-{os.getpid()}"
    folders = [
        "/",
        "/usr",
        "/etc",
        "/dev",
        "/proc",
        "/var/tmp",
        str(tmp_path),
        str(ROOT),
        str(sandbox.PACKAGE),
        sys.prefix,
    ]
    code = (
        f"for folder in {folders}:\n    try:\n        open(folder + '/{marker}', 'w')\n        print('wrote', folder)\n"
        f"    except OSError:\n        pass\nopen('/tmp/{marker}', 'w')\nprint('done')"
    )
    assert outcome(code, limits) == "done\n"
    assert not any(Path(folder, marker).exists() for folder in [*folders, "/tmp"])


def test_it_has_no_network(limits):
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [server.getsockname(), ("1.1.1.1", 53)]
        code = (
            f"import socket\nfor address in {addresses}:\n    try:\n"
            "        socket.create_connection(address, 2)\n        print('connected')\n    except OSError:\n"
            "        print('refused')"
        )
        assert outcome(code, limits) == "refused\n" * 2


def test_it_sees_only_its_own_processes_and_no_rights(limits):
    code = (
        "import os\nprint(sum(name.isdigit() for name in os.listdir('/proc')) < 5, os.getsid(0) > 0)\n"
        "print([line.split()[1].strip('0') for line in open('/proc/self/status') if line.startswith('CapEff')])"
    )
    assert outcome(code, limits) == "True True\n['']\n"


# Copies what process 1 holds open (by system call 438), looks at every descriptor and environment, and writes to all.
SPY = """
import ctypes, os
first = os.pidfd_open(1)
for fd in range(100):
    ctypes.CDLL(None).syscall(438, first, fd, 0)
found = [f'/proc/{process}/fd/{fd}' for process in ('self', '1') for fd in range(1000)]
kinds = {path: os.readlink(path).split(':')[0] for path in found if os.path.exists(path)}
print(set(kinds.values()) - {'/dev/null', 'pipe', 'socket', 'anon_inode'}, os.listdir('/proc/1'))
print([os.path.exists(f'/proc/{p}/environ') and 'sesame' in open(f'/proc/{p}/environ').read() for p in ('self', '1')])
for path in ['/dev/tty', '/dev/console', *(path for path in kinds if kinds[path] not in ('socket', 'anon_inode'))]:
    try:
        os.write(int(path.rpartition('/')[2]) if 'self' in path else os.open(path, os.O_WRONLY), b'38 of 38\\n')
    except OSError:
        pass
"""
SEEN = "set() []\n[False, False]\n"


def test_it_sees_no_file_or_variable_of_the_instructors_and_writes_to_no_terminal(limits, monkeypatch, capfd):
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    assert SEEN in outcome(SPY, limits)
    assert capfd.readouterr() == ("", "")


def test_memory_is_limited(limits):
    assert outcome("x = bytearray(3 * 2**30)", limits) == "MemoryError"
    code = "import mmap\nx = []\nwhile True:\n    x.append(mmap.mmap(-1, 2**32))"
    assert outcome(code, limits) == "OSError"


def test_files_are_limited(limits):
    code = (
        "import os\nfor folder in ['/tmp', '/dev/shm']:\n    try:\n"
        "        with open(folder + '/x', 'wb') as file:\n            for _ in range(400): file.write(bytes(2**20))\n"
        "        print('filled', folder)\n    except OSError as error:\n        os.unlink(folder + '/x')\nprint('done')"
    )
    assert outcome(code, limits) == "done\n"


def test_a_fork_bomb_is_limited_and_ends_with_the_desk(limits):
    code = (
        "import os, time\nn = 0\nwhile True:\n    try:\n        child = os.fork()\n    except OSError:\n        break\n"
        "    if child == 0:\n        time.sleep(1000)\n    n += 1\nprint(10 < n < 200)"
    )
    user = sandbox.sandbox_user()
    before = [] if user is None else processes_of(user)  # such as the judge of another test
    assert outcome(code, limits) == "True\n"
    if user is not None:
        deadline = time.monotonic() + 30  # Linux ends them one after another
        while (owned := [one for one in processes_of(user) if one not in before]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert owned == []


def processes_of(user: int) -> list[Path]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError):  # it has just ended
            found += [entry] if entry.stat().st_uid == user else []
    return found


ENDS = ["os._exit(0)", "os.kill(os.getpid(), 9)", "import ctypes\nctypes.string_at(0)"]


@pytest.mark.parametrize("code", ENDS)
def test_the_end_of_the_process_is_told(code, limits):
    with pytest.raises(Lost, match="the process ended"):
        outcome(f"import os\n{code}", limits)


def test_exit_is_an_error(limits):
    assert outcome("raise SystemExit(0)", limits).startswith("SystemExit")


@pytest.mark.parametrize(
    "code", ["while True: pass", "while True:\n    try:\n        while True: pass\n    except BaseException: pass"]
)
def test_an_endless_loop_is_ended(code, limits):
    start = time.monotonic()
    with pytest.raises(Lost, match="no answer within 2 s"):
        outcome(code, limits, seconds=2)
    assert time.monotonic() - start < 15


def test_processor_time_is_limited(limits):
    short = sandbox.Limits(cpu_seconds=3)
    with pytest.raises(Lost, match="the process ended"):
        outcome("while True: pass", short, seconds=30)


def test_a_flood_of_output_is_cut(limits):
    text = outcome("for i in range(30):\n    print('x' * 10**6)\n", limits)
    assert len(text) <= SHOWN


def test_a_flood_of_figures_and_errors_is_cut(limits):
    code = (
        "from IPython.display import display\nfor _ in range(300):\n    display(Big())\nraise ValueError('x' * 10**7)"
    )
    code = f"class Big:\n    def __repr__(self):\n        return 'y' * 10**5\n{code}"
    assert len(outcome(code, limits)) <= SHOWN


# Writes to the grader what the desk would not: a frame of a length, or of a text, of its own.
FORGE = """
import os, stat, struct
for number in range(3, 100):
    try:
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            os.write(number, FRAME)
    except OSError:
        pass
import time
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ("struct.pack('!II', 1, 2**31) + b'x'", "2,147,483,648 bytes are more"),
        ("struct.pack('!I', 2**31)", "a frame of 2,147,483,648 parts"),
        ("struct.pack('!II', 1, 1) + b'{'", "cannot be read"),
        ("struct.pack('!I', 0)", "cannot be read"),
        ("struct.pack('!II', 1, 10**5) + b'[' * 10**5", "cannot be read"),
        ("struct.pack('!II', 1, 10)", "no answer within 3 s"),
    ],
)
def test_what_a_forger_says_is_refused_at_once(frame, told, limits):
    with pytest.raises(Lost, match=told):
        outcome(FORGE.replace("FRAME", frame), limits, seconds=3)


def test_a_message_longer_than_allowed_is_not_even_read(limits, monkeypatch):
    monkeypatch.setattr(wire, "FRAME_BYTES", 10**4)
    with pytest.raises(Lost, match="bytes are more than the 10,000"):
        outcome("print('x' * 10**5)", limits)


@pytest.mark.parametrize(
    "hoard",
    [
        "import os\nfor _ in range(6):\n    if os.fork() == 0:\n        x = b'x' * 700_000_000\n        time.sleep(60)",
        "import os\nfds = [os.memfd_create('x') for _ in range(12)]\nfor fd in fds: os.write(fd, b'x' * 200_000_000)",
    ],
)
def test_memory_is_limited_for_all_processes_together(hoard, limits):
    with pytest.raises(Lost, match="more than 2048 MiB of memory"):
        outcome(f"import time\n{hoard}\ntime.sleep(60)", limits)


def test_an_ordinary_user_gets_the_sandbox_too():
    if os.geteuid() != 0 or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, to become somebody else, and the system's Python")
    program = (
        "import subprocess, sys\nsys.path.insert(0, sys.argv[1])\nfrom course.grading import sandbox\n"
        "call = sandbox.sandboxed(['/usr/bin/python3', '-c', sys.argv[2]], sandbox.Limits())\n"
        "subprocess.run(call, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(sandbox.without_name_spaces('bwrap') == [])"
    )
    code = f"{SPY}print(os.path.exists('/home') and os.listdir('/home'), os.access('/usr', os.W_OK))\n"
    code += "print(os.system('unshare --user true') == 0)"
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-B", "-c", program]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(sandbox.PACKAGE, f"{folder}/course", ignore=shutil.ignore_patterns("__pycache__"))
        environment = os.environ | {"SECRET_TOKEN": "sesame"}
        done = subprocess.run([*become, folder, code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert SEEN in done.stdout
    *_, home, writable, may_make_name_spaces, old_bubblewrap = done.stdout.split()
    assert (home, writable, may_make_name_spaces) == ("False", "False", old_bubblewrap)


def test_a_process_that_does_not_start_costs_no_marks(monkeypatch, limits):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(sandbox.SandboxError, match="the desk did not start"):
        outcome("1", limits)


def test_without_bubblewrap_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(sandbox.SandboxError, match=r"apt-get install bubblewrap.*--no-sandbox"):
        sandbox.required("bwrap")


def test_a_course_that_is_not_installed_is_told_from_a_missing_sandbox(monkeypatch, tmp_path, limits):
    """As with PYTHONPATH in place of an installation: outside the sandbox it is found, inside it is not."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    for part in (*bare.parents, bare):
        if part.is_relative_to(tempfile.gettempdir()) and part != Path(tempfile.gettempdir()):
            part.chmod(0o755)  # root grades as a user without rights
    monkeypatch.setattr(sys, "executable", str(bare / "bin/python"))
    monkeypatch.setattr(sys, "prefix", str(bare))
    with pytest.raises(sandbox.SandboxError, match=r"No module named 'course'.*pip install -e \.") as caught:
        sandbox.check(limits)
    assert "name spaces" not in str(caught.value)


def test_a_sandbox_that_does_not_start_says_why(monkeypatch, limits):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(sandbox.SandboxError, match=r"does not start: .*No such file.*--no-sandbox"):
        sandbox.check(limits)
