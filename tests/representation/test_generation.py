"""Generation: cached equals naive sample by sample, and seeds, prompts, chunks and conditions do what they say."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.generation import Cached, Naive, drawing_on_device, drawn, generate, stream
from course.representation.recorded_generation import Recorded
from course.representation.wavenet import WaveNet

GIVEN = torch.tensor([[0, 1], [2, 0], [1, 1]])


def model(dilations=(1, 3, 9), seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    made = WaveNet(dilations, width=6, skip=8, conditions=(3, 2), generator=generator, **options)
    with torch.no_grad():
        made.head[3].weight.mul_(10)  # probabilities that are not all alike
        for name, weights in made.named_parameters():
            if name.startswith("layers") and name.endswith("bias"):  # they begin at 0
                weights.normal_(generator=generator)
    return made.double()


@settings(max_examples=12, deadline=None)
@given(
    dilations=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    kernel=st.integers(2, 4),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0, 0.7, 1.0]),
)
def test_cached_generation_is_naive_generation_sample_by_sample(dilations, kernel, seed, temperature):
    options = {"conditions": GIVEN, "temperature": temperature, "seed": seed}
    wavenet = model(dilations, seed, kernel=kernel)
    fast, slow = (generate(wavenet, 60, cache=cache, **options) for cache in (True, False))
    assert torch.equal(fast, slow)


@settings(max_examples=8, deadline=None)
@given(
    dilations=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    kernel=st.integers(2, 4),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0, 0.7, 1.0]),
)
def test_what_a_gpu_would_do_gives_the_same_samples_after_the_same_prompt(dilations, kernel, seed, temperature):
    wavenet = model(dilations, seed, kernel=kernel)
    prompt = torch.randint(256, (3, 9), generator=torch.Generator().manual_seed(seed))
    options = {"conditions": GIVEN, "prompt": prompt, "temperature": temperature}
    speaker = Recorded(wavenet, GIVEN, 3, temperature)
    parts = islice(drawing_on_device(speaker, 3, prompt, np.random.default_rng(seed), chunk=11), 4)
    assert torch.equal(torch.cat([*parts], 1), generate(wavenet, 44, seed=seed, **options))


def test_the_samples_of_a_step_need_no_value_on_the_cpu(monkeypatch):
    speaker = Recorded(model(), GIVEN, 3, 1.0)
    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "__index__", "numpy", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, None)  # what makes the CPU wait, and cannot be recorded
    speaker.step()


def test_a_gpu_says_so_if_the_scores_are_not_finite():
    wavenet = model()
    torch.nn.init.constant_(wavenet.head[3].bias, torch.nan)
    with pytest.raises(ValueError, match="scores of the model are not finite"):
        Recorded(wavenet, GIVEN, 3, 1.0).draw(torch.rand(4, 3))


@pytest.mark.gpu
@pytest.mark.parametrize("record", [True, False])
def test_a_gpu_draws_the_same_samples(record):
    wavenet, prompt = model(), torch.arange(60).view(3, 20)
    expected = generate(wavenet, 100, conditions=GIVEN, prompt=prompt, seed=4)
    speaker = Recorded(wavenet.cuda(), GIVEN.cuda(), 3, 1.0, record=record)
    parts = islice(drawing_on_device(speaker, 3, prompt.cuda(), np.random.default_rng(4), chunk=50), 2)
    assert torch.equal(torch.cat([*parts], 1), expected)
    assert torch.equal(generate(wavenet, 100, conditions=GIVEN.cuda(), prompt=prompt.cuda(), seed=4), expected)


def test_the_scores_of_both_are_those_of_the_model():
    wavenet = model()
    codes = torch.randint(256, (3, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = wavenet(codes, GIVEN).numpy()
    inputs = torch.cat([torch.full((3, 1), wavenet.silence), codes[:, :-1]], 1).numpy()
    for kind in (Naive, Cached):
        steps = kind(wavenet, GIVEN, 3)
        found = np.stack([steps(column) for column in inputs.T], 1)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_prompt_is_continued():
    wavenet = model()
    whole = generate(wavenet, 90, conditions=GIVEN, temperature=0)
    rest = generate(wavenet, 50, conditions=GIVEN, prompt=whole[:, :40], temperature=0)
    assert torch.equal(rest, whole[:, 40:])


def test_chunks_do_not_matter_seeds_do_and_a_stream_has_no_end():
    wavenet = model()
    whole = generate(wavenet, 100, conditions=GIVEN, seed=5)
    parts = list(islice(stream(wavenet, conditions=GIVEN, seed=5, chunk=33), 4))
    assert torch.equal(torch.cat(parts, 1)[:, :100], whole)
    assert not torch.equal(generate(wavenet, 100, conditions=GIVEN, seed=6), whole)


def test_conditions_and_single_precision_matter():
    wavenet = model()
    first, second = (generate(wavenet, 80, conditions=given.expand(2, -1))[0] for given in GIVEN[:2])
    assert not torch.equal(first, second)
    assert generate(wavenet.float(), 10, conditions=GIVEN).shape == (3, 10)


def test_codes_are_drawn_with_their_probabilities_at_a_temperature():
    scores = np.log(np.array([[0.5, 0.3, 0.2]])).repeat(200_000, 0)
    uniform = np.random.default_rng(0).random(200_000)
    for temperature, expected in ((1.0, [0.5, 0.3, 0.2]), (0.5, np.array([25, 9, 4]) / 38)):
        shares = np.bincount(drawn(scores + 100, uniform, temperature)) / 200_000
        np.testing.assert_allclose(shares, expected, atol=0.005)
    assert set(drawn(scores, uniform, 0)) == {0}
    assert drawn(np.zeros((1, 4)), np.array([1 - 1e-16]), 1.0) <= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 or positive, got -1"),
        ({"temperature": float("nan")}, "temperature must be 0 or positive, got nan"),
        ({"conditions": None, "n": 2}, r"needs conditions \[2, 2\], got none"),
        ({"prompt": torch.full((3, 4), 256)}, "prompt must be codes"),
        ({"prompt": torch.zeros(2, 4).long()}, r"needs conditions \[2, 2\], got \[3, 2\]"),
        ({"chunk": 0}, "chunk must be a whole number"),
        ({"samples": 0}, "samples must be a whole number"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        generate(model(), **{"samples": 5, "conditions": GIVEN} | options)


def test_scores_that_are_not_finite_are_reported():
    wavenet = model()
    with torch.no_grad():
        wavenet.head[3].bias[0] = torch.nan
    with pytest.raises(ValueError, match="scores of the model are not finite"):
        generate(wavenet, 5, conditions=GIVEN)
