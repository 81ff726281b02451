"""Both estimates of the evidence: exact where it is known, unbiased, and as written by hand."""

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Independent, MultivariateNormal, Normal, StudentT

from gannotes import evidence, nets
from gannotes.distributions import Bernoulli, Gaussian, gaussian_fit, standard_normal
from gannotes.evidence import annealed_importance_sampling, importance_weighted
from gannotes.models.vae import VAE
from gannotes.samples import gauss_hermite, log_marginal

F64 = torch.float64


def linear_gaussian(d, k, n, sd, seed=0):
    """A model whose evidence, posterior mean and best diagonal Gaussian have closed forms."""
    torch.manual_seed(seed)
    W, noise = torch.randn(d, k, dtype=F64), torch.tensor(sd, dtype=F64)
    p = MultivariateNormal(torch.zeros(d, dtype=F64), W @ W.T + sd**2 * torch.eye(d, dtype=F64))
    x, p_0 = p.sample((n,)), standard_normal(k, W)

    def log_joint(z):
        return p_0.log_prob(z) + Independent(Normal(z @ W.T, noise), 1).log_prob(x)

    precision = torch.eye(k, dtype=F64) + W.T @ W / sd**2
    mean = x @ W @ precision.inverse() / sd**2
    q = Independent(Normal(mean, precision.diag().rsqrt().expand_as(mean)), 1)
    return log_joint, q, p_0.expand((n,)), p.log_prob(x), MultivariateNormal(mean, precision)


@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 2), (12, 4)])
def test_both_estimates_of_the_evidence_are_exact_on_linear_gaussian_models(d, k):
    """I10."""
    log_joint, q, _, exact, _ = linear_gaussian(d, k, 10, 0.6)
    for found in (
        importance_weighted(log_joint, q, 3000),
        annealed_importance_sampling(log_joint, q, temperatures=60).log_p,
    ):
        assert found.shape == (10,)
        assert found.mean().item() == pytest.approx(exact.mean().item(), abs=0.05)
        torch.testing.assert_close(found, exact, atol=0.3, rtol=0)


def test_annealing_is_right_where_importance_weights_are_not():
    """Eight latents, from twice and from half the posterior's spread: weights degenerate."""
    log_joint, q, _, exact, _ = linear_gaussian(20, 8, 10, 0.5)
    bad = Independent(Normal(q.mean + 2 * q.stddev, q.stddev / 2), 1)
    weighted = importance_weighted(log_joint, bad, 200).mean() - exact.mean()
    annealed = annealed_importance_sampling(log_joint, bad, temperatures=100).log_p - exact
    assert weighted < -3
    assert abs(annealed.mean()) < 0.3


def test_annealing_from_the_base_distribution_in_one_dimension():
    """I10: z ~ N(0, 1), x | z ~ N(1.5 z + 0.3, 0.25), x = 1.2: log p(x) = -1.539083899."""
    torch.manual_seed(0)
    p_0 = standard_normal(1, torch.zeros(1, dtype=F64))

    def log_joint(z):
        return p_0.log_prob(z) + Normal(1.5 * z + 0.3, 0.5).log_prob(torch.tensor(1.2)).sum(-1)

    found = annealed_importance_sampling(log_joint, p_0, chains=300, temperatures=50)
    assert found.log_p.item() == pytest.approx(-1.539083899, abs=0.05)
    posterior = Normal(0.54, 0.1**0.5)
    assert found.z.mean().item() == pytest.approx(posterior.mean.item(), abs=0.1)
    assert found.z.std().item() == pytest.approx(posterior.stddev.item(), abs=0.1)


def test_annealed_weights_are_unbiased_for_any_number_of_temperatures():
    """I10: the average weight is p(x), though five temperatures leave the chains far behind."""
    torch.manual_seed(0)
    log_joint, _, p_0, exact, _ = linear_gaussian(3, 2, 1, 0.6)
    chains = 40_000
    found = annealed_importance_sampling(log_joint, p_0, chains, temperatures=5, leapfrog=3)
    ratio = (found.log_weights - exact).exp()
    error = ratio.std().item() / math.sqrt(chains)
    assert error < 0.05
    assert ratio.mean().item() == pytest.approx(1, abs=4 * error)
    assert (found.log_weights.mean() - exact).item() < -0.3


def test_a_move_leaves_its_target_invariant():
    """I10: heavy tails, each temperature the same density: draws stay draws, weights constant."""
    torch.manual_seed(0)
    q = Independent(StudentT(torch.full((1,), 6.0, dtype=F64), 1.0, 2.0), 1)
    found = annealed_importance_sampling(
        lambda z: q.log_prob(z) - 3.0, q, chains=4000, temperatures=30, leapfrog=4
    )
    torch.testing.assert_close(found.log_weights, torch.full((4000,), -3.0, dtype=F64))
    assert stats.kstest(found.z[:, 0].numpy(), stats.t(6, 1, 2).cdf).pvalue > 0.01


def test_annealing_is_the_algorithm_written_by_hand():
    """I10: Neal's weights, leapfrog steps of random length, Metropolis, tuning."""
    mean, sd = torch.tensor([0.5, -1.0], dtype=F64), torch.tensor([0.8, 1.5], dtype=F64)
    q = Independent(Normal(mean.expand(4, 2), sd), 1)

    def log_joint(z):
        return -(z**4).sum(-1) / 4 + 1.7

    torch.manual_seed(5)
    log_weights, last, acceptance, used = evidence._anneal(log_joint, q, 3, 3, 2, None)

    torch.manual_seed(5)
    z, log_step = q.sample((3,)), torch.full((4,), 0.3, dtype=F64).log()
    log_w, accepted = torch.zeros(3, 4, dtype=F64), torch.zeros(3, 4, dtype=F64)
    for turn, beta in enumerate((1 / 3, 2 / 3, 1.0)):
        log_w += (log_joint(z) - q.log_prob(z)) / 3
        torch.testing.assert_close(used[turn], log_step)

        def energy(z, v, beta=beta):
            return v.square().sum(-1) / 2 - (1 - beta) * q.log_prob(z) - beta * log_joint(z)

        def slope(z, beta=beta):
            return (1 - beta) * (mean - z) / sd**2 - beta * z**3

        first = torch.randn(3, 4, 2, dtype=F64)
        h = log_step.exp()[:, None] * sd * (0.5 + torch.rand(3, 4, dtype=F64))[..., None]
        new, v = z, first
        for _ in range(2):
            v = v + h / 2 * slope(new)
            new = new + h * v
            v = v + h / 2 * slope(new)
        probability = (energy(z, first) - energy(new, v)).exp().clamp(max=1)
        accept = torch.rand(3, 4, dtype=F64) < probability
        z = torch.where(accept[..., None], new, z)
        accepted += probability / 3
        log_step = log_step + 0.2 * (probability.mean(0) - 0.65)
    torch.testing.assert_close(log_weights, log_w)
    torch.testing.assert_close(last, z)
    torch.testing.assert_close(acceptance, accepted.mean(0))
    assert 0.3 < acceptance.mean() < 1
    steps = [torch.full((4,), math.log(size), dtype=F64) for size in (0.1, 0.2, 0.3, 0.4)]
    taken = evidence._anneal(log_joint, q, 3, 4, 2, steps)[-1]
    assert [step.tolist() for step in taken] == [step.tolist() for step in steps]


def test_the_pilots_find_the_acceptance_that_is_asked_for():
    log_joint, q, _, _, _ = linear_gaussian(20, 8, 5, 0.5)
    found = annealed_importance_sampling(log_joint, q, temperatures=100)
    assert found.acceptance.tolist() == pytest.approx([0.65] * 5, abs=0.1)


def test_two_modes_are_both_counted():
    """x | z ~ N(z^2, 0.3^2): a posterior with two modes, its evidence by quadrature."""
    torch.manual_seed(0)
    x, p_0 = torch.tensor([0.5, 1.0, 2.0], dtype=F64), standard_normal(1, torch.zeros(1).double())

    def log_joint(z):
        return p_0.log_prob(z) + Normal(z[..., 0] ** 2, 0.3).log_prob(x)

    nodes = torch.linspace(-8, 8, 4001, dtype=F64).unsqueeze(-1)
    exact = log_marginal(
        lambda z: Normal(z[:, 0] ** 2, 0.3).log_prob(x.unsqueeze(-1)),
        nodes,
        p_0.log_prob(nodes) + math.log(16 / 4000),
    )
    q = gaussian_fit(torch.stack([x.sqrt(), -x.sqrt()]).unsqueeze(-1))
    found = annealed_importance_sampling(log_joint, q, chains=1000, temperatures=100)
    torch.testing.assert_close(found.log_p, exact, atol=0.15, rtol=0)
    assert found.log_p.mean().item() == pytest.approx(exact.mean().item(), abs=0.05)
    assert (found.z[..., 0] > 0).double().mean().item() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(importance_weighted(log_joint, q), exact, atol=0.1, rtol=0)


def test_a_bernoulli_vae_against_quadrature():
    """I10."""
    torch.manual_seed(0)
    vae = VAE(
        Gaussian(nets.mlp(6, 8, 2)), Bernoulli(nets.mlp(1, 8, 6)), standard_normal(1)
    ).double()
    vae.p_0 = standard_normal(1, torch.zeros(1, dtype=F64))
    x = torch.bernoulli(torch.full((4, 6), 0.5, dtype=F64))
    nodes, log_weights = gauss_hermite(100)
    with torch.no_grad():
        exact = log_marginal(
            lambda z: vae.decoder(z.unsqueeze(1)).log_prob(x).T, nodes, log_weights
        )
    q = vae.encoder(x)  # part of a graph, and so is the decoder
    found = annealed_importance_sampling(lambda z: vae.log_joint(x, z), q, temperatures=50)
    weighted = importance_weighted(lambda z: vae.log_joint(x, z), q)
    for log_p in (found.log_p, weighted):
        assert not log_p.requires_grad
        torch.testing.assert_close(log_p, exact, atol=0.05, rtol=0)
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_chunks_use_every_sample_once():
    seen = []

    def log_joint(z):
        seen.append(z)
        return z.sum(-1)

    q = standard_normal(2).expand((3,))
    found = importance_weighted(log_joint, q, samples=20, chunk=8)
    assert [len(part) for part in seen] == [8, 8, 4]
    z = torch.cat(seen)
    importance_weighted(log_joint, q, samples=10, chunk=3)
    assert [len(part) for part in seen[3:]] == [3, 3, 3, 1]
    expected = (z.sum(-1) - q.log_prob(z)).double().exp().mean(0).log()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_no_chain_moves_to_where_the_density_is_not_a_number():
    q = Independent(Normal(torch.zeros(4, 1, dtype=F64), 1.0), 1)

    def log_joint(z):
        return torch.where(z.abs() > 4, math.nan, -z.square() / 2).sum(-1)

    torch.manual_seed(0)
    start = evidence._point(log_joint, q, torch.zeros(3, 4, 1, dtype=F64))
    step = torch.full((4, 1), 1e4, dtype=F64)
    for leapfrog in (1, 2):
        end, probability = evidence._move(log_joint, q, start, 0.5, step, leapfrog)
        assert torch.equal(probability, torch.zeros(3, 4, dtype=F64))
        assert torch.equal(end.z, start.z)
