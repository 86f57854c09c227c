"""What a GPU gains: tasks batched against a loop, CCA, word vectors and prototypes against a CPU,
episodes drawn where they are used, a WaveNet recorded as a CUDA graph.

    python benchmarks/gpu.py --output book/results/bench-gpu.json

Both sides of a row compute the same thing, which is checked in float64 first. The clock stops when the GPU is ready.
``--device cpu --tiny`` runs the same code where there is no GPU; its numbers mean nothing.
"""

from collections.abc import Callable, Iterator

import cca
import episodes
import maml
import prototypical
import wavenet
import word2vec
from measure import command_line, in_turn, write

EQUAL = 1e-9
CHECKED = 4  # tasks: for the comparison in float64
DRAWS = 20  # episodes that are timed together


def ready(action: Callable, device) -> Callable:
    """The action, and then the wait until the device has done it."""
    import torch

    def act():
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return act


def moved(episode, device, dtype=None):
    """The episode on the device, its decimal numbers in ``dtype``."""
    from course.data import Episode

    parts = vars(episode).values()
    return Episode(*(part.to(device, dtype if part.is_floating_point() else part.dtype) for part in parts))


def compare_ways(what: str, problem: tuple, device, repeats: int) -> dict:
    """Milliseconds of a meta-gradient batched and in a loop, once they agree."""
    import copy

    import torch

    from course.data import Episode
    from course.meta_learning.maml import meta_gradient

    model, _, episode, options = problem
    few = Episode(*(part[:CHECKED] for part in vars(episode).values()))
    exact, few = copy.deepcopy(model).to(device, torch.float64), moved(few, device, torch.float64)
    model, episode = model.to(device), moved(episode, device)

    def gradient(way: str, model=model, episode=episode) -> dict:
        return meta_gradient(model, dict(model.named_parameters()), episode, tasks=way, **options)[1]

    batched, loop = (gradient(way, exact, few) for way in ("batched", "loop"))
    largest = max(each.abs().max() for each in loop.values())
    difference = max(((batched[name] - loop[name]).abs().max() / largest).item() for name in loop)
    if not difference <= EQUAL:
        raise SystemExit(f"{what}: batched and loop differ by {difference:.1e} of the largest entry")
    row = {"what": f"ms for a meta-gradient, {what}, batched", "peer": "loop, same device", "difference": difference}
    timed = (ready(lambda way=way: gradient(way), device) for way in ("batched", "loop"))
    return row | in_turn(*timed, repeats, scale=1e3)


def compare_fits(n: int, device, repeats: int) -> Iterator[dict]:
    """Milliseconds of a fit on the device, in both precisions, and on all cores of the CPU in float64."""
    import torch

    views, threads = [torch.from_numpy(view) for view in cca.data(n)], torch.get_num_threads()
    exact = cca.fit_course(*views)
    for dtype in (torch.float64, torch.float32):
        there = [view.to(device, dtype) for view in views]
        difference = (cca.fit_course(*there).cpu() - exact).abs().max().item()
        if not difference <= (EQUAL if dtype == torch.float64 else 1e-5):
            raise SystemExit(f"CCA in {dtype}: a correlation differs by {difference:.1e} from the CPU's")
        precision = f"{dtype}".removeprefix("torch.")
        what = f"ms to fit CCA, n={n:,}, {cca.COLUMNS} + {cca.COLUMNS} columns, data in place, {precision}"
        own = ready(lambda there=there: cca.fit_course(*there), device)
        times = in_turn(own, lambda: cca.fit_course(*views), repeats, scale=1e3)
        yield {"what": what, "peer": f"CPU, float64, {threads} threads", "difference": difference} | times


def compare_draws(tasks: int, device, repeats: int) -> dict:
    """Milliseconds of an episode of 5-way tasks from images on the device, and from the CPU with a copy."""
    import torch

    from course.data import EpisodeSampler

    images = episodes.images()
    sizes = (5, episodes.SHOTS, episodes.QUERIES, tasks)
    here, there = EpisodeSampler(images, *sizes), EpisodeSampler(images, *sizes, device=device)
    if not torch.allclose(there[0].query_x.cpu(), here[0].query_x):  # the division by 255 is rounded differently
        raise SystemExit("the episodes on the device are others than on the CPU")
    own = ready(lambda: [there[number] for number in range(DRAWS)], device)
    peer = ready(lambda: [moved(here[number], device) for number in range(DRAWS)], device)
    what = f"ms for an episode, {tasks} tasks, 5-way {episodes.SHOTS}-shot, {episodes.QUERIES} queries"
    return {"what": what, "peer": "CPU, then a copy"} | in_turn(own, peer, repeats, scale=1e3 / DRAWS)


def compare_words(words: int, device, repeats: int) -> dict:
    """Thousand words a second of a pass of SGNS on the device, and on the CPU."""
    from course.representation.word2vec import SGNS

    def train(where, corpus):
        return SGNS(dimension=word2vec.DIMENSION, epochs=1, device=where).fit(corpus).vectors.matrix.cpu()

    few, many = (word2vec.zipf_corpus(10_000, n) for n in (words // 25, words))
    expected = train("cpu", few)
    difference = ((train(device, few) - expected).norm() / expected.norm()).item()
    if not difference <= 1e-2:  # float32, and the order of sums differs in every step
        raise SystemExit(f"word vectors differ by {difference:.1e} of their length from the CPU's")
    times = in_turn(ready(lambda: train(device, many), device), lambda: train("cpu", many), repeats)
    speeds = {name: words / times[name] / 1000 for name in ("course_value", "peer_value")}
    what = f"thousand words a second, SGNS, |V| = 10,000, one pass over {words:,} words"
    return {"what": what, "peer": "CPU", "difference": difference} | times | speeds


def compare_speech(samples: int, utterances: int, device, repeats: int) -> Iterator[dict]:
    """Thousand samples a second of a WaveNet, recorded as a CUDA graph, against each operation asked for, and a CPU."""
    import torch

    from course.representation.generation import generate
    from course.representation.recorded_generation import Recorded

    exact = wavenet.model(double=True)
    expected = generate(exact, 200, n=2, seed=1)
    if not torch.equal(generate(exact.to(device), 200, n=2, seed=1), expected):
        raise SystemExit("a WaveNet draws other samples on the device than on the CPU")
    here, there = wavenet.model(), wavenet.model().to(device)
    uniform = torch.rand(samples, utterances, generator=torch.Generator().manual_seed(0)).to(device)
    ways = [Recorded(there, None, utterances, 1.0, record=record) for record in (True, False)]
    own, asked = (ready(lambda way=way: way.draw(uniform), device) for way in ways)
    what = f"thousand samples a second, WaveNet, {utterances} utterances of {samples:,}, CUDA graph"
    peers = {"each operation asked for": asked, "CPU": lambda: generate(here, samples, n=utterances)}
    for peer, action in peers.items():
        times = in_turn(own, action, repeats)
        speeds = {name: samples * utterances / times[name] / 1000 for name in ("course_value", "peer_value")}
        yield {"what": what, "peer": peer} | times | speeds


def compare_prototypes(ways: int, lengths, device, repeats: int) -> Iterator[dict]:
    """Milliseconds of the loss of prototypes and of a training step, once both agree with the CPU's in float64."""
    import copy

    import torch

    from course.meta_learning.prototypical import prototypical_loss

    def loss(d: int, dtype, where, form=prototypical_loss) -> torch.Tensor:
        given = [each.detach().to(where).requires_grad_(each.requires_grad) for each in prototypical.vectors(d, dtype)]
        return lambda: prototypical.gradient(form, *given)

    for d in lengths:
        there, here = (loss(d, torch.float64, where)().cpu() for where in (device, "cpu"))
        difference = ((there - here).abs().max() / here.abs().max()).item()
        if not difference <= EQUAL:
            raise SystemExit(f"prototypes, d = {d}: the gradient differs by {difference:.1e} of the largest entry")
        forms = (prototypical_loss, prototypical.by_differences)
        timed = (ready(loss(d, torch.float32, device, form), device) for form in forms)
        what = f"ms for the loss of {prototypical.WAYS} prototypes and its gradient, vectors of {d}"
        yield {"what": what, "peer": "all differences, same device", "difference": difference} | in_turn(
            *timed, repeats, scale=1e3
        )
    data = prototypical.characters()
    there, here = prototypical.Own(data, ways, device=device), prototypical.Own(data, ways)
    found = []
    for each, where in ((there, device), (here, "cpu")):
        exact = copy.deepcopy(each.learner)
        exact.model.double()
        value = exact.episode_loss(moved(here.sampler[0], where, torch.float64))
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(exact.model.parameters()))]).cpu())
    difference = ((found[0] - found[1]).abs().max() / found[1].abs().max()).item()
    if not difference <= EQUAL:
        raise SystemExit(f"prototypes: the gradient by the weights differs by {difference:.1e} of the largest entry")
    what = f"ms for a training step, Conv4, {ways}-way 1-shot, {prototypical.QUERIES} queries of a class"
    times = in_turn(ready(there.step, device), here.step, repeats, scale=1e3)
    yield {"what": what, "peer": "CPU", "difference": difference} | times


def measure(device: str, tiny: bool, repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    from course import runtime

    device = runtime.device(device)
    torch.set_num_threads(runtime.environment()["cores"] if device.type == "cuda" else 1)
    goal = {} if tiny else {"goal": 10}
    tasks, waves, filters, n, words = (2, 3, 4, 2_000, 2_000) if tiny else (32, 25, 64, 100_000, 500_000)
    for steps, lr in ((1, 0.4), (5, 0.1)):
        model, textbook, episode, options = maml.images(tasks, filters)
        problem = model, textbook, episode, options | {"steps": steps, "lr": lr}
        yield compare_ways(f"Conv4, {tasks} tasks, {steps} step{'s'[: steps - 1]}", problem, device, repeats) | goal
    yield compare_ways(f"sine waves, {waves} tasks, 5 steps", maml.waves(waves), device, repeats) | goal
    yield from compare_fits(n, device, repeats)
    yield compare_draws(tasks, device, repeats)
    yield compare_words(words, device, repeats)
    for utterances in (1, 64):
        yield from compare_speech(50 if tiny else 1_000, utterances, device, min(repeats, 3))
    ways, lengths = (5, [64]) if tiny else (prototypical.WAYS, prototypical.VECTORS)
    yield from compare_prototypes(ways, lengths, device, repeats)


if __name__ == "__main__":
    parser = command_line(__doc__, repeats=11)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes that mean nothing, to try the code")
    options = parser.parse_args()
    setting = "second order, float32; Conv4 with 64 filters, 5-way 1-shot, 75 queries, 28 × 28 pixels"
    setting = "tiny sizes, to try the code: these numbers mean nothing" if options.tiny else setting
    rows = measure(options.device, options.tiny, options.repeats)
    write(options.output, "gpu", setting, rows, gpu=options.device == "cuda")
