"""Each way to fuse is its formula, bears missing modalities, and can represent what the page says it can."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.fusion import Early, Fusion, Hybrid, Late
from course.crossmodal.fusion_kinds import KINDS, weights_of, widest
from course.crossmodal.fusion_products import LowRank, TensorFusion
from course.crossmodal.fusion_weights import Attention, GatedLate, GatedUnits, gates

SIZES = {"image": 5, "sound": 3}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def vectors(n=6, sizes=SIZES, seed=1):
    drawn = generator(seed)
    return {name: torch.randn(n, size, generator=drawn, dtype=torch.float64) for name, size in sizes.items()}


def model(kind, sizes=SIZES, classes=4, width=8, seed=0):
    """A network whose biases are not 0, as they are before a training: they must not speak for what is missing."""
    made = kind(sizes, classes, width, generator=generator(seed)).double().eval()
    drawn = generator(seed + 100)
    for parameter in made.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, generator=drawn)
    return made


# --- the interface


@EVERY_KIND
def test_the_score_of_a_row_depends_on_that_row_alone(kind):
    fusion, x = model(kind), vectors()
    alone = torch.cat([fusion({name: each[row : row + 1] for name, each in x.items()}) for row in range(6)])
    torch.testing.assert_close(fusion(x), alone)


@EVERY_KIND
def test_none_is_the_same_as_absent_in_every_row(kind):
    fusion, x = model(kind), vectors()
    for number, name in enumerate(SIZES):
        present = torch.ones(6, 2, dtype=torch.bool)
        present[:, number] = False
        torch.testing.assert_close(fusion(x | {name: None}), fusion(x, present))


@EVERY_KIND
def test_what_is_absent_has_no_influence_even_if_it_is_nan(kind):
    fusion, x = model(kind), vectors()
    present = torch.tensor([[True, False], [False, True], [True, True]] * 2)
    expected = fusion(x, present)
    for number, name in enumerate(SIZES):
        x[name][~present[:, number]] = float("nan")
    torch.testing.assert_close(fusion(x, present), expected)
    assert not torch.equal(expected[0], fusion(vectors())[0])  # but it did matter that it was there


@EVERY_KIND
def test_rows_without_any_modality_share_finite_scores(kind):
    scores = model(kind)(vectors(), torch.zeros(6, 2, dtype=torch.bool))
    assert scores.isfinite().all()
    torch.testing.assert_close(scores, scores[:1].expand(6, -1))


@EVERY_KIND
@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_modalities_can_be_fused(kind, count):
    sizes = dict(zip("abc"[:count], (2, 5, 3), strict=False))
    assert model(kind, sizes)(vectors(sizes=sizes)).shape == (6, 4)


@EVERY_KIND
def test_the_gradient_is_right_by_finite_differences(kind):
    fusion, x = model(kind), vectors(n=2)
    present = torch.tensor([[True, True], [True, False]])
    inputs = tuple(each.requires_grad_() for each in x.values())
    assert torch.autograd.gradcheck(lambda a, b: fusion({"image": a, "sound": b}, present), inputs)


@EVERY_KIND
def test_the_first_weights_come_from_the_generator_alone(kind):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    states = [model(kind, seed=seed).state_dict() for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0].values(), states[2].values(), strict=True))


@EVERY_KIND
@given(weights=st.integers(1_500, 30_000), image=st.integers(1, 40))
@settings(max_examples=5, deadline=None)
def test_the_widest_fusion_fits_and_the_next_does_not(kind, weights, image):
    sizes = {"image": image, "sound": 7}
    found = widest(kind, sizes, 10, weights)
    assert weights_of(found) <= weights < weights_of(kind(sizes, 10, found.width + 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, 4, 8), "nothing to fuse"),
        ((SIZES, 4, 6), "multiple of 4"),
        ((SIZES, 0, 8), "classes must be a whole number"),
        (({"image": 2.5}, 4, 8), "image must be a whole number"),
    ],
)
def test_sizes_that_make_no_network_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Early(*arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"image": x["image"]}, "the modalities are image, sound, got image"),
        (lambda x: x | {"smell": None}, "name each of them"),
        (lambda x: dict.fromkeys(x), "all modalities are None"),
        (lambda x: x | {"sound": x["sound"][:5]}, r"sound must be \[6, 3\], got \[5, 3\]"),
        (lambda x: x | {"sound": x["image"]}, r"sound must be \[6, 3\], got \[6, 5\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        model(Early)(change(vectors()))


@pytest.mark.parametrize("present", [torch.ones(6, 3, dtype=torch.bool), torch.ones(6, 2)])
def test_a_mask_that_does_not_fit_is_refused(present):
    with pytest.raises(ValueError, match=r"present must be \[6, 2\] bool"):
        model(Early)(vectors(), present)


def test_weights_that_are_too_few_are_refused():
    with pytest.raises(ValueError, match="weights at least, got 10"):
        widest(Early, SIZES, 10, 10)


# --- the formulas


def test_late_fusion_is_the_sum_of_what_each_modality_says_alone():
    fusion, x = model(Late), vectors()
    alone = sum(fusion({other: x[other] if other == name else None for other in SIZES}) for name in SIZES)
    torch.testing.assert_close(fusion(x), alone)


def test_late_fusion_leaves_out_the_term_of_what_is_missing():
    fusion, x = model(Late), vectors()
    torch.testing.assert_close(fusion(x | {"image": None}), fusion.networks["sound"](x["sound"]))


def test_attention_without_a_modality_is_attention_among_the_other_tokens():
    fusion, x = model(Attention), vectors()
    tokens = torch.stack([fusion.token.expand(6, -1), fusion.own[1](x["sound"])], 1)
    torch.testing.assert_close(fusion(x | {"image": None}), fusion.head(fusion.encoder.first(tokens)))


@pytest.mark.parametrize("kind", [TensorFusion, LowRank])
def test_of_a_missing_modality_products_keep_the_one_alone(kind):
    fusion, x = model(kind), vectors()
    first, second = fusion.factors(*fusion.checked(x | {"image": None}, None))
    assert torch.equal(first, torch.eye(3, dtype=torch.float64)[:1].expand(6, 3))
    torch.testing.assert_close(second[:, 1:], fusion.own[1](x["sound"]))


def test_hybrid_fusion_is_late_plus_early():
    fusion, x = model(Hybrid), vectors()
    late, early = model(Late), model(Early)
    late.load_state_dict({k: v for k, v in fusion.state_dict().items() if k.startswith("networks")})
    early.load_state_dict({k.replace("joint", "network"): v for k, v in fusion.state_dict().items() if "joint" in k})
    torch.testing.assert_close(fusion(x), late(x) + early(x))


def test_gates_are_shares_of_what_is_there():
    present = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    shares = gates(torch.randn(3, 3, 4, generator=generator()), present)
    torch.testing.assert_close(shares.sum(1), torch.tensor([[1.0], [1.0], [0.0]]).expand(3, 4))
    assert (shares[~present] == 0).all()


def test_a_gate_that_is_even_halves_late_fusion():
    fusion, x = model(GatedLate), vectors()
    for parameter in fusion.judge.parameters():
        torch.nn.init.zeros_(parameter)
    late = model(Late)
    late.load_state_dict({k: v for k, v in fusion.state_dict().items() if k.startswith("networks")})
    torch.testing.assert_close(fusion(x), late(x) / 2)


def test_gated_units_are_mixtures_of_the_hidden_vectors():
    fusion, x = model(GatedUnits), vectors()
    torch.nn.init.zeros_(fusion.judge.weight)
    bias = torch.randn(2, 8, generator=generator(), dtype=torch.float64)
    fusion.judge.bias.data = bias.flatten()
    shares = bias.softmax(0)
    hidden = sum(share * layer(each).tanh() for share, layer, each in zip(shares, fusion.own, x.values(), strict=True))
    torch.testing.assert_close(fusion(x), fusion.head(hidden))


def test_tensor_fusion_is_the_sum_over_all_products():
    fusion, x = model(TensorFusion), vectors()
    first, second = fusion.factors(*fusion.checked(x, None))
    weights = fusion.head.weight.unflatten(1, (3, 3))
    torch.testing.assert_close(fusion(x), torch.einsum("kij,ni,nj->nk", weights, first, second) + fusion.head.bias)


@pytest.mark.parametrize("sizes", [SIZES, {"a": 2, "b": 3, "c": 4}])
def test_low_rank_fusion_is_tensor_fusion_with_its_tensor(sizes):
    low, full, x = model(LowRank, sizes), model(TensorFusion, sizes), vectors(sizes=sizes)
    state = {k: v for k, v in low.state_dict().items() if k.startswith("own")}
    full.load_state_dict(state | {"head.weight": low.tensor().flatten(1), "head.bias": low.bias.detach()})
    torch.testing.assert_close(low(x), full(x))


# --- what each can represent


def test_no_late_fusion_gets_more_than_three_of_four_cases_of_xor():
    x = torch.tensor([[0.0], [0.0], [1.0], [1.0]]), torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    labels, best = torch.tensor([0, 1, 1, 0]), 0
    for seed in range(200):
        fusion = Late({"a": 1, "b": 1}, 2, 8, generator=generator(seed))
        with torch.no_grad():
            scores = 5 * fusion({"a": x[0], "b": x[1]}) + torch.randn(2, generator=generator(seed))
        best = max(best, (scores.argmax(1) == labels).sum().item())
    assert best == 3


def test_products_of_rank_two_add_digits_modulo_ten():
    angle = 2 * torch.pi * torch.arange(10, dtype=torch.float64) / 10
    scores = (angle[:, None] + angle - angle[:, None, None]).cos()  # [class, first digit, second digit]
    digits = torch.arange(10)
    assert torch.equal(scores.argmax(0), (digits[:, None] + digits) % 10)
    assert {torch.linalg.matrix_rank(each).item() for each in scores} == {2}


def test_the_base_class_says_what_a_subclass_must_do():
    with pytest.raises(NotImplementedError):
        Fusion(SIZES, 4, 8)
