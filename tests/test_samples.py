"""E01 to E11 against scipy's quadrature, closed forms and the worked numbers of the slides."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Normal

from gannotes.samples import (
    Empirical,
    expectation,
    gauss_hermite,
    log_marginal,
    pathwise_gradient,
    pushforward_log_prob,
    score_function_gradient,
)

F64 = torch.float64


def vector(*values):
    return torch.tensor(values, dtype=F64)


# The latent-variable marginal (E01, E03)


def test_log_marginal_of_a_linear_gaussian_model():
    """E01, E54: z ~ N(0, 1), x | z ~ N(1.5 z + 0.3, 0.25): x ~ N(0.3, 1.5^2 + 0.25)."""
    x = vector(1.2, -3.0)
    log_p = log_marginal(
        lambda z: Normal(1.5 * z[:, 0] + 0.3, 0.5).log_prob(x.unsqueeze(-1)), *gauss_hermite(150)
    )
    assert log_p.numpy() == pytest.approx(stats.norm(0.3, math.sqrt(2.5)).logpdf(x), abs=1e-9)
    assert log_p[0].item() == pytest.approx(-1.539083899, abs=1e-9)


def test_log_marginal_of_a_nonlinear_model_equals_quadrature():
    """E01."""

    def likelihood(z):
        return stats.norm(np.sin(z), 0.7).pdf(0.4) * stats.norm.pdf(z)

    expected = math.log(integrate.quad(likelihood, -12, 12, epsabs=1e-13)[0])
    log_p = log_marginal(
        lambda z: Normal(torch.sin(z[:, 0]), 0.7).log_prob(vector(0.4)), *gauss_hermite(150)
    )
    assert log_p.item() == pytest.approx(expected, abs=1e-10)


def test_log_marginal_given_an_input():
    """E03: x | u, z ~ N(z + 2u, 0.5^2) at u = 0.3: x | u ~ N(0.6, 1.25)."""
    u = 0.3
    log_p = log_marginal(
        lambda z: Normal(z[:, 0] + 2 * u, 0.5).log_prob(vector(1.0)), *gauss_hermite(150)
    )
    assert log_p.item() == pytest.approx(stats.norm(0.6, math.sqrt(1.25)).logpdf(1.0), abs=1e-9)
    assert log_p.item() == pytest.approx(-1.094510309, abs=1e-9)


def test_log_marginal_over_samples_of_the_base():
    torch.manual_seed(0)
    z = torch.randn(100_000, 1, dtype=F64)
    log_weights = torch.full((len(z),), -math.log(len(z)), dtype=F64)
    log_p = log_marginal(lambda z: Normal(z[:, 0], 1.0).log_prob(vector(0.5)), z, log_weights)
    assert log_p.item() == pytest.approx(stats.norm(0, math.sqrt(2)).logpdf(0.5), abs=0.01)


def test_log_marginal_does_not_underflow():
    log_p = log_marginal(lambda z: -1e4 + 0 * z[:, 0], *gauss_hermite(10))
    assert log_p.item() == pytest.approx(-1e4)


@pytest.mark.parametrize("count", [1, 20, 250])
def test_gauss_hermite_has_the_moments_of_the_normal(count):
    z, log_w = gauss_hermite(count)
    for power in range(min(2 * count, 12)):
        moment = (log_w.exp() * z[:, 0] ** power).sum().item()
        assert moment == pytest.approx(stats.norm.moment(power) if power else 1, abs=1e-7)


# The empirical distribution (E02, E04)


def test_empirical_expectation_is_the_mean():
    """E02."""
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    assert torch.equal(Empirical(x).expectation(torch.square), (x**2).sum(0) / 50)


def test_empirical_draws_have_the_frequencies_of_the_samples():
    """E02."""
    p = Empirical(torch.tensor([[0], [0], [0], [1]]))
    draws = p.sample(20_000, torch.Generator().manual_seed(0))
    assert draws.shape == (20_000, 1)
    assert draws.float().mean().item() == pytest.approx(0.25, abs=5 * math.sqrt(3 / 16 / 20_000))
    assert torch.equal(draws, p.sample(20_000, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("width", [None, 2])
def test_empirical_conditional_is_normalised(width):
    """E04: (a, 1), (a, 1), (b, 1), (b, 2): mass 2/3 and 1/3 at u = 1."""
    u = torch.tensor([1, 1, 1, 2])
    u = u if width is None else u.unsqueeze(-1).expand(4, width)
    conditional = Empirical(torch.tensor([0.0, 0.0, 1.0, 1.0]), u).conditional(u[0])
    assert len(conditional.x) == 3
    assert conditional.expectation(lambda x: (x == 0).double()).item() == pytest.approx(2 / 3)
    assert conditional.expectation(lambda x: (x == 1).double()).item() == pytest.approx(1 / 3)


# The push-forward (E05, E10)


def test_pushforward_of_exp_is_log_normal():
    """E05."""
    x = vector(0.1, 1.0, 2.0, 7.0)
    log_p = pushforward_log_prob(x, torch.log, torch.exp, Normal(0.0, 1.0).log_prob)
    assert log_p.numpy() == pytest.approx(stats.lognorm(1).logpdf(x), abs=1e-12)
    assert log_p[2].exp().item() == pytest.approx(0.156874019, abs=1e-9)


def test_pushforward_of_a_decreasing_map_integrates_to_one_and_carries_expectations():
    """E05, E10: G(z) = sinh(-z): E_{p_theta}[cos x] = E_{p_0}[cos G(z)]."""

    def density(t):
        log_p = pushforward_log_prob(
            vector(t), lambda x: -torch.asinh(x), lambda z: -torch.cosh(z), Normal(0, 1.0).log_prob
        )
        return log_p.exp().item()

    total = integrate.quad(density, -np.inf, np.inf, limit=200)[0]
    pushed = integrate.quad(lambda t: np.cos(t) * density(t), -60, 60, limit=500)[0]
    base = integrate.quad(lambda z: np.cos(np.sinh(-z)) * stats.norm.pdf(z), -5, 5, limit=500)[0]
    assert total == pytest.approx(1, abs=1e-7)
    assert pushed == pytest.approx(base, abs=1e-4)


def test_pushforward_outside_the_range_has_no_mass():
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    log_p = pushforward_log_prob(x, torch.log, torch.exp, Normal(0.0, 1.0).log_prob)
    assert log_p[:2].tolist() == [-math.inf, -math.inf]
    (slope,) = torch.autograd.grad(log_p[2], x)
    assert slope[2].item() == pytest.approx(-(1 + math.log(2)) / 2, rel=1e-6)  # d/dx of log-normal


# Monte Carlo (E09, E10)


def test_expectation_is_within_its_error_and_the_error_falls_as_the_root():
    """E09, E10."""
    torch.manual_seed(0)
    x = 0.7 + 0.5 * torch.randn(200, 1_000, dtype=F64)
    value, error = expectation(torch.sin, x)
    truth = 0.568520114
    z = (value - truth) / error
    assert value.shape == error.shape == (200,)
    assert z.abs().max() < 5
    assert z.std().item() == pytest.approx(1, abs=0.2)
    assert (expectation(torch.sin, x[:, :250]).standard_error / error).mean() == pytest.approx(
        2, abs=0.05
    )


def test_expectation_equals_scipy_sem():
    """E09."""
    x = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=F64)
    value, error = expectation(torch.exp, x)
    assert value.item() == pytest.approx(np.exp(x.numpy()).mean())
    assert error.item() == pytest.approx(stats.sem(np.exp(x.numpy())))


# The two gradients (E11, I02): x = mu + s z, mu = 0.7, s = 0.5

MU, S = 0.7, 0.5
# l, its derivative, and E l, d/dmu, d/ds as printed; variances of d/dmu: pathwise, score
CASES = {
    "sin": (torch.sin, np.sin, np.cos, 0.568520114, 0.674970861, -0.284260057),
    "square": (torch.square, np.square, lambda x: 2 * x, 0.74, 1.4, 1.0),
}
VARIANCES = {"sin": (0.095959478, 1.544414336), "square": (1.0, 11.5704)}


def normal_expectation(h):
    """E[h(z)] for z ~ N(0, 1), by scipy's quadrature."""
    return integrate.quad(lambda z: h(z) * stats.norm.pdf(z), -12, 12, epsabs=1e-12, limit=200)[0]


def strata(count):
    """Mid-points of equally likely strata of N(0, 1): an average over them is a quadrature."""
    return torch.special.ndtri((torch.arange(count, dtype=F64) + 0.5) / count)


def gradients(estimator, l, shape, z):
    mu = torch.full(shape, MU, dtype=F64, requires_grad=True)
    s = torch.full(shape, S, dtype=F64, requires_grad=True)
    if estimator == "pathwise":
        return pathwise_gradient(l, lambda z: mu + s * z, [mu, s], z)
    return score_function_gradient(l, lambda x: Normal(mu, s).log_prob(x), [mu, s], mu + s * z)


@pytest.mark.parametrize("estimator", ["pathwise", "score"])
@pytest.mark.parametrize("name", CASES)
def test_both_gradients_have_the_right_mean(name, estimator):
    """E11, I02."""
    l, value, slope, e_l, d_mu, d_s = CASES[name]
    assert normal_expectation(lambda z: value(MU + S * z)) == pytest.approx(e_l, abs=1e-8)
    assert normal_expectation(lambda z: slope(MU + S * z)) == pytest.approx(d_mu, abs=1e-8)
    assert normal_expectation(lambda z: slope(MU + S * z) * z) == pytest.approx(d_s, abs=1e-8)
    found = gradients(estimator, l, (), strata(100_000))
    assert [g.item() for g in found] == pytest.approx([d_mu, d_s], abs=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_variances_of_the_two_gradients(name):
    """E11, I02: one-sample estimates as replicas, and their variance against quadrature."""
    l, value, slope, _, d_mu, _ = CASES[name]
    pathwise = normal_expectation(lambda z: slope(MU + S * z) ** 2) - d_mu**2
    score = normal_expectation(lambda z: (value(MU + S * z) * z / S) ** 2) - d_mu**2
    assert (pathwise, score) == pytest.approx(VARIANCES[name], abs=1e-6)
    z = strata(100_000).unsqueeze(-1)  # 100,000 replicas of one sample each
    for estimator, expected in (("pathwise", pathwise), ("score", score)):
        found = gradients(estimator, l, z.shape, z)[0]
        assert found.shape == z.shape
        assert found.var().item() == pytest.approx(expected, rel=2e-3)


def test_two_point_base_is_exact():
    """z = +1 or -1 with probability 1/2: the average over both is the expectation."""
    z = vector(1.0, -1.0)
    assert expectation(lambda z: torch.sin(MU + S * z), z).value.item() == pytest.approx(
        0.565354208, abs=1e-9
    )
    found = gradients("pathwise", torch.sin, (), z)
    expected = (
        (math.cos(MU + S) + math.cos(MU - S)) / 2,
        (math.cos(MU + S) - math.cos(MU - S)) / 2,
    )
    assert [g.item() for g in found] == pytest.approx(expected, abs=1e-14)
    assert expected == pytest.approx((0.671212166, -0.308854412), abs=1e-9)


def test_a_step_is_seen_by_the_score_and_not_by_the_path():
    """E11, I02."""

    def step(x):
        return (x > 1).to(x.dtype)

    truth = stats.norm(MU, S).pdf(1)
    assert truth == pytest.approx(0.666449206, abs=1e-9)
    assert gradients("pathwise", step, (), strata(1_000))[0].item() == 0
    assert gradients("score", step, (), strata(100_000))[0].item() == pytest.approx(truth, abs=1e-3)


def test_the_score_takes_no_gradient_through_l():
    mu = torch.tensor(MU, dtype=F64, requires_grad=True)
    x = vector(0.0, 1.0)
    found = score_function_gradient(
        lambda x: mu * x, lambda x: Normal(mu, 1.0).log_prob(x), [mu], x
    )
    assert found[0].item() == pytest.approx(MU * (1 - MU) / 2)


def test_gradients_of_a_network_are_those_of_backward():
    """E11."""
    torch.manual_seed(0)
    G = torch.nn.Linear(2, 3, dtype=F64)
    z = torch.randn(16, 2, dtype=F64)
    found = pathwise_gradient(lambda x: x.sin().sum(-1), G, list(G.parameters()), z)
    assert all(theta.grad is None for theta in G.parameters())
    with torch.no_grad():
        cosine = torch.cos(z @ G.weight.T + G.bias)
    assert torch.allclose(found[0], cosine.T @ z / 16)
    assert torch.allclose(found[1], cosine.mean(0))


def test_an_unused_parameter_has_gradient_zero():
    unused = torch.ones(2, dtype=F64, requires_grad=True)
    mu = torch.tensor(MU, dtype=F64, requires_grad=True)
    found = pathwise_gradient(torch.sin, lambda z: mu + z, [mu, unused], vector(0.0, 1.0))
    assert found[1].tolist() == [0, 0]


# Errors

THETA = torch.tensor(0.0, requires_grad=True)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: log_marginal(torch.sum, torch.zeros(3), torch.zeros(3)), "nodes: expected"),
        (
            lambda: log_marginal(torch.sum, torch.zeros(3, 1), torch.zeros(2)),
            "log_weights: expected",
        ),
        (lambda: log_marginal(torch.sum, torch.zeros(3, 1), torch.zeros(3)), "log_likelihood"),
        (lambda: gauss_hermite(0), "count"),
        (lambda: Empirical(torch.zeros(0, 2)), "x: expected"),
        (lambda: Empirical(torch.zeros(3), torch.zeros(2)), "u: expected"),
        (
            lambda: Empirical(torch.zeros(3)).conditional(1),
            "u: expected a distribution with inputs",
        ),
        (
            lambda: Empirical(torch.zeros(3), torch.zeros(3)).conditional(1),
            "u: expected an input that was observed",
        ),
        (
            lambda: Empirical(torch.zeros(3), torch.zeros(3)).conditional(torch.zeros(2, 1)),
            "u: expected",
        ),
        (
            lambda: pushforward_log_prob(torch.ones(2), torch.sum, torch.exp, torch.exp),
            "inverse",
        ),
        (
            lambda: pushforward_log_prob(torch.ones(2), torch.log, torch.sum, torch.exp),
            "base_log_prob, derivative: expected",
        ),
        (lambda: expectation(torch.mean, torch.zeros(3)), "l: expected"),
        (lambda: expectation(torch.exp, torch.zeros(1)), "l: expected"),
        (
            lambda: pathwise_gradient(torch.exp, torch.exp, THETA, torch.zeros(3)),
            "params: expected",
        ),
        (
            lambda: pathwise_gradient(torch.exp, torch.exp, [torch.zeros(2)], torch.zeros(3)),
            r"params\[0\]",
        ),
        (
            lambda: pathwise_gradient(torch.mean, lambda z: THETA * z, [THETA], torch.zeros(3)),
            "l: expected",
        ),
        (
            lambda: score_function_gradient(torch.exp, torch.sum, [THETA], torch.zeros(3)),
            "l, log_prob: expected",
        ),
    ],
)
def test_errors_name_the_argument(call, name):
    with pytest.raises((TypeError, ValueError), match=f"^{name}"):
        call()
