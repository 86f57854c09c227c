"""All that a GPU is needed for, in one call that keeps a time limit: tests, benchmarks, then the long recipes.

    python scripts/gpu.py OUT --seconds 540

It needs PyTorch and pytest, but neither a network nor `.venv`. From `gpu/`, which `make gpu-pack` fills elsewhere, come
the wheels of packages that this Python lacks, and the data sets.

What was done is kept in `runs/gpu`, and the next call goes on from there. OUT gets the result files of the book, the
log, and the kept folder as an archive in parts: put these into `gpu/` to go on on another machine. Only the processes
that are started here load more than the standard library.
"""

import argparse
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `course` need not be installed

from course.files import write_json, write_whole  # noqa: E402
from course.reproduce import RECIPES  # noqa: E402

PACK = ROOT / "gpu"
KEPT = ROOT / "runs" / "gpu"
ARCHIVE, PART = "kept.tar.gz", 15 * 2**20  # bytes of a part
NEEDS = {"tests": ("pytest", "pytest-timeout", "hypothesis"), "mnist-cca": ("scikit-learn",)}
SPARE = 0.03  # of the time: for ending what runs, and for the archive
GRACE = 5  # seconds between SIGTERM and SIGKILL
DONE, LATE, NOT_BEGUN = "done", "out of time", "not begun"


@dataclass(frozen=True)
class Stage:
    """One part of the work.

    Attributes:
        name: its name in the summary.
        command: the arguments of Python.
        result: the file that it writes into the folder of results, if any.
        share: the part of the call's time that it may take.
        code: patterns of files. The stage is repeated when one has changed; without any, a result is enough for good.
    """

    name: str
    command: tuple[str, ...]
    result: str | None = None
    share: float = 1.0
    code: tuple[str, ...] = ()

    def digest(self) -> str:
        files = sorted({path for pattern in self.code for path in ROOT.glob(pattern)})
        contents = [repr(self.command).encode(), *(path.read_bytes() for path in files)]
        return hashlib.sha256(b"\0".join(contents)).hexdigest()

    def written(self, kept: Path) -> bool:
        return self.result is None or (kept / "results" / self.result).exists()

    def finished(self, kept: Path, state: dict) -> bool:
        noted = state.get(self.name, {})
        same = noted.get("status") == DONE and noted.get("digest") == self.digest()
        return self.written(kept) and (same or not self.code)


def stages(device: str, preset: str, kept: Path, recipes: Sequence[str] = tuple(RECIPES)) -> list[Stage]:
    """The work in its order; with the preset ``quick`` the benchmarks have tiny sizes."""
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if "\n@pytest.mark.gpu" in path.read_text("utf8")]
    # Versions other than the pinned ones may warn, so a warning is no error here.
    pytest = ["-m", "pytest", "-m", "gpu", "-W", "default", "-p", "no:cacheprovider", "--timeout", "120"]
    pytest += ["--continue-on-collection-errors", *(str(path.relative_to(ROOT)) for path in sorted(tests))]
    results = kept / "results"
    bench = ["benchmarks/gpu.py", "--device", device, "--output", str(results / "bench-gpu.json")]
    bench += ["--tiny", "--repeats", "3"] if preset == "quick" else []
    folders = ["--output", str(results), "--runs", str(kept / "checkpoints")]
    reproduce = ["-m", "course", "reproduce", "--preset", preset, "--device", device, *folders]
    return [
        Stage("tests", tuple(pytest), None, 0.4, ("course/**/*.py", "tests/**/*.py")),
        Stage("benchmarks", tuple(bench), "bench-gpu.json", 0.4, ("course/**/*.py", "benchmarks/*.py")),
        *(Stage(name, (*reproduce, name), f"{name}-{preset}.json") for name in recipes),
    ]


def call(work: list[Stage], kept: Path, out: Path, end: float, *, force: bool = False) -> int:
    """Do what is not finished until ``end`` on the monotonic clock; the exit status is 1 if something failed.

    With ``force`` nothing counts as finished; but recipes go on from their checkpoints.
    """
    begin, log, note, statuses = time.monotonic(), out / "log.txt", kept / "state.json", {}
    for folder in (out, kept / "results"):
        folder.mkdir(parents=True, exist_ok=True)
    if force:
        for path in [note, *(kept / "results").iterdir()]:
            path.unlink(missing_ok=True)
    state = json.loads(note.read_text("utf8")) if note.exists() else {}
    try:
        for stage in work:
            left = min(end - time.monotonic(), stage.share * (end - begin))
            absent = [name for name in NEEDS.get(stage.name, ()) if not is_there(name)]
            started = time.monotonic()
            if stage.finished(kept, state):
                status = DONE
            elif absent:
                status = f"left out: needs {', '.join(absent)}"
            elif left < 1:
                status = NOT_BEGUN
            else:
                print(f"{stage.name}: at most {left:.0f} s", flush=True)
                status = run(stage, left, log)
                if status == DONE and not stage.written(kept):
                    status = f"failed: it wrote no {stage.result}"
            statuses[stage.name] = status
            state[stage.name] = {"status": status, "digest": stage.digest()}
            write_json(note, state)
            deliver(kept, out)
            print(f"{stage.name}: {status}, {time.monotonic() - started:.0f} s", flush=True)
    finally:
        archive(kept, out)
    failed = [name for name, status in statuses.items() if status not in (DONE, LATE, NOT_BEGUN)]
    if failed:
        print(f"failed or left out: {', '.join(failed)}; see {log}")
    if {LATE, NOT_BEGUN} & set(statuses.values()):
        print("time is over; call again to continue")
    elif not failed:
        print("everything is done")
    return int(bool(failed))


def run(stage: Stage, seconds: float, log: Path) -> str:
    """Run a stage with its output in the log, and end it with all its processes when its time is over."""
    with log.open("a+b") as output:
        output.write(f"\n== {stage.name}: python {' '.join(stage.command)}\n".encode())
        output.flush()
        start = output.tell()
        command = [sys.executable, *stage.command]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return LATE
        finally:
            end_group(process)
        output.seek(start)
        said = output.read().decode(errors="replace").splitlines()
    print("\n".join(said[-1:] if code == 0 else said[-25:]))
    return DONE if code == 0 else f"failed: exit status {code}"


def end_group(process: subprocess.Popen) -> None:
    """End a process and those that it has started: SIGTERM, then SIGKILL for what is left after a while."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            process.poll()  # else the dead leader would count as one of the group
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nothing is left; macOS says the second
        pass
    process.wait()


def deliver(kept: Path, out: Path) -> None:
    """Copy the results to OUT, each whole."""
    for path in [kept / "state.json", *(kept / "results").glob("*.json")]:
        if path.exists():
            write_whole(out / path.name, path.read_bytes())


def archive(kept: Path, out: Path) -> None:
    """Write the kept folder to OUT in parts that are small enough to be handed on."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(kept, arcname=".")
    for outdated in out.glob(f"{ARCHIVE}.*"):
        outdated.unlink()
    content = packed.getvalue()
    for number, start in enumerate(range(0, len(content), PART)):
        write_whole(out / f"{ARCHIVE}.{number:02}", content[start : start + PART])


def restore(pack: Path, kept: Path) -> None:
    """Take over what an earlier call on another machine has done, unless there is newer work here."""
    parts = sorted(pack.glob(f"{ARCHIVE}.*"))
    if kept.exists() or not parts:
        return
    unpacked = kept.with_name(f"{kept.name}.partial")
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.read_bytes() for part in parts))) as tar:
        tar.extractall(unpacked, filter="data")
    unpacked.rename(kept)


def is_there(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def unpack_wheels(pack: Path) -> None:
    """Unpack the wheels of those packages that this Python lacks, for this process and for those started from it."""
    site, own = pack / "site", f"cp{sys.version_info.major}{sys.version_info.minor}"
    shutil.rmtree(site, ignore_errors=True)
    for wheel in sorted((pack / "wheels").glob("*.whl")):
        name, *_, python, _, _ = wheel.stem.split("-")
        if is_there(name):
            continue
        if {own, "py3"} & set(python.split(".")):
            with ZipFile(wheel) as content:
                content.extractall(site)
        else:
            print(f"{wheel.name} is for another Python")
    sys.path.append(str(site))
    importlib.invalidate_caches()
    paths = [str(ROOT), str(site), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def look(device: str) -> None:
    """Print what this machine has; stop if PyTorch or the device is absent."""
    code = "import sys; from course import runtime; runtime.device(sys.argv[1]); print(runtime.environment())"
    found = subprocess.run([sys.executable, "-c", code, device], cwd=ROOT, capture_output=True, text=True)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["dependencies"]
    print(found.stdout.strip())
    print("packages missing:", ", ".join(name for name in wanted if not is_there(name)) or "none", flush=True)
    if found.returncode:
        sys.exit(f"gpu: {found.stderr.strip().splitlines()[-1]}")


def main() -> int:
    begin = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the results")
    parser.add_argument("--seconds", type=float, default=540, help="the limit of this call")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--preset", choices=["quick", "full"], default="full", help="quick: to try it out")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--force", action="store_true", help="forget what earlier calls have done")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("gpu: ended from outside"))  # through every `finally`
    os.environ["PYTHONUNBUFFERED"] = "1"
    if (PACK / "data").is_dir():
        os.environ.setdefault("COURSE_DATA", str(PACK / "data"))
    unpack_wheels(PACK)
    look(options.device)
    restore(PACK, KEPT)
    work = stages(options.device, options.preset, KEPT, options.recipes)
    return call(work, KEPT, options.out.resolve(), begin + (1 - SPARE) * options.seconds, force=options.force)


if __name__ == "__main__":
    sys.exit(main())
