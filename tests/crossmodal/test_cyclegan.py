"""CycleGAN: losses by their definition, each side its own gradient, a pool that loses nothing, and resumption."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.crossmodal.adversarial import GAMES
from course.crossmodal.cyclegan import CycleGAN, CycleGANConfig, Pool, distance, train_cyclegan, train_paired

TINY = CycleGANConfig.quick(width=2, blocks=1, critic_width=2, pool=8, batch_size=4)


def pictures(n=12, seed=0):
    return torch.rand(2, n, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(**changes):
    return CycleGAN.for_pictures((1, 8, 8), replace(TINY, **changes), seed=1).double()


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# The losses


@pytest.mark.parametrize("cycle", [0.0, 10.0])
@pytest.mark.parametrize("identity", [0.0, 5.0])
def test_the_objective_is_the_sum_of_its_parts(cycle, identity):
    net, (x, y) = model(cycle=cycle, identity=identity, pool=0), pictures(4)
    found = net.losses(x, y, 0)
    there, back = net.there, net.back
    fooling = (net.critic_y(there(x)) - 1).square().mean() + (net.critic_x(back(y)) - 1).square().mean()
    cycles = (back(there(x)) - x).abs().mean() + (there(back(y)) - y).abs().mean()
    kept = (there(y) - y).abs().mean() + (back(x) - x).abs().mean()
    torch.testing.assert_close(found["generators"], fooling + cycle * cycles + identity * kept)
    torch.testing.assert_close(found["fooling"], fooling.detach())
    torch.testing.assert_close(found["cycle"], cycles.detach())
    real = (net.critic_y(y) - 1).square().mean() + (net.critic_x(x) - 1).square().mean()
    critics = real + net.critic_y(there(x)).square().mean() + net.critic_x(back(y)).square().mean()
    torch.testing.assert_close(found["critics"], critics)
    assert not found["fooling"].requires_grad
    assert not found["cycle"].requires_grad


@pytest.mark.parametrize("game", GAMES)
def test_a_step_of_each_side_follows_its_own_slope_and_leaves_the_other_alone(game):
    """Plain gradient descent on finite differences of each loss, by one weight of each module."""
    net, (x, y) = model(game=game, pool=0, penalty=1.0 if game == "wasserstein" else 0.0), pictures(4)
    own = {"there": "generators", "back": "generators", "critic_x": "critics", "critic_y": "critics"}
    groups = {group["name"]: group["params"] for group in net.parameter_groups()}
    slopes = {
        name: dict(zip(params, torch.autograd.grad(net.losses(x, y, 0)[name], params), strict=True))
        for name, params in groups.items()
    }
    for part, name in own.items():
        weight = next(getattr(net, part).parameters())
        h, sides = 1e-6, []
        for sign in (1, -1):
            with torch.no_grad():
                weight.view(-1)[0] += sign * h
            sides.append(net.losses(x, y, 0)[name].item())
            with torch.no_grad():
                weight.view(-1)[0] -= sign * h
        assert slopes[name][weight].view(-1)[0].item() == pytest.approx(
            (sides[0] - sides[1]) / (2 * h), rel=1e-3, abs=1e-7
        )
    assert set(groups["generators"]).isdisjoint(groups["critics"])
    assert len(groups["generators"]) + len(groups["critics"]) == len(list(net.parameters()))


def test_the_generators_gradient_never_reaches_the_critics_nor_the_other_way_round():
    net, (x, y) = model(), pictures()
    before = weights(net)
    moved = []
    for name in ("generators", "critics"):
        for module in (net.there, net.back) if name == "critics" else (net.critic_x, net.critic_y):
            module.requires_grad_(False)
        net.load_state_dict(before)
        train_cyclegan(net, x, y, steps=2)
        net.requires_grad_(True)
        after = weights(net)
        moved.append(
            {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])} - {"pool_x", "pool_y"}
        )
    assert moved == [{"there", "back"}, {"critic_x", "critic_y"}]


def test_distance_is_a_mean_over_all_entries():
    assert distance(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])).item() == 2


# The pool


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 12), st.integers(0, 99))
def test_nothing_is_lost_or_doubled_in_the_pool(size, n, steps, seed):
    if n > size:
        return
    pool = Pool(size, (1,))
    for step in range(steps + 1):
        new = torch.arange(step * n, (step + 1) * n, dtype=torch.float32)[:, None]
        before = pool.fakes[: min(step * n, size)].flatten().tolist()
        shown = pool.exchange(new, step, seed).flatten().tolist()
        after = pool.fakes[: min((step + 1) * n, size)].flatten().tolist()
        filled = len(after) - len(before)  # what was put into free places is shown, and kept besides
        assert sorted(shown + after) == sorted(before + new.flatten().tolist() + new[:filled].flatten().tolist())


def test_a_full_pool_shows_half_old_half_new_and_every_place_takes_its_turn():
    pool, old, places = Pool(20, (1,)), 0, set()
    for step in range(402):
        before = pool.fakes.clone()
        new = torch.full((10, 1), 1.0 + step)
        shown = pool.exchange(new, step)
        if step >= 2:
            old += (shown != new).sum().item()
            places |= set((pool.fakes != before).flatten().nonzero().flatten().tolist())
    assert abs(old / 4000 - 0.5) < 0.03  # four standard deviations
    assert places == set(range(20))


def test_what_a_pool_draws_depends_on_step_and_seed_alone():
    def run(seed, noise):
        torch.manual_seed(noise)
        pool = Pool(6, (2,))
        return [pool.exchange(torch.full((3, 2), float(step)), step, seed) for step in range(9)]

    one, other, another = run(0, 1), run(0, 2), run(1, 1)
    assert all(map(torch.equal, one, other))
    assert not all(map(torch.equal, one, another))


def test_an_empty_pool_shows_the_new_and_a_small_one_refuses():
    new = torch.rand(3, 2)
    assert Pool(0, (2,)).exchange(new, 5) is new
    with pytest.raises(ValueError, match="a pool of 2 cannot exchange 3 fakes at once: make it 3 or larger"):
        Pool(2, (2,)).exchange(new, 0)


# Training


def test_training_finds_the_shift_between_two_clouds():
    """A cloud of two unequal parts, and the same cloud, moved. From slopes above 0 no other linear map is near."""
    draw = torch.Generator().manual_seed(0)
    x = 0.1 * torch.randn(256, 1, generator=draw) + (torch.rand(256, 1, generator=draw) < 0.2)
    y = x.flip(0) + 0.5
    torch.manual_seed(0)
    nets = [nn.Linear(1, 1) for _ in range(2)]
    for each in nets:
        nn.init.constant_(each.weight, 0.7)
    critics = [nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1)) for _ in range(2)]
    config = replace(TINY, rate=1e-2, batch_size=32, pool=32, identity=0.0)
    net = CycleGAN(*nets, *critics, config, (1,), (1,))
    history = train_cyclegan(net, x, y, steps=400)
    assert (net.there(x) - (x + 0.5)).abs().mean() < 0.1
    assert {len(curve.values) for curve in history.train.values()} == {400}


def test_a_run_that_is_interrupted_ends_with_the_very_weights_and_pools(tmp_path, monkeypatch):
    x, y = pictures()
    whole = model(game="wasserstein", penalty=1.0)
    history = train_cyclegan(whole, x, y, steps=9, seed=3)
    broken = model(game="wasserstein", penalty=1.0)
    losses = CycleGAN.losses

    def until(self, x, y, step, seed=0):
        if step == 5:
            raise KeyboardInterrupt
        return losses(self, x, y, step, seed)

    options = {"steps": 9, "seed": 3, "checkpoint": tmp_path / "run", "checkpoint_every": 2, "resume": True}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CycleGAN, "losses", until)
        train_cyclegan(broken, x, y, **options)
    resumed = model(game="wasserstein", penalty=1.0)
    torch.rand(3)  # the global generator is elsewhere now
    again = train_cyclegan(resumed, x, y, **options)
    assert same(weights(whole), weights(resumed))
    assert "pool_x.fakes" in weights(resumed)
    assert again == history


def test_both_sides_and_the_seed_decide_the_batches():
    x, y = pictures()
    runs = []
    for seed in (0, 0, 1):
        net = model()
        train_cyclegan(net, x, y, steps=3, seed=seed)
        runs.append(weights(net))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_the_rate_stays_for_half_of_the_steps_and_falls_to_nothing(monkeypatch):
    from course.crossmodal import cyclegan

    rates = []

    def fit(model, closure, optimizer, *, steps, scheduler, **_):
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()

    monkeypatch.setattr(cyclegan, "fit", fit)
    train_cyclegan(model(rate=1.0), *pictures(), steps=8)
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_pairs_train_a_translator_towards_its_partners():
    x, _ = pictures(16)
    translator = model().there
    before = (translator(x) - 0.5 * x).abs().mean().item()
    history = train_paired(translator, x, 0.5 * x, steps=60, rate=1e-2, batch_size=8)
    assert (translator(x) - 0.5 * x).abs().mean().item() < 0.6 * before
    assert len(history.train_loss) == 60
    with pytest.raises(ValueError, match="pairs needed: x has 16 rows and y 15"):
        train_paired(translator, x, x[1:], steps=1, rate=1e-2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"game": "chess"}, "there is no game 'chess'"),
        ({"cycle": -1.0}, "cycle is a weight and cannot be negative, got -1.0"),
        ({"identity": math.nan}, "identity is a weight"),
        ({"rate": 0.0}, "rate must be positive, got 0.0"),
        ({"pool": -1}, "pool must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
    ],
)
def test_settings_that_make_no_game_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)


def test_a_pool_smaller_than_a_batch_is_refused_before_the_training():
    with pytest.raises(ValueError, match="the pool keeps 3 fakes, a batch has 4"):
        train_cyclegan(model(pool=3), *pictures(), steps=1)


def test_the_presets_are_the_papers_and_a_laptops():
    assert CycleGANConfig.full() == CycleGANConfig()
    assert (CycleGANConfig.full().cycle, CycleGANConfig.full().rate, CycleGANConfig.full().pool) == (10.0, 2e-4, 50)
    assert CycleGANConfig.quick(width=3).width == 3
