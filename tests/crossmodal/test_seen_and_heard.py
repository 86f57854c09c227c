"""No picture and no recording is in two parts, noise is as loud as asked, and encoders learn."""

import os

import pytest
import torch
from torch import nn

from course import data
from course.crossmodal.fusion import Early
from course.crossmodal.seen_and_heard import (
    PARTS,
    SPEAKERS,
    EndToEnd,
    Part,
    encode,
    fresh_encoders,
    glyphs_and_voices,
    mnist_and_fsdd,
    standardised,
    train_encoders,
)
from course.data import LabelledSet, Sounds

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def parts():
    return glyphs_and_voices(12, takes=2)


def require_apart(parts):
    """All pictures and all recordings of all parts differ."""
    for name in ("pictures", "waves"):
        width = max(getattr(part, name).flatten(1).shape[1] for part in parts.values())
        rows = [nn.functional.pad(each, (0, width - each.shape[1])) for each in
                (getattr(part, name).flatten(1) for part in parts.values())]  # fmt: skip
        every = torch.cat(rows)
        assert len(every.unique(dim=0)) == len(every)


def test_the_embedded_parts_are_apart_and_complete(parts):
    assert list(parts) == list(PARTS)
    require_apart(parts)
    for name, part in parts.items():
        assert part.seen.bincount().tolist() == [12] * 10
        takes = 2 if name in ("encoders", "train") else 1
        assert part.heard.bincount().tolist() == [takes * len(SPEAKERS[name])] * 10
        assert part.features.shape == (len(part.waves), 104)
        assert part.features.isfinite().all()
    speakers = [set(each) for each in SPEAKERS.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers))


def small(name, *, split=None):
    """Stand-ins for MNIST and FSDD: each picture is constant and each recording a tone, no two alike."""
    generator = torch.Generator().manual_seed(len(split))
    if name == "mnist":
        x = torch.randint(256, (80, 1, 28, 28), dtype=torch.uint8, generator=generator)
        return LabelledSet(x, torch.arange(80) % 10, DIGITS, DIGITS, name, full=255)
    takes = 4 if split == "train" else 1
    y = torch.arange(10).repeat_interleave(2 * takes)
    speakers = torch.arange(2).repeat_interleave(takes).repeat(10)
    x = torch.randn(len(y), 2000, generator=generator)
    people = {"speakers": speakers, "speaker_names": ("a", "b")}
    return Sounds(
        x, y, DIGITS, DIGITS, name, lengths=torch.full((len(y),), 2000), rate=8000, **people
    )  # fmt: skip


def test_the_real_parts_are_dealt_without_overlap(monkeypatch):
    monkeypatch.setattr(data, "load", small)
    parts = mnist_and_fsdd(20)
    require_apart(parts)
    assert {name: (len(part.seen), len(part.heard)) for name, part in parts.items()} == {
        "encoders": (20, 40), "train": (20, 40), "validation": (20, 20), "test": (20, 20)
    }  # fmt: skip
    for name in ("encoders", "train"):
        assert parts[name].heard.bincount().tolist() == [4] * 10
    source = small("mnist", split="train")
    assert torch.equal(parts["validation"].pictures, source.examples(torch.arange(40, 60)))
    assert torch.equal(parts["test"].seen, small("mnist", split="test").y[:20])


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")
def test_the_parts_of_mnist_and_fsdd():
    parts = mnist_and_fsdd(500)
    require_apart(parts)
    assert [len(part.heard) for part in parts.values()] == [1200, 1200, 300, 300]
    assert all(part.heard.bincount().unique().numel() == 1 for part in parts.values())


def test_noise_is_as_loud_as_asked_and_stays_inside_the_recording():
    waves = torch.randn(50, 4000, generator=torch.Generator().manual_seed(0))
    lengths = torch.randint(2000, 4001, (50,), generator=torch.Generator().manual_seed(1))
    inside = torch.arange(4000) < lengths[:, None]
    part = Part(torch.zeros(20, 1, 28, 28), torch.zeros(20).long(), waves * inside, lengths, lengths * 0, 8000)
    noisy = part.noisy(0.3, 6.0, seed=5)
    assert (noisy.pictures - part.pictures).std().item() == pytest.approx(0.3, rel=0.03)
    hiss = noisy.waves - part.waves
    assert (hiss[~inside] == 0).all()
    ratio = part.waves.square().sum(1) / hiss.square().sum(1)
    torch.testing.assert_close(10 * ratio.log10(), torch.full((50,), 6.0), atol=0.5, rtol=0)
    assert torch.equal(noisy.waves, part.noisy(0.3, 6.0, seed=5).waves)
    assert not torch.equal(noisy.features, part.features)


def test_encoders_learn_and_a_seed_repeats_them(parts):
    options = {"filters": 8, "width": 8, "steps": 40}
    trained = train_encoders(parts["encoders"], **options)
    again = train_encoders(parts["encoders"], **options)
    torch.testing.assert_close(trained.state_dict(), again.state_dict())
    assert not trained.training
    spread = {}
    for kind, encoders in (("trained", trained), ("fresh", fresh_encoders(104, filters=8, width=8, seed=0).eval())):
        vectors = encode(encoders, parts["train"])
        for name, y in (("image", parts["train"].seen), ("sound", parts["train"].heard)):
            x = vectors[name] - vectors[name].mean(0)
            means = torch.stack([x[y == digit].mean(0) for digit in range(10)])
            spread[kind, name] = (means.square().sum() / x.square().sum() * len(x) / 10).item()  # between / all
    for name in ("image", "sound"):
        assert spread["trained", name] > spread["fresh", name]


def test_vectors_are_encoded_in_pieces_and_only_where_there_is_an_encoder(parts):
    encoders = fresh_encoders(104, filters=8, width=6, seed=0).eval()
    whole = encode(encoders, parts["train"])
    assert {name: x.shape[1] for name, x in whole.items()} == {"image": 8, "sound": 6}
    torch.testing.assert_close(whole["image"], encoders["image"](parts["train"].pictures).detach())
    del encoders["sound"]
    assert list(encode(encoders, parts["train"])) == ["image"]


def test_standardised_vectors_have_mean_zero_and_constants_stay_small():
    generator = torch.Generator().manual_seed(0)
    reference = {"a": 5 + 3 * torch.randn(2000, 4, generator=generator)}
    reference["a"][:, 2] = 1.0
    found = standardised(reference, reference)["a"]
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(0), torch.tensor([1.0, 1, 0, 1]))
    other = standardised({"a": torch.full((1, 4), 2.0)}, reference)["a"]
    assert other.abs().max() < 2


def test_end_to_end_training_reaches_both_encoders(parts):
    encoders = fresh_encoders(104, filters=8, width=6, seed=0)
    model = EndToEnd(encoders, Early({"image": 8, "sound": 6}, 10, 8))
    model({"image": parts["train"].pictures[:20], "sound": parts["train"].features[:20]}).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
