"""Metrics against scipy, brute force, quadrature and closed forms."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, stats
from scipy.spatial import cKDTree
from torch.distributions import Independent, Normal

from gannotes import metrics
from gannotes.distributions import standard_normal
from gannotes.evidence import annealed_importance_sampling, importance_weighted
from gannotes.metrics import (
    class_shares,
    inception_score,
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
    """I11."""
    samples, x = torch.tensor([[0.0], [1.0], [3.0]], dtype=F64), torch.tensor([[0.5], [2.0]])
    value = kernel_density(samples, x.double(), 0.5)
    assert value.tolist() == pytest.approx([-1.131253389, -2.630017852], abs=1e-9)


def test_kernel_density_equals_a_sum_of_scipy_densities():
    """I11."""
    samples, x, h = randn(40, 3), 2 * randn(7, 3, seed=1), 0.6
    expected = [
        np.log(np.mean([stats.multivariate_normal(s, h**2 * np.eye(3)).pdf(t) for s in samples]))
        for t in x.numpy()
    ]
    assert kernel_density(samples, x, h).numpy() == pytest.approx(expected, abs=1e-10)


def test_kernel_density_integrates_to_one():
    """I11."""
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
    """I11."""
    samples, validation = randn(300, 2), randn(200, 2, seed=1)
    candidates = torch.logspace(-2, 1, 16, dtype=F64)
    scores = [kernel_density(samples, validation, h.item()).mean() for h in candidates]
    best = select_bandwidth(samples, validation, candidates.flip(0))
    assert best == candidates[int(torch.stack(scores).argmax())].item()
    # the plug-in value of Silverman for N(0, I_2), n^(-1/6), is within a factor of 2
    assert 0.5 < best / 300 ** (-1 / 6) < 2


def test_select_bandwidth_refuses_an_end_of_the_range():
    x = randn(100, 1)
    with pytest.raises(ValueError, match="^bandwidths: expected .* of which 0.05 is best"):
        select_bandwidth(x[:50], x[50:], [0.01, 0.02, 0.05])
    with pytest.raises(ValueError, match="^bandwidths: expected .* of which 0.05 is best"):
        select_bandwidth(x[:50], x[50:], [0.01, 0.02, 0.03, 0.05])
    assert select_bandwidth(x[:50], x[50:], [0.01, 0.02, 0.05], strict=False) == 0.05


def test_standard_error_of_a_rate_is_the_binomial_one():
    """I14: 12 of 50 votes."""
    votes = torch.cat([torch.ones(12), torch.zeros(38)])
    binomial = stats.binom(50, 12 / 50).std() / 50
    assert standard_error(votes).item() == pytest.approx(binomial * math.sqrt(50 / 49))


def test_standard_error_equals_scipy():
    """T03."""
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


@pytest.mark.parametrize("K", [2, 10])
def test_the_inception_score_has_its_known_answers(K):
    """I12: one for an answer that is always the same, K for sure answers in equal numbers."""
    constant = randn(1, K).expand(30, K)
    one_hot = torch.eye(K, dtype=F64).repeat(7, 1).log()  # minus infinity is a logit
    assert inception_score(constant).item() == pytest.approx(1, abs=1e-12)
    assert inception_score(one_hot).item() == pytest.approx(K, abs=1e-12)
    half = torch.cat([one_hot, one_hot[:1].expand(len(one_hot), K)])  # half of all are the first
    entropy = stats.entropy([(1 + K) / (2 * K)] + (K - 1) * [1 / (2 * K)])
    assert inception_score(half).item() == pytest.approx(math.exp(entropy), abs=1e-12)


def test_the_inception_score_is_the_mean_divergence_from_the_mean():
    """I12: against the other form of the definition, the sum of divergences, with scipy."""
    logits = 2 * randn(3, 40, 5)
    p = logits.softmax(-1).numpy()
    expected = [np.exp(np.mean([stats.entropy(row, part.mean(0)) for row in part])) for part in p]
    score = inception_score(logits)
    assert score.shape == (3,)
    assert score.numpy() == pytest.approx(expected, abs=1e-12)
    assert (score > 1.1).all()
    assert torch.equal(
        inception_score(logits + 7 * randn(3, 40, 1)).round(decimals=9), score.round(decimals=9)
    )
    assert inception_score(logits.float()).numpy() == pytest.approx(expected, rel=1e-5)


def test_the_inception_score_never_exceeds_the_number_of_samples():
    """I12."""
    sure = 100 * torch.eye(10, dtype=F64)
    scores = [inception_score(sure[:n]).item() for n in range(1, 11)]
    assert scores == pytest.approx(range(1, 11), abs=1e-12)


@pytest.mark.parametrize("n", [1, 6, 9])
def test_wasserstein_equals_scipy(n):
    x, y = randn(4, n), 1 + 2 * randn(4, 6, seed=1)
    y[:, 0] = x[:, 0]  # a tie
    expected = [stats.wasserstein_distance(a, b) for a, b in zip(x, y, strict=True)]
    assert wasserstein_1d(x, y).numpy() == pytest.approx(expected, abs=1e-12)
    assert wasserstein_1d(x[0], y)[0].item() == pytest.approx(expected[0], abs=1e-12)
    assert wasserstein_1d(x, x).abs().max() < 1e-12


# Evidence


# Errors


def sum_of(z):
    return z.sum(-1)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: mode_coverage(torch.zeros(3, 1), MODES, 0.1), "samples: expected"),
        (lambda: mode_coverage(torch.zeros(2), MODES, 0.1), "samples: expected"),
        (lambda: mode_coverage(torch.zeros(3, 3), MODES, 0.1), "samples: expected"),
        (lambda: mode_coverage(torch.zeros(3, 2), torch.zeros(2), 0.1), "modes: expected"),
        (lambda: mode_coverage(torch.zeros(3, 2), torch.zeros(1, 3, 2), 0.1), "modes: expected"),
        (lambda: mode_coverage(torch.zeros(0, 2), MODES, 0.1), "samples: expected"),
        (lambda: mode_coverage(torch.zeros(3, 0, 2), MODES, 0.1), "samples: expected"),
        (lambda: mode_coverage(torch.zeros(3, 2), torch.zeros(0, 2), 0.1), "modes: expected"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, math.inf), "sd"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, 1.0, float("inf")), "radius"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, 0.0), "sd"),
        (lambda: mode_coverage(torch.zeros(3, 2), MODES, 1.0, math.nan), "radius"),
        (
            lambda: kernel_density(torch.zeros(3, 2), torch.zeros(3), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3), torch.zeros(3, 3), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3, 2), torch.zeros(2), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(1, 3, 2), torch.zeros(3, 2), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3, 2), torch.zeros(1, 3, 2), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3, 2), torch.zeros(3, 1), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3, 1), torch.zeros(3, 2), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(0, 2), torch.zeros(3, 2), 1.0),
            "(samples|test):",
        ),
        (
            lambda: kernel_density(torch.zeros(3, 2), torch.zeros(0, 2), 1.0),
            "(samples|test):",
        ),
        (lambda: kernel_density(torch.zeros(3, 2), torch.zeros(3, 2), -1.0), "bandwidth"),
        (
            lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(0, 2), [1.0]),
            "validation:",
        ),
        (lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), []), "bandwidths"),
        (lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), [0.0]), "bandwidths"),
        (
            lambda: select_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), [0.1, 1.0, -1.0]),
            "bandwidths: expected",
        ),
        (lambda: standard_error(torch.zeros(3, 1)), "values"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 1)), "reference: expected"),
        (lambda: standard_error(torch.tensor(1.0)), "values"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 2), 4), "k: expected"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 2), 0), "k: expected"),
        (lambda: nearest_neighbours(torch.zeros(3, 2), torch.zeros(3, 2), 1.0), "k: expected"),
        (lambda: class_shares(torch.zeros(3)), "logits"),
        (lambda: class_shares(torch.zeros(0, 3)), "logits"),
        (lambda: inception_score(torch.zeros(3)), "logits: expected"),
        (lambda: inception_score(torch.zeros(0, 3)), "logits: expected"),
        (lambda: inception_score(torch.tensor([[0.0, math.nan]])), "logits: expected rows"),
        (lambda: wasserstein_1d(torch.zeros(0), torch.zeros(1)), "[xy]: expected"),
        (lambda: wasserstein_1d(torch.zeros(1), torch.zeros(0)), "[xy]: expected"),
        (lambda: wasserstein_1d(torch.tensor(0.0), torch.zeros(1)), "[xy]: expected"),
        (lambda: wasserstein_1d(torch.zeros(1), torch.tensor(0.0)), "[xy]: expected"),
        (lambda: wasserstein_1d(torch.zeros(2, 1), torch.zeros(3, 1)), "x, y: expected leading"),
        (lambda: wasserstein_1d(torch.zeros(2, 3, 1), torch.zeros(2, 1)), "x, y: expected leading"),
        (lambda: wasserstein_1d(torch.zeros(2, 1), torch.zeros(2, 3, 1)), "x, y: expected leading"),
        (lambda: importance_weighted(sum_of, standard_normal(2), 0), "samples: expected"),
        (lambda: importance_weighted(sum_of, standard_normal(2), True), "samples: expected"),
        (lambda: importance_weighted(sum_of, standard_normal(2), 1.0), "samples: expected"),
        (lambda: importance_weighted(sum_of, standard_normal(2), 1, 0), "chunk: expected"),
        (lambda: importance_weighted(lambda z: z, standard_normal(2)), "log_joint: expected one"),
        (lambda: importance_weighted(torch.sum, standard_normal(2)), "log_joint: expected one"),
        (
            lambda: importance_weighted(lambda z: z, standard_normal(2).expand((3,)), 4),
            r"log_joint: .* shape \(4, 3\), got \(4, 3, 2\)",
        ),
        (lambda: annealed_importance_sampling(sum_of, standard_normal(2), 0), "chains: expected"),
        (lambda: annealed_importance_sampling(sum_of, standard_normal(2), 1, 0), "temperatures"),
        (lambda: annealed_importance_sampling(sum_of, standard_normal(2), 1, 1, 0), "leapfrog"),
        (lambda: annealed_importance_sampling(sum_of, standard_normal(2), 1, 1, 1, 0), "pilots"),
        (lambda: annealed_importance_sampling(sum_of, Normal(0.0, 1.0)), "q: expected vectors"),
        (
            lambda: annealed_importance_sampling(
                sum_of, Independent(Normal(torch.zeros(2, 3), 1.0), 2)
            ),
            "q: expected vectors",
        ),
    ],
)
def test_errors_name_the_argument(call, name):
    with pytest.raises((TypeError, ValueError), match=f"^{name}"):
        call()


def test_what_is_in_memory_at_a_time_is_bounded(monkeypatch):
    assert metrics.CHUNK == 2**20
    monkeypatch.setattr(metrics, "CHUNK", 100)
    for points, rows in ((20, 5), (200, 1), (30, 3)):
        parts = list(metrics._square_distances(randn(33, 4), randn(points, 4, seed=1)))
        assert [square.shape for _, square in parts[:-1]] == [(rows, points)] * (len(parts) - 1)
        assert sum(len(square) for _, square in parts) == 33


def test_ranks_against_scipy():
    x = randn(2, 30, 3).round(decimals=1)
    want = stats.rankdata(x.numpy(), axis=-2)
    assert metrics._ranks(x).numpy() == pytest.approx(want, abs=0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_gap_against_counts_one_pair_at_a_time(ties):
    """N = 60 in 4 classes: informations of contingency tables, by scipy's entropy."""
    factors = randn(2, 60, 2)
    codes = torch.cat([factors + 0.3 * randn(2, 60, 2, seed=1), randn(2, 60, 1, seed=2)], -1)
    if ties:  # then the classes have unequal numbers
        codes[..., :2] = (codes[..., :2] > torch.tensor([0.7, -0.2])).double()
    found = metrics.mutual_information_gap(codes, factors, bins=4)
    for s in range(2):
        c, v = (
            np.floor((stats.rankdata(part[s].numpy(), axis=0) - 0.5) * 4 / 60)
            for part in (codes, factors)
        )
        gaps = []
        for j in range(2):
            edges = np.arange(5) - 0.5
            tables = [np.histogram2d(c[:, k], v[:, j], bins=edges)[0] / 60 for k in range(3)]
            known = [
                stats.entropy(t.sum(0)) + stats.entropy(t.sum(1)) - stats.entropy(t.ravel())
                for t in tables
            ]
            _, second, first = sorted(known)
            gaps.append((first - second) / math.log(4))
        assert found[s].item() == pytest.approx(np.mean(gaps), abs=1e-12)


def test_shares_of_replicas_with_more_samples_than_classes():
    logits = randn(2, 7, 3)
    share, confidence = class_shares(logits)
    assert share.shape == (2, 3)
    for s in range(2):
        one, sure = class_shares(logits[s])
        assert torch.equal(share[s], one)
        assert confidence[s] == pytest.approx(sure.item())


def test_no_replica_at_all_is_no_error():
    assert wasserstein_1d(torch.zeros(0, 3), torch.zeros(0, 2)).shape == (0,)


def test_the_smallest_input_that_is_accepted():
    one = torch.ones(1, 1)
    assert mode_coverage(one, one, 1e-3) == (1, 1.0)
    assert kernel_density(one, one, 1.0).item() == pytest.approx(stats.norm.logpdf(0))
    assert nearest_neighbours(one, one, 1)[1].tolist() == [[0]]
    assert nearest_neighbours(one, torch.tensor([[3.0], [2.0]]), 2)[1].tolist() == [[1, 0]]
    assert standard_error(torch.tensor([2.0, 6.0])).item() == pytest.approx(2)
    assert wasserstein_1d(one[0], 3 * one[0]) == 2
    assert metrics.segmentation_scores(torch.tensor([1]), torch.tensor([1]), 2) == (1, 1, 1, 1)
    assert importance_weighted(sum_of, standard_normal(2), 1, 1).shape == ()
    found = annealed_importance_sampling(sum_of, standard_normal(2), 1, 1, 1, 1)
    assert [tuple(part.shape) for part in found] == [(), (1,), (1, 2), ()]
    two = torch.tensor([[1.0], [2.0]])
    assert metrics.rank_correlation(two, two).item() == pytest.approx(1)
    gap = metrics.mutual_information_gap(torch.cat([two, two.flip(0)], 1), two, bins=2)
    assert gap.item() == pytest.approx(0, abs=1e-12)  # both codes tell the factor


def test_the_range_of_bandwidths_has_two_ends():
    x = randn(100, 1)
    for candidates in ([0.3, 30.0, 60.0], [0.3]):
        ends = rf"got 0.3 to {candidates[-1]:.4g}, of which 0.3 is best; widen"
        with pytest.raises(ValueError, match=f"^bandwidths: expected .*, {ends}"):
            select_bandwidth(x[:50], x[50:], candidates)
    assert select_bandwidth(x[:50], x[50:], [0.001, 0.3, 30.0]) == 0.3


def test_the_defaults_are_those_that_the_docstrings_and_the_papers_give():
    """I10: 16 chains; Srivastava et al.: three standard deviations."""

    def defaults(function):
        found = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in found if p.default is not p.empty}

    assert defaults(mode_coverage) == {"radius": 3.0}
    assert defaults(select_bandwidth) == {"strict": True}
    assert defaults(nearest_neighbours) == {"k": 1}
    assert defaults(metrics.mutual_information_gap) == {"bins": 20}
    assert defaults(importance_weighted) == {"samples": 5000, "chunk": 100}
    annealing = {"chains": 16, "temperatures": 500, "leapfrog": 10, "pilots": 4}
    assert defaults(annealed_importance_sampling) == annealing


def test_transport_of_replicas_broadcasts():
    x, y = randn(2, 3, 40), randn(3, 50, seed=1)
    found = wasserstein_1d(x, y)
    assert found.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        want = stats.wasserstein_distance(x[i, j], y[j])
        assert found[i, j].item() == pytest.approx(want, abs=1e-12)
    torch.testing.assert_close(wasserstein_1d(y, x), found)


# Segmentation


def test_segmentation_scores_by_hand():
    """I13: the confusion matrix (6, 1, 1), (2, 5, 1), (0, 0, 4), rows the truth."""
    n = np.array([[6, 1, 1], [2, 5, 1], [0, 0, 4]])
    truth = np.repeat(np.arange(3), n.sum(1))
    predicted = np.concatenate([np.repeat(np.arange(3), row) for row in n])
    order = np.random.default_rng(0).permutation(20)
    images = [torch.tensor(part[order]).reshape(2, 5, 2) for part in (predicted, truth)]
    found = metrics.segmentation_scores(*images, 3)
    assert found.pixel_accuracy == pytest.approx(15 / 20)
    assert found.class_accuracy == pytest.approx((6 / 8 + 5 / 8 + 1) / 3)
    assert found.class_iou == pytest.approx((6 / 10 + 5 / 9 + 4 / 6) / 3)
    assert found.weighted_iou == pytest.approx((8 * 6 / 10 + 8 * 5 / 9 + 4 * 4 / 6) / 20)


def test_segmentation_scores_at_their_ends_and_without_an_absent_class():
    """I13."""
    truth = torch.tensor([0, 0, 1, 1])
    assert metrics.segmentation_scores(truth, truth, 3) == (1, 1, 1, 1)
    assert metrics.segmentation_scores(1 - truth, truth, 3) == (0, 0, 0, 0)
    one_class = metrics.segmentation_scores(torch.zeros_like(truth), truth, 3)
    assert one_class == (0.5, 0.5, 0.25, 0.25)


def test_segmentation_scores_refuse_what_does_not_fit():
    truth = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"predicted, truth: expected equal shapes, got \(3,\)"):
        metrics.segmentation_scores(torch.zeros(3, dtype=torch.int64), truth, 2)
    with pytest.raises(ValueError, match="truth: expected classes from 0 to 0, got 0 to 1"):
        metrics.segmentation_scores(torch.zeros_like(truth), truth, 1)
    with pytest.raises(ValueError, match="predicted: expected classes from 0 to 1, got 0 to 2"):
        metrics.segmentation_scores(2 * truth, truth, 2)
    with pytest.raises(ValueError, match="predicted: expected classes from 0 to 1, got -1 to 0"):
        metrics.segmentation_scores(-truth, truth, 2)
    with pytest.raises(ValueError, match="truth: expected classes from 0 to 1, got -1 to 0"):
        metrics.segmentation_scores(truth, -truth, 2)
    with pytest.raises(ValueError, match="predicted: expected classes from 0 to 2, got 0 to 4"):
        metrics.segmentation_scores(4 * truth, truth, 3)
    with pytest.raises(ValueError, match="^truth: expected a tensor of integers"):
        metrics.segmentation_scores(truth[:0], truth[:0], 2)
    with pytest.raises(ValueError, match="expected equal shapes"):
        metrics.segmentation_scores(truth[:1], truth, 2)


# Codes and factors


def test_rank_correlation_against_scipy():
    x, y = torch.randn(2, 200, 3), torch.randn(2, 200, 2).round()  # ties in y
    x[..., 0] += y[..., 1]
    found = metrics.rank_correlation(x.double(), y.double())
    for s in range(2):
        for k in range(3):
            for j in range(2):
                want = stats.spearmanr(x[s, :, k], y[s, :, j]).statistic
                assert found[s, k, j].item() == pytest.approx(want, abs=1e-12)
    line = torch.linspace(-1, 2, 50)[:, None]
    assert metrics.rank_correlation(line, -line.exp()).item() == pytest.approx(-1, abs=1e-6)


def test_mutual_information_gap_has_its_known_answers():
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(4000, 3, generator=generator, dtype=torch.float64)
    permuted = torch.stack([-factors[:, 2], factors[:, 0].exp(), factors[:, 1] ** 3], 1)
    assert metrics.mutual_information_gap(permuted, factors).item() == pytest.approx(1, abs=0.06)
    noise = torch.rand(4000, 3, generator=generator, dtype=torch.float64)
    assert abs(metrics.mutual_information_gap(noise, factors).item()) < 0.02
    twice = permuted[:, [0, 0, 1, 1, 2, 2]]
    assert metrics.mutual_information_gap(twice, factors).item() == pytest.approx(0, abs=1e-12)
    # Two bins by hand: the code tells a fair bit that is flipped in one of four.
    bit = torch.tensor([0.0] * 4 + [1.0] * 4, dtype=torch.float64)[:, None]
    code = torch.tensor([[0, 0, 0, 1, 0, 1, 1, 1]], dtype=torch.float64).T
    other = torch.tensor([[0, 1, 0, 1, 0, 1, 0, 1]], dtype=torch.float64).T
    want = 1 - stats.entropy([0.25, 0.75], base=2)
    found = metrics.mutual_information_gap(torch.cat([code, other], 1), bit, bins=2)
    assert found.item() == pytest.approx(want, abs=1e-12)


def test_codes_and_factors_that_do_not_fit_are_refused():
    x = torch.rand(5, 2)
    with pytest.raises(ValueError, match=r"^x, y: expected the same"):
        metrics.rank_correlation(x, torch.rand(4, 2))
    for first, second in (
        (x[:, 0], x[:, 0]),
        (x[:, :0], x),
        (x, x[:, :0]),
        (x.expand(3, 5, 2), x),
        (x.expand(3, 5, 2), x.expand(2, 5, 2)),
    ):
        with pytest.raises(ValueError, match=r"^(x|y|x, y): expected"):
            metrics.rank_correlation(first, second)
    with pytest.raises(ValueError, match="^x: expected finite numbers, got inf"):
        metrics.rank_correlation(torch.tensor([[1.0], [math.inf]]), x[:2])
    with pytest.raises(ValueError, match="^x: expected finite numbers, got inf"):
        metrics.rank_correlation(x / 0, x)
    with pytest.raises(ValueError, match="^y: expected finite numbers, got nan"):
        metrics.rank_correlation(x, x * math.nan)
    with pytest.raises(ValueError, match="^y: expected columns that vary"):
        metrics.rank_correlation(x, torch.ones(5, 1))
    with pytest.raises(ValueError, match="^codes: expected two columns or more"):
        metrics.mutual_information_gap(x[:, :1], x)
    with pytest.raises(ValueError, match="^codes: expected two columns or more"):
        metrics.mutual_information_gap(x.expand(3, 5, 2)[..., :1], x.expand(3, 5, 2))
    for bins in (9, 6, 1, 2.0, True):
        with pytest.raises((TypeError, ValueError), match="^bins: expected an integer from 2 to 5"):
            metrics.mutual_information_gap(x, x, bins=bins)
    assert metrics.mutual_information_gap(x, x, bins=5).shape == ()
    with pytest.raises(ValueError, match="^factors: expected columns that vary"):
        metrics.mutual_information_gap(x, torch.ones(5, 1), bins=2)


# Types and numbers that once passed through in silence


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_narrow_labels_do_not_wrap(dtype):
    labels = torch.arange(20).to(dtype)  # 20 * 19 + 19 is beyond a byte
    assert metrics.segmentation_scores(labels, labels, 20) == (1, 1, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_half_precision_is_computed_in_full(dtype):
    x = randn(50, 2).to(dtype)
    wide = x.double()
    for function in (class_shares, inception_score):
        found, want = function(x), function(wide)
        found, want = (part if isinstance(part, tuple) else (part,) for part in (found, want))
        for a, b in zip(found, want, strict=True):
            assert a.dtype == dtype
            torch.testing.assert_close(a.double(), b, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_sample_that_is_no_number_is_never_counted(share):
    """Once a tenth of good points among NaN had a quality of 0.1, and one captured mode."""
    x = MODES.repeat(10, 1)
    x[: int(share * len(x))] = math.nan
    for call in (
        lambda: mode_coverage(x, MODES, 0.1),
        lambda: select_bandwidth(x, MODES, [0.1, 0.2, 0.3], strict=False),
        lambda: nearest_neighbours(x, MODES),
        lambda: wasserstein_1d(x[:, 0], MODES[:, 0]),
    ):
        with pytest.raises(ValueError, match="^(samples|x): expected finite numbers, got nan"):
            call()
    with pytest.raises(ValueError, match="^logits: expected rows with a softmax"):
        class_shares(x)


def test_a_density_under_a_narrow_kernel_is_a_number():
    found = kernel_density(MODES, MODES + 0.1, 1e-150)
    assert found.isfinite().all()
    with pytest.raises(ValueError, match="^bandwidth: expected a number from 1e-150"):
        kernel_density(MODES, MODES, 1e-200)


# Fréchet distance, precision and recall, and the share of which a classifier is sure


def spd(d, seed):
    root = randn(d, d, seed=seed)
    return root @ root.T / d + 0.1 * torch.eye(d, dtype=F64)


def test_the_distance_of_gaussians_is_that_of_scipys_matrix_root():
    A, C, m, n = spd(5, 1), spd(5, 2), randn(5, seed=3), randn(5, seed=4)
    root = linalg.sqrtm((A @ C).numpy()).real
    expected = (m - n).square().sum() + (A + C).trace() - 2 * np.trace(root)
    found = metrics.gaussian_frechet(m, A, n, C)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    assert metrics.gaussian_frechet(n, C, m, A).item() == pytest.approx(found.item(), rel=1e-9)
    assert metrics.gaussian_frechet(m, A, m, A).item() == pytest.approx(0, abs=1e-12)


def test_commuting_and_singular_covariances_have_their_closed_form():
    a, c = torch.tensor([4.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    zero = torch.zeros(3)
    found = metrics.gaussian_frechet(zero, torch.diag(a), zero, torch.diag(c))
    assert found.item() == pytest.approx((a.sqrt() - c.sqrt()).square().sum().item(), abs=1e-9)


def draws(n, d=4):
    """Two Gaussian clouds whose squared distance is known."""
    A, C, m = spd(d, 1), spd(d, 2), 0.3 * randn(d, seed=3)
    true = metrics.gaussian_frechet(torch.zeros(d), A, m, C).item()

    def pair(seed):
        x = randn(n, d, seed=seed) @ torch.linalg.cholesky(A).T
        y = randn(n, d, seed=seed + 10_000) @ torch.linalg.cholesky(C).T + m
        return x, y

    return pair, true


def test_the_plug_in_is_that_of_the_sample_moments():
    pair, _ = draws(50)
    x, y = pair(0)
    expected = metrics.gaussian_frechet(x.mean(0), x.T.cov(), y.mean(0), y.T.cov()).item()
    found = metrics.frechet_distance(x, y)
    assert found.plug_in == pytest.approx(expected, rel=1e-10)
    rest = [[torch.cat([p[h::5] for h in range(5) if h != g]) for p in (x, y)] for g in range(5)]
    left = torch.tensor([metrics.frechet_distance(*part).plug_in for part in rest], dtype=F64)
    by_hand = metrics.frechet_distance(x, y, groups=5)
    assert by_hand.distance == pytest.approx(5 * expected - 4 * left.mean().item(), rel=1e-9)
    assert by_hand.error == pytest.approx((4 * left.var(correction=0)).sqrt().item(), rel=1e-9)


def test_the_jackknife_removes_the_bias_and_its_error_covers_the_truth():
    """The plug-in is too large by many standard errors of its mean, the corrected value by none."""
    pair, true = draws(50)
    found = [metrics.frechet_distance(*pair(seed)) for seed in range(200)]
    plug_in, distance, error = (torch.tensor(part, dtype=F64) for part in zip(*found, strict=True))
    assert (plug_in.mean() - true) / standard_error(plug_in) > 6
    assert abs(distance.mean() - true) / standard_error(distance) < 3
    assert error.square().mean().sqrt() == pytest.approx(distance.std().item(), rel=0.15)


def test_the_distance_of_one_law_is_zero_within_its_error():
    x = randn(2000, 3)
    found = metrics.frechet_distance(x[:1000], x[1000:])
    assert abs(found.distance) < 3 * found.error
    assert found.plug_in > found.distance
    assert metrics.frechet_distance(x, x).plug_in == pytest.approx(0, abs=1e-9)


def test_the_errors_do_not_care_for_units_and_origin():
    x, y = draws(100)[0](5)
    found, scaled = (
        metrics.frechet_distance(x, y),
        metrics.frechet_distance(9 * x + 1e3, 9 * y + 1e3),
    )
    assert [part / 81 for part in scaled] == pytest.approx(found, rel=1e-6)


def test_precision_and_recall_of_points_on_a_line():
    """Balls of the data: around 0, 1, 3 with radii 1, 1, 2; the isolated 20 has one of 17."""
    y = torch.tensor([[0.0], [1.0], [3.0], [20.0]])
    x = torch.tensor([[-1.01], [-1.0], [2.5], [37.5]])
    found = metrics.precision_recall(x, y, k=1)
    assert found.precision == 2 / 4
    assert found.precision_error == pytest.approx(0.25)
    # Balls of the samples: radii 0.01, 0.01, 3.5, 35.
    assert found.recall == 3 / 4 + 1 / 4
    assert found.recall_error == 0


def test_a_copy_of_the_data_has_both_and_a_far_cloud_neither():
    y = randn(60, 3)
    assert metrics.precision_recall(y.flip(0), y) == (1, 1, 0, 0)
    assert metrics.precision_recall(y + 1000, y) == (0, 0, 0, 0)
    ties = torch.zeros(8, 2)
    assert metrics.precision_recall(ties, ties)[:2] == (1, 1)


def test_a_lost_mode_costs_recall_and_a_false_one_precision():
    one, other = randn(400, 2, seed=1), randn(400, 2, seed=2) + 50
    both = torch.cat([one[:200], other[:200]])
    lost = metrics.precision_recall(one[200:], both)
    false = metrics.precision_recall(torch.cat([one[200:], other[200:]]), one[:200])
    assert lost.precision > 0.9
    assert lost.recall == pytest.approx(0.5, abs=0.05)
    assert false.precision == pytest.approx(0.5, abs=0.05)
    assert false.recall > 0.9


def test_precision_and_recall_by_brute_force(monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", 64)  # several slices
    x, y = randn(40, 2, seed=1), 0.7 * randn(30, 2, seed=2)

    def inside(a, b, k):
        radius = torch.cdist(b, b).sort(1).values[:, k]
        return (torch.cdist(a, b) <= radius).any(1).double().mean().item()

    for k in (1, 3, 5):
        found = metrics.precision_recall(x, y, k)
        assert found[:2] == pytest.approx((inside(x, y, k), inside(y, x, k)))
    swapped = metrics.precision_recall(y, x, 5)
    assert swapped[:2] == (found.recall, found.precision)


def test_the_share_of_which_a_classifier_is_sure():
    p = torch.tensor([[0.96, 0.04], [0.5, 0.5], [0.02, 0.98], [0.94, 0.06]], dtype=F64)
    assert metrics.confident_share(p.log()) == (0.5, 0.25)
    assert metrics.confident_share(p.log(), 0.9).share == 0.75
    assert metrics.confident_share(p.log(), 1) == (0, 0)
    assert metrics.confident_share(p.log() + 7, 0) == (1, 0)


@pytest.mark.parametrize("judge", [metrics.frechet_distance, metrics.precision_recall])
def test_features_that_do_not_fit_are_refused(judge):
    x = randn(30, 2)
    with pytest.raises(
        ValueError, match=r"^y: expected .* of shape \(n, 2\), got shape \(30, 3\)$"
    ):
        judge(x, randn(30, 3))
    with pytest.raises(ValueError, match=r"^x: expected .* of shape \(n, d\), got shape \(30,\)$"):
        judge(x[:, 0], x)
    with pytest.raises(ValueError, match="^y: expected finite numbers, got nan$"):
        judge(x, x * torch.tensor([math.nan, 1.0]))
    for wrong in (0, 31, 1.5, True):
        with pytest.raises(
            (TypeError, ValueError), match=r"^(k|groups): expected an integer from "
        ):
            judge(x, x, wrong)


def test_logits_and_thresholds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^logits: expected .* of shape \(N, K\)"):
        metrics.confident_share(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="^logits: expected rows with a softmax"):
        metrics.confident_share(torch.full((2, 3), math.nan))
    with pytest.raises(ValueError, match="^threshold: expected a number from 0 to 1, got 95"):
        metrics.confident_share(torch.zeros(2, 3), 95)
