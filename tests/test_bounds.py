"""The bounds: below the truth for every critic, equal to it at the best one."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from torch.nn import functional as F

from gannotes.bounds import (
    bernoulli,
    cycle,
    least_squares,
    mutual_information,
    relativistic,
    variational,
)
from gannotes.divergences import (
    F_DIVERGENCES,
    GAN,
    JENSEN_SHANNON,
    KL,
    NEYMAN,
    PEARSON,
    REVERSE_KL,
    alpha_family,
    jensen_shannon,
)

INF = math.inf
ALPHAS = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
ROWS = {**F_DIVERGENCES, **{f"alpha({a:g})": alpha_family(a) for a in ALPHAS}}
rows = pytest.mark.parametrize("name", ROWS)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def samples(v, p, q):
    """Critic outputs v (K,) as two samples in which point k occurs p_k and q_k times."""
    return (v.repeat_interleave(torch.tensor(n)) for n in (p, q))


def logs(*counts):
    return (tensor(*n).div(sum(n)).log() for n in counts)


def random_critics(*shape, seed=0, scale=1.5):
    rng = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=torch.float64, generator=rng)


D1 = ((5, 3, 2), (2, 2, 6))
counts = st.lists(st.integers(0, 12), min_size=4, max_size=4).filter(any)
outputs = st.lists(st.floats(-8, 8), min_size=4, max_size=4)

# ---------------------------------------------------------------------------------------------
# No critic exceeds the divergence, the best one meets it


@settings(deadline=None, derandomize=True)
@given(counts, counts, outputs)
def test_no_critic_exceeds_the_divergence(p, q, v):
    """E16, E20, E49: on points, for random critics."""
    log_p, log_q = logs(p, q)
    v_p, v_q = samples(tensor(*v), p, q)
    for row in ROWS.values():
        truth = row(log_p, log_q).item()
        assert variational(row)(v_p, v_q).item() <= truth + 1e-9 * (1 + abs(truth))
    js = jensen_shannon(log_p, log_q).item()
    assert bernoulli(v_p, v_q).item() <= 2 * js - math.log(4) + 1e-12
    p_mass, q_mass = log_p.exp(), log_q.exp()
    both = p_mass + q_mass > 0
    truth = -(p_mass * q_mass / (p_mass + q_mass))[both].sum().item()
    assert least_squares(v_p, v_q).item() <= truth + 1e-12


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 12), min_size=4, max_size=4),
    st.lists(st.integers(1, 12), min_size=4, max_size=4),
)
def test_the_best_critic_meets_the_divergence(p, q):
    """E17 to E19, E21, E51, E52: at v* the bound is the divergence."""
    log_p, log_q = logs(p, q)
    for name, row in ROWS.items():
        v_p, v_q = samples(ROWS[name].best(log_p - log_q), p, q)
        truth = row(log_p, log_q).item()
        assert variational(row)(v_p, v_q).item() == pytest.approx(truth, rel=1e-12, abs=1e-12)
    js = jensen_shannon(log_p, log_q).item()
    v_p, v_q = samples(log_p - log_q, p, q)
    assert bernoulli(v_p, v_q).item() == pytest.approx(2 * js - math.log(4), abs=1e-12)
    v_p, v_q = samples(torch.sigmoid(log_p - log_q), p, q)
    p_mass, q_mass = log_p.exp(), log_q.exp()
    truth = -(p_mass * q_mass / (p_mass + q_mass)).sum().item()
    assert least_squares(v_p, v_q).item() == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("name", ["jensen_shannon", "gan", "squared_hellinger", "alpha(0.5)"])
def test_disjoint_samples_reach_the_maximum(name):
    v_p, v_q = torch.full((3,), 80.0), torch.full((5,), -80.0)
    truth = ROWS[name](tensor(1.0, 0.0).log(), tensor(0.0, 1.0).log()).item()
    assert variational(ROWS[name])(v_p, v_q).item() == pytest.approx(truth, abs=1e-6)


@rows
def test_any_change_of_the_best_critic_loses(name):
    """E17, E19, E21, E51."""
    p, q = D1
    log_p, log_q = logs(p, q)
    v = ROWS[name].best(log_p - log_q)
    bound = variational(ROWS[name])
    best = bound(*samples(v, p, q))
    for change in itertools.product((-0.1, 0.1), repeat=3):
        if name != "total_variation":  # saturated: nothing to lose within rounding
            assert bound(*samples(v + tensor(*change), p, q)) < best - 1e-5
    v.requires_grad_()
    (slope,) = torch.autograd.grad(bound(*samples(v, p, q)), v)
    assert slope.abs().max() < 1e-12


@rows
def test_gradient_of_the_bound_at_the_best_critic_is_that_of_the_divergence(name):
    log_p = tensor(0.3, -1.0, 0.4, 0.9).log_softmax(-1)
    theta = tensor(-0.5, 0.2, 1.0, 0.1).requires_grad_()
    log_q = theta.log_softmax(-1)
    row = ROWS[name]
    (want,) = torch.autograd.grad(row(log_p, log_q), theta, retain_graph=True)
    v = ROWS[name].best(log_p - log_q).detach()
    bound = (log_p.exp() * row.activation(v)).sum() - (log_q.exp() * row.penalty(v)).sum()
    (got,) = torch.autograd.grad(bound, theta)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)
    assert want.abs().max() > 1e-3


# ---------------------------------------------------------------------------------------------
# Two densities on the line: a mixture p, and a Gaussian model x' = mu + sigma z of it

DX = 0.002
Z = torch.arange(-12, 12, DX, dtype=torch.float64)  # under the standard normal, and on the line
NORMAL = torch.distributions.Normal(*tensor(0.0, 1.0))
THETA = (0.5, 1.05)  # so that every moment that a row needs is finite


def log_mixture(x):
    left = math.log(0.3) + torch.distributions.Normal(*tensor(-2.0, 0.6)).log_prob(x)
    right = math.log(0.7) + torch.distributions.Normal(*tensor(1.5, 1.0)).log_prob(x)
    return torch.logaddexp(left, right)


def log_model(x, mu, sigma):
    return NORMAL.log_prob((x - mu) / sigma) - torch.log(sigma)


def weighted(row, v_p, v_q, w_p, w_q):
    """The bound of samples whose points have weights: an expectation by quadrature."""
    return (w_p * row.activation(v_p)).sum(-1) - (w_q * row.penalty(v_q)).sum(-1)


def model_gradient(divergence):
    """The gradient in (mu, sigma) of a divergence between the mixture and the model."""
    theta = [tensor(value)[0].requires_grad_() for value in THETA]
    return torch.stack(torch.autograd.grad(divergence(log_mixture(Z), log_model(Z, *theta)), theta))


def reparameterised_gradient(name, flip=False):
    """What the generator feels at the best critic: through the samples, the critic at rest."""
    theta = [tensor(value)[0].requires_grad_() for value in THETA]
    fixed = tensor(*THETA)
    x = theta[0] + theta[1] * Z
    log_u = log_mixture(x) - log_model(x, *fixed)
    # The best critic of the total variation is a jump, which no sample feels: take a steep slope.
    v = 50 * log_u if name == "total_variation" else ROWS[name].best(log_u)
    row = ROWS[name]
    w = NORMAL.log_prob(Z).exp() * DX
    value = (w * row.activation(v)).sum() if flip else -(w * row.penalty(v)).sum()
    return torch.stack(torch.autograd.grad(value, theta))


@rows
def test_no_critic_exceeds_the_divergence_of_two_densities(name):
    """E18, E21, E49."""
    x, dx = Z[::10], 10 * DX
    log_p, log_q = log_mixture(x), log_model(x, *tensor(*THETA))
    frequency, phase, size = random_critics(3, 100, 6, 1, scale=1.0)
    waves = (size * torch.sin(frequency * x + 3 * phase)).sum(1)  # 100 random smooth critics
    truth = ROWS[name](log_p, log_q, dx)
    best = ROWS[name].best(log_p - log_q)
    masses = log_p.exp() * dx, log_q.exp() * dx
    for v in (waves, best + 0.1 * waves):
        assert (weighted(ROWS[name], v, v, *masses) <= truth + 1e-9).all()
    reached = weighted(ROWS[name], best, best, *masses)
    assert reached.item() == pytest.approx(truth.item(), rel=1e-9, abs=1e-9)


@rows
def test_the_generators_gradient_at_the_best_critic_is_that_of_the_divergence(name):
    want = model_gradient(lambda log_p, log_q: ROWS[name](log_p, log_q, DX))
    tolerance = 1e-3 if name == "total_variation" else 1e-6
    got = reparameterised_gradient(name)
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)
    assert want.abs().min() > 0.02


FLIPPED = {  # E_q[f'(p/q)], ascended at the best critic, descends another divergence:
    "kl": REVERSE_KL,
    "reverse_kl": lambda *pq: NEYMAN(*pq) / 2,
    "pearson": lambda *pq: 2 * KL(*pq),
    "neyman": lambda *pq: 2 * alpha_family(-2)(*pq),
    "squared_hellinger": lambda *pq: alpha_family(-0.5)(*pq) / 2,
    "jeffrey": lambda *pq: REVERSE_KL(*pq) + NEYMAN(*pq) / 2,
    "jensen_shannon": lambda *pq: REVERSE_KL(*pq) - JENSEN_SHANNON(*pq),
    "gan": lambda *pq: REVERSE_KL(*pq) - JENSEN_SHANNON(*pq),
    "total_variation": F_DIVERGENCES["total_variation"],
    **{f"alpha({a:g})": alpha_family(a - 1) for a in ALPHAS},  # the whole family moves by one
}


@rows
def test_the_flipped_gradient_at_the_best_critic_is_that_of_another_divergence(name):
    """I04, I05."""
    want = model_gradient(lambda log_p, log_q: FLIPPED[name](log_p, log_q, DX))
    tolerance = 1e-3 if name == "total_variation" else 1e-6
    got = -reparameterised_gradient(name, flip=True)
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "jeffrey", "pearson", "neyman", "alpha(0.5)"])
def test_the_generators_gradient_between_two_normals_in_closed_form(name):
    """p = N(0, 1), q = N(m, s^2) with s^2 < 2: d/dm and d/ds by hand, at the best critic."""
    m, s = 0.4, 0.9
    moment = {"pearson": (2, 1), "neyman": (-1, 1), "alpha(0.5)": (0.5, -4)}

    def by_hand():
        kl = (m / s**2, 1 / s - (1 + m**2) / s**3)
        reverse = (m, s - 1 / s)
        if name in ("kl", "reverse_kl"):
            return kl if name == "kl" else reverse
        if name == "jeffrey":
            return tuple(a + b for a, b in zip(kl, reverse, strict=True))
        a, factor = moment[name]  # int p^a q^(1-a) = s^a c^(-1/2) exp(-a (1-a) m^2 / (2 c))
        c = 1 - a + a * s**2
        value = s**a * c**-0.5 * math.exp(-a * (1 - a) * m**2 / (2 * c))
        d_m = -a * (1 - a) * m / c
        d_s = a / s - a * s / c + a * (1 - a) * m**2 * a * s / c**2
        return factor * value * d_m, factor * value * d_s

    theta = [tensor(value)[0].requires_grad_() for value in (m, s)]
    x = theta[0] + theta[1] * Z
    log_u = NORMAL.log_prob(x) - log_model(x, *tensor(m, s))
    w = NORMAL.log_prob(Z).exp() * DX
    value = -(w * ROWS[name].penalty(ROWS[name].best(log_u))).sum()
    got = [slope.item() for slope in torch.autograd.grad(value, theta)]
    assert got == pytest.approx(by_hand(), rel=1e-8)


# Exact values on D1 with v = (.3, -.2, .1) (equations.md, section 6).
ON_D1 = {
    "total_variation": 0.013894527,
    "kl": -0.293497699,
    "reverse_kl": 0.002202579,
    "pearson": 0.022,
    "neyman": 0.010029446,
    "squared_hellinger": -0.014617884,
    "jensen_shannon": 0.003658927,
    "gan": -1.382635434,
    "alpha(0.5)": 0.007503723,
    "alpha(2)": 0.025918101,
    "alpha(-1)": -0.007503042,
}


@pytest.mark.parametrize("name", ON_D1)
def test_anchor_of_a_given_critic(name):
    """E49, E52, T02."""
    v_p, v_q = samples(tensor(0.3, -0.2, 0.1), *D1)
    assert variational(ROWS[name])(v_p, v_q).item() == pytest.approx(ON_D1[name], abs=1e-9)


def test_anchor_of_jeffrey_with_the_identity_as_activation():
    t_p, t_q = samples(tensor(0.3, -0.2, 0.1), *D1)
    got = t_p.mean() - ROWS["jeffrey"].conjugate(t_q).mean()
    assert got.item() == pytest.approx(0.021695014, abs=1e-9)
    w = special.wrightomega(1 - t_q.numpy())
    assert got.item() == pytest.approx((t_p.mean() - (w + 1 / w + t_q.numpy() - 2).mean()).item())


ON_G1 = {
    "kl": -0.482682030,
    "reverse_kl": 0.473922567,
    "pearson": 0.136179399,
    "squared_hellinger": -1.497253634,
    "jensen_shannon": 0.035867199,
    "gan": -1.350427162,
    "total_variation": 0.233415598,
}


@pytest.mark.parametrize("name", ON_G1)
def test_anchor_of_a_given_critic_on_two_normals(name):
    x = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    p = torch.distributions.Normal(*tensor(0.0, 1.0)).log_prob(x).exp() * 0.001
    q = torch.distributions.Normal(*tensor(1.0, 2.0)).log_prob(x).exp() * 0.001
    v = 0.5 - 0.8 * x + 0.1 * torch.sin(2 * x)
    row = ROWS[name]
    got = (p * row.activation(v)).sum() - (q * row.penalty(v)).sum()
    assert got.item() == pytest.approx(ON_G1[name], abs=1e-8)


# ---------------------------------------------------------------------------------------------
# Identities between bounds


def test_i19_the_gan_row_is_the_bernoulli_bound_for_every_critic():
    """I19."""
    v_p, v_q = random_critics(6, 40), random_critics(6, 30, seed=1)
    torch.testing.assert_close(variational(GAN)(v_p, v_q), bernoulli(v_p, v_q))
    t_p, log_not_d = F.logsigmoid(v_p), F.logsigmoid(v_q)  # the same with t = log D, unfused
    unfused = t_p.mean(-1) - GAN.conjugate(log_not_d).mean(-1)
    torch.testing.assert_close(unfused, bernoulli(v_p, v_q))


def test_jensen_shannon_row_has_the_gradients_of_the_gan_row():
    v_p, v_q = random_critics(40).requires_grad_(), random_critics(30, seed=1).requires_grad_()
    js, gan = variational(JENSEN_SHANNON)(v_p, v_q), variational(GAN)(v_p, v_q)
    torch.testing.assert_close(js, gan + math.log(4))
    for a, b in zip(
        torch.autograd.grad(js, (v_p, v_q)), torch.autograd.grad(gan, (v_p, v_q)), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-15)


def test_i20_pearson_is_a_least_squares_fit_of_the_density_ratio():
    """I20."""
    v_p, v_q = random_critics(6, 40), random_critics(6, 30, seed=1)
    h_p, h_q = v_p / 2 + 1, v_q / 2 + 1
    want = 2 * h_p.mean(-1) - h_q.square().mean(-1) - 1
    torch.testing.assert_close(variational(PEARSON)(v_p, v_q), want)


def test_bernoulli_is_minus_binary_cross_entropy():
    """E16, E22, E23; as E37, E38, E68 and E72 again."""
    v_p, v_q = random_critics(40, scale=5), random_critics(30, seed=1, scale=5)
    loss = F.binary_cross_entropy_with_logits(v_p, torch.ones_like(v_p))
    loss += F.binary_cross_entropy_with_logits(v_q, torch.zeros_like(v_q))
    torch.testing.assert_close(bernoulli(v_p, v_q), -loss)
    assert bernoulli(torch.zeros(3), torch.zeros(7)).item() == pytest.approx(-math.log(4))


def test_least_squares_is_minus_the_regression_error():
    """E20."""
    v_p, v_q = random_critics(40), random_critics(30, seed=1)
    want = -(F.mse_loss(v_p, torch.ones_like(v_p)) + F.mse_loss(v_q, torch.zeros_like(v_q)))
    torch.testing.assert_close(least_squares(v_p, v_q), want)


def test_flipping_is_swapping_the_arguments():
    """E27, I04."""
    v = random_critics(40, scale=3).requires_grad_()
    other = random_critics(30, seed=1)
    (got,) = torch.autograd.grad(bernoulli(v, other), v)  # the generated sample as v_p
    (want,) = torch.autograd.grad(F.logsigmoid(v).mean(), v)  # the non-saturating objective
    torch.testing.assert_close(got, want)


def test_relativistic():
    v_p, v_q = random_critics(5, 40), random_critics(5, 40, seed=1)
    want = [F.binary_cross_entropy_with_logits(z, torch.ones_like(z)) for z in v_p - v_q]
    torch.testing.assert_close(relativistic(v_p, v_q), -torch.stack(want))
    assert relativistic(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(-math.log(2))
    torch.testing.assert_close(relativistic(v_p + 7, v_q + 7), relativistic(v_p, v_q))


# ---------------------------------------------------------------------------------------------
# Extreme outputs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*F_DIVERGENCES, "bernoulli", "least_squares", "relativistic"])
def test_outputs_of_80_stay_finite(name, dtype):
    plain = {"bernoulli": bernoulli, "least_squares": least_squares, "relativistic": relativistic}
    bound = plain[name] if name in plain else variational(F_DIVERGENCES[name])
    v_p = torch.tensor([-80.0, 0.0, 80.0], dtype=dtype, requires_grad=True)
    v_q = torch.tensor([80.0, -80.0, 0.0], dtype=dtype, requires_grad=True)
    value = bound(v_p, v_q)
    gradients = torch.autograd.grad(value, (v_p, v_q))
    assert value.dtype == dtype
    assert all(z.isfinite().all() for z in (value, *gradients))


def test_a_confident_mistake_keeps_its_gradient():
    v_p, v_q = tensor(-80.0).requires_grad_(), tensor(80.0).requires_grad_()
    value = bernoulli(v_p, v_q)
    assert value.item() == -160.0
    assert [g.item() for g in torch.autograd.grad(value, (v_p, v_q))] == [1.0, -1.0]


def test_small_gradients_are_not_dropped():
    v_q = tensor(-30.0).requires_grad_()
    for bound in (bernoulli, variational(GAN), variational(JENSEN_SHANNON)):
        (slope,) = torch.autograd.grad(bound(tensor(0.0), v_q), v_q)
        assert slope.item() == pytest.approx(-math.exp(-30), rel=1e-9)
    v_p = tensor(30.0).requires_grad_()
    for bound in (bernoulli, variational(GAN), variational(JENSEN_SHANNON)):
        (slope,) = torch.autograd.grad(bound(v_p, tensor(0.0)), v_p)
        assert slope.item() == pytest.approx(math.exp(-30), rel=1e-9)


# ---------------------------------------------------------------------------------------------
# Shapes


BOUNDS = [bernoulli, least_squares, *(variational(row) for row in ROWS.values())]


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: b.__name__)
def test_leading_dimensions_are_independent_games(bound):
    v_p, v_q = random_critics(4, 3, 9), random_critics(3, 5, seed=1)  # N != M, broadcasting
    together = bound(v_p, v_q)
    assert together.shape == (4, 3)
    one_by_one = torch.stack(
        [torch.stack([bound(v_p[i, j], v_q[j]) for j in range(3)]) for i in range(4)]
    )
    torch.testing.assert_close(together, one_by_one)
    torch.testing.assert_close(  # the order within a sample does not matter
        bound(v_p.flip(-1), v_q.roll(2, -1)), together
    )


def test_variational_bounds_have_names():
    bound = variational(KL)
    assert bound.__name__ == "variational(kl)"
    assert "variational(kl)" in repr(bound)
    assert variational(alpha_family(0.5)).__name__ == "variational(alpha(0.5))"


# ---------------------------------------------------------------------------------------------
# Mutual information

# Binary symmetric channel: c fair, x = c flipped with probability 0.1.
FLIP = 0.1
JOINT = np.array([[0.5 * (1 - FLIP), 0.5 * FLIP], [0.5 * FLIP, 0.5 * (1 - FLIP)]])  # (c, x)
TIMES = torch.tensor([9, 1, 1, 9])  # (c, x) = (0, 0), (0, 1), (1, 0), (1, 1) out of 20
LOG_2 = torch.tensor(math.log(2), dtype=torch.float64)


def channel_log_q(flip):
    """log Q(c | x) for the sample of 20 pairs, Q a channel that flips with `flip`."""
    table = tensor(1 - flip, flip, flip, 1 - flip).log()
    return table.repeat_interleave(TIMES)


def test_mutual_information_is_met_by_the_posterior():
    """E29 to E32."""
    p_c, p_x = JOINT.sum(1), JOINT.sum(0)
    truth = (JOINT * np.log(JOINT / np.outer(p_c, p_x))).sum()
    assert truth == pytest.approx(0.368064207, abs=1e-9)
    best = mutual_information(channel_log_q(FLIP), LOG_2).item()
    assert best == pytest.approx(truth, abs=1e-12)
    other = mutual_information(channel_log_q(0.2), LOG_2).item()
    assert other == pytest.approx(0.331374193, abs=1e-9)
    gap = stats.entropy([0.9, 0.1], [0.8, 0.2])  # E KL(p(c|x) || Q)
    assert best - other == pytest.approx(gap, abs=1e-12)
    assert mutual_information(channel_log_q(0.5), LOG_2).item() == pytest.approx(0.0, abs=1e-15)
    assert mutual_information(channel_log_q(0.9), LOG_2).item() < 0
    for flip in np.linspace(0.01, 0.99, 99):
        assert mutual_information(channel_log_q(flip), LOG_2).item() <= truth + 1e-12


def test_mutual_information_of_a_gaussian_code():
    # c ~ N(0, 1), x = c + e/2: the posterior is N(0.8 x, 0.2).
    """E32."""
    z = torch.from_numpy(stats.norm.ppf((np.arange(2000) + 0.5) / 2000))
    c, e = torch.meshgrid(z, z, indexing="ij")
    x = c + 0.5 * e
    entropy = torch.distributions.Normal(*tensor(0.0, 1.0)).entropy()

    def bound(mean, variance):
        log_q = torch.distributions.Normal(mean, tensor(variance).sqrt()).log_prob(c)
        return mutual_information(log_q.flatten(), entropy).item()

    assert bound(0.8 * x, 0.2) == pytest.approx(0.5 * math.log(5), abs=3e-3)
    assert bound(x, 1.0) == pytest.approx(0.375, abs=3e-3)


def test_mutual_information_shapes():
    log_q = random_critics(4, 10)
    want = log_q.mean(-1) + 2.0
    torch.testing.assert_close(mutual_information(log_q, tensor(2.0)[0]), want)
    torch.testing.assert_close(mutual_information(log_q, torch.full((4,), 2.0)), want)


# ---------------------------------------------------------------------------------------------
# Cycle consistency


def test_cycle_sums_over_data_dimensions_and_averages_over_the_batch():
    """E40."""
    x, y = random_critics(3, 2, 4, 5), random_critics(6, 7, seed=1)
    x_cycled, y_cycled = x + random_critics(3, 2, 4, 5, seed=2), y + 0.5
    want = np.abs((x_cycled - x).numpy()).reshape(3, -1).sum(1).mean() + 3.5
    found = cycle(x, x_cycled, y, y_cycled, (3, 1))
    assert found.item() == pytest.approx(want, rel=1e-12)
    assert found.shape == ()
    assert cycle(x, x, y, y, (3, 1)).item() == 0.0
    assert cycle(x, x + 1, x, x + 2, 3).item() == 40 + 80
    assert cycle(x[..., 0], x[..., 0] + 1, x[:, 0], x[:, 0], 2).item() == 8


def test_cycle_keeps_replicas_apart():
    """E40: one number for every leading dimension, that of the replica alone."""
    x, y = random_critics(4, 3, 2, 5), random_critics(4, 6, 7, seed=1)
    x_cycled, y_cycled = random_critics(4, 3, 2, 5, seed=2), random_critics(4, 6, 7, seed=3)
    found = cycle(x, x_cycled, y, y_cycled, (2, 1))
    alone = [cycle(*parts, (2, 1)) for parts in zip(x, x_cycled, y, y_cycled, strict=True)]
    torch.testing.assert_close(found, torch.stack(alone))
    off = torch.ones(3, 16, 2)
    assert cycle(0 * off, off, off, off).tolist() == [2.0, 2.0, 2.0]
    assert cycle(off, off, off[None] * torch.zeros(2, 1, 1, 1), off.expand(2, 3, 16, 2)).shape == (
        2,
        3,
    )


def test_cycle_is_zero_exactly_for_a_bijection_and_its_inverse():
    """E36, E40."""
    points = torch.eye(3, dtype=torch.float64)
    maps = [torch.tensor(m) for m in itertools.product(range(3), repeat=3)]
    zero = sum(
        cycle(points, points[f[g]], points, points[g[f]]).item() == 0.0
        for g, f in itertools.product(maps, repeat=2)
    )
    assert (len(maps) ** 2, zero) == (729, 6)  # every bijection, not only the right one (X45)


# ---------------------------------------------------------------------------------------------
# Errors


def errors_of(bound):
    good = torch.zeros(3)
    with pytest.raises(TypeError, match="^v_p: expected a floating-point tensor.*torch.int64"):
        bound(torch.zeros(3, dtype=torch.int64), good)
    with pytest.raises(TypeError, match="^v_q: expected a floating-point tensor.* got float"):
        bound(good, 0.5)
    with pytest.raises(ValueError, match=r"^v_p: expected .*, got shape \(0,\)"):
        bound(torch.zeros(0), good)
    with pytest.raises(ValueError, match=r"^v_q: expected .*, got shape \(\)"):
        bound(good, torch.tensor(0.0))
    with pytest.raises(ValueError, match=r"^v_p: expected a sample of at least one, got \(0, 3\)"):
        bound(torch.zeros(0, 3), good)
    with pytest.raises(ValueError, match=r"broadcast, got \(2, 3\) and \(4, 3\)"):
        bound(torch.zeros(2, 3), torch.zeros(4, 3))


@pytest.mark.parametrize(
    "bound", [bernoulli, least_squares, relativistic, variational(KL)], ids=lambda b: b.__name__
)
def test_wrong_samples_are_refused(bound):
    errors_of(bound)


@pytest.mark.parametrize(
    ("first", "second"), [((2, 3, 5), (2, 5)), ((2, 5), (2, 3, 5)), ((3, 5), (2, 5))]
)
def test_every_leading_dimension_must_broadcast(first, second):
    """The last leading dimensions are compared first: (2, 3) and (2,) do not fit, (3, 2) would."""
    with pytest.raises(ValueError, match="leading dimensions that broadcast"):
        bernoulli(torch.zeros(first), torch.zeros(second))
    assert bernoulli(torch.zeros(3, 2, 5), torch.zeros(2, 4)).shape == (3, 2)
    assert bernoulli(torch.zeros(2, 4), torch.zeros(3, 2, 5)).shape == (3, 2)


def test_wrong_arguments_are_refused():
    for n, m in ((3, 4), (4, 3)):
        with pytest.raises(
            ValueError, match=rf"^v_p, v_q: expected pairs.*got \({n},\) and \({m},\)"
        ):
            relativistic(torch.zeros(n), torch.zeros(m))
    assert relativistic(torch.zeros(1_000), torch.ones(1_000)).item() == pytest.approx(
        -math.log(1 + math.e)
    )
    with pytest.raises(TypeError, match="^f: expected an FDivergence, got str"):
        variational("kl")
    with pytest.raises(TypeError, match="^log_q: expected a floating-point tensor"):
        mutual_information(torch.zeros(3, dtype=torch.int64), torch.tensor(1.0))
    with pytest.raises(ValueError, match="^log_q: expected a floating-point tensor of shape"):
        mutual_information(torch.zeros(2, 0), torch.tensor(1.0))
    with pytest.raises(TypeError, match="^entropy: expected a number or a tensor, got str"):
        mutual_information(torch.zeros(3), "1")
    with pytest.raises(ValueError, match="^entropy, log_q: expected leading dimensions that"):
        mutual_information(torch.zeros(4, 3), torch.zeros(3))
    x, y = torch.zeros(2, 3), torch.zeros(4, 5)
    with pytest.raises(
        ValueError, match=r"^x_cycled: expected a tensor of shape \(2, 3\), got shape \(3,\)"
    ):
        cycle(x, torch.zeros(3), y, y)
    with pytest.raises(ValueError, match=r"^y_cycled: expected a tensor of shape \(4, 5\)"):
        cycle(x, x, y, torch.zeros(4, 1))
    with pytest.raises(ValueError, match="^x: expected a sample of at least one"):
        cycle(torch.zeros(0, 3), torch.zeros(0, 3), y, y)
    with pytest.raises(ValueError, match=r"^y: expected a batch of samples of 2 dimensions"):
        cycle(torch.zeros(2, 3, 1), torch.zeros(2, 3, 1), y, y, 2)
    with pytest.raises((TypeError, ValueError), match=r"^data_dims: expected an integer"):
        cycle(x, x, y, y, -1)


def test_signatures_are_those_of_the_design():
    want = {
        bernoulli: ["v_p", "v_q"],
        least_squares: ["v_p", "v_q"],
        variational: ["f"],
        mutual_information: ["log_q", "entropy"],
        cycle: ["x", "x_cycled", "y", "y_cycled", "data_dims"],
    }
    for function, names in want.items():
        assert list(inspect.signature(function).parameters) == names
    assert list(inspect.signature(variational(KL)).parameters) == ["v_p", "v_q"]


# ---------------------------------------------------------------------------------------------
# Errata of the deck: the printed form fails where the corrected one holds


def test_x03_the_sign_of_the_classification_loss():
    """E18."""
    log_p, log_q = logs(*D1)
    js = jensen_shannon(log_p, log_q).item()
    loss = -bernoulli(*samples(log_p - log_q, *D1)).item()  # the classifier's loss, minimised
    assert loss == pytest.approx(math.log(4) - 2 * js, abs=1e-12)
    assert loss == pytest.approx(1.205162661, abs=1e-9)
    at_equality = -bernoulli(torch.zeros(5), torch.zeros(5)).item()
    assert at_equality > loss  # so the generator maximises it: "+ JS" would be smallest there


def test_x05_the_printed_mutual_information_exceeds_the_entropy():
    """E29, E30."""
    p_c, p_x = JOINT.sum(1), JOINT.sum(0)
    x_given_c = JOINT / p_c[:, None]
    printed = (x_given_c * p_x * np.log(x_given_c / np.outer(p_c, p_x))).sum()
    assert printed == pytest.approx(1.061211, abs=1e-6)
    assert printed > math.log(2)  # impossible: I(c; x) <= H(c)
    only_weight = (JOINT * np.log(x_given_c / np.outer(p_c, p_x))).sum()
    best = mutual_information(channel_log_q(FLIP), LOG_2).item()
    assert only_weight == pytest.approx(best + math.log(2))  # both corrections are needed


def test_x06_the_last_line_of_the_bound_is_an_equality():
    """E31, E32."""
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(12)).reshape(3, 4)  # p(c, x)
    p_c, p_x = joint.sum(1), joint.sum(0)
    log_q = np.log(rng.dirichlet(np.ones(3), size=4).T)  # Q(c | x), columns sum to 1
    resampled = (p_x * ((joint / p_x) * log_q).sum(0)).sum()  # c' ~ p(c | x'), x' ~ p
    kept = (p_c * ((joint / p_c[:, None]) * log_q).sum(1)).sum()  # the code that made x'
    assert resampled == pytest.approx(kept, abs=1e-15)
    independent = (np.outer(p_c, p_x) * log_q).sum()  # a code c' that did not make x'
    assert abs(independent - kept) > 1e-2
    gap = stats.entropy(joint, np.exp(log_q)) @ p_x
    truth = stats.entropy(p_c) + (joint * np.log(joint / p_x)).sum()
    assert truth - (stats.entropy(p_c) + kept) == pytest.approx(gap, abs=1e-12)


def test_x09_least_squares_is_not_a_game_of_the_printed_sign():
    """E43."""
    for d, printed_loss in ((1.0, 1), (10.0, 181), (100.0, 19801)):  # max over D is infinite
        assert -least_squares(tensor(d), tensor(d)).item() == printed_loss

    # p = N(2, 1); G(x) = x + b at b = 0, x ~ N(0, 1); D = D* held fixed.
    z = torch.from_numpy(stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    p, q = (
        torch.distributions.Normal(*tensor(2.0, 1.0)),
        torch.distributions.Normal(*tensor(0.0, 1)),
    )

    def critic(x):
        return torch.sigmoid(p.log_prob(x) - q.log_prob(x))

    b = tensor(0.0).requires_grad_()
    real, fake = critic(2.0 + z), critic(z + b)
    (printed,) = torch.autograd.grad(-least_squares(real, fake), b, retain_graph=True)
    (flipped,) = torch.autograd.grad(least_squares(fake, real), b)
    assert printed.item() == pytest.approx(0.158277673, abs=1e-4)  # descent moves b away from 2
    assert flipped.item() == pytest.approx(0.291321837, abs=1e-4)  # ascent moves b towards 2
