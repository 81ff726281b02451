"""AVB: the ratio and its divergence in closed form, what each player ascends, what is learnt."""

import copy
import math
from functools import partial

import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from gannotes import nets
from gannotes.bounds import bernoulli
from gannotes.distributions import Bernoulli, Gaussian, Implicit, gaussian_fit, standard_normal
from gannotes.divergences import jensen_shannon, kl
from gannotes.models.avb import AVB, step
from gannotes.models.vae import VAE, sampled_kl
from gannotes.optim import ascend

F64 = torch.float64
P_0 = standard_normal(1, torch.tensor(0.0, dtype=F64))


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


# Samples without noise. Two points integrate every quadratic against a Gaussian exactly; the
# middles of many equal masses integrate what is not a quadratic.


def two_points(q: Independent) -> Independent:
    def rsample(shape: torch.Size) -> torch.Tensor:
        assert shape == (2,)
        return torch.stack([q.mean - q.stddev, q.mean + q.stddev])

    q.rsample = q.sample = rsample
    return q


def middles(n: int, *after: int) -> torch.Tensor:
    """Of `n` equal parts of the unit interval, `(n, *after)`."""
    return ((torch.arange(n, dtype=F64) + 0.5) / n).reshape(-1, *after)


def quantiles(q: Independent) -> Independent:
    q.rsample = q.sample = lambda shape: q.base_dist.icdf(middles(shape[0], 1, 1))
    return q


def base_quantiles() -> Independent:
    """The base, whose samples are the same for every point."""
    p_0 = standard_normal(1, torch.tensor(0.0, dtype=F64))
    p_0.sample = lambda shape: p_0.base_dist.icdf(middles(shape[0], 1, 1)).expand(*shape, 1)
    return p_0


# Three points, x in {-1, 0, 2}, and q = N(0.8 x, s(x)^2) with s = 0.5, 0.7, 0.4.

X = tensor(-1.0, 0.0, 2.0).unsqueeze(-1)
SDS = tensor(0.5, 0.7, 0.4)
KLS = tensor(0.638147181, 0.101674944, 1.776290732)  # (m^2 + s^2 - 1) / 2 - log s


def sd(x: torch.Tensor) -> torch.Tensor:
    """The parabola through the three standard deviations."""
    return 0.7 + (1 / 12) * x - (7 / 60) * x**2


def exact_ratio(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """E74: log q(z | x) - log p_0(z), written out."""
    m, s = 0.8 * x, sd(x)
    return (-(((z - m) / s) ** 2) / 2 - s.log() + z**2 / 2).squeeze(-1)


class Function(nn.Module):
    """A given function as a network."""

    def __init__(self, f) -> None:
        super().__init__()
        self.f = f

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.f(*inputs)


class Encoder(nn.Module):
    """q of the three points, with the means and the standard deviations as parameters."""

    def __init__(self, draw) -> None:
        super().__init__()
        self.mean, self.sd = nn.Parameter(0.8 * X), nn.Parameter(SDS.unsqueeze(-1))
        self.draw = draw

    def forward(self, x: torch.Tensor) -> Independent:
        return self.draw(Independent(Normal(self.mean, self.sd), 1))


def three_points(draw=two_points, ratio=exact_ratio) -> AVB:
    decoder = Gaussian(nn.Linear(1, 1, dtype=F64), log_sd=tensor(0.0))
    return AVB(Encoder(draw), decoder, Function(ratio), base_quantiles())


# The same integrals on a grid of z, for every x: (3, K).

Z = torch.linspace(-12, 12, 24_001, dtype=F64)
DZ = (Z[1] - Z[0]).item()
LOG_Q = Normal(0.8 * X, SDS.unsqueeze(-1)).log_prob(Z)
LOG_P_0 = Normal(tensor(0.0), 1.0).log_prob(Z)
R_STAR = exact_ratio(Z[:, None, None], X).T


def L(r: torch.Tensor) -> torch.Tensor:
    """E72 on the grid: the mean over the three points of both expectations."""
    terms = LOG_Q.exp() * logsigmoid(r) + LOG_P_0.exp() * logsigmoid(-r)
    return (terms * DZ).sum(-1).mean()


def test_the_ratio_has_its_closed_form_and_its_order_of_arguments():
    """E74, X38: z first, x second."""
    avb = three_points()
    pairs = [(0.0, 2.0, -7.083709268), (1.0, 2.0, 0.291290732), (-1.0, -1.0, 1.113147181)]
    for z, x, expected in pairs:
        found = avb.log_ratio(tensor([z]), tensor([x])).item()
        assert found == pytest.approx(expected, abs=1e-9)
        by_scipy = stats.norm(0.8 * x, sd(tensor(x)).item()).logpdf(z) - stats.norm.logpdf(z)
        assert found == pytest.approx(by_scipy, abs=1e-12)
    swapped = avb.log_ratio(tensor([2.0]), tensor([0.0])).item()
    assert swapped == pytest.approx(-1.724958, abs=1e-6)


def test_the_expected_ratio_is_the_divergence_of_every_point():
    """E75: two samples per point integrate the quadratic ratio exactly."""
    _, divergence = three_points().terms(X, N_z=2)
    torch.testing.assert_close(divergence, KLS, rtol=0, atol=1e-9)
    torch.testing.assert_close(divergence, kl_divergence(Encoder(two_points)(X), P_0))
    torch.testing.assert_close(divergence, kl(LOG_Q, LOG_P_0.expand(3, -1), DZ))


def test_over_the_data_the_divergence_is_a_mean():
    """X20: 0.838704, not the sum 2.516113."""
    avb = three_points(two_points, lambda z, x: exact_ratio(z, x) + 0 * avb.r.shift)
    avb.r.shift = nn.Parameter(tensor(0.0))
    players = [torch.optim.SGD([p], lr=0.0) for p in (avb.encoder.mean, avb.r.shift)]
    value = step(avb, X, *players, N_z=2)["kl"].item()
    assert value == pytest.approx(0.838704285, abs=1e-9)
    assert value != pytest.approx(KLS.sum().item(), abs=1)


def test_at_the_optimum_the_objective_is_twice_jensen_shannon_less_log_four():
    """E70, E72: of the joint laws of x and z, one third at each point."""
    joint_q, joint_p = ((log - math.log(3)).flatten() for log in (LOG_Q, LOG_P_0.expand(3, -1)))
    expected = 2 * jensen_shannon(joint_q, joint_p, DZ).item() - math.log(4)
    assert expected == pytest.approx(-0.969834215, abs=1e-9)
    assert L(R_STAR).item() == pytest.approx(expected, abs=1e-9)
    assert three_points(quantiles).value(X, 20_000).item() == pytest.approx(expected, abs=1e-4)


def test_a_ratio_of_zero_knows_nothing():
    blind = three_points(quantiles, lambda z, x: 0 * exact_ratio(z, x))
    assert blind.value(X, 2).item() == pytest.approx(-math.log(4), abs=1e-12)


def test_the_first_variation_has_its_closed_form_and_vanishes_at_the_ratio():
    r"""E73: :math:`\delta L/\delta r = q \hat p (1 - \sigma(r)) - p_0 \hat p\, \sigma(r)`."""
    for r, is_zero in ((R_STAR, True), (0.5 * R_STAR + Z.sin(), False)):
        r = r.clone().requires_grad_()
        (variation,) = torch.autograd.grad(L(r), r)
        closed_form = LOG_Q.exp() * (1 - r.sigmoid()) - LOG_P_0.exp() * r.sigmoid()
        torch.testing.assert_close(variation, closed_form * DZ / 3)
        assert bool(variation.abs().max() < 1e-15) == is_zero


@pytest.mark.parametrize(
    "direction",
    [
        lambda z, x: torch.ones_like(z),
        lambda z, x: z,
        lambda z, x: z**2 - 1,
        lambda z, x: x,
        lambda z, x: (2 * z).sin() * x,
    ],
)
def test_every_other_ratio_has_a_lower_value(direction):
    best = three_points(quantiles).value(X, 4_000)
    for size in (-0.3, 0.3):

        def other(z, x, size=size):
            return exact_ratio(z, x) + size * direction(z, x).expand_as(z).squeeze(-1)

        assert three_points(quantiles, other).value(X, 4_000) < best - 1e-3


def test_logistic_regression_finds_the_ratio():
    """E74: a logit with 1, z and z^2 for each point, maximised from zero by another optimiser."""
    coefficients = nn.Parameter(torch.zeros(3, 3, dtype=F64))

    def quadratic(z, x):
        return (coefficients * torch.cat([z**0, z, z**2], -1)).sum(-1)

    avb = three_points(quantiles, quadratic)
    optimiser = torch.optim.LBFGS([coefficients], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = -avb.value(X, 4_000)
        value.backward()
        return value

    optimiser.step(loss)
    m, s = 0.8 * X.squeeze(-1), SDS
    expected = torch.stack([-(m**2) / (2 * s**2) - s.log(), m / s**2, (1 - s**-2) / 2], -1)
    torch.testing.assert_close(coefficients.data, expected, rtol=0, atol=0.02)
    _, divergence = AVB(Encoder(two_points), avb.decoder, avb.r, P_0).terms(X, 2)
    torch.testing.assert_close(divergence, KLS, rtol=0, atol=0.005)


def test_the_gradient_with_a_frozen_ratio_is_that_of_the_divergence():
    """E77, E78: at x = 2, d KL / d mean = 1.6 and d KL / d sd = 0.4 - 1 / 0.4 = -2.1."""
    avb = three_points()
    _, divergence = avb.terms(X, N_z=2)
    found = torch.autograd.grad(divergence.sum(), [avb.encoder.mean, avb.encoder.sd])
    exact = torch.autograd.grad(
        kl_divergence(avb.encoder(X), P_0).sum(), [avb.encoder.mean, avb.encoder.sd]
    )
    assert [part[2].item() for part in found] == pytest.approx([1.6, -2.1], abs=1e-12)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other)


def test_what_the_frozen_gradient_leaves_out_is_zero_on_average():
    r"""The other half of the chain rule, :math:`E_{q_\phi}[\partial_\phi r^*(z, x)] = 0`."""
    encoder = Encoder(two_points)
    z = encoder(X).sample(torch.Size((2,))).detach()
    ratio = (encoder(X).log_prob(z) - P_0.log_prob(z)).mean(0).sum()
    for part in torch.autograd.grad(ratio, [encoder.mean, encoder.sd]):
        torch.testing.assert_close(part, torch.zeros_like(part))
    one = encoder(X).log_prob(z[1]).sum()  # not sample by sample: z - m = s gives 1 / s
    torch.testing.assert_close(torch.autograd.grad(one, encoder.mean)[0].squeeze(-1), 1 / SDS)


# One dimension: z ~ N(0, 1), x | z ~ N(1.5 z + 0.3, 0.25), x = 1.2; the posterior is N(0.54, 0.1).

ONE = tensor([1.2])
EVIDENCE = stats.norm(0.3, math.sqrt(1.5**2 + 0.25)).logpdf(1.2)


def conjugate_decoder() -> Gaussian:
    net = nn.Linear(1, 1, dtype=F64)
    net.weight.data, net.bias.data = tensor([1.5]), tensor(0.3)
    return Gaussian(net, log_sd=tensor(math.log(0.5)))


def conjugate(mean: float, sd: float, error: float = 0.0) -> AVB:
    """The exact bound of N(mean, sd^2), with a ratio that is off by a constant."""
    q = Independent(Normal(tensor([mean]), sd), 1)
    encoder = Function(lambda x: two_points(Independent(Normal(tensor([mean]), sd), 1)))
    ratio = Function(lambda z, x: q.log_prob(z) - P_0.log_prob(z) + error)
    return AVB(encoder, conjugate_decoder(), ratio, P_0)


def test_with_the_exact_ratio_the_bound_is_that_of_the_vae():
    """E71: terms and bound in closed form, and tight at the posterior only."""
    avb = conjugate(0.4, 0.3)
    log_likelihood, divergence = avb.terms(ONE, N_z=2)
    assert log_likelihood.item() == pytest.approx(-0.810791353, abs=1e-9)
    assert divergence.item() == pytest.approx(0.828972804, abs=1e-9)
    assert avb.elbo(ONE, N_z=2).item() == pytest.approx(-1.639764157, abs=1e-9)
    vae = VAE(avb.encoder, avb.decoder, P_0, sampled_kl)
    torch.testing.assert_close(avb.elbo(ONE, 2), vae.elbo(ONE, 2))
    best = conjugate(0.54, 0.1**0.5).elbo(ONE, 2).item()
    assert best == pytest.approx(EVIDENCE, abs=1e-12)
    for mean, sd in [(0.55, 0.1**0.5), (0.54, 0.33), (0.0, 1.0)]:
        assert conjugate(mean, sd).elbo(ONE, 2) < EVIDENCE - 1e-4


def test_a_ratio_that_finds_too_little_gives_a_bound_that_is_none():
    """X37: a lower bound for the exact ratio only."""
    exact = conjugate(0.4, 0.3).elbo(ONE, 2)
    too_little, too_much = (conjugate(0.4, 0.3, error).elbo(ONE, 2) for error in (-0.5, 0.5))
    assert too_little > EVIDENCE + 0.3
    assert too_much < exact < EVIDENCE
    blind = AVB(conjugate(0.4, 0.3).encoder, conjugate_decoder(), Function(lambda z, x: 0.0), P_0)
    blind.r.f = lambda z, x: 0 * z.squeeze(-1)
    assert blind.elbo(ONE, 2) > EVIDENCE + 0.7  # the reconstruction alone


# Adaptive contrast: 0.6 N(-1.4, 0.5^2) + 0.4 N(0.5, 0.3^2) against its Gaussian.

MIXTURE = MixtureSameFamily(
    Categorical(tensor(0.6, 0.4)), Normal(tensor(-1.4, 0.5), tensor(0.5, 0.3))
)


def moments() -> Independent:
    return Independent(Normal(MIXTURE.mean.unsqueeze(-1), MIXTURE.stddev), 1)


def test_adaptive_contrast_splits_the_divergence():
    """I09: 0.480620037 = 0.275156672 + 0.205463365; the classifier's share of it is smaller."""
    log_q, log_r = MIXTURE.log_prob(Z), moments().log_prob(Z[:, None])
    whole, contrast = kl(log_q, LOG_P_0, DZ).item(), kl(log_q, log_r, DZ).item()
    known = ((log_q.exp() * (log_r - LOG_P_0)).sum() * DZ).item()
    assert (whole, contrast, known) == pytest.approx(
        (0.480620037, 0.275156672, 0.205463365), abs=1e-9
    )
    assert whole == pytest.approx(contrast + known, abs=1e-12)
    assert known == pytest.approx(kl_divergence(moments(), P_0).item(), abs=1e-9)
    seen = [2 * jensen_shannon(log_q, other, DZ).item() for other in (LOG_P_0, log_r)]
    assert seen == pytest.approx([0.244980, 0.148294], abs=1e-6)


class Mixture(nn.Module):
    """The mixture for every x, its samples the middles of equal masses."""

    def forward(self, x: torch.Tensor) -> Independent:
        mass = torch.cumsum(MIXTURE.log_prob(Z).exp() * DZ, 0)
        law = Independent(Normal(tensor([0.0]), 1.0), 1)

        def rsample(shape: torch.Size) -> torch.Tensor:
            cell = torch.searchsorted(mass, middles(shape[0], 1, 1))
            return Z[cell.clamp(max=len(Z) - 1)]

        law.rsample = law.sample = rsample
        return law


def whitened_ratio(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """What the classifier has to learn, on whitened samples: log of q~ to N(0, 1)."""
    whitened = MIXTURE.log_prob(MIXTURE.mean + MIXTURE.stddev * z) + MIXTURE.stddev.log()
    return (whitened - Normal(tensor(0.0), 1.0).log_prob(z)).squeeze(-1)


def test_with_adaptive_contrast_the_learnt_part_and_the_known_part_make_the_divergence():
    """E74 and I09: both modes return the same expected ratio, and the classifier sees 0.148294."""
    plain = Function(lambda z, x: (MIXTURE.log_prob(z) - P_0.base_dist.log_prob(z)).squeeze(-1))
    decoder = conjugate_decoder()
    without = AVB(Mixture(), decoder, plain, base_quantiles())
    adaptive = AVB(Mixture(), decoder, Function(whitened_ratio), P_0, lambda q: moments())
    for avb in (without, adaptive):
        _, divergence = avb.terms(ONE.unsqueeze(0), 20_000)
        assert divergence.item() == pytest.approx(0.480620037, abs=1e-3)
    z = tensor(-2.0, 0.1, 1.3).unsqueeze(-1)
    torch.testing.assert_close(
        adaptive.log_ratio(z, z, moments()), without.log_ratio(z, z), rtol=0, atol=1e-12
    )
    value = without.value(ONE.unsqueeze(0), 20_000).item()
    assert value == pytest.approx(0.244980 - math.log(4), abs=1e-4)
    torch.manual_seed(0)  # the base of the whitened samples is drawn
    value = adaptive.value(ONE.unsqueeze(0), 200_000).item()
    assert value == pytest.approx(0.148294 - math.log(4), abs=0.004)


def test_for_a_gaussian_nothing_is_left_to_learn():
    """I09: with the moments of q a classifier that says 0 is exact."""
    nothing = Function(lambda z, x: 0 * z.squeeze(-1))
    exact = AVB(Encoder(two_points), conjugate_decoder(), nothing, P_0, lambda q: q)
    _, divergence = exact.terms(X, N_z=2)
    torch.testing.assert_close(divergence, KLS, rtol=0, atol=1e-9)
    fit = AVB(
        Encoder(quantiles),
        conjugate_decoder(),
        nothing,
        P_0,
        lambda q: gaussian_fit(q.sample(torch.Size((10_000,)))),
    )
    _, divergence = fit.terms(X, N_z=10_000)
    torch.testing.assert_close(divergence, KLS, rtol=0, atol=1e-3)


def test_the_moments_of_the_contrast_are_constants():
    """I09: the encoder's gradient passes through z alone, also where r_alpha is not q.

    With r_alpha = N(mu + 1, (2 sigma)^2) and z = mu +- sigma, by hand: the means' gradient is
    1 / (4 sigma^2) + mu, that of the deviations sigma - 1 / (4 sigma).
    """
    nothing = Function(lambda z, x: 0 * z.squeeze(-1))
    for away, expected in ((0, [1.6, -2.1]), (1, [1.6 + 1 / 0.64, 0.4 - 1 / 1.6])):

        def contrast(q, away=away):
            return Independent(Normal(q.mean + away, (1 + away) * q.stddev), 1)

        avb = AVB(Encoder(two_points), conjugate_decoder(), nothing, P_0, contrast)
        _, divergence = avb.terms(X, N_z=2)
        gradients = torch.autograd.grad(divergence.sum(), [*avb.encoder.parameters()])
        assert [part[2].item() for part in gradients] == pytest.approx(expected, abs=1e-12)


# The three updates.


def small(contrast=None, replicas: int | None = None) -> AVB:
    torch.manual_seed(0)
    affine = nn.Linear if replicas is None else partial(nets.ReplicaLinear, replicas)
    features = nets.mlp(6, 8, replicas=replicas)
    head = nets.Pair(nn.Identity(), affine(3, 8), nets.mlp(8, 8, 2, replicas=replicas))
    r = nets.Pair(affine(2, 8), affine(6, 8), nets.critic(8, 8, replicas=replicas))
    double = torch.tensor(0.0, dtype=F64)
    encoder = Implicit(features, head, standard_normal(3, double))
    decoder = Bernoulli(nets.mlp(2, 8, 6, replicas=replicas))
    return AVB(encoder, decoder, r, standard_normal(2, double), contrast).double()


def adaptive(q):
    return gaussian_fit(q.sample(torch.Size((16,))))


CONTRASTS = pytest.mark.parametrize("contrast", [None, adaptive])


def coins(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.bernoulli(torch.full(shape, 0.4, dtype=F64), generator=generator)


def players(avb: AVB, lr: float = 0.05) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    both = [*avb.decoder.parameters(), *avb.encoder.parameters()]
    return torch.optim.SGD(both, lr=lr), torch.optim.SGD(avb.r.parameters(), lr=lr)


@pytest.mark.parametrize(("N_z", "K"), [(1, 1), (4, 2)])
def test_the_step_equals_the_slide_written_out_in_plain_torch(N_z, K):
    """A08, E77 to E79: three updates, ten times, each player by its own gradient."""
    avb, x = small(), coins(16, 6)
    twin = copy.deepcopy(avb)
    theta_phi, omega = players(avb)
    torch.manual_seed(3)
    rows = [step(avb, x, theta_phi, omega, N_z, K) for _ in range(10)]
    torch.manual_seed(3)

    def draw():  # z_phi(x_i, epsilon), a loop over the latent samples
        h = twin.encoder.features(x)
        epsilon = torch.randn(N_z, 16, 3, dtype=F64)
        return [twin.encoder.head(h, part) for part in epsilon]

    for row in rows:
        zs = draw()
        log_p = -sum(
            binary_cross_entropy_with_logits(twin.decoder.net(z), x, reduction="none").sum(-1)
            for z in zs
        )
        ratio = sum(twin.r(z, x) for z in zs)
        moves = []
        for net, objective in (  # 2.1 with log p alone, 2.2 with both terms
            (twin.decoder, log_p.mean() / N_z),
            (twin.encoder, (log_p - ratio).mean() / N_z),
        ):
            parameters = list(net.parameters())
            gradients = torch.autograd.grad(objective, parameters, retain_graph=True)
            moves += zip(parameters, gradients, strict=True)
        for parameter, gradient in moves:
            parameter.data += 0.05 * gradient
        for _ in range(K):  # 2.3
            z_q = [z.detach() for z in draw()]
            z_0 = torch.randn(N_z, 16, 2, dtype=F64)
            value = sum(
                (logsigmoid(twin.r(one, x)) + logsigmoid(-twin.r(other, x))).mean()
                for one, other in zip(z_q, z_0, strict=True)
            )
            parameters = list(twin.r.parameters())
            gradients = torch.autograd.grad(value / N_z, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.data += 0.05 * gradient
        expected = {"elbo": (log_p - ratio).mean() / N_z, "kl": ratio.mean() / N_z}
        assert {key: row[key].item() for key in expected} == pytest.approx(
            {key: value.item() for key, value in expected.items()}, rel=1e-12
        )
        assert row["value"].item() == pytest.approx(value.item() / N_z, rel=1e-12)
    for mine, hand in zip(avb.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, hand)


def away(q):
    """A contrast that is not q, whose moments depend on the encoder if nobody stops it."""
    z = q.rsample(torch.Size((16,)))
    return Independent(Normal(z.mean(0) + 0.5, 1.5 * z.std(0, correction=0)), 1)


@pytest.mark.parametrize(("N_z", "K"), [(1, 1), (4, 2)])
def test_the_step_with_a_contrast_equals_the_same_step_in_plain_torch(N_z, K):
    """A08, I09: ten steps with r_alpha different from q, whose moments carry no gradient."""
    avb, x = small(away), coins(16, 6)
    twin = copy.deepcopy(avb)
    theta_phi, omega = players(avb)
    torch.manual_seed(3)
    rows = [step(avb, x, theta_phi, omega, N_z, K) for _ in range(10)]
    torch.manual_seed(3)

    def draw(n):
        h = twin.encoder.features(x)
        return torch.stack(
            [twin.encoder.head(h, part) for part in torch.randn(n, 16, 3, dtype=F64)]
        )

    def moments():  # numbers: nobody can differentiate them
        z = draw(16).detach()
        return z.mean(0) + 0.5, 1.5 * ((z - z.mean(0)) ** 2).mean(0).sqrt()

    def gradients(objective, net):
        parameters = list(net.parameters())
        return zip(parameters, torch.autograd.grad(objective, parameters), strict=True)

    for row in rows:
        z = draw(N_z)
        mu, sigma = moments()
        logits = twin.decoder.net(z)
        target = x.expand(N_z, 16, 6)
        log_p = -binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        known = (z**2 / 2 - ((z - mu) / sigma) ** 2 / 2 - sigma.log()).sum(-1)
        ratio = twin.r((z - mu) / sigma, x) + known
        elbo = (log_p - ratio).mean()
        parameters = [*twin.decoder.parameters(), *twin.encoder.parameters()]
        moves = torch.autograd.grad(elbo, parameters)
        for parameter, gradient in zip(parameters, moves, strict=True):
            parameter.data += 0.05 * gradient
        for _ in range(K):
            mu, sigma = moments()
            z = (draw(N_z).detach() - mu) / sigma
            z_0 = torch.randn(N_z, 16, 2, dtype=F64)
            value = (logsigmoid(twin.r(z, x)) + logsigmoid(-twin.r(z_0, x))).mean()
            for parameter, gradient in gradients(value, twin.r):
                parameter.data += 0.05 * gradient
        expected = {"elbo": elbo.item(), "kl": ratio.mean().item(), "value": value.item()}
        assert {key: row[key].item() for key in row} == pytest.approx(expected, rel=1e-12)
    for mine, hand in zip(avb.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, hand)


@CONTRASTS
def test_the_decoder_receives_the_gradient_of_the_log_likelihood_alone(contrast):
    """E77: the ratio does not depend on theta."""
    avb, x = small(contrast), coins(16, 6)
    before = copy.deepcopy(avb.decoder)
    torch.manual_seed(5)
    log_likelihood, _ = avb.terms(x, 3)
    expected = torch.autograd.grad(log_likelihood.mean(), [*avb.decoder.parameters()])
    torch.manual_seed(5)
    step(avb, x, *players(avb, lr=1.0), N_z=3)
    rows = zip(before.parameters(), avb.decoder.parameters(), expected, strict=True)
    for old, new, gradient in rows:
        torch.testing.assert_close(new - old, gradient)


@CONTRASTS
def test_each_update_moves_and_differentiates_its_own_player_only(contrast):
    """E77 to E79: omega is frozen in the first two, theta and phi in the third."""
    avb, x = small(contrast), coins(16, 6)
    theta, phi, omega = (
        torch.optim.SGD(net.parameters(), lr=0.1) for net in (avb.decoder, avb.encoder, avb.r)
    )
    for player, objective, name in [
        (theta, lambda: avb.elbo(x).mean(), "decoder"),
        (phi, lambda: avb.elbo(x).mean(), "encoder"),
        (omega, lambda: avb.value(x), "r"),
    ]:
        before = copy.deepcopy(avb.state_dict())
        avb.zero_grad()
        ascend(player, objective())
        now = avb.state_dict()
        moved = {key.split(".")[0] for key in now if not torch.equal(now[key], before[key])}
        received = {key.split(".")[0] for key, p in avb.named_parameters() if p.grad is not None}
        assert moved == received == {name}


@CONTRASTS
def test_the_classifiers_objective_does_not_see_the_encoder(contrast):
    """E79: nobody but the ratio could move by it, whoever tried."""
    avb, x = small(contrast), coins(16, 6)
    value = avb.value(x)
    assert value.requires_grad
    others = [*avb.encoder.parameters(), *avb.decoder.parameters()]
    assert set(torch.autograd.grad(value, others, allow_unused=True)) == {None}


def test_by_default_there_is_one_latent_sample_and_one_step_of_the_ratio():
    avb, x = small(), coins(16, 6)
    for method in (
        lambda *N_z: torch.stack(avb.terms(x, *N_z)),
        partial(avb.elbo, x),
        partial(avb.value, x),
    ):
        torch.manual_seed(0)
        default = method()
        torch.manual_seed(0)
        torch.testing.assert_close(default, method(1), rtol=0, atol=0)
    (theta_phi, omega), moves = players(avb), []
    omega.register_step_post_hook(lambda *_: moves.append("omega"))
    torch.manual_seed(0)
    default = step(avb, x, theta_phi, omega)["kl"]
    assert moves == ["omega"]
    twin = small()
    torch.manual_seed(0)
    torch.testing.assert_close(default, step(twin, x, *players(twin), 1)["kl"], rtol=0, atol=0)


def test_the_value_is_the_bound_of_the_package():
    """E70: class 1 are the encoder's samples."""
    avb, x = small(), coins(50, 6)
    torch.manual_seed(2)
    value = avb.value(x, 3)
    torch.manual_seed(2)
    z, z_0 = avb.encoder(x).sample((3,)), avb.p_0.sample((3, 50))
    expected = bernoulli(avb.r(z, x).flatten(), avb.r(z_0, x).flatten())
    torch.testing.assert_close(value, expected)


# What is learnt.


def trained(contrast=None, steps: int = 250) -> AVB:
    """An implicit encoder for the one point of the conjugate model, from scratch."""
    torch.manual_seed(0)
    double = torch.tensor(0.0, dtype=F64)
    head = nets.Pair(nn.Linear(1, 16), nn.Linear(2, 16), nets.mlp(16, 16, 1, activation=nn.Tanh))
    r = nets.Pair(nn.Linear(1, 32), nn.Linear(1, 32), nets.critic(32, 32, activation=nn.SiLU))
    r.head.insert(0, nn.SiLU())
    encoder = Implicit(nn.Identity(), head, standard_normal(2, double))
    avb = AVB(encoder, nn.Identity(), r, P_0, contrast).double()
    avb.decoder = conjugate_decoder()
    phi = torch.optim.Adam(encoder.parameters(), 0.02, (0.5, 0.99))
    omega = torch.optim.Adam(r.parameters(), 0.02, (0.5, 0.99))
    decay = [torch.optim.lr_scheduler.CosineAnnealingLR(player, steps) for player in (phi, omega)]
    for _ in range(steps):
        step(avb, ONE.expand(64, 1), phi, omega, K=2)
        for schedule in decay:
            schedule.step()
    return avb


@CONTRASTS
def test_training_finds_a_posterior_without_ever_seeing_a_density(contrast):
    """The posterior is N(0.54, 0.1); the learnt ratio gives its divergence, 0.79 nats."""
    untrained, avb = trained(contrast, 0), trained(contrast)
    posterior = Independent(Normal(tensor([0.54]), 0.1**0.5), 1)
    distance = []
    with torch.no_grad():
        for model in (untrained, avb):
            fit = gaussian_fit(model.encoder(ONE).sample((20_000,)))
            distance.append(kl_divergence(fit, posterior).item())
        log_likelihood, divergence = (part.mean() for part in avb.terms(ONE.expand(100, 1), 200))
    exact = kl_divergence(posterior, P_0).item()
    assert distance[0] > 0.5
    assert distance[1] < 0.02
    assert divergence.item() == pytest.approx(exact, abs=0.1)
    assert (log_likelihood - divergence).item() == pytest.approx(EVIDENCE, abs=0.1)


def test_replicas_are_independent_models():
    avb, x = small(replicas=3), coins(3, 7, 6)
    assert avb.sample((3, 5)).shape == (3, 5, 6)
    values = step(avb, x, *players(avb), N_z=4, K=2)
    assert {value.shape for value in values.values()} == {(3,)}
    other = x.clone()
    other[0] = 1 - x[0]
    for objective in (avb.elbo, avb.value):
        torch.manual_seed(1)
        one = objective(x, 2)
        torch.manual_seed(1)
        two = objective(other, 2)
        torch.testing.assert_close(one[1:], two[1:])
        assert not torch.equal(one[0], two[0])


@CONTRASTS
def test_shapes_of_samples_terms_and_the_joint(contrast):
    avb, x = small(contrast), coins(7, 6)
    assert avb.sample(3).shape == (3, 6)
    assert [part.shape for part in avb.terms(x, 4)] == [(7,), (7,)]
    z = avb.encoder(x).sample((4,))
    expected = avb.decoder(z).log_prob(x) + avb.p_0.log_prob(z)
    torch.testing.assert_close(avb.log_joint(x, z), expected)
    assert avb.value(x, 4).shape == ()


def test_an_encoder_with_a_density_will_do_too():
    avb = small()
    avb.encoder = Gaussian(nets.mlp(6, 8, 4)).double()
    assert avb.elbo(coins(7, 6), 2).shape == (7,)


def test_wrong_input_is_named():
    avb, x = small(), coins(3, 6)
    for N_z in (0, 1.0, True):
        for call in (avb.terms, avb.elbo, avb.value):
            with pytest.raises((TypeError, ValueError), match="^N_z: expected an integer of at"):
                call(x, N_z)
    plain = AVB(nets.mlp(6, 2).double(), avb.decoder, avb.r, avb.p_0)
    for call in (plain.elbo, plain.value):
        with pytest.raises(TypeError, match="encoder: expected a network that returns a Distrib"):
            call(x)


def test_what_needs_a_density_refuses_an_implicit_encoder():
    """E76: a VAE cannot have one, nor can an importance weight."""
    avb, x = small(), coins(3, 6)
    refusal = "log_prob: expected a law with a density, got an implicit one"
    with pytest.raises(NotImplementedError, match=refusal):
        avb.encoder(x).log_prob(torch.zeros(3, 2))
    vae = VAE(avb.encoder, avb.decoder, avb.p_0, sampled_kl)
    for call in (vae.elbo, vae.importance_weighted):
        with pytest.raises(NotImplementedError, match=refusal):
            call(x, 2)
    with pytest.raises(NotImplementedError, match="KL"):  # torch has no closed form
        VAE(avb.encoder, avb.decoder, avb.p_0).elbo(x)


def test_an_estimate_that_is_not_finite_stops_the_step_before_anything_moves():
    avb, x = small(), coins(3, 6)
    nn.init.constant_(avb.r.head[-2].bias, math.inf)
    before = copy.deepcopy(avb.state_dict())
    with pytest.raises(FloatingPointError, match="objective: expected finite values"):
        step(avb, x, *players(avb))
    assert all(torch.equal(value, before[key]) for key, value in avb.state_dict().items())
