"""Seen and unseen together: the exact constant against a fine grid, AUROC against scikit-learn, limits of stacking."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from course.applications.generalised import accuracy_of_both, auroc, best_constant, harmonic_mean, stacked


def drawn(seed, ties=False):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(6), torch.randint(6, (50,), generator=generator)])
    seen = torch.tensor([False, False, True, True, True, True])
    scores = torch.randn(56, 6, generator=generator) + 1.5 * torch.eye(6)[labels] + 1.2 * seen
    return (scores.mul(2).round() if ties else scores), labels, seen


@pytest.mark.parametrize("ties", [False, True])
def test_the_constant_is_the_best_of_a_fine_grid(ties):
    for seed in range(5):
        scores, labels, seen = drawn(seed, ties)

        def mean(constant, given=(scores, labels, seen)):
            return accuracy_of_both(stacked(given[0], given[2], constant), *given[1:]).harmonic

        grid = max(mean(constant) for constant in torch.linspace(-20, 20, 2011).tolist())
        assert mean(best_constant(scores, labels, seen)) == pytest.approx(grid, abs=1e-9)


def test_without_limit_the_constant_leaves_one_kind_alone():
    scores, labels, seen = drawn(0)
    assert accuracy_of_both(stacked(scores, seen, 1e4), labels, seen).seen == 0
    assert accuracy_of_both(stacked(scores, seen, -1e4), labels, seen).unseen == 0
    alone = (scores[:, ~seen].argmax(1) == labels)[~seen[labels]].double().mean().item()
    assert accuracy_of_both(stacked(scores, seen, 1e4), labels, seen).unseen == alone


def test_the_harmonic_mean_is_between_and_nearer_to_the_smaller():
    assert harmonic_mean(0.2, 0.6) == pytest.approx(1 / ((1 / 0.2 + 1 / 0.6) / 2))
    assert harmonic_mean(0.0, 0.9) == harmonic_mean(0.0, 0.0) == 0
    with pytest.raises(ValueError, match="negative"):
        harmonic_mean(-0.1, 0.5)


def test_auroc_is_scikit_learns_and_ties_count_half():
    generator = torch.Generator().manual_seed(2)
    for high in (4, 1000):
        inside, outside = (
            torch.randint(high, (30,), generator=generator),
            torch.randint(high, (17,), generator=generator),
        )
        inside = inside + high // 4
        labels = [1] * 30 + [0] * 17
        assert auroc(inside, outside) == pytest.approx(roc_auc_score(labels, torch.cat([inside, outside]).tolist()))
    same = torch.zeros(3)
    assert auroc(same, same) == 0.5
    with pytest.raises(ValueError, match="at least one each"):
        auroc(same, same[:0])


def test_what_has_one_kind_only_is_refused():
    scores, labels, seen = drawn(0)
    with pytest.raises(ValueError, match="both kinds"):
        stacked(scores, torch.ones(6, dtype=torch.bool), 1.0)
    with pytest.raises(ValueError, match="one kind only"):
        best_constant(scores[:2], labels[:2], seen)
