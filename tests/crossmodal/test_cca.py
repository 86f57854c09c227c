"""CCA against independent exact solutions, its theorems, its edges, and the calibration of its tests."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.cca import CCA, canonical_pairs, permutation_test, whitening, wilks_test
from course.crossmodal.covariance import moments
from course.metrics import column_correlations

EXACT = 1e-10
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def pair(n, p, q, seed=0, shared=2):
    """Two views with ``shared`` common causes."""
    rng = np.random.default_rng(seed)
    cause = rng.standard_normal((n, shared)) * np.linspace(2, 0.7, shared)
    x = cause @ rng.standard_normal((shared, p)) + rng.standard_normal((n, p))
    y = cause @ rng.standard_normal((shared, q)) + rng.standard_normal((n, q))
    return x, y


def by_eigenproblem(x, y, ridge=0.0):
    """All canonical correlations by the generalised eigenproblem, as the textbook writes it."""
    p, q = x.shape[1], y.shape[1]
    s = np.cov(x.T, y.T)
    a, b = np.zeros((p + q, p + q)), np.zeros((p + q, p + q))
    a[:p, p:], a[p:, :p] = s[:p, p:], s[p:, :p]
    b[:p, :p], b[p:, p:] = s[:p, :p] + ridge * np.eye(p), s[p:, p:] + ridge * np.eye(q)
    return scipy.linalg.eigh(a, b, eigvals_only=True)[::-1][: min(p, q)]


def by_angles(x, y):
    """All canonical correlations as cosines between the column spaces (Björck and Golub); any rank."""

    def basis(view):
        u, s, _ = np.linalg.svd(view - view.mean(0), full_matrices=False)
        return u[:, s > 1e-9 * s[0]]

    return np.linalg.svd(basis(x).T @ basis(y), compute_uv=False)


# --- equal to independent exact solutions


@pytest.mark.parametrize(("n", "p", "q"), [(40, 1, 1), (60, 5, 3), (500, 20, 30), (10_000, 7, 4)])
def test_equals_the_eigenproblem_and_the_angles(n, p, q):
    x, y = pair(n, p, q)
    found = CCA(min(p, q)).fit(x, y).correlations
    np.testing.assert_allclose(found, by_eigenproblem(x, y), atol=EXACT)
    np.testing.assert_allclose(found, by_angles(x, y), atol=EXACT)


def test_equals_cca_zoo():
    from cca_zoo.linear import CCA as ZooCCA

    x, y = pair(300, 8, 6)
    zx, zy = ZooCCA(n_components=6).fit_transform([x, y])
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(zx.T, zy.T, strict=True)]
    np.testing.assert_allclose(CCA(6).fit(x, y).correlations, expected, atol=EXACT)


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize(("n", "p", "q"), [(20, 50, 40), (200, 6, 5)])
def test_ridge_equals_the_eigenproblem_with_fewer_rows_than_columns_too(n, p, q, ridge):
    x, y = pair(n, p, q)
    k = min(p, q)
    np.testing.assert_allclose(CCA(k, ridge).fit(x, y).correlations, by_eigenproblem(x, y, ridge), atol=EXACT)


def collinear(x):
    return np.c_[x, x[:, :2] @ [[1.0, 2.0], [3.0, -1.0]]]


def duplicated(x):
    return np.c_[x, x[:, 0], 1e3 * x[:, 1]]


def with_constants(x):
    n = len(x)
    return np.c_[np.full(n, 0.1), x, np.zeros(n), np.full(n, 1e7 / 3)]


@pytest.mark.parametrize("spoil", [collinear, duplicated, with_constants, lambda x: with_constants(collinear(x))])
@pytest.mark.parametrize("n", [50, 5_000])
def test_rank_deficient_views(spoil, n):
    x, y = pair(n, 5, 4)
    spoilt_x, spoilt_y = spoil(x), spoil(y)
    model = CCA(4).fit(spoilt_x, spoilt_y)
    np.testing.assert_allclose(model.correlations, by_angles(x, y), atol=EXACT)
    np.testing.assert_allclose(model.score(spoilt_x, spoilt_y), by_angles(x, y), atol=1e-8)
    with pytest.raises(ValueError, match="rank 5 and 4, hence only 4 pairs"):
        CCA(5).fit(spoilt_x, spoilt_y)


def test_a_ridge_and_constant_columns():
    x, y = pair(100, 5, 4)
    spoilt_x, spoilt_y = with_constants(collinear(x)), with_constants(y)
    expected = by_eigenproblem(spoilt_x, spoilt_y, 0.5)[:4]
    np.testing.assert_allclose(CCA(4, 0.5).fit(spoilt_x, spoilt_y).correlations, expected, atol=EXACT)


def test_without_a_ridge_fewer_rows_than_columns_correlate_perfectly_whatever_the_data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((10, 30)), rng.standard_normal((10, 20))
    np.testing.assert_allclose(CCA(9).fit(x, y).correlations, 1, atol=EXACT)
    with pytest.raises(ValueError, match="rank 9 and 9, hence only 9 pairs"):
        CCA(10).fit(x, y)


def test_units_do_not_matter():
    x, y = pair(400, 5, 4)
    expected = CCA(4).fit(x, y).correlations
    scaled = CCA(4).fit(x * 10.0 ** np.arange(-6, 9, 3), y * 1e-6 + 1).correlations
    np.testing.assert_allclose(scaled, expected, atol=1e-9)


# --- the theorems


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(30, 80),
    p=st.integers(1, 6),
    q=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    ridge=st.sampled_from([0.0, 0.3]),
)
def test_ordering_bounds_and_orthogonality(n, p, q, seed, ridge):
    x, y = pair(n, p, q, seed)
    k = min(p, q)
    model = CCA(k, ridge).fit(x, y)
    rho, a, b = model.correlations, model.x_weights, model.y_weights
    assert (rho >= 0).all()
    assert (rho <= 1).all()
    assert (np.diff(rho) <= 0).all()
    s = np.cov(x.T, y.T)
    np.testing.assert_allclose(a.T @ (s[:p, :p] + ridge * np.eye(p)) @ a, np.eye(k), atol=EXACT)
    np.testing.assert_allclose(b.T @ (s[p:, p:] + ridge * np.eye(q)) @ b, np.eye(k), atol=EXACT)
    np.testing.assert_allclose(a.T @ s[:p, p:] @ b, np.diag(rho), atol=EXACT)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_invertible_linear_maps_change_the_weights_only(seed):
    rng = np.random.default_rng(seed)
    x, y = pair(100, 5, 4, seed)
    map_x, map_y = rng.standard_normal((5, 5)) + 3 * np.eye(5), rng.standard_normal((4, 4)) + 3 * np.eye(4)
    model = CCA(3).fit(x, y)
    mapped = CCA(3).fit(x @ map_x + rng.standard_normal(5), y @ map_y)
    np.testing.assert_allclose(mapped.correlations, model.correlations, atol=EXACT)
    up_to_sign = np.sign((map_x @ mapped.x_weights * model.x_weights).sum(0))
    np.testing.assert_allclose(map_x @ mapped.x_weights * up_to_sign, model.x_weights, atol=1e-6)


def test_no_direction_correlates_more_than_the_first_pair():
    x, y = pair(200, 5, 4)
    first = CCA(1).fit(x, y).correlations[0]
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(width, 5_000, generator=generator, dtype=torch.float64) for width in (5, 4))
    assert column_correlations(torch.from_numpy(x) @ a, torch.from_numpy(y) @ b).abs().max() < first


def test_one_column_each_is_the_pearson_correlation():
    x, y = pair(50, 1, 1, shared=1)
    assert CCA(1).fit(x, y).correlations[0] == pytest.approx(abs(np.corrcoef(x.T, y.T)[0, 1]), abs=EXACT)


def test_one_column_of_y_is_multiple_regression():
    x, y = pair(80, 5, 1)
    model = CCA(1).fit(x, y)
    slope, residual, *_ = np.linalg.lstsq(x - x.mean(0), y - y.mean(0), rcond=None)
    r_squared = 1 - residual[0] / ((y - y.mean(0)) ** 2).sum()
    assert model.correlations[0] ** 2 == pytest.approx(r_squared, abs=EXACT)
    cosine = (model.x_weights.T @ slope) / np.linalg.norm(model.x_weights) / np.linalg.norm(slope)
    assert abs(cosine.item()) == pytest.approx(1, abs=1e-8)


def test_a_huge_ridge_turns_cca_into_partial_least_squares():
    x, y = pair(300, 5, 4)
    s = np.cov(x.T, y.T)[:5, 5:]
    u, singular, _ = np.linalg.svd(s)
    model = CCA(2, 1e9).fit(x, y)
    np.testing.assert_allclose(model.correlations * 1e9, singular[:2], rtol=1e-6)
    directions = model.x_weights / np.linalg.norm(model.x_weights, axis=0)
    np.testing.assert_allclose(abs((directions * u[:, :2]).sum(0)), 1, atol=1e-8)


def test_recovers_the_correlations_of_the_probabilistic_model():
    """x = T_x s + e with cov(x) = I and T_x = M P^(1/2), y alike: the correlations are P (Bach and Jordan)."""
    rng = np.random.default_rng(0)
    truth = np.array([0.9, 0.6, 0.3])
    n, p, q = 200_000, 6, 5
    s = rng.standard_normal((n, 3))
    views = []
    for width in (p, q):
        loading = np.linalg.qr(rng.standard_normal((width, width)))[0][:, :3] * np.sqrt(truth)
        noise = np.linalg.cholesky(np.eye(width) - loading @ loading.T)
        mixing = rng.standard_normal((width, width)) + 2 * np.eye(width)
        views.append((s @ loading.T + rng.standard_normal((n, width)) @ noise.T) @ mixing)
    model = CCA(5).fit(*views)
    np.testing.assert_allclose(model.correlations[:3], truth, atol=5 / np.sqrt(n))
    assert model.correlations[3] < 0.02
    posterior_mean = model.transform(*views)[0][:, :3] * np.sqrt(truth)  # E[s | x], up to signs
    for i in range(3):
        assert abs(np.corrcoef(posterior_mean[:, i], s[:, i])[0, 1]) == pytest.approx(np.sqrt(truth[i]), abs=0.02)


# --- streaming


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 199), unique=True, max_size=12).map(sorted), ridge=st.sampled_from([0.0, 0.1]))
def test_streaming_equals_batch(cuts, ridge):
    x, y = pair(200, 5, 4)
    whole, streamed = CCA(4, ridge).fit(x, y), CCA(4, ridge)
    for rows in np.split(np.arange(200), cuts):
        streamed.partial_fit(x[rows], y[rows])
    for name in ("correlations", "x_weights", "y_weights", "x_mean", "y_mean"):
        np.testing.assert_allclose(getattr(streamed, name), getattr(whole, name), atol=1e-9)


def test_results_follow_the_rows_seen():
    x, y = pair(100, 3, 3)
    model = CCA(3).partial_fit(x[:50], y[:50])
    half = model.correlations
    np.testing.assert_allclose(half, by_eigenproblem(x[:50], y[:50]), atol=EXACT)
    np.testing.assert_allclose(model.partial_fit(x[50:], y[50:]).correlations, by_eigenproblem(x, y), atol=EXACT)
    np.testing.assert_allclose(model.fit(x[:50], y[:50]).correlations, half, atol=EXACT)


def test_a_bad_block_leaves_the_model_as_it_was():
    x, y = pair(100, 3, 3)
    model = CCA(2).fit(x, y)
    before = model.correlations
    bad = x.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(bad, y)
    with pytest.raises(ValueError, match=r"had \(3, 3\) columns, these have \(2, 3\)"):
        model.partial_fit(x[:, :2], y)
    np.testing.assert_array_equal(model.correlations, before)
    np.testing.assert_allclose(model.partial_fit(x, y).x_mean, x.mean(0), atol=1e-14)


def test_memory_does_not_grow_with_the_rows():
    """Measured in fresh processes by the benchmark's own functions."""
    code = "import cca; print(cca.{})"
    calls = ("memory_of_stream(50_000)", "memory_of_stream(200_000)", "memory_of_fit('course', 50_000)")
    processes = [
        subprocess.run([sys.executable, "-c", code.format(call)], cwd=BENCHMARKS, capture_output=True, check=True)
        for call in calls
    ]
    short, long, fit = (int(process.stdout) / 1e6 for process in processes)
    assert long < short + 8
    assert long < 100
    assert fit < 20  # beside 80 MB of data


def test_no_row_is_kept():
    x, y = pair(100_000, 3, 3)
    model = CCA(1).fit(x, y)
    held = [value for value in vars(model).values() if isinstance(value, np.ndarray)]
    assert sum(value.size + (0 if value.base is None else value.base.size) for value in held) == 0


# --- kinds and types


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_kind_and_type_out(kind, dtype):
    x, y = (kind(view.astype(dtype)) for view in pair(100, 3, 2))
    model = CCA(2).fit(x, y)
    zx, zy = model.transform(x, y)
    results = [
        zx,
        zy,
        model.correlations,
        model.x_weights,
        model.y_weights,
        model.x_mean,
        model.y_mean,
        model.score(x, y),
    ]
    for result in results:
        assert type(result) is type(x)
        assert result.dtype == x.dtype
    assert [tuple(result.shape) for result in results] == [(100, 2), (100, 2), (2,), (3, 2), (2, 2), (3,), (2,), (2,)]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_results_are_copies(kind):
    x, y = (kind(view) for view in pair(50, 3, 2))
    model = CCA(2).fit(x, y)
    for name in ("correlations", "x_weights", "y_weights", "x_mean", "y_mean"):
        kept = torch.as_tensor(getattr(model, name)).clone()
        getattr(model, name)[:] = 0
        assert torch.equal(torch.as_tensor(getattr(model, name)), kept)


def test_float32_agrees_with_float64():
    x, y = pair(1000, 20, 20)
    single = CCA(20).fit(x.astype("float32"), y.astype("float32"))
    np.testing.assert_allclose(single.correlations, CCA(20).fit(x, y).correlations, atol=1e-6)
    np.testing.assert_allclose(single.score(x, y), single.correlations, atol=1e-5)


def test_gradients_are_not_recorded():
    x, y = (torch.from_numpy(view).requires_grad_() for view in pair(50, 3, 2))
    assert not CCA(2).fit(x, y).transform(x, y)[0].requires_grad


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gpu_equals_cpu(dtype):
    x, y = (torch.from_numpy(view).to(dtype) for view in pair(5000, 30, 20))
    model, on_gpu = CCA(20).fit(x, y), CCA(20).fit(x.cuda(), y.cuda())
    assert on_gpu.x_weights.device.type == "cuda"
    tolerance = {"atol": 1e-10, "rtol": 0} if dtype == torch.float64 else {"atol": 1e-6, "rtol": 0}
    torch.testing.assert_close(on_gpu.correlations.cpu(), model.correlations, **tolerance)
    spoilt = torch.cat([x, x[:, :2], torch.ones_like(x[:, :1])], 1)
    torch.testing.assert_close(CCA(20).fit(spoilt.cuda(), y.cuda()).correlations.cpu(), model.correlations, **tolerance)


# --- transform and score


def test_variates_are_centred_with_variance_one_and_the_correlations():
    x, y = pair(300, 5, 4)
    model = CCA(4).fit(x, y)
    zx, zy = model.transform(x, y)
    expected = np.block([[np.eye(4), np.diag(model.correlations)], [np.diag(model.correlations), np.eye(4)]])
    np.testing.assert_allclose(np.cov(zx.T, zy.T), expected, atol=EXACT)
    np.testing.assert_allclose(zx.mean(0), 0, atol=EXACT)
    np.testing.assert_allclose(model.score(x, y), model.correlations, atol=EXACT)


def test_the_score_of_new_rows_is_lower():
    x, y = pair(80, 20, 20)
    model = CCA(5).fit(x[:50], y[:50])
    assert model.score(x[50:], y[50:]).mean() < model.correlations.mean() - 0.3


def test_signs_are_settled():
    x, y = pair(100, 4, 3)
    model, flipped = CCA(3).fit(x, y), CCA(3).fit(x, -y)
    np.testing.assert_allclose(flipped.x_weights, model.x_weights, atol=1e-9)
    np.testing.assert_allclose(flipped.y_weights, -model.y_weights, atol=1e-9)
    largest = abs(model.x_weights).argmax(0)
    assert (model.x_weights[largest, range(3)] > 0).all()


# --- parts


def test_both_ways_of_whitening_whiten():
    x, _ = pair(100, 5, 1)
    for view, rank in ((x, 5), (collinear(x), 5), (x[:4], 3)):
        s = moments(view).covariance()
        w = whitening(s)
        assert w.shape == (view.shape[1], rank)
        np.testing.assert_allclose(w.T @ s @ w, np.eye(rank), atol=1e-9)


def test_pairs_of_known_covariances():
    rho = torch.tensor([0.8, 0.5, 0.2], dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)
    correlations, a, b = canonical_pairs(identity, rho.diag(), identity, 3)
    torch.testing.assert_close(correlations, rho)
    torch.testing.assert_close(a.abs(), identity)
    torch.testing.assert_close(b.abs(), identity)


# --- errors


@pytest.mark.parametrize("what", ["correlations", "x_weights", "y_weights", "x_mean", "y_mean"])
def test_not_fitted(what):
    with pytest.raises(RuntimeError, match="has seen no data; call fit"):
        getattr(CCA(1), what)


def test_transform_before_fit():
    with pytest.raises(RuntimeError, match="has seen no data"):
        CCA(1).transform(*pair(5, 2, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_values_that_have_no_covariance(value):
    x, y = pair(20, 3, 3)
    y[3, 2] = value
    with pytest.raises(ValueError, match="NaN, infinite or huge"):
        CCA(1).fit(x, y)


def test_other_errors_name_what_came():
    x, y = pair(20, 3, 2)
    with pytest.raises(ValueError, match=r"\(20, 3\) and \(19, 2\)"):
        CCA(1).fit(x, y[:-1])
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        CCA(1).fit(x[:1], y[:1])
    with pytest.raises(ValueError, match=r"shape \(20,\)"):
        CCA(1).fit(x, y[:, 0])
    with pytest.raises(ValueError, match="n_components=3, but views of 3 and 2 columns have only 2"):
        CCA(3).fit(x, y)
    with pytest.raises(ValueError, match=r"knows \(3, 2\) columns, the data have \(2, 2\)"):
        CCA(1).fit(x, y).transform(x[:, :2], y)
    with pytest.raises(ValueError, match="n_components must be at least 1, got 0"):
        CCA(0)
    with pytest.raises(TypeError, match="float"):
        CCA(1.5)
    for ridge in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="regularization must be"):
            CCA(1, ridge)


# --- significance


def test_wilks_equals_the_determinants():
    x, y = pair(100, 4, 3)
    result = wilks_test(CCA(3).fit(x, y).correlations, 100, 4, 3)
    s = np.cov(x.T, y.T)
    determinants = np.linalg.det(s) / np.linalg.det(s[:4, :4]) / np.linalg.det(s[4:, 4:])
    assert result.wilks_lambda[0] == pytest.approx(determinants, rel=1e-10)
    assert result.degrees.tolist() == [12, 6, 2]
    assert result.chi2[0] == pytest.approx(-(99 - 4) * np.log(determinants), rel=1e-10)


def null_p_values(test, draws=400):
    rng = np.random.default_rng(0)
    return np.array([test(rng.standard_normal((40, 3)), rng.standard_normal((40, 2)), i) for i in range(draws)])


def wilks_p(x, y, seed):
    return wilks_test(CCA(2).fit(x, y).correlations, len(x), 3, 2).p_value[0]


def permutation_p(x, y, seed):
    return permutation_test(x, y, permutations=19, seed=seed).p_value[0]


@pytest.mark.parametrize("test", [wilks_p, permutation_p])
def test_unrelated_views_are_rejected_as_often_as_promised(test):
    p_values = null_p_values(test)
    assert abs((p_values <= 0.05).mean() - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / len(p_values))
    assert abs((p_values <= 0.5).mean() - 0.5) < 3.5 * np.sqrt(0.25 / len(p_values))


def test_both_tests_find_two_of_three_pairs():
    x, y = pair(300, 4, 3, seed=1)
    by_chi2 = wilks_test(CCA(3).fit(x, y).correlations, 300, 4, 3).p_value
    by_shuffling = permutation_test(x, y, 3, permutations=199).p_value
    for p_values in (by_chi2, by_shuffling):
        assert (p_values[:2] <= 0.005).all()
        assert p_values[2] > 0.05
    assert (np.diff(by_shuffling) >= 0).all()


def test_the_third_pair_is_rejected_as_often_as_promised():
    """Without the step-wise restriction the strong first pairs would make the third look significant."""
    p_values = []
    for seed in range(150):
        x, y = pair(60, 4, 3, seed)
        p_values.append(permutation_test(x, y, 3, permutations=19, seed=seed).p_value[2])
    assert (np.array(p_values) <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_a_permutation_is_what_it_says():
    x, y = pair(30, 3, 3)
    result = permutation_test(x, y, 1, permutations=1, seed=5, regularization=0.2)
    shuffle = torch.randperm(30, generator=torch.Generator().manual_seed(5)).numpy()
    statistic = [-np.log(1 - by_eigenproblem(x, z, 0.2) ** 2).sum() for z in (y, y[shuffle])]
    assert result.statistic[0] == pytest.approx(statistic[0], rel=1e-10)
    assert result.p_value[0] == (1.0 if statistic[1] >= statistic[0] else 0.5)


def test_permutations_repeat_with_the_seed():
    x, y = (torch.from_numpy(view) for view in pair(30, 3, 3))
    runs = [permutation_test(x, y, 3, permutations=49, seed=seed).p_value for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_equal_views_have_p_value_zero():
    x, _ = pair(50, 3, 3)
    assert wilks_test([1.0, 1.0, 1.0], 50, 3, 3).p_value.max() == 0
    assert permutation_test(x, x, permutations=99).p_value[0] == 0.01


def test_wilks_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match="all min"):
        wilks_test([0.5], 100, 3, 2)
    with pytest.raises(ValueError, match=r"more than p \+ q = 5 rows, got 5"):
        wilks_test([0.9, 0.5], 5, 3, 2)
