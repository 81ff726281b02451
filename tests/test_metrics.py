"""Metrics against scipy, brute force and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.spatial import cKDTree

from gannotes import metrics
from gannotes.metrics import (
    class_shares,
    kernel_density,
    mode_coverage,
    nearest_neighbours,
    select_bandwidth,
    standard_error,
    wasserstein_1d,
)

F64 = torch.float64


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# Mode coverage

MODES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], dtype=F64)


def test_true_samples_cover_all_modes_with_the_chi_square_share():
    x = MODES[torch.arange(30_000) % 3] + 0.1 * randn(30_000, 2)
    captured, high_quality = mode_coverage(x, MODES, sd=0.1)
    assert captured == 3
    share = stats.chi2(2).cdf(9)
    assert high_quality.item() == pytest.approx(share, abs=5 * math.sqrt(share / 30_000 / 80))


def test_a_mode_without_a_close_sample_is_lost():
    x = torch.tensor([[0.0, 0.299], [4.0, 0.301], [2.1, 0.0], [0.0, 0.0]], dtype=F64)
    captured, high_quality = mode_coverage(x, MODES, sd=0.1)
    assert (captured.item(), high_quality.item()) == (1, 0.5)
    assert mode_coverage(x, MODES, sd=0.1, radius=4).captured == 2
    assert mode_coverage(x + 100, MODES, sd=0.1) == (0, 0)


def test_overlapping_discs_credit_the_nearest_mode_only():
    close = torch.tensor([[0.0], [0.1]], dtype=F64)
    assert mode_coverage(torch.full((9, 1), 0.04, dtype=F64), close, sd=0.1).captured == 1


def test_mode_coverage_of_replicas():
    x = 2 * randn(4, 3, 50, 2)
    captured, high_quality = mode_coverage(x, MODES, sd=0.5)
    assert captured.shape == high_quality.shape == (4, 3)
    assert captured.dtype == torch.int64
    for i, j in np.ndindex(4, 3):
        single = mode_coverage(x[i, j], MODES, sd=0.5)
        assert (captured[i, j], high_quality[i, j]) == (single.captured, single.high_quality)


# Kernel density


def test_kernel_density_anchors():
    samples, x = torch.tensor([[0.0], [1.0], [3.0]], dtype=F64), torch.tensor([[0.5], [2.0]])
    value = kernel_density(samples, x.double(), 0.5)
    assert value.tolist() == pytest.approx([-1.131253389, -2.630017852], abs=1e-9)


def test_kernel_density_equals_a_sum_of_scipy_densities():
    samples, x, h = randn(40, 3), 2 * randn(7, 3, seed=1), 0.6
    expected = [
        np.log(np.mean([stats.multivariate_normal(s, h**2 * np.eye(3)).pdf(t) for s in samples]))
        for t in x.numpy()
    ]
    assert kernel_density(samples, x, h).numpy() == pytest.approx(expected, abs=1e-10)


def test_kernel_density_integrates_to_one():
    samples = randn(5, 1)

    def density(t):
        return kernel_density(samples, torch.tensor([[t]], dtype=F64), 0.4).exp().item()

    assert integrate.quad(density, -8, 8, limit=200)[0] == pytest.approx(1, abs=1e-8)


def test_kernel_density_is_exact_in_the_tail_and_far_from_the_origin():
    far = kernel_density(torch.zeros(2, 1, dtype=F64), torch.full((1, 1), 1e3, dtype=F64), 1.0)
    assert far.item() == pytest.approx(stats.norm.logpdf(1e3), rel=1e-12)
    samples, x = randn(30, 5, dtype=torch.float32), randn(8, 5, seed=1, dtype=torch.float32)
    here = kernel_density(samples.double(), x.double(), 0.1)
    moved = kernel_density(samples.double() + 1e6, x.double() + 1e6, 0.1)
    assert moved.numpy() == pytest.approx(here.numpy(), abs=1e-3)
    single = kernel_density(samples, x, 0.1)
    assert single.dtype == torch.float32
    assert single.numpy() == pytest.approx(here.numpy(), rel=1e-6)


def test_slices_change_nothing(monkeypatch):
    samples, x = randn(20, 4), randn(33, 4, seed=1)
    density, neighbours = kernel_density(samples, x, 0.5), nearest_neighbours(x, samples, 3)
    monkeypatch.setattr(metrics, "CHUNK", 100)
    assert torch.allclose(kernel_density(samples, x, 0.5), density, atol=1e-12)
    for whole, sliced in zip(neighbours, nearest_neighbours(x, samples, 3), strict=True):
        assert torch.equal(whole, sliced)


def test_select_bandwidth_maximises_the_validation_density():
    samples, validation = randn(300, 2), randn(200, 2, seed=1)
    candidates = torch.logspace(-2, 1, 16, dtype=F64)
    scores = [kernel_density(samples, validation, h.item()).mean() for h in candidates]
    best = select_bandwidth(samples, validation, candidates.flip(0))
    assert best == candidates[int(torch.stack(scores).argmax())].item()
    # the plug-in value of Silverman for N(0, I_2), n^(-1/6), is within a factor of 2
    assert 0.5 < best / 300 ** (-1 / 6) < 2


def test_select_bandwidth_refuses_an_end_of_the_range():
    x = randn(100, 1)
    with pytest.raises(ValueError, match="^bandwidths: the best, 0.05, is an end of the range"):
        select_bandwidth(x[:50], x[50:], [0.01, 0.02, 0.05])
    assert select_bandwidth(x[:50], x[50:], [0.01, 0.02, 0.05], strict=False) == 0.05


def test_standard_error_equals_scipy():
    values = randn(3, 50)
    assert standard_error(values).numpy() == pytest.approx(stats.sem(values, axis=-1))


# Neighbours, classes, transport


@pytest.mark.parametrize("k", [1, 4])
def test_nearest_neighbours_equal_a_tree_search(k):
    x, reference = randn(50, 3), randn(80, 3, seed=1)
    distance, index = nearest_neighbours(x, reference, k)
    expected_distance, expected_index = cKDTree(reference).query(x, k=list(range(1, k + 1)))
    assert distance.numpy() == pytest.approx(expected_distance, abs=1e-12)
    assert np.array_equal(index, expected_index)


def test_a_copy_is_at_distance_zero():
    reference = 1000 + torch.rand(60, 784, generator=torch.Generator().manual_seed(0))
    distance, index = nearest_neighbours(reference[[7, 3]], reference)
    assert distance.flatten().tolist() == [0.0, 0.0]
    assert index.flatten().tolist() == [7, 3]


def test_class_shares():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 0.0, 0.0]], dtype=F64)
    share, confidence = class_shares(torch.stack([logits, logits.flip(0)]))
    top = [math.exp(v) / (math.exp(v) + 2) for v in (2, 3, 1)]
    assert share.tolist() == [pytest.approx([2 / 3, 1 / 3, 0])] * 2
    assert confidence.tolist() == pytest.approx([sum(top) / 3] * 2)


@pytest.mark.parametrize("n", [1, 6, 9])
def test_wasserstein_equals_scipy(n):
    x, y = randn(4, n), 1 + 2 * randn(4, 6, seed=1)
    y[:, 0] = x[:, 0]  # a tie
    expected = [stats.wasserstein_distance(a, b) for a, b in zip(x, y, strict=True)]
    assert wasserstein_1d(x, y).numpy() == pytest.approx(expected, abs=1e-12)
    assert wasserstein_1d(x[0], y)[0].item() == pytest.approx(expected[0], abs=1e-12)
    assert wasserstein_1d(x, x).abs().max() < 1e-12


# Errors


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: mode_coverage(torch.zeros(3, 1), MODES, 0.1), "samples must"),
        (lambda: mode_coverage(torch.zeros(0, 2), MODES, 0.1), "samples and modes must"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, 0.0), "sd"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, 1.0, math.nan), "radius"),
        (lambda: kernel_density(torch.zeros(3, 2), torch.zeros(3), 1.0), "samples and test"),
        (lambda: kernel_density(torch.zeros(3, 2), torch.zeros(3, 2), -1.0), "bandwidth"),
        (lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(0, 2), [1.0]), "samples and val"),
        (lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), []), "bandwidths"),
        (lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), [0.0]), "bandwidths"),
        (lambda: standard_error(torch.zeros(3, 1)), "values"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 1)), "x and reference"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 2), 4), "k must"),
        (lambda: class_shares(torch.zeros(3)), "logits"),
        (lambda: wasserstein_1d(torch.zeros(0), torch.zeros(1)), "x and y must"),
        (lambda: wasserstein_1d(torch.zeros(2, 1), torch.zeros(3, 1)), "x and y: leading"),
    ],
)
def test_errors_name_the_argument(call, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        call()
