"""VAE: the bound, its gap, its gradients where the evidence is known; training that closes it."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from gannotes import nets
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE, analytic_kl, sampled_kl, step
from gannotes.optim import ascend
from gannotes.samples import gauss_hermite, log_marginal

F64 = torch.float64
float64 = torch.tensor(0.0, dtype=F64)


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def affine(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    net = nn.Linear(weight.shape[1], weight.shape[0], dtype=F64)
    net.weight.data, net.bias.data = weight.clone(), bias.clone()
    return net


class Given(nn.Module):
    r"""An encoder that answers every :math:`x` with the same diagonal Gaussian.

    With `exact`, its samples are the :math:`2 k` points :math:`\mu \pm \sqrt k\, \sigma_j e_j`,
    whose average integrates every quadratic (and every cubic) against it exactly: on a
    linear-Gaussian model the estimate with `N_z` = :math:`2 k` *is* the bound.
    """

    def __init__(self, mean: torch.Tensor, sd: torch.Tensor, exact: bool = True) -> None:
        super().__init__()
        self.mean, self.log_sd, self.exact = nn.Parameter(mean), nn.Parameter(sd.log()), exact

    def forward(self, x: torch.Tensor) -> Independent:
        shape = (*x.shape[:-1], len(self.log_sd))
        mean, sd = self.mean.expand(shape), self.log_sd.exp().expand(shape)
        q = Independent(Normal(mean, sd), 1)
        return with_exact_samples(q) if self.exact else q


def with_exact_samples(q: Independent) -> Independent:
    k = q.event_shape[0]
    nodes = math.sqrt(k) * torch.cat([torch.eye(k, dtype=F64), -torch.eye(k, dtype=F64)])

    def rsample(shape: torch.Size) -> torch.Tensor:
        assert shape == (2 * k,)
        return q.mean + q.stddev * nodes.reshape(2 * k, *(1,) * len(q.batch_shape), k)

    q.rsample = q.sample = rsample
    return q


# One dimension: z ~ N(0, 1), x | z ~ N(1.5 z + 0.3, 0.25), x = 1.2, q = N(0.4, 0.09).

X = tensor([1.2])
EVIDENCE = stats.norm(0.3, math.sqrt(1.5**2 + 0.25)).logpdf(1.2)
POSTERIOR = Normal(tensor(0.54), tensor(0.1**0.5))


def one_dimension(encoder: nn.Module, **options) -> VAE:
    decoder = Gaussian(affine(tensor([1.5]), tensor(0.3)), log_sd=tensor(math.log(0.5)))
    return VAE(encoder, decoder, standard_normal(1, float64), **options)


@pytest.mark.parametrize("kl", [analytic_kl, sampled_kl])
def test_the_bound_its_terms_and_its_gap_have_their_closed_forms(kl):
    """E55, E57, E58: log p(x) - L = KL(q || posterior)."""
    vae = one_dimension(Given(tensor(0.4), tensor(0.3)), kl=kl)
    log_likelihood, divergence = vae.terms(X, N_z=2)
    assert log_likelihood.item() == pytest.approx(-0.810791353, abs=1e-9)
    assert divergence.item() == pytest.approx(0.828972804, abs=1e-9)
    elbo = vae.elbo(X, N_z=2).item()
    assert elbo == pytest.approx(-1.639764157, abs=1e-9)
    gap = kl_divergence(Normal(tensor(0.4), tensor(0.3)), POSTERIOR).item()
    assert gap == pytest.approx(0.100680258, abs=1e-9)
    assert EVIDENCE - elbo == pytest.approx(gap, abs=1e-12)
    assert pytest.approx(-1.539083899, abs=1e-9) == EVIDENCE


def test_the_prior_as_encoder_gives_a_poor_bound():
    vae = one_dimension(Given(tensor(0.0), tensor(1.0)))
    assert vae.elbo(X, N_z=2).item() == pytest.approx(-6.345791353, abs=1e-9)


def test_the_bound_is_tight_at_the_posterior_and_nowhere_else():
    """E56, E57, E60 with X14: maximised over all densities, the bound is the evidence."""
    best = one_dimension(Given(POSTERIOR.mean, POSTERIOR.stddev)).elbo(X, N_z=2).item()
    assert best == pytest.approx(EVIDENCE, abs=1e-12)
    for mean, sd in [(0.55, 0.1**0.5), (0.54, 0.33), (0.0, 0.1**0.5), (0.54, 0.3)]:
        assert one_dimension(Given(tensor(mean), tensor(sd))).elbo(X, N_z=2) < best - 1e-4


def test_at_the_posterior_the_sampled_bound_does_not_vary_at_all():
    encoder = Given(POSTERIOR.mean, POSTERIOR.stddev, exact=False)
    many = X.expand(1000, 1)
    exact = one_dimension(encoder, kl=sampled_kl).elbo(many)
    torch.testing.assert_close(exact, torch.full((1000,), EVIDENCE, dtype=F64))
    assert one_dimension(encoder, kl=analytic_kl).elbo(many).std() > 0.1


@pytest.mark.parametrize("kl", [analytic_kl, sampled_kl])
def test_the_gradients_of_the_bound_have_their_closed_forms(kl):
    encoder = Given(tensor(0.4), tensor(0.3))
    one_dimension(encoder, kl=kl).elbo(X, N_z=2).sum().backward()
    assert encoder.mean.grad.item() == pytest.approx(1.4, abs=1e-12)
    assert encoder.log_sd.grad.item() == pytest.approx(0.1, abs=1e-12)  # sd times 1/3


def variances(encoder: nn.Module, N_z: int = 1) -> dict[str, float]:
    torch.manual_seed(0)
    many = X.expand(100_000, 1)
    with torch.no_grad():
        return {
            kl.__name__: one_dimension(encoder, kl=kl).elbo(many, N_z).var().item()
            for kl in (analytic_kl, sampled_kl)
        }


def closed_form_variances(mean: float, sd: float) -> dict[str, float]:
    r"""Of :math:`a \epsilon^2 + b \epsilon + c`: :math:`2 a^2 + b^2`."""
    slope = -1.5 * sd / 0.5
    a, b = -(slope**2) / 2, -slope * (1.2 - 0.3 - 1.5 * mean) / 0.5
    sampled = (a + 0.5 - sd**2 / 2, b - mean * sd)
    return {"analytic_kl": 2 * a**2 + b**2, "sampled_kl": 2 * sampled[0] ** 2 + sampled[1] ** 2}


def test_which_estimate_of_the_divergence_varies_less_depends():
    near = closed_form_variances(0.4, 0.3)
    assert near == {
        "analytic_kl": pytest.approx(0.61965),
        "sampled_kl": pytest.approx(0.1814),
    }
    assert variances(Given(tensor(0.4), tensor(0.3), exact=False)) == pytest.approx(near, rel=0.03)
    far = closed_form_variances(2.0, 0.05)
    assert far["analytic_kl"] < far["sampled_kl"]
    assert variances(Given(tensor(2.0), tensor(0.05), exact=False)) == pytest.approx(far, rel=0.03)


def test_ten_latent_samples_divide_the_variance_by_ten():
    """X17: with the printed index all ten terms are the same, and nothing is gained."""
    ten = variances(Given(tensor(0.4), tensor(0.3), exact=False), N_z=10)
    assert ten == pytest.approx({"analytic_kl": 0.061965, "sampled_kl": 0.01814}, rel=0.03)


def test_both_gradient_estimators_are_right_and_the_score_function_is_noisier():
    """E62 against I02: the same mean, (1.4, 0.1), another variance; both in closed form."""
    torch.manual_seed(0)
    n, spread = 50_000, {}
    for name in ("elbo", "elbo_score"):
        encoder = Given(tensor(0.4).expand(n, 1).clone(), tensor(0.3), exact=False)
        log_sd = encoder.log_sd.data.expand(n, 1).clone()
        encoder.log_sd = nn.Parameter(log_sd)
        encoder.forward = lambda x, e=encoder: Independent(Normal(e.mean, e.log_sd.exp()), 1)
        vae = one_dimension(encoder, kl=sampled_kl)
        getattr(vae, name)(X.expand(n, 1)).sum().backward()
        for gradient, exact in ((encoder.mean.grad, 1.4), (encoder.log_sd.grad, 0.1)):
            error = gradient.std().item() / math.sqrt(n)
            assert gradient.mean().item() == pytest.approx(exact, abs=5 * error)
        spread[name] = encoder.mean.grad.var().item()
    # log w = a e^2 + b e + c: the pathwise gradient is affine in e, the score's is log w times e/sd
    a, b = 0.05, 0.42
    c = -1.639764157 - a
    score = (c**2 + 3 * (b**2 + 2 * a * c) + 15 * a**2 - b**2) / 0.3**2
    assert spread == pytest.approx({"elbo": (10 * 0.3) ** 2, "elbo_score": score}, rel=0.05)
    assert score > 3 * (10 * 0.3) ** 2


def test_the_score_function_estimate_has_the_value_and_the_decoders_gradient_of_the_bound():
    grads = []
    for name in ("elbo", "elbo_score"):
        vae = one_dimension(Given(tensor(0.4), tensor(0.3)), kl=sampled_kl)
        value = getattr(vae, name)(X, N_z=2)
        assert value.item() == pytest.approx(-1.639764157, abs=1e-9)
        value.sum().backward()
        grads.append(vae.decoder.net.weight.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_the_importance_weighted_bound_rises_to_the_evidence():
    torch.manual_seed(0)
    vae = one_dimension(Given(tensor(0.2), tensor(0.3), exact=False))
    with torch.no_grad():
        means, errors = [], []
        for N_z, n in ((1, 20_000), (2, 20_000), (8, 20_000), (2000, 1000)):
            values = vae.importance_weighted(X.expand(n, 1), N_z)
            means.append(values.mean().item())
            errors.append(5 * values.std().item() / math.sqrt(len(values)))
    exact_elbo = one_dimension(Given(tensor(0.2), tensor(0.3))).elbo(X, N_z=2).item()
    assert means[0] == pytest.approx(exact_elbo, abs=errors[0])
    assert all(low + 0.01 < high for low, high in zip(means, means[1:], strict=False))
    assert means[-1] == pytest.approx(EVIDENCE, abs=0.01)
    assert means[-1] < EVIDENCE + errors[-1]


def test_at_the_posterior_one_importance_weight_is_the_evidence():
    vae = one_dimension(Given(POSTERIOR.mean, POSTERIOR.stddev, exact=False))
    values = vae.importance_weighted(X.expand(5, 1), 3)
    torch.testing.assert_close(values, torch.full((5,), EVIDENCE, dtype=F64))


# Probabilistic PCA: z ~ N(0, I_2), x | z ~ N(W z + b, 0.36 I_3).

W = tensor([1.0, 0.5], [0.5, -0.3], [0.0, 1.0])
B = tensor(0.1, -0.2, 0.3)
PRECISION = torch.eye(2, dtype=F64) + W.T @ W / 0.36
DATA = tensor([0.5, -1.0, 0.8], [1.5, 0.4, -0.3], [-2.0, 0.0, 1.0])
MEANS = (DATA - B) @ W @ PRECISION.inverse() / 0.36


def ppca(encoder: nn.Module, **options) -> VAE:
    decoder = Gaussian(affine(W, B), log_sd=tensor(0.6).log())
    return VAE(encoder, decoder, standard_normal(2, float64), **options)


def ppca_evidence() -> torch.Tensor:
    covariance = W @ W.T + 0.36 * torch.eye(3, dtype=F64)
    return torch.as_tensor(stats.multivariate_normal(B, covariance).logpdf(DATA))


class Linear(nn.Module):
    """An encoder whose means are affine in x, with standard deviations of its own."""

    def __init__(self, net: nn.Linear, sd: torch.Tensor, exact: bool) -> None:
        super().__init__()
        self.gaussian, self.exact = Gaussian(net, log_sd=nn.Parameter(sd.log())), exact

    def forward(self, x: torch.Tensor) -> Independent:
        q = self.gaussian(x)
        return with_exact_samples(q) if self.exact else q


def best_encoder() -> Linear:
    """The mean-field optimum: the posterior's mean, and its precisions on the diagonal."""
    weight = PRECISION.inverse() @ W.T / 0.36
    return Linear(affine(weight, -weight @ B), PRECISION.diag() ** -0.5, exact=True)


def test_a_factorised_encoder_leaves_the_same_gap_at_every_point():
    """E58, E60, X14: the bound is tight only over all densities."""
    encoder = best_encoder()
    expected = [0.472866244, 0.460178993]
    assert encoder(DATA).stddev[0].tolist() == pytest.approx(expected, abs=1e-9)
    gap = ppca_evidence() - ppca(encoder).elbo(DATA, N_z=4)
    closed_form = (PRECISION.diag().log().sum() - PRECISION.logdet()) / 2
    torch.testing.assert_close(gap, closed_form.expand(3))
    assert closed_form.item() == pytest.approx(0.022894778, abs=1e-9)


def test_the_full_posterior_closes_the_gap():
    class Posterior(nn.Module):
        def forward(self, x: torch.Tensor) -> MultivariateNormal:
            mean = (x - B) @ W @ PRECISION.inverse() / 0.36
            return MultivariateNormal(mean, precision_matrix=PRECISION)

    vae = ppca(Posterior(), kl=sampled_kl)
    torch.testing.assert_close(vae.elbo(DATA, N_z=3), ppca_evidence())


def test_no_encoder_does_better_than_the_mean_field_optimum():
    best = ppca(best_encoder()).elbo(DATA, N_z=4)
    torch.manual_seed(0)
    for _ in range(20):
        encoder = best_encoder()
        for parameter in encoder.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        assert (ppca(encoder).elbo(DATA, N_z=4) < best).all()


def test_a_trained_encoder_is_the_best_diagonal_gaussian():
    """Learnt by stochastic steps from an encoder that knows nothing: within 0.01 nats."""
    torch.manual_seed(0)
    encoder = Linear(nn.Linear(3, 2, dtype=F64), tensor(1.0, 1.0), exact=False)
    vae = ppca(encoder)
    phi = torch.optim.Adam(encoder.parameters(), lr=0.03)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(phi, 400)
    best = Independent(Normal(MEANS, PRECISION.diag() ** -0.5), 1)
    before = kl_divergence(encoder(DATA), best).mean()
    for _ in range(400):
        ascend(phi, vae.elbo(vae.sample(64)).mean())
        decay.step()
    after = kl_divergence(encoder(DATA), best).mean()
    assert before > 1
    assert after < 0.01


def test_amortisation_costs_what_the_network_cannot_say():
    """An encoder without inputs loses, beyond the mean-field gap, the spread of the means."""
    table = Linear(nn.Linear(3, 2, dtype=F64), tensor(0.5, 0.5), exact=True)
    nn.init.zeros_(table.gaussian.net.weight)
    table.gaussian.net.bias.data = MEANS.mean(0)
    table.gaussian.log_sd.data = PRECISION.diag().log() / -2
    loss = ppca(best_encoder()).elbo(DATA, N_z=4) - ppca(table).elbo(DATA, N_z=4)
    offset = MEANS - MEANS.mean(0)
    torch.testing.assert_close(loss, ((offset @ PRECISION) * offset).sum(-1) / 2)


def whitened(n: int, covariance: torch.Tensor) -> torch.Tensor:
    """Points whose sample mean is 0 and whose sample covariance is exactly the given one."""
    x = torch.randn(n, len(covariance), dtype=F64, generator=torch.Generator().manual_seed(0))
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / n)).T
    return white @ torch.linalg.cholesky(covariance).T


def test_a_linear_vae_finds_probabilistic_pca_and_never_exceeds_its_likelihood():
    """Eigenvalues (4, 2, 0.5, 0.3), two latents: variance 0.4, and a maximum in closed form."""
    torch.manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=F64)).Q
    x = whitened(200, rotation @ torch.diag(tensor(4.0, 2.0, 0.5, 0.3)) @ rotation.T)
    best = -(4 * math.log(2 * math.pi) + math.log(4 * 2 * 0.4**2) + 4) / 2
    assert best == pytest.approx(-5.799184172, abs=1e-9)
    encoder = Linear(nn.Linear(4, 2, dtype=F64), tensor(1.0, 1.0), exact=True)
    decoder = Gaussian(nn.Linear(2, 4, dtype=F64), log_sd=nn.Parameter(tensor(0.0)))
    vae = VAE(encoder, decoder, standard_normal(2, float64))
    optimiser = torch.optim.LBFGS(vae.parameters(), max_iter=400, line_search_fn="strong_wolfe")
    values = []

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        values.append(vae.elbo(x, N_z=4).mean())
        (-values[-1]).backward()
        return -values[-1]

    optimiser.step(loss)
    reached = torch.stack(values).detach()
    assert reached.max() <= best + 1e-9
    assert reached.max() > best - 1e-5
    assert reached[0] < best - 1
    assert decoder.log_sd.exp().square().item() == pytest.approx(0.4, abs=1e-3)


# The step, densities of other kinds, replicas, errors.


def small(seed: int = 0, **options) -> VAE:
    torch.manual_seed(seed)
    encoder, decoder = nets.mlp(6, 8, 2 * 2), nets.mlp(2, 8, 6)
    return VAE(
        Gaussian(encoder), Bernoulli(decoder), standard_normal(2, float64), **options
    ).double()


def coins(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.bernoulli(torch.full(shape, 0.4, dtype=F64), generator=generator)


@pytest.mark.parametrize("N_z", [1, 5])
def test_the_step_equals_the_slide_written_out_in_plain_torch(N_z):
    """A06 with E62, E64 and E65: sample, average, differentiate, move; ten times."""
    vae = small()
    twin = copy.deepcopy(vae)
    theta_phi = torch.optim.SGD(vae.parameters(), lr=0.05)
    parameters = list(twin.parameters())
    x = coins(16, 6)
    torch.manual_seed(3)
    values = [step(vae, x, theta_phi, N_z)["elbo"] for _ in range(10)]
    torch.manual_seed(3)
    for value in values:
        mean, log_sd = twin.encoder.net(x).chunk(2, -1)
        total = 0
        epsilon = torch.randn(N_z, 16, 2, dtype=F64)
        for j in range(N_z):
            logits = twin.decoder.net(mean + log_sd.exp() * epsilon[j])
            total = total - binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        kl = (mean**2 + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1) / 2
        objective = (total / N_z - kl).mean()
        assert value.item() == pytest.approx(objective.item(), rel=1e-12)
        gradients = torch.autograd.grad(objective, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data += 0.05 * gradient
    for mine, hand in zip(vae.parameters(), parameters, strict=True):
        torch.testing.assert_close(mine, hand)


def test_the_bound_of_a_data_set_is_the_sum_over_its_points():
    """E59, X15: one number per point, none depends on another."""
    vae, x = small(), coins(7, 6)
    torch.manual_seed(0)
    whole = vae.terms(x)
    torch.manual_seed(0)
    permuted = vae.terms(torch.cat([x[:1], coins(6, 6).flip(1)]))
    for part, other in zip(whole, permuted, strict=True):
        assert part.shape == (7,)
        torch.testing.assert_close(part[0], other[0])


def test_a_bernoulli_decoder_against_quadrature():
    torch.manual_seed(0)
    encoder, decoder = nets.mlp(6, 8, 2), nets.mlp(1, 8, 6)
    vae = VAE(Gaussian(encoder), Bernoulli(decoder), standard_normal(1, float64)).double()
    for parameter in vae.decoder.parameters():
        parameter.data *= 2
    x = coins(5, 6)
    nodes, log_weights = gauss_hermite(100)
    with torch.no_grad():
        exact = log_marginal(
            lambda z: vae.decoder(z.unsqueeze(1)).log_prob(x).T, nodes, log_weights
        )
        elbo = vae.elbo(x, 2000)
        weighted = vae.importance_weighted(x, 20_000)
    every = torch.cartesian_prod(*[tensor(0.0, 1.0)] * 6)
    with torch.no_grad():
        total = log_marginal(
            lambda z: vae.decoder(z.unsqueeze(1)).log_prob(every).T, nodes, log_weights
        )
    assert total.exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert (elbo < exact - 0.001).all()
    torch.testing.assert_close(weighted, exact, atol=0.03, rtol=0)


def test_training_closes_the_gap_on_bernoulli_data():
    """Two clusters of patterns: the bound must pass that of independent coins, their entropy."""
    torch.manual_seed(0)
    pattern = coins(2, 6).round()
    pattern[1] = 1 - pattern[0]
    x = pattern[torch.arange(200) % 2]
    vae = small(kl=sampled_kl)
    theta_phi = torch.optim.Adam(vae.parameters(), lr=0.02)
    before = vae.elbo(x).mean()
    for _ in range(300):
        step(vae, x, theta_phi)
    after = vae.elbo(x, 50).mean()
    assert before < -6 * math.log(2) + 0.5
    assert after > -1.2  # at most -log 2, the entropy of two patterns; coins alone: -4.16
    assert after < -math.log(2)


def test_samples_follow_the_model():
    torch.manual_seed(0)
    vae = ppca(best_encoder())
    x = vae.sample(50_000)
    assert x.shape == (50_000, 3)
    torch.testing.assert_close(x.mean(0), B, atol=0.03, rtol=0)
    expected = W @ W.T + 0.36 * torch.eye(3, dtype=F64)
    torch.testing.assert_close(torch.cov(x.T), expected, atol=0.04, rtol=0)


def test_the_decoders_spread_belongs_to_theta():
    """X16: of the two networks only the decoder says how far x lies from its mean."""
    vae = ppca(best_encoder())
    vae.decoder = Gaussian(affine(W, B), log_sd=nn.Parameter(tensor(0.6).log()))
    theta = torch.optim.SGD(vae.decoder.parameters(), lr=0.1)
    before = copy.deepcopy(vae.state_dict())
    ascend(theta, vae.elbo(DATA, N_z=4).mean())
    changed = {name for name, old in before.items() if not torch.equal(vae.state_dict()[name], old)}
    assert changed == {"decoder.net.weight", "decoder.net.bias", "decoder.log_sd"}


def test_by_default_there_is_one_latent_sample():
    encoder = Gaussian(affine(W.T, tensor(0.1, -0.2)), log_sd=nn.Parameter(tensor(-0.5, 0.2)))
    vae, x = ppca(encoder), DATA
    theta_phi = torch.optim.SGD(vae.parameters(), lr=0.0)
    for method in (
        lambda *N_z: torch.stack(vae.terms(x, *N_z)),
        lambda *N_z: vae.elbo(x, *N_z),
        lambda *N_z: vae.elbo_score(x, *N_z),
        lambda *N_z: step(vae, x, theta_phi, *N_z)["elbo"],
    ):
        torch.manual_seed(0)
        default = method()
        torch.manual_seed(0)
        torch.testing.assert_close(default, method(1), rtol=0, atol=0)


def test_replicas_are_independent_models():
    torch.manual_seed(0)
    encoder, decoder = nets.mlp(6, 8, 4, replicas=3), nets.mlp(2, 8, 6, replicas=3)
    vae = VAE(Gaussian(encoder), Bernoulli(decoder), standard_normal(2))
    x = coins(3, 7, 6).float()
    assert vae.sample((3, 5)).shape == (3, 5, 6)
    theta_phi = torch.optim.SGD(vae.parameters(), lr=0.1)
    assert step(vae, x, theta_phi, N_z=4)["elbo"].shape == (3,)
    other = x.clone()
    other[0] = 1 - x[0]
    torch.manual_seed(1)
    one = vae.elbo(x, 2)
    torch.manual_seed(1)
    two = vae.elbo(other, 2)
    torch.testing.assert_close(one[1:], two[1:])
    assert not torch.equal(one[0], two[0])


def test_images_pass_through_convolutions_with_several_latent_samples():
    torch.manual_seed(0)
    encoder = Gaussian(nn.Sequential(nn.Flatten(-3), nn.Linear(784, 8)))
    decoder = Bernoulli(nets.Folded(nets.image_generator(4, 4)[:-1]), event_dims=3)
    vae = VAE(encoder, decoder, standard_normal(4)).eval()
    x = coins(3, 1, 28, 28).float()
    assert vae.elbo(x, N_z=2).shape == (3,)
    assert vae.sample(2).shape == (2, 1, 28, 28)
    z = torch.randn(2, 3, 4)
    torch.testing.assert_close(decoder(z).mean[1], decoder(z[1]).mean)


def test_wrong_input_is_named():
    vae, x = small(), coins(3, 6)
    for call in (vae.elbo, vae.elbo_score, vae.importance_weighted):
        for N_z in (0, 1.0, True):
            with pytest.raises((TypeError, ValueError), match="^N_z: expected an integer of at"):
                call(x, N_z)
    plain = VAE(nets.mlp(6, 4).double(), vae.decoder, vae.p_0)
    with pytest.raises(TypeError, match="encoder: expected a network that returns a Distribution"):
        plain.elbo(x)
    with pytest.raises(ValueError, match="Expected value argument"):
        vae.elbo(x / 2)


def test_an_estimate_that_is_not_finite_stops_the_step_before_anything_moves():
    vae, x = small(), coins(3, 6)
    before = copy.deepcopy(vae.state_dict())
    nn.init.constant_(vae.encoder.net[-1].bias, np.inf)
    broken = copy.deepcopy(vae.state_dict())
    with pytest.raises((FloatingPointError, ValueError)):  # torch's coins check their own
        step(vae, x, torch.optim.SGD(vae.parameters(), lr=0.1))
    assert all(torch.equal(vae.state_dict()[name], broken[name]) for name in before)
