"""MFCC against torchaudio: speed and memory on a long recording, whether the numbers agree, and an hour as a stream.

    python benchmarks/mfcc.py --output book/results/bench-mfcc.json

The recording is noise that swells and fades, 1,000 s at 16,000 Hz; 25 ms every 10 ms, 40 filters, 13 coefficients, the
same conventions on both sides. Times are taken in turn; memory is the peak of a fresh process above what it held with
the recording in memory. The hour is never in memory: it comes in blocks of a second.
"""

from functools import cache

from measure import in_fresh_process, in_turn, main, peak

RATE = 16_000
LONG = 1_000  # seconds


@cache
def recording(seconds: int):
    """Noise whose level changes all the time, from -1 to 1."""
    import torch

    torch.set_num_threads(1)
    time = torch.arange(seconds * RATE, dtype=torch.float32).div_(RATE)
    noise = torch.randn(seconds * RATE, generator=torch.Generator().manual_seed(0))
    return noise.mul_(time.mul_(3).sin_()).mul_(0.1)


@cache
def course():
    """The course's function of a wave."""
    from course.representation.mfcc import Conventions, mfcc

    conventions = Conventions.speech(RATE, pad="reflect", range_db=80.0)
    return lambda wave: mfcc(wave, RATE, conventions)


@cache
def torchaudio():
    """Torchaudio's function of a wave."""
    from torchaudio.transforms import MFCC

    options = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40}
    transform = MFCC(RATE, 13, melkwargs=options)
    return lambda wave: transform(wave).mT


def memory(whose: str, seconds: int) -> int:
    """Bytes by which a call raises the peak of this process, which has made a short call before."""
    function, wave = globals()[whose](), recording(seconds)
    function(wave[:RATE])
    before = peak()
    function(wave)
    return peak() - before


def stream_memory(seconds: int) -> int:
    """The same for a stream of blocks of a second, whose coefficients are not kept."""
    from course.representation.mfcc import Conventions, stream

    conventions, second = Conventions.speech(RATE, pad="reflect"), recording(1)

    def run(length: int) -> int:
        return sum(len(part) for part in stream((second for _ in range(length)), RATE, conventions))

    run(2)
    before = peak()
    assert run(seconds) == conventions.n_frames(seconds * RATE)
    return peak() - before


def measure(repeats: int):
    """All rows of the table; ``goal`` is the least ratio, or the largest value where there is no peer."""
    wave, peer = recording(LONG), {"peer": "torchaudio"}
    ours, theirs = course()(wave), torchaudio()(wave)
    difference = float((ours - theirs).abs().max() / (theirs.max() - theirs.min()))
    if not difference < 1e-4:
        raise RuntimeError(f"the two sides differ by {difference:.1e} of their range")
    yield {"what": "largest difference as a share of the range", "course_value": difference, "goal": 1e-4}
    both = (lambda: course()(wave)), (lambda: torchaudio()(wave))
    yield {"what": f"s for {LONG:,} s of sound"} | peer | in_turn(*both, repeats) | {"goal": 3}
    used = {whose: in_fresh_process("mfcc", f"memory({whose!r}, {LONG})") / 1e6 for whose in ("course", "torchaudio")}
    yield {
        "what": f"MB above the recording, {LONG:,} s", "course_value": used["course"],
        "peer_value": used["torchaudio"], "ratio": used["torchaudio"] / used["course"], "repeats": 1, "goal": 2,
    } | peer  # fmt: skip
    for name, seconds in (("a minute", 60), ("an hour", 3600)):
        megabytes = in_fresh_process("mfcc", f"stream_memory({seconds})") / 1e6
        yield {"what": f"MB above the start, {name} as a stream", "course_value": megabytes, "goal": 10}


if __name__ == "__main__":
    setting = "25 ms every 10 ms at 16,000 Hz, 40 filters, 13 coefficients, one thread, float32"
    main("mfcc", __doc__, setting, measure, repeats=7)
