"""Means of languages against the definition; what is stored is found again, and nothing else is taken for it."""

import pytest
import torch

from course.applications import language_vectors
from course.applications.language_vectors import centred, language_means, text_vectors


@pytest.fixture
def calls(monkeypatch):
    """What an encoder was asked for, one call after another; it returns the length of a text and its first letter."""
    asked = []

    def encoder(device, *, pretrained=True):
        def read(texts):
            asked.append(list(texts))
            return torch.tensor([[len(text), ord(text[0]), float(pretrained)] for text in texts])

        return read

    monkeypatch.setattr(language_vectors, "encoder", encoder)
    monkeypatch.setattr(language_vectors, "CHUNK", 2)
    return asked


def test_vectors_come_in_the_order_of_the_texts_and_are_computed_once(calls, tmp_path):
    texts = ["bbb", "a", "cc", "a", "dddd"]
    found = text_vectors(texts, "cpu", tmp_path)
    assert found[:, 0].tolist() == [3, 1, 2, 1, 4]
    assert calls == [["a", "cc"], ["bbb", "dddd"]]
    assert torch.equal(text_vectors(texts[::-1], "cpu", tmp_path), found.flip(0))
    assert torch.equal(text_vectors(texts, "cpu", tmp_path / "other", stored=[tmp_path]), found)
    assert len(calls) == 2
    assert text_vectors(texts, "cpu", tmp_path, pretrained=False)[0, 2] == 0
    assert len(calls) == 4
    sorted(tmp_path.glob("*.safetensors"))[0].unlink()
    assert text_vectors(texts, "cpu", tmp_path)[:, 2].tolist() == [1] * 5


def test_means_are_the_definition_and_centring_takes_any_shift_away():
    draw = torch.Generator().manual_seed(0)
    x, language = torch.randn(30, 4, generator=draw, dtype=torch.float64), torch.arange(30) % 3
    means = language_means(x, language, 3)
    for each in range(3):
        torch.testing.assert_close(means[each], x[language == each].mean(0))
    shift = torch.randn(3, 4, generator=draw, dtype=torch.float64)
    moved = x + shift[language]
    torch.testing.assert_close(
        centred(moved, language, language_means(moved, language, 3)), centred(x, language, means)
    )
    torch.testing.assert_close(centred(x, language, means).norm(dim=1), torch.ones(30, dtype=torch.float64))


def test_a_language_without_texts_has_the_mean_of_the_others():
    means = language_means(torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([0, 2]), 3)
    assert means[1].tolist() == [2, 2]


def test_other_shares_of_the_classes_move_the_mean_by_a_multiple_of_their_distance():
    """Two classes at -d and d: with the share s of the second, the mean is (2 s - 1) d."""
    d = torch.tensor([[0.5, -1.0]])
    x = torch.cat([-d.repeat(30, 1), d.repeat(10, 1)])
    torch.testing.assert_close(language_means(x, torch.zeros(40).long(), 1), (2 * 0.25 - 1) * d)
